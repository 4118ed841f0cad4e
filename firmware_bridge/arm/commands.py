"""`enigma-bridge arm`: check an arm.toml, say how the arm reaches something, and move it over ROS 2."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.errors import BridgeError
from firmware_bridge.ros2.options import ways

if TYPE_CHECKING:
    import numpy as np

    from firmware_bridge.arm.config import Arm
    from firmware_bridge.arm.pick import Step

ARM = "arm.toml"
Plan = Callable[["Arm", "np.ndarray", "np.random.Generator"], "list[Step]"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], say: Callable[[str], None]) -> None:
    """Adds `arm` and its commands; `say` prints a line."""
    text = "Move an arm within its limits, and pick things with it."
    arm = commands.add_parser("arm", help=text, description=text)
    parts = arm.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace, Callable[[str], None]], None]
    ) -> argparse.ArgumentParser:
        made = parts.add_parser(name, help=text, description=text)
        made.set_defaults(command=lambda args: run(args, say))
        made.add_argument("--arm", type=Path, default=Path(ARM), metavar="FILE", help=f"(default: {ARM})")
        made.add_argument("--json", action="store_true", help="one JSON object")
        return made

    def moving(
        name: str, text: str, run: Callable[[argparse.Namespace, Callable[[str], None]], None]
    ) -> argparse.ArgumentParser:
        made = command(name, text, run)
        made.add_argument(
            "--live", action="store_true", help="move it (default: only plan, from home, and say what it would do)"
        )
        made.add_argument("--seed", type=int, default=0, metavar="N", help="of the search for a way (default: 0)")
        ways(made)
        return made

    command("check", "Say what an arm.toml declares, or what is wrong with it.", _check)
    solve = command("solve", "Say which joints put the tip at a point.", _solve)
    move = moving("move", "Move the tip to a point.", _move)
    for made in (solve, move):
        for axis in "xyz":  # one by one: argparse fails to say which of three in one is missing
            made.add_argument(axis, type=float, metavar=axis.upper(), help="metres from the base")
        made.add_argument("--down", action="store_true", help="with the tool straight down")
    moving("home", "Move it to where it rests.", _home)
    pick = moving("pick", "Pick something, put it somewhere, and go home.", _pick)
    pick.add_argument("object", metavar="OBJECT", help="a name of arm.toml's [[objects]]")
    pick.add_argument("to", metavar="SPOT", help="a name of its [[spots]], or X,Y,Z")
    give = command("arm", "Let it move for a while; see docs/arms.md.", _arm)
    give.add_argument("--minutes", type=float, metavar="N", help="(default: 15, up to 480)")
    ways(give)
    command("disarm", "Take that back: what moves it brakes.", _disarm)
    stop = command("stop", "The emergency stop of whatever moves the arm.", _stop)
    ways(stop)


def _load(args: argparse.Namespace) -> Arm:
    from firmware_bridge.arm.config import load

    return load(args.arm)


def _check(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    arm = _load(args)
    joints = [joint.name for joint in arm.chain.joints]
    told = {
        "joints": joints,
        "boxes": len(arm.boxes),
        "objects": [each.name for each in arm.objects],
        "spots": list(arm.spots),
    }
    if args.json:
        say(json.dumps(told))
        return
    for joint, speed in zip(arm.chain.joints, arm.speed, strict=True):
        unit = "m" if joint.slides else "rad"
        say(f"{joint.name}: {joint.low:.3g} to {joint.high:.3g} {unit}, up to {speed:.3g} {unit}/s")
    say(f"boxes: {', '.join(box.name for box in arm.boxes) or '-'}")
    say(f"objects: {', '.join(box.name for box in arm.objects) or '-'}; spots: {', '.join(arm.spots) or '-'}")


def _solve(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    import numpy as np

    from firmware_bridge.arm.inverse import Inverse
    from firmware_bridge.arm.pick import DOWN
    from firmware_bridge.arm.urdf import ArmError

    arm, rng = _load(args), np.random.default_rng(0)
    space, at, tool = arm.space(), np.array([args.x, args.y, args.z]), DOWN if args.down else None
    kinematics, inverse = space.kinematics, Inverse(space.kinematics)
    try:
        found = inverse.solve(at, rng, tool, arm.home)
    except ArmError as error:
        near = inverse.nearest(at, rng, tool)
        if near is None:
            raise
        raise ArmError(f"{error} It comes within {1000 * near:g} mm of that.") from None
    for q in found:
        room = float(space.clearance(q[None])[0])
        off = float(np.linalg.norm(kinematics.tip(q)[:3, 3] - at))
        joints = {joint.name: round(float(value), 4) for joint, value in zip(arm.chain.joints, q, strict=True)}
        why = "" if room >= arm.build.margin else space.why(q)
        if args.json:
            say(json.dumps({"joints": joints, "off_mm": round(1000 * off, 3), "near": why or None}))
        else:
            say(
                "  ".join(f"{name} {value:g}" for name, value in joints.items())
                + (f"  too near to {why}" if why else "")
            )


def _move(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    import numpy as np

    from firmware_bridge.arm.pick import reach

    _carry_out(args, say, lambda arm, start, rng: reach(arm, start, np.array([args.x, args.y, args.z]), rng, args.down))


def _home(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.arm.pick import home

    _carry_out(args, say, home)


def _pick(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.arm.pick import pick_and_place

    def plan(arm: Arm, start: np.ndarray, rng: np.random.Generator) -> list[Step]:
        return pick_and_place(arm, start, args.object, _spot(arm, args.to), rng)

    _carry_out(args, say, plan)


def _spot(arm: Arm, text: str) -> tuple[float, float, float]:
    by_name = {name.lower(): at for name, at in arm.spots.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise BridgeError(
            f"There is no spot {text[:64]!r}; arm.toml names {', '.join(arm.spots) or 'none'}, or say X,Y,Z."
        ) from None
    return x, y, z


def _carry_out(args: argparse.Namespace, say: Callable[[str], None], plan: Plan) -> None:
    import numpy as np

    arm, rng = _load(args), np.random.default_rng(args.seed)
    if not args.live:  # a real arm moves only where that was said, each time, and while it is armed
        _tell(plan(arm, arm.home, rng), args, say)
        if not args.json:
            say("Nothing moved: --live carries it out.")
        return
    from firmware_bridge.arm.arming import ArmArming

    ArmArming(args.arm).must()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(_run(arm, args, say, plan, rng))


async def _run(
    arm: Arm, args: argparse.Namespace, say: Callable[[str], None], plan: Plan, rng: np.random.Generator
) -> None:
    from firmware_bridge.arm.arming import ArmArming
    from firmware_bridge.arm.joints import RosJoints
    from firmware_bridge.arm.run import ArmDriver
    from firmware_bridge.ros2.graph import RosGraph

    async with (
        await RosGraph.open("enigma_arm", over=args.over, number=args.domain, interface=args.interface) as graph,
        ArmDriver(arm, RosJoints(graph, arm.ros), ArmArming(args.arm).left) as driver,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):  # it brakes, and then the program ends
            asyncio.get_running_loop().add_signal_handler(number, driver.stop)
        assert driver.joints is not None
        steps = await asyncio.to_thread(plan, arm, driver.joints, rng)
        await driver.carry_out(steps)
        _tell(steps, args, say)


def _tell(steps: Sequence[Step], args: argparse.Namespace, say: Callable[[str], None]) -> None:
    for step in steps:
        if args.json:
            points = [[round(float(value), 4) for value in point] for point in step.points]
            say(json.dumps({"step": step.says, "points": points, "width": step.width}))
        else:
            say(step.says)


def _arm(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.arm.arming import USUAL, ArmArming

    minutes = USUAL if args.minutes is None else args.minutes
    ArmArming(args.arm).arm(minutes, asyncio.run(_joints(_load(args), args)))
    say(json.dumps({"armed_seconds": 60 * minutes}) if args.json else f"armed for {minutes:g} minutes")


async def _joints(arm: Arm, args: argparse.Namespace) -> list[str]:
    """Which ones the controller tells of."""
    from firmware_bridge.arm.joints import STATE
    from firmware_bridge.arm.run import FIRST
    from firmware_bridge.ros2.graph import RosGraph

    async with await RosGraph.open(
        "enigma_arm_arm", over=args.over, number=args.domain, interface=args.interface
    ) as graph:
        states = graph.subscribe(arm.ros.states, STATE)
        try:
            return list((await states.next(FIRST)).name)
        except BridgeError:
            raise BridgeError(
                f"Nobody tells of the joints on {arm.ros.states}: start ros2_control, then arm."
            ) from None


def _disarm(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.arm.arming import ArmArming

    ArmArming(args.arm).disarm("by hand")
    say("done")


def _stop(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    asyncio.run(_send_stop(args))
    say("done")


async def _send_stop(args: argparse.Namespace) -> None:
    from firmware_bridge.arm.joints import EMPTY, STOP
    from firmware_bridge.ros2.graph import RosGraph

    async with await RosGraph.open(
        "enigma_arm_stop", over=args.over, number=args.domain, interface=args.interface
    ) as graph:
        sender = graph.advertise(STOP, EMPTY)
        if not await sender.matched(5.0):
            raise BridgeError("Nobody moves an arm in this domain: nothing was stopped.")
        sender.publish()
        if not await sender.arrived(5.0):
            raise BridgeError("The arm's driver hasn't confirmed the stop within 5 s: use the arm's own switch.")
