"""The companion's frames: what one costs with a live curve of 10,000 points and with 50 devices, the start, the memory.

    python benchmarks/companion_frames.py [--frames N] [--size WxH] [--json FILE]

All figures of frames are processor time, so that other work on the machine counts little. `app` is the main thread from
the change of the state to the canvas that is ready to be drawn; `app and drawing` adds what Kivy and the driver take there
to draw it. Without a GPU that is Mesa's llvmpipe, which computes the pixels in a thread of its own: `process` has these
too. `every frame` changes the state in each frame; `as told` five times a second, as often as a host or a device tells
anything. The start is measured in a process of its own, from its birth to the first frame
that is shown; its wall time holds on a quiet machine alone, its processor time on any. `one label` is the smallest Kivy app,
measured in the same way.

`memory` parts the resident memory. Without a GPU, Mesa's own takes most of it: its libraries with LLVM, and what it compiles
and keeps of shaders. So the app runs once on Mesa's softpipe, which compiles nothing, and is looked at before and after each
part: Python; Kivy without a window; the window, which brings the GL driver; the app with its first screen; and with each
of its screens opened once. `ours` is Python, Kivy and the app, its textures too; `driver` is the rest. A real GPU's driver
takes another amount. The line of the start has all together, with llvmpipe: one second after the first frame, then with 50 devices
and with the live curve.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

POINTS, DEVICES = 10_000, 50
FPS = 60
AIMS = {"app p95 ms": 8.0, "start s": 1.0, "ours MB": 170.0}


def headless() -> None:
    """A window without a screen, one thread for its pixels; before any import of Kivy."""
    os.environ |= {"SDL_VIDEODRIVER": "offscreen", "KIVY_NO_ARGS": "1", "KIVY_NO_FILELOG": "1", "LP_NUM_THREADS": "1"}
    from companion_app.__main__ import prepare_kivy
    from companion_app.heap import give_back

    prepare_kivy(Path(tempfile.mkdtemp(prefix="companion-frames-")))
    give_back()


def open_app(width: int, height: int) -> object:
    """The app with an empty config folder."""
    from kivy.config import Config

    Config.set("graphics", "width", str(width))
    Config.set("graphics", "height", str(height))
    Config.set("graphics", "multisamples", "0")  # as the app itself has it
    Config.set("graphics", "maxfps", str(FPS))
    from companion_app.app import CompanionApp, Options
    from companion_app.software_gl import wait_for_each_frame

    wait_for_each_frame()
    return CompanionApp(Options(Path(tempfile.mkdtemp(prefix="companion-"))))


def furnish(app: object) -> None:
    """50 devices that are ready, and a host whose training has made 10,000 steps."""
    from companion_app.state.host import Host
    from companion_app.state.model import Device, Link, Specialist
    from companion_app.state.phase import Phase
    from companion_app.state.training import Curve, DatasetCard, Job, JobState, Training

    def device(number: int) -> Device:
        model = Specialist(
            f"home-{number}", "robot", "1.4.0", "onnxruntime 1.32.0", 980_000, (("accuracy", 0.98),), "int8"
        )
        return Device(
            f"https://10.0.0.{number + 1}:8765", f"Pi {number}", "releaser", Link(Phase.ONLINE, True, (model,))
        )

    steps = tuple(range(1, POINTS + 1))
    curve = Curve(
        "train-1", "loss", steps, tuple(5 / step + (step * 7919 % 101) / 400 for step in steps), ("loss", "rate")
    )
    job = Job(
        "train-1", "train", "talk", "chat", "talk", JobState.RUNNING, progress=0.5, step=POINTS, rate=60.0, eta=160.0,
        figures=(("loss", 0.1),), pausable=True, history=(1,),
    )  # fmt: skip
    cards = (DatasetCard("talk", "chat", train=2500, heldout=500),)
    store = app.store  # type: ignore[attr-defined]
    store.state = replace(
        store.state,
        devices=tuple(device(number) for number in range(DEVICES)),
        selected="https://10.0.0.1:8765",
        host=Host("http://10.0.0.99:8770", "desk", phase=Phase.ONLINE),
        training=Training(known=True, datasets=cards, jobs=(job,), curve=curve),
    )
    app.training._started = False  # type: ignore[attr-defined] # nobody is asked: there is no host behind it


def one_more_point(app: object, number: int) -> None:
    """What a live training brings: the job stands otherwise, and the curve has another point."""
    from companion_app.state import train_actions as tact

    store = app.store  # type: ignore[attr-defined]
    training = store.state.training
    step = training.jobs[0].step + 1
    store.dispatch(tact.JobTold(replace(training.jobs[0], step=step, figures=(("loss", 1 / step),))))
    curve = training.curve
    # As long as before: the oldest point goes.
    grown = replace(curve, steps=(*curve.steps[1:], step), values=(*curve.values[1:], 0.2 + (number % 7) / 50))
    store.dispatch(tact.CurveTold(grown, True))


def one_device_tells(app: object, number: int) -> None:
    """What one of 50 devices brings: it isn't ready, or is again."""
    store = app.store  # type: ignore[attr-defined]
    devices = list(store.state.devices)
    place = number % len(devices)
    link = devices[place].link
    devices[place] = replace(devices[place], link=replace(link, ready=not link.ready))
    store.state = replace(store.state, devices=tuple(devices))
    app._changed(store.state)  # type: ignore[attr-defined]


