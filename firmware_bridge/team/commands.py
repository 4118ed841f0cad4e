"""`enigma-bridge team`: check a team's floor, run a member beside its robot, and give the team something to do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.errors import BridgeError

MIDDLE = 0.15  # metres from the middle of its cell that a robot may begin at
TIMES = 5  # a task is sent so often, as messages may be lost


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], say: Callable[[str], None]) -> None:
    """Adds `team` and its commands; `say` prints a line."""
    text = "Let several robots share a floor."
    team = commands.add_parser("team", help=text, description=text)
    parts = team.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace, Callable[[str], None]], None]
    ) -> argparse.ArgumentParser:
        made = parts.add_parser(name, help=text, description=text)
        made.set_defaults(command=lambda args: run(args, say))
        made.add_argument("--team", type=Path, default=Path("team.toml"), metavar="FILE", help="(default: team.toml)")
        made.add_argument(
            "--robot", type=Path, default=Path("robot.toml"), metavar="FILE", help="(default: robot.toml)"
        )
        return made

    command("check", "Say who is in the team, and which cells the floor has.", _check)
    run = command("run", "Be a member, beside `robot serve` of this robot.", _run)
    run.add_argument("name", metavar="NAME", help="which of team.toml's members this is")
    run.add_argument("--socket", type=Path, metavar="PATH", help="(default: robot.sock beside robot.toml)")
    run.add_argument("--token-file", type=Path, metavar="FILE", help="of read and act (default: robot.token beside it)")
    run.add_argument("--anew", action="store_true", help="forget the team; only where all of it are started anew")
    task = command("task", "Have somebody of the team go to a place.", _task)
    task.add_argument("place", metavar="PLACE", help="a place of robot.toml, or X,Y")
    task.add_argument("--priority", type=int, default=0, metavar="N", help="more urgent ones first (default: 0)")


def _check(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.robot.config import load as load_robot
    from firmware_bridge.team.config import floor_of, load

    team, robot = load(args.team), load_robot(args.robot)
    floor = floor_of(robot, team.cell)
    say(f"members: {', '.join(team.members)}; more than half of them must hear each other")
    say(f"{len(floor.cells)} cells of {team.cell:g} m")
    for place in robot.places:
        cell = floor.cell(place.x, place.y)
        x, y = floor.middle(cell)
        said = f"the cell round {x:.2f}, {y:.2f}" if cell in floor.cells else "no cell has room there"
        say(f"{place.name}: {said}")


def _run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(_serve(args, say))


async def _serve(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.robot.config import load as load_robot
    from firmware_bridge.robot.serve import ask
    from firmware_bridge.team.config import floor_of, load
    from firmware_bridge.team.kept import Kept
    from firmware_bridge.team.member import Member
    from firmware_bridge.team.run import Runner

    team, robot = load(args.team), load_robot(args.robot)
    beside = args.robot.resolve().parent
    path, file = args.socket or beside / "robot.sock", args.token_file or beside / "robot.token"
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BridgeError(f"The token in {file} can't be read: {error.strerror}.") from None

    async def tell(asked: dict[str, object]) -> dict[str, object]:
        return await ask(path, {"token": token, **asked})

    floor = floor_of(robot, team.cell)
    state = (await tell({"op": "state"}))["state"]
    pose = state.get("pose") if isinstance(state, dict) else None
    if not isinstance(pose, dict):
        raise BridgeError("The robot doesn't know where it is: tell it, with enigma-bridge robot locate.")
    cell = floor.cell(pose["x"], pose["y"])
    x, y = floor.middle(cell)
    if cell not in floor.cells or math.dist((pose["x"], pose["y"]), (x, y)) > MIDDLE:
        raise BridgeError(f"The robot must begin in the middle of a cell: drive it to {x:.2f}, {y:.2f}.")
    ends = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ends.set)
    kept = Kept(beside / f"team.{args.name}.json", args.name, team.members, floor)
    if args.anew:
        kept.forget()
    async with Runner(team, Member(args.name, team.members, floor, cell, kept), tell):
        say(f"{args.name} is in the team")
        await ends.wait()


def _task(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from firmware_bridge.robot.config import load as load_robot
    from firmware_bridge.team.config import floor_of, load
    from firmware_bridge.team.run import seal

    team, robot = load(args.team), load_robot(args.robot)
    at = _at(args.place)
    if at is None:
        place = robot.place(args.place)
        at = (place.x, place.y)
    floor = floor_of(robot, team.cell)
    if floor.cell(*at) not in floor.cells:
        raise BridgeError(f"No cell of the floor has room at {at[0]:g}, {at[1]:g}.")
    name = secrets.token_hex(6)
    data = seal(team.key, {"task": name, "at": list(at), "priority": args.priority})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for address in [*team.members.values()] * TIMES:
            with contextlib.suppress(OSError):
                sender.sendto(data, address)
    say(json.dumps({"task": name, "at": list(at)}))


def _at(text: str) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return (x, y) if math.isfinite(x + y) else None
