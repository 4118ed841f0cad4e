"""The command `enigma-bridge`: find boards, ask them, watch them, write their firmware, measure the line; and ROS 2."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.arm import commands as arm
from firmware_bridge.errors import BridgeError, NoAnswer
from firmware_bridge.robot import commands as robot
from firmware_bridge.team import commands as team

if TYPE_CHECKING:
    from firmware_bridge.board import Board

ANSWER = 2.0  # seconds: nothing moves by these commands, and whoever waits for one would rather wait on a busy machine
_STREAMS = ("state", "encoders", "analogue", "imu")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are one sentence on standard error."""
    args = build_parser().parse_args(arguments)
    try:
        args.command(args)
    except BridgeError as error:
        print(f"enigma-bridge: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.strerror is None:  # a deadline that nothing took: ours to mend
            raise
        print(f"enigma-bridge: {error.filename or 'a file'} can't be used: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="enigma-bridge", description="The way to motors and sensors on a microcontroller, and to ROS 2."
    )
    parser.add_argument("--version", action="version", version=f"enigma-bridge {metadata.version('enigma')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        made.add_argument("--json", action="store_true", help="one JSON object a line")
        if name != "ports":
            made.add_argument(
                "--port", metavar="PORT", help="a path or an id of `ports` (default: the board that is there)"
            )
        if name not in ("ports", "flash"):
            made.add_argument("--number", type=int, metavar="N", help="the board's own number, if several are there")
        return made

    command("ports", "List the serial ports of USB devices.", _ports)
    command("info", "Say what a board is, and what it can be told.", _info)
    monitor = command("monitor", "Show what a board tells.", _monitor)
    monitor.add_argument("--stream", choices=_STREAMS, default="state", help="what it tells (default: state)")
    monitor.add_argument("--every", type=float, default=0.2, metavar="S", help="seconds between two (default: 0.2)")
    monitor.add_argument("--count", type=int, metavar="N", help="end after so many (default: at Ctrl-C)")
    write = command("flash", "Write the firmware to a board through its bootloader.", _flash)
    write.add_argument(
        "--image", type=Path, metavar="FILE", help=".hex or .uf2 (default: build ours, for an ATmega328P)"
    )
    write.add_argument("--baud", type=int, default=115200, help="of the bootloader; old Nanos: 57600 (default: 115200)")
    measure = command("bench", "Measure round trips; the motors stand.", _bench)
    measure.add_argument("--count", type=int, default=500, metavar="N", help="round trips (default: 500)")
    from firmware_bridge.ros2.commands import add_commands

    text = "Speak ROS 2, with or without it on this machine."
    add_commands(commands.add_parser("ros", help=text, description=text), lambda line: print(line, flush=True))
    robot.add(commands)
    arm.add(commands, lambda line: print(line, flush=True))
    team.add(commands, lambda line: print(line, flush=True))
    return parser


def _board(args: argparse.Namespace) -> Board:
    from firmware_bridge.board import Board
    from firmware_bridge.ports import finder

    return Board(finder(args.port), args.number, answer=ANSWER)


def _ports(args: argparse.Namespace) -> None:
    from firmware_bridge.ports import ports

    found = ports()
    for each in found:
        print(json.dumps(asdict(each)) if args.json else f"{each.path}  {each.id}  {each.name}")
    if not found and not args.json:
        print("No USB serial device is plugged in.", file=sys.stderr)


def _info(args: argparse.Namespace) -> None:
    asyncio.run(_tell_info(args))


async def _tell_info(args: argparse.Namespace) -> None:
    async with _board(args) as board:
        told = board.dictionary
        if args.json:
            print(json.dumps({"port": board.path, "welcome": asdict(board.welcome), "dictionary": asdict(told)}))
            return
        print(f"{told.board}, firmware {told.firmware}, protocol {told.protocol}, at {board.path}")
        print(
            f"number {'none' if board.number is None else board.number}, motors stop after {board.welcome.deadman:g} s"
        )
        for layout in told.layouts:
            kind = {"c": "command", "r": "answer", "s": "stream"}[layout.kind]
            print(f"  {layout.id:#04x} {kind:8s} {layout.name}")
            for each in layout.fields:
                limits = f"{each.value(each.low):.10g} to {each.value(each.high):.10g}"
                print(f"       {each.name:12s} {limits} {each.unit}".rstrip())


def _monitor(args: argparse.Namespace) -> None:
    asyncio.run(_tell_stream(args))


async def _tell_stream(args: argparse.Namespace) -> None:
    from firmware_bridge import messages
    from firmware_bridge.board import Condition

    kind: type[messages.Message] = getattr(messages, args.stream.capitalize())
    async with _board(args) as board, board.stream(kind, args.every) as told:
        shown = 0
        while args.count is None or shown < args.count:
            try:
                values = asdict(await told.next(args.every + 5))
            except NoAnswer:
                if board.condition is Condition.LOOKING:
                    continue  # the cable is out; the log says so
                raise
            if args.json:
                print(json.dumps(values), flush=True)
            else:
                if "flags" in values:
                    values["flags"] = (
                        ",".join(str(each.name).lower() for each in messages.Flags(values["flags"])) or "-"
                    )
                print("  ".join(f"{name} {value}" for name, value in values.items()), flush=True)
            shown += 1


def _flash(args: argparse.Namespace) -> None:
    from firmware_bridge.flash import flash
    from firmware_bridge.ports import paths_of
    from firmware_bridge.simulator import build

    with tempfile.TemporaryDirectory() as folder:
        paths = paths_of(args.port)
        if len(paths) > 1:
            raise BridgeError(f"Several boards are plugged in ({', '.join(paths)}): name one with --port.")
        if not paths and args.image is None:
            raise BridgeError("No board is plugged in: see enigma-bridge ports, or name a port with --port.")
        image = args.image or build(Path(folder), "avr") / "board.hex"
        done = flash(image, paths[0] if paths else None, args.baud)
    try:
        number = asyncio.run(_greet(args)) if image.suffix == ".hex" else None
    except BridgeError as error:
        raise BridgeError(f"{done} It doesn't answer as ours: {error}") from error
    if args.json:
        print(json.dumps({"done": done, "number": number}))
    else:
        print(done if number is None else f"{done} It answers as number {number}.")


async def _greet(args: argparse.Namespace) -> int | None:
    """Says hello to a board that was just written to, and gives it a number if it has none."""
    from firmware_bridge.board import Board
    from firmware_bridge.ports import finder

    async with Board(finder(args.port), answer=ANSWER) as board:
        if board.number is None:
            await board.name(secrets.randbelow(2**31) + 1)
        return board.number


def _bench(args: argparse.Namespace) -> None:
    asyncio.run(_measure(args))


async def _measure(args: argparse.Namespace) -> None:
    from firmware_bridge.bench import bench

    if args.count < 2:
        raise BridgeError("--count must be 2 or more.")
    async with _board(args) as board:
        made = await bench(board, args.count)
    if args.json:
        print(json.dumps(asdict(made)))
        return
    print(f"{made.count} round trips: p50 {made.p50_ms:.2f} ms, p99 {made.p99_ms:.2f} ms")
    print(f"several on the way: {made.frames_s:.0f} frames a second, both ways together")
    print(f"{made.bad} bad, {made.unanswered} unanswered; the board's clock is {made.drift_ppm:+.0f} ppm")
