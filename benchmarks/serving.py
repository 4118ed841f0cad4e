"""Serving under load: requests together against one by one, swaps without loss, and memory over many loads.

    python benchmarks/serving.py batching [--hidden 1024] [--layers 3] [--seconds 4]
    python benchmarks/serving.py swaps [--swaps 50] [--rate 100]
    python benchmarks/serving.py memory [--cycles 300] [--hidden 512]
    python benchmarks/serving.py cold [--models 8] [--loads 24] [--hidden 1024]

Each makes its own small router in the ONNX format (needs the package onnx) and asks the device itself, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_runtime.bundle import public_key_of  # noqa: E402
from edge_runtime.config import parse_config  # noqa: E402
from edge_runtime.device import Device  # noqa: E402
from edge_runtime.engines import open_engine  # noqa: E402
from edge_runtime.errors import EdgeError  # noqa: E402
from edge_runtime.identity.files import IdentityFolder  # noqa: E402
from edge_runtime.identity.trust import TrustStore  # noqa: E402
from edge_runtime.serving import memory  # noqa: E402
from edge_runtime.update.slots import cold_folder  # noqa: E402
from tests.edge_runtime import tiny  # noqa: E402

CLIENTS = 16
WORDS = [
    "turn",
    "on",
    "the",
    "light",
    "play",
    "some",
    "jazz",
    "will",
    "it",
    "rain",
    "today",
    "in",
    "berlin",
    "or",
    "not",
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("batching", "swaps", "memory", "cold"))
    parser.add_argument("--hidden", type=int, default=1024, help="width of the router's layers")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, for each way")
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--cycles", type=int, default=300, help="loads and unloads")
    parser.add_argument("--models", type=int, default=8, help="specialists at once, usual and cold")
    parser.add_argument("--loads", type=int, default=24, help="times that one of them is loaded again")
    parser.add_argument("--in-mode", choices=("usual", "cold"), help=argparse.SUPPRESS)  # in a process of its own
    args = parser.parse_args()
    memory.give_back_large()  # as the daemon does
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(globals()[f"_{args.what}"](args, Path(folder)))


def _request(number: int) -> dict[str, object]:
    return {"text": " ".join(WORDS[(number * step) % len(WORDS)] for step in (1, 3, 5, 7))}


async def _device(folder: Path, raw: dict[str, object] | None = None) -> Device:
    TrustStore(IdentityFolder(folder / "device")).add(public_key_of(tiny.KEY), "benchmark")
    device = Device(folder / "device", parse_config(raw or {}))
    await device.start()
    return device


def _bundle(folder: Path, args: argparse.Namespace, version: str, seed: int, name: str = "tiny") -> Path:
    path = folder / f"{name}-{version}.enigma"
    tiny.make_bundle(path, tiny.manifest(version, name), seed=seed, hidden=args.hidden, layers=args.layers)
    return path


async def _push(device: Device, path: Path) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        yield path.read_bytes()

    await device.install(chunks(), path.stat().st_size)


async def _batching(args: argparse.Namespace, folder: Path) -> None:
    device = await _device(folder, {"models": {"at_once": 1}})
    await _push(device, _bundle(folder, args, "1.0.0", 1))
    generation = device.serving.current("tiny")
    worker = generation.worker
    assert worker is not None
    print(f"{generation.loaded.bytes / 2**20:.1f} MB, rows together: {generation.loaded.rows}")
    alone = [(await device.run("tiny", _request(number))).value for number in range(64)]
    rates, costs = [], []
    for way, rows in (("one by one", 1), ("together", generation.loaded.rows)):
        worker._rows = rows  # type: ignore[union-attr]
        times, wrong = [], 0
        spent, ends = time.process_time(), time.perf_counter() + args.seconds

        async def client(offset: int) -> None:
            nonlocal wrong
            number = offset
            while time.perf_counter() < ends:  # noqa: B023 (awaited before the next way)
                began = time.perf_counter()
                answer = await device.run("tiny", _request(number % 64))
                times.append(time.perf_counter() - began)  # noqa: B023
                wrong += answer.value != alone[number % 64]
                number += 7

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        times.sort()
        p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
        rates.append(len(times) / args.seconds)
        costs.append((time.process_time() - spent) / len(times) * 1e6)
        print(
            f"{way:12} {rates[-1]:8.0f} requests/s  {costs[-1]:6.0f} CPU us each  p50 {p50:7.2f} ms  p99 {p99:7.2f} ms "
            f"({p99 / p50:.1f} x)  other answers: {wrong}"
        )
    print(
        f"ratio {rates[1] / rates[0]:.2f}, by processor time {costs[0] / costs[1]:.2f} (wanted: 2; p99 at most 4 x p50)"
    )
    await device.close()


async def _swaps(args: argparse.Namespace, folder: Path) -> None:
    device = await _device(folder)
    bundles = [_bundle(folder, args, f"{number}.0.0", number) for number in (1, 2)]
    await _push(device, bundles[0])
    await device.run("tiny", _request(0))
    before = memory.rss_bytes()
    failed: list[str] = []
    times: list[float] = []

    async def ask(number: int) -> None:
        began = time.perf_counter()
        try:
            await device.run("tiny", _request(number))
            times.append(time.perf_counter() - began)
        except EdgeError as error:
            failed.append(str(error))

    done = asyncio.Event()
    peak = before

    async def load() -> None:
        nonlocal peak
        under_way: set[asyncio.Task[None]] = set()  # of those that are over, nothing may count as the device's memory
        asked, began = 0, time.perf_counter()
        while not done.is_set():
            task = asyncio.create_task(ask(asked))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            asked += 1
            peak = max(peak, memory.rss_bytes())
            await asyncio.sleep(max(0.0, began + asked / args.rate - time.perf_counter()))
        await asyncio.gather(*under_way)

    loading = asyncio.create_task(load())
    began = time.perf_counter()
    for number in range(args.swaps):
        await _push(device, bundles[(number + 1) % 2])
    took = time.perf_counter() - began
    done.set()
    await loading
    times.sort()
    print(
        f"{args.swaps} swaps in {took:.1f} s, {len(times)} answers ({len(times) / took:.0f}/s), {len(failed)} failed; "
        f"p50 {statistics.median(times) * 1000:.2f} ms, p99 {times[int(len(times) * 0.99)] * 1000:.2f} ms; "
        f"peak {peak / 2**20:.1f} MB, before {before / 2**20:.1f} MB, model {bundles[0].stat().st_size / 2**20:.1f} MB"
    )
    for why, count in Counter(failed).most_common(5):
        print(f"{count} failed: {why}")
    await device.close()


async def _memory(args: argparse.Namespace, folder: Path) -> None:
    device = await _device(folder, {"update": {"trial": False}})  # which is a process of its own each time
    first, second = (_bundle(folder, args, f"{number}.0.0", number) for number in (1, 2))
    figures: list[float] = []
    for number in range(args.cycles):
        await _push(device, (first, second)[number % 2])
        await device.run("tiny", _request(number))
        if number in (9, args.cycles // 2) or number == args.cycles - 1:
            await device.serving.settled()
            figures.append(memory.rss_bytes() / 2**20)
    print(f"MB after 10, {args.cycles // 2} and {args.cycles} loads: " + ", ".join(f"{each:.1f}" for each in figures))
    await device.close()


async def _cold(args: argparse.Namespace, folder: Path) -> None:
    """Many models, as usual and with weights mapped from the disk (models.cold), each way in a process of its own."""
    if args.in_mode is None:
        print(f"{args.models} models; medians of {args.loads} loads, milliseconds of the processor")
        print(
            f"{'':6} {'MB each':>8} {'opened':>8} {'woken':>8} {'RSS MB':>8} {'anonymous':>10} {'CPU us an answer':>17}"
        )
        for mode in ("usual", "cold"):
            command = [sys.executable, __file__, *sys.argv[1:], "--in-mode", mode]
            await (await asyncio.create_subprocess_exec(*command)).wait()
        return
    cold = args.in_mode == "cold"
    device = await _device(folder, {"models": {"cold": cold}})
    names = [f"tiny-{number}" for number in range(args.models)]
    for number, name in enumerate(names):
        path = _bundle(folder, args, "1.0.0", number, name)
        await _push(device, path)
        size = path.stat().st_size / 2**20
        path.unlink()
        await device.run(name, _request(number))
    memory.trim()
    rss, anonymous = memory.rss_bytes() / 2**20, _anonymous() / 2**20
    opened, woken = [], []
    for number in range(args.loads):
        name = names[number % len(names)]
        files = folder / "device" / "bundles" / device.serving.current(name).loaded.digest / "files"
        began = time.process_time()
        engine = open_engine(files / "model.onnx", cold=cold_folder(files) if cold else None)
        opened.append(time.process_time() - began)
        engine.close()
        device.serving.sleep(name)
        await device.serving.settled()
        began = time.process_time()
        await device.serving.wake(name)  # the bundle's hash is compared, and a golden vector asked
        woken.append(time.process_time() - began)
    specialist = device.serving.current(names[0]).loaded.specialist
    specialist.run(_request(0))
    began = time.process_time()
    for number in range(200):
        specialist.run(_request(number))
    spent = (time.process_time() - began) / 200 * 1e6
    print(
        f"{args.in_mode:6} {size:8.1f} {statistics.median(opened) * 1000:8.1f} {statistics.median(woken) * 1000:8.1f} "
        f"{rss:8.1f} {anonymous:10.1f} {spent:17.0f}"
    )
    await device.close()


def _anonymous() -> int:
    """Bytes of this process's memory that no file stands behind, which the kernel can't drop."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    main()