async def measured(
    screen: str, change: Callable[[object, int], None], every: int, frames: int, size: tuple[int, int]
) -> dict:
    """Processor milliseconds of each frame, see the module."""
    from kivy.clock import Clock
    from kivy.core.window import Window

    app = open_app(*size)
    running = asyncio.get_running_loop().create_task(app.serve())  # type: ignore[attr-defined]
    while app.shell is None or app.shell.parent is None:  # type: ignore[attr-defined] # noqa: ASYNC110
        await asyncio.sleep(0.02)
    furnish(app)
    app.open(screen)  # type: ignore[attr-defined]
    made: dict[str, list[float]] = {"app": [], "app and drawing": [], "process": []}
    begun: list[float] = []
    worked: list[float] = []

    def draws(*_: object) -> None:
        worked[:] = [time.thread_time()] if begun else []

    def flipped(*_: object) -> None:
        if begun and worked:
            made["app"].append((worked[0] - begun[0]) * 1000)
            made["app and drawing"].append((time.thread_time() - begun[0]) * 1000)
            made["process"].append((time.process_time() - begun[1]) * 1000)
            begun.clear()

    for _ in range(20):  # what is drawn for the first time
        frame = Clock.frames
        while Clock.frames == frame:  # noqa: ASYNC110
            await asyncio.sleep(0)
    Window.bind(on_draw=draws, on_flip=flipped)
    number = 0

    def tick(_: float) -> None:
        nonlocal number
        number += 1
        begun[:] = [time.thread_time(), time.process_time()]
        if number % every == 0:
            change(app, number)
        app.shell.canvas.ask_update()  # type: ignore[attr-defined] # a frame is drawn though nothing changed

    event = Clock.schedule_interval(tick, 0)
    while len(made["process"]) < frames:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    event.cancel()
    Window.unbind(on_draw=draws, on_flip=flipped)
    app.stop()  # type: ignore[attr-defined]
    await running
    return {**{name: spread(values) for name, values in made.items()}, "frames": len(made["process"])}


def spread(values: list[float]) -> dict[str, float]:
    """Median and the 95th of 100, in ms."""
    cuts = quantiles(values, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2)}


def child(size: tuple[int, int], bare: bool) -> None:
    """The start, in this process alone: prints seconds to the first frame, and the memory after a second of it; then with
    50 devices shown, and with a live curve of 10,000 points shown for four seconds.

    bare: of a Kivy app of one label, in the place of ours, and the start alone.
    """
    import gc

    from companion_app.__main__ import collect_from_now

    gc.disable()  # as `enigma-companion` does it
    app = one_label(*size) if bare else open_app(*size)
    from kivy.clock import Clock
    from kivy.core.window import Window

    ticks = os.sysconf("SC_CLK_TCK")
    born = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / ticks
    found: dict[str, float] = {}

    def flipped(*_: object) -> None:
        if not found and app.root is not None and app.root.parent is not None:  # type: ignore[attr-defined]
            found["wall s"] = round(time.clock_gettime(time.CLOCK_BOOTTIME) - born, 3)
            found["processor s"] = round(time.process_time(), 3)
            Clock.schedule_once(ended, 1.0)

    def ended(_: float) -> None:
        found["RSS MB"] = round(resident(), 1)
        if bare:
            app.stop()  # type: ignore[attr-defined]
            return
        furnish(app)
        app._changed(app.store.state)  # type: ignore[attr-defined]
        Clock.schedule_once(devices_seen, 2.0)

    def devices_seen(_: float) -> None:
        found["with 50 devices, RSS MB"] = round(resident(), 1)
        app.open("train")  # type: ignore[attr-defined]
        Clock.schedule_interval(lambda _: one_more_point(app, Clock.frames), 0.2)
        Clock.schedule_once(curve_seen, 4.0)

    def curve_seen(_: float) -> None:
        found["and a live curve, RSS MB"] = round(resident(), 1)
        app.stop()  # type: ignore[attr-defined]

    Window.bind(on_flip=flipped)
    Window.fbind("on_flip", collect_from_now)
    asyncio.run(app.async_run("asyncio") if bare else app.serve())  # type: ignore[attr-defined]
    print(json.dumps(found))


