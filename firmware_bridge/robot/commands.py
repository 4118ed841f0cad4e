"""`enigma-bridge robot`: check a robot.toml, serve a robot, and ask one that is served."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.errors import BridgeError
from firmware_bridge.ros2.options import ways

if TYPE_CHECKING:
    from firmware_bridge.robot.config import Robot

RUNS = "robot.toml"
AGAIN = 0.1  # seconds between two drives; less than any deadman
SCOPES = ("read", "sense", "act", "drive", "manage")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `robot` and its commands."""
    text = "Drive a robot within its zones and limits."
    robot = commands.add_parser("robot", help=text, description=text)
    parts = robot.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = parts.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        made.add_argument("--robot", type=Path, default=Path(RUNS), metavar="FILE", help=f"(default: {RUNS})")
        made.add_argument("--json", action="store_true", help="one JSON object")
        return made

    def client(name: str, text: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = command(name, text, run)
        made.add_argument("--socket", type=Path, metavar="PATH", help="(default: robot.sock beside the file)")
        made.add_argument("--token-file", type=Path, metavar="FILE", help="(default: robot.token beside the file)")
        return made

    command("check", "Say what a robot.toml declares, or what is wrong with it.", _check)
    serve = command("serve", "Serve a robot on a UNIX socket, for people and pipelines.", _serve)
    serve.add_argument("--socket", type=Path, metavar="PATH", help="(default: robot.sock beside the file)")
    serve.add_argument("--port", metavar="PORT", help="a path or an id of `ports` (default: the board that is there)")
    serve.add_argument("--number", type=int, metavar="N", help="the board's own number, if several are there")
    serve.add_argument(
        "--at", metavar="PLACE", help="a place's name or X,Y,DEGREES: where it is now (default: the dock)"
    )
    serve.add_argument(
        "--on",
        choices=("simulation", "simavr", "hardware"),
        default="simulation",
        help="a board that isn't there, the firmware in simavr with wheels that aren't, or the board that is plugged in,"
        " which `arm` lets move (default: simulation)",
    )
    ways(serve)
    serve.add_argument("--record", type=Path, metavar="NPZ", help="keep scans and odometry, for `map`")
    simulate = command("simulate", "Serve a robot that isn't there, in a room that isn't: to try everything.", _serve)
    simulate.add_argument(
        "room", metavar="ROOM", nargs="?", default="flat", help="its name, or a folder with walls.toml (default: flat)"
    )
    simulate.add_argument("--socket", type=Path, metavar="PATH", help="(default: robot.sock beside the file)")
    simulate.add_argument("--at", metavar="PLACE", help="where it begins (default: the dock)")
    simulate.add_argument(
        "--on",
        choices=("simulation", "simavr"),
        default="simulation",
        help="a board that isn't there, or the firmware in simavr at the end of a serial line (default: simulation)",
    )
    simulate.set_defaults(port=None, number=None, record=None)
    for each in (serve, simulate):
        each.add_argument(
            "--physics",
            choices=("plain", "mujoco"),
            default="plain",
            help="what moves a robot that isn't there: arithmetic, or MuJoCo, where wheels slip and things have weight (default: plain)",
        )
    text = (
        "Say what orders would come to: a line of JSON in, a line out, with the planner and in a room that isn't there."
    )
    rehearse = parts.add_parser("rehearse", help=text, description=text)
    rehearse.set_defaults(command=_rehearse)
    rehearse.add_argument("room", metavar="ROOM", nargs="?", default="flat", help="as for `simulate` (default: flat)")
    client("state", "Show where it is, what it does, and what changed its orders.", _state)
    client("stop", "The emergency stop, until `release`; needs no token.", _simple({"op": "stop"}))
    client("release", "End the emergency stop.", _simple({"op": "release"}))
    client("clear", "End a fault whose cause is gone.", _simple({"op": "clear"}))
    client("reload", "Read robot.toml anew, as after a zone was drawn.", _simple({"op": "reload"}))
    arm = client("arm", "Let the motors of a real robot turn for a while; see docs/robots.md.", _arm)
    arm.add_argument("--minutes", type=float, metavar="N", help="(default: 15, up to 480)")
    arm.add_argument("--new-board", action="store_true", help="also on another board or firmware than last time")
    client("disarm", "Take that back: it brakes, and stands.", _simple({"op": "disarm"}))
    mode = client("mode", "Say who drives.", _mode)
    mode.add_argument("event", choices=("take", "assist", "automate", "dock", "undock"), help="see docs/robots.md")
    go = client("go", "Send it to places, one after the other.", _go)
    go.add_argument("places", nargs="+", metavar="PLACE", help="names of robot.toml")
    drive = client("drive", "Drive it by hand until Ctrl-C, or for some seconds.", _drive)
    drive.add_argument("v", type=float, metavar="V", help="m/s, negative: back")
    drive.add_argument("w", type=float, metavar="W", nargs="?", default=0.0, help="rad/s, positive: left (default: 0)")
    drive.add_argument("--seconds", type=float, metavar="S", help="(default: until Ctrl-C)")
    locate = client("locate", "Say where it is.", _locate)
    locate.add_argument("at", metavar="PLACE", help="a place's name or X,Y,DEGREES")
    picture = client("picture", "Draw the map, zones, the way that it went and what is left of it: a PNG.", _picture)
    picture.add_argument("out", type=Path, metavar="PNG", help="the file to write")
    draw = command("map", "Make a map of what `serve --record` kept.", _map)
    draw.add_argument("log", type=Path, metavar="NPZ", help="ranges, odometry, first and step")
    draw.add_argument("out", type=Path, metavar="OUT", help="the map, .npz; its picture gets .png beside it")
    ros = client("ros", "Put it into a graph of ROS 2: it tells what it does there, and takes orders.", _ros)
    ways(ros)
    ros.add_argument("--hz", type=float, default=10.0, metavar="HZ", help="so often a second (default: 10)")
    ros.add_argument(
        "--prefix", default="", metavar="NAME", help="of its topics and frames, if there are several robots"
    )
    ros.add_argument("--scanner", default="", metavar="TOPIC", help="take its scans from a LaserScan of the graph")
    token = command("token", "Make a token for a program, or end one.", _token)
    token.add_argument("name", metavar="NAME", help="whose it is")
    token.add_argument("--scope", action="append", choices=SCOPES, help="what it is good for; may be repeated")
    token.add_argument("--remove", action="store_true", help="end it")


def _beside(args: argparse.Namespace, name: str) -> Path:
    return Path(args.robot).resolve().parent / name


def _load(args: argparse.Namespace) -> Robot:
    from firmware_bridge.robot.drawn import load

    return load(args.robot)


def _check(args: argparse.Namespace) -> None:
    from firmware_bridge.robot.plan import Costmap, plan
    from firmware_bridge.robot.zones import Ground

    robot = _load(args)
    places: dict[str, str] = {}
    free = None
    if robot.arm is not None:
        from firmware_bridge.robot.hand import mounted

        mounted(robot.arm, args.robot.resolve().parent)
    if robot.fence:
        ground = Ground(robot)
        free = round(ground.free.area, 2)
        costmap = Costmap(robot, ground)
        start = robot.place(robot.dock) if robot.dock else robot.places[0] if robot.places else None
        for place in robot.places:
            try:
                assert start is not None
                if place is not start:
                    plan(costmap, (start.x, start.y), (place.x, place.y), f"the place {place.name!r}")
                elif not costmap.free(*costmap.at(place.x, place.y)):
                    raise BridgeError("It has no room there.")
                places[place.name] = ""
            except BridgeError as error:
                places[place.name] = str(error)
    if args.json:
        print(json.dumps({"free_m2": free, "zones": [zone.name for zone in robot.zones], "places": places}))
        return
    if free is None:
        print("No fence: this robot is driven by hand only.")
    else:
        print(f"{free:g} m2 free, {len(robot.zones)} zones: {', '.join(zone.name for zone in robot.zones) or '-'}")
    for name, why in places.items():
        print(f"{name}: {why or 'can be reached'}")


def _serve(args: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from firmware_bridge.robot.start import serve

    asyncio.run(serve(args, lambda line: print(line, flush=True)))


def _rehearse(args: argparse.Namespace) -> None:
    import sys

    from firmware_bridge.robot.rehearse import answers, in_room

    for line in answers(in_room(args.room), sys.stdin):
        print(line, flush=True)


def _ros(args: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    async def main() -> None:
        from firmware_bridge.robot.ros import Options, RosRobot
        from firmware_bridge.ros2.graph import RosGraph

        options, ends = Options(args.hz, args.prefix, args.scanner), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ends.set)
        node = f"{args.prefix}/enigma_robot" if args.prefix else "enigma_robot"
        token, path = _kept_token(args), args.socket or _beside(args, "robot.sock")
        async with await RosGraph.open(node, over=args.over, number=args.domain, interface=args.interface) as graph:
            running = asyncio.create_task(RosRobot(graph, path, token, options).run())
            print(f"{path} is in the graph over {graph.transport.kind}; Ctrl-C ends it.", flush=True)
            waits = asyncio.create_task(ends.wait())
            await asyncio.wait((running, waits), return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
            if not running.done():
                running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    asyncio.run(main())


def _kept_token(args: argparse.Namespace) -> str:
    path = args.token_file or _beside(args, "robot.token")
    try:
        return str(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise BridgeError(f"The token in {path} can't be read: {error.strerror}.") from None


def _ask(args: argparse.Namespace, asked: dict[str, object]) -> dict[str, object]:
    from firmware_bridge.robot.serve import ask

    if asked.get("op") != "stop":
        asked["token"] = _kept_token(args)
    return asyncio.run(ask(args.socket or _beside(args, "robot.sock"), asked))


def _simple(asked: dict[str, object]) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        said = _ask(args, dict(asked))
        print(json.dumps(said) if args.json else "done")

    return run


def _state(args: argparse.Namespace) -> None:
    state = _ask(args, {"op": "state"})["state"]
    assert isinstance(state, dict)
    if args.json:
        print(json.dumps(state))
        return
    pose, battery = state["pose"], state["battery"]
    print(f"{state['mode']}, board {state['board']}" + (", EMERGENCY STOP" if state["stopped"] else ""))
    armed = state["armed_seconds"]
    if armed is not None:
        print(f"armed for {armed:,} more seconds" if armed else "not armed: enigma-bridge robot arm")
    if state["fault"]:
        print(f"fault: {state['fault']}")
    if pose:
        print(f"at {pose['x']:g}, {pose['y']:g} m, {pose['degrees']:g} degrees, give or take {pose['doubt']:g} m")
        if pose["missing"]:
            print(f"silent: {', '.join(pose['missing'])}")
    print(f"{state['speed']['v']:g} m/s, {state['speed']['w']:g} rad/s: {'; '.join(state['why']) or 'as asked for'}")
    if battery:
        print(f"battery {battery['charge']:.0%}, for sure {battery['sure']:.0%}; asks for: {battery['asks']}")
    for each in state["orders"]:
        print(f"{each['place']}: {each['state']}" + (f" ({each['why']})" if each["why"] else ""))
    for each in state["changes"][-5:]:
        print(
            f"{each['seconds_ago']:g} s ago: asked {each['asked']}, given {each['given']}: {'; '.join(each['why']) or '-'}"
        )


def _arm(args: argparse.Namespace) -> None:
    asked: dict[str, object] = {"op": "arm", "accept": args.new_board}
    _simple(asked if args.minutes is None else {**asked, "minutes": args.minutes})(args)


def _mode(args: argparse.Namespace) -> None:
    _simple({"op": "mode", "event": args.event})(args)


def _go(args: argparse.Namespace) -> None:
    _simple({"calls": [{"name": "go_to", "targets": [place]} for place in args.places]})(args)


def _locate(args: argparse.Namespace) -> None:
    import math

    from firmware_bridge.robot.start import pose

    x, y, heading = pose(args.at, _load(args))
    _simple({"op": "locate", "x": x, "y": y, "degrees": math.degrees(heading)})(args)


def _drive(args: argparse.Namespace) -> None:
    import time

    ends = time.monotonic() + args.seconds if args.seconds is not None else float("inf")
    while time.monotonic() < ends:
        _ask(args, {"op": "drive", "v": args.v, "w": args.w})
        time.sleep(AGAIN)


def _picture(args: argparse.Namespace) -> None:
    import base64

    args.out.write_bytes(base64.b64decode(str(_ask(args, {"op": "picture"})["png"])))
    print(json.dumps({"picture": str(args.out)}) if args.json else str(args.out))


def _map(args: argparse.Namespace) -> None:
    import numpy as np

    from firmware_bridge.robot.config import RobotError
    from firmware_bridge.robot.grid import Grid
    from firmware_bridge.robot.npz import read_arrays
    from firmware_bridge.robot.slam import Slam, points_of

    what = "record of enigma-bridge robot serve"
    ranges, odometry, *angles = read_arrays(args.log, what, "ranges", "odometry", "first", "step")
    numbers = (
        all(each.dtype.kind in "fiu" for each in (ranges, odometry, *angles)) and angles[0].size == angles[1].size == 1
    )
    if not numbers or ranges.ndim != 2 or odometry.shape != (len(ranges), 3) or not len(ranges):
        raise RobotError(f"{args.log} must hold ranges [N, rays], odometry [N, 3], first and step.")
    first, step = (float(each.item()) for each in angles)
    if not np.isfinite([*odometry.ravel(), first, step]).all():
        raise RobotError(f"Odometry, first and step of {args.log} must be finite.")
    slam = Slam(tuple(odometry[0]))
    for pose, away in zip(odometry, ranges, strict=True):
        slam.add(tuple(pose), points_of(first, step, away))
    slam.finish()
    grid = Grid.of((pose, scan.points) for pose, scan in zip(slam.poses, slam.scans, strict=True))
    grid.save(args.out)
    picture = args.out.with_suffix(".png")
    grid.picture(picture, np.array(slam.poses))
    said = {"scans": len(slam.scans), "loops": slam.loops, "map": str(args.out), "picture": str(picture)}
    print(json.dumps(said) if args.json else f"{said['scans']} scans, {slam.loops} loops closed: {args.out}, {picture}")


def _token(args: argparse.Namespace) -> None:
    from firmware_bridge.robot.tokens import Tokens

    tokens = Tokens(_beside(args, "robot.tokens"))
    if args.remove:
        tokens.remove(args.name)
        print("done")
        return
    made = tokens.add(args.name, args.scope or ())
    print(json.dumps({"name": args.name, "token": made}) if args.json else made)