def one_label(width: int, height: int) -> object:
    """The smallest Kivy app that shows a text."""
    from kivy.config import Config

    Config.set("graphics", "width", str(width))
    Config.set("graphics", "height", str(height))
    Config.set("graphics", "multisamples", "0")
    from kivy.app import App
    from kivy.uix.label import Label

    class Bare(App):
        def build(self) -> Label:
            return Label(text="Enigma")

    return Bare()


def memory(size: tuple[int, int]) -> None:
    """What each part takes, in this process alone: prints MB of resident memory."""
    found = {"Python": resident()}
    import kivy.graphics
    import kivy.uix.boxlayout
    import kivy.uix.label
    import kivy.uix.scrollview

    found["Kivy"] = resident() - found["Python"]
    from kivy.clock import Clock
    from kivy.config import Config

    Config.set("graphics", "width", str(size[0]))
    Config.set("graphics", "height", str(size[1]))
    Config.set("graphics", "multisamples", "0")
    before = resident()
    from kivy.core.window import Window

    label = kivy.uix.label.Label(text="a first frame")
    Window.add_widget(label)
    for _ in range(5):
        Clock.tick()
        Window.dispatch("on_draw")
        Window.flip()
    Window.remove_widget(label)
    found["window and driver"] = resident() - before
    before = resident()
    app = open_app(*size)

    async def run() -> None:
        running = asyncio.get_running_loop().create_task(app.serve())  # type: ignore[attr-defined]
        while app.shell is None or app.shell.parent is None:  # type: ignore[attr-defined] # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        found["app"] = resident() - before
        furnish(app)
        from companion_app.app import SCREENS

        for screen in SCREENS:
            app.open(screen)  # type: ignore[attr-defined]
            await asyncio.sleep(0.5)
        found["all screens"] = resident() - before - found["app"]
        app.stop()  # type: ignore[attr-defined]
        await running

    asyncio.run(run())
    ours = found["Python"] + found["Kivy"] + found["app"]
    told = {**found, "ours at the start": ours, "ours after all screens": ours + found["all screens"]}
    print(json.dumps({f"{name} MB": round(value, 1) for name, value in told.items()}))


def resident() -> float:
    """MB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure, print, and compare with the aims."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="of each kind (default: 300)")
    parser.add_argument("--size", default="1100x700", metavar="WxH", help="of the window (default: 1100x700)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    width, height = (int(part) for part in args.size.split("x"))
    headless()
    kinds = {
        "curve, every frame": ("train", one_more_point, 1),
        "curve, as told": ("train", one_more_point, FPS // 5),
        "50 devices, every frame": ("devices", one_device_tells, 1),
        "50 devices, as told": ("devices", one_device_tells, FPS // 5),
    }
    if args.child in ("start", "one label"):
        child((width, height), args.child == "one label")
        return
    if args.child == "memory":
        memory((width, height))
        return
    if args.child:
        screen, change, every = kinds[args.child]
        print(json.dumps(asyncio.run(measured(screen, change, every, args.frames, (width, height)))))
        return
    made: dict[str, dict] = {}
    for name in ("start", "one label", "memory", *kinds):
        command = [sys.executable, __file__, "--child", name, "--size", args.size, "--frames", str(args.frames)]
        driver = {"GALLIUM_DRIVER": "softpipe"} if name == "memory" else {}
        out = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **driver}).stdout
        made[name] = json.loads(out.strip().splitlines()[-1])
        print(name, made[name], flush=True)
    print("aims:", AIMS)
    if args.json is not None:
        args.json.write_text(json.dumps({"size": args.size, **made}, indent=1) + "\n")


if __name__ == "__main__":
    main()
