"""Starts what `enigma-bridge robot serve` serves: a board that isn't there, the firmware in simavr, or the board that is plugged in."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import signal
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.board import Board
from firmware_bridge.errors import BridgeError
from firmware_bridge.ports import finder
from firmware_bridge.robot import drawn, things
from firmware_bridge.robot import room as rooms
from firmware_bridge.robot.arming import Arming
from firmware_bridge.robot.battery import CURVES
from firmware_bridge.robot.config import Robot
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.grid import Grid
from firmware_bridge.robot.scan_match import Localizer
from firmware_bridge.robot.serve import Server
from firmware_bridge.robot.shown import ShownMap
from firmware_bridge.robot.simulated import Wheels
from firmware_bridge.robot.simulator import SimulatedBoard, SimulatedGripper, World, look
from firmware_bridge.robot.tokens import SCOPES, Tokens, write_private
from firmware_bridge.robot.zones import Ground
from firmware_bridge.simulator import Simulated, build, missing

if TYPE_CHECKING:
    from firmware_bridge.arm.config import Arm
    from firmware_bridge.arm.joints import Joints
    from firmware_bridge.robot.gripper import Gripper


async def serve(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Serves as the options of `serve` or `simulate` say, until it is told to end."""

    if "room" in args:
        rooms.load(args.room, args.robot)  # which copies its robot.toml where there is none
    robot, here = drawn.load(args.robot), args.robot.resolve().parent
    room = None
    if args.on != "hardware":
        room = rooms.load(args.room, args.robot) if "room" in args else rooms.around(robot, args.robot)
    start = _start(args, robot)
    tokens, own = Tokens(here / "robot.tokens"), here / "robot.token"
    if not own.exists() or "owner" not in tokens.read():
        write_private(own, tokens.add("owner", SCOPES) + "\n")
    socket = args.socket or here / "robot.sock"
    ends = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ends.set)
    async with contextlib.AsyncExitStack() as stack:
        if room is not None:
            world = await asyncio.to_thread(_world, args, robot, room, start or _inside(robot))
            if args.on == "simavr":
                find = await _simulate(stack, robot, world)
                board: Board | SimulatedBoard = await stack.enter_async_context(Board(find, args.number))
            else:
                board = await stack.enter_async_context(SimulatedBoard(world))
            driver = await stack.enter_async_context(Driver(robot, board, start or _inside(robot)))
            driver.simulated = True
            await _see(stack, world, driver, args)
        else:
            line = await stack.enter_async_context(Board(finder(args.port), args.number))
            driver = await stack.enter_async_context(Driver(robot, line, start, arming=Arming(args.robot, line)))
            if robot.arm is not None:
                driver.orders.gripper = await _real_arm(stack, args, robot)
        if robot.map.grid:
            # What is simulated has walls of its own, whatever the house's map shows.
            grid = room.map(robot.body.radius) if room is not None else Grid.load(here / robot.map.grid)
            driver.orders.walls(grid.walls())
            driver.localizer = Localizer(grid.walls())
            driver.map = ShownMap(grid, grows=False)
        driver.orders.things = things.load(args.robot)
        if args.record is not None:
            driver.record = []
        await stack.enter_async_context(Server(driver, tokens, socket, args.robot))
        what = "a SIMULATED robot" if driver.simulated else "the robot"
        say(f"serving {what} at {socket}")
        if driver.arming is not None:
            say("It stands until it is armed: enigma-bridge robot arm")
        await ends.wait()
    if args.record is not None and driver.record:
        _, poses, first, step, ranges = zip(*driver.record, strict=True)
        rays = max(map(len, ranges))
        even = [[*each, *[float("nan")] * (rays - len(each))] for each in ranges]
        with args.record.open("wb") as file:
            np.savez_compressed(file, odometry=poses, ranges=even, first=first[0], step=step[0])


def _world(args: argparse.Namespace, robot: Robot, room: rooms.Room, start: tuple[float, float, float]) -> World:
    if args.physics != "mujoco":
        return World(robot, room, *start)
    from firmware_bridge.robot.physics import MujocoWorld

    arm = None
    if robot.arm is not None:
        from firmware_bridge.robot.hand import mounted

        arm = mounted(robot.arm, args.robot.resolve().parent)
    return MujocoWorld(robot, room, *start, arm=arm)


async def _see(stack: contextlib.AsyncExitStack, world: World, driver: Driver, args: argparse.Namespace) -> None:
    """Gives a robot that isn't there its scanner, its camera and what takes things: its arm in MuJoCo, else a simple one."""
    driver.orders.gripper = SimulatedGripper(world)
    if args.physics == "mujoco" and driver.robot.arm is not None:
        from firmware_bridge.robot.physics import MujocoWorld
        from firmware_bridge.robot.physics_arm import MujocoJoints

        assert isinstance(world, MujocoWorld) and world.arm is not None
        driver.orders.gripper = await _arm(stack, driver.robot, world.arm, MujocoJoints(world, world.arm))

    def sight(seen: list[tuple[str, float, float]]) -> None:
        """Its camera's, of what the inventory names."""
        known = driver.orders.things.known
        driver.eyes.see([each for each in seen if each[0] in known])

    _run(stack, look(world, driver.scan, sight=sight))


async def _arm(
    stack: contextlib.AsyncExitStack,
    robot: Robot,
    arm: Arm,
    joints: Joints,
    armed: Callable[[], float] | None = None,
) -> Gripper:
    from firmware_bridge.arm.run import ArmDriver
    from firmware_bridge.robot.hand import ArmGripper

    assert robot.arm is not None
    driver = await stack.enter_async_context(ArmDriver(arm, joints, armed))
    return await asyncio.to_thread(ArmGripper, arm, robot.arm, robot.body.radius, driver)


async def _real_arm(stack: contextlib.AsyncExitStack, args: argparse.Namespace, robot: Robot) -> Gripper:
    """The one that ros2_control drives; a leave of its own lets it move: `enigma-bridge arm arm`."""
    from firmware_bridge.arm.arming import ArmArming
    from firmware_bridge.arm.joints import RosJoints
    from firmware_bridge.robot.hand import mounted
    from firmware_bridge.ros2.graph import RosGraph

    assert robot.arm is not None
    here = args.robot.resolve().parent
    arm = mounted(robot.arm, here)
    graph = await stack.enter_async_context(
        await RosGraph.open("enigma_arm", over=args.over, number=args.domain, interface=args.interface)
    )
    return await _arm(stack, robot, arm, RosJoints(graph, arm.ros), ArmArming(here / robot.arm.file).left)


def _run(stack: contextlib.AsyncExitStack, work: Coroutine[object, object, None]) -> None:
    """Goes on beside, until the stack ends."""
    running = asyncio.create_task(work)

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)


async def _simulate(stack: contextlib.AsyncExitStack, robot: Robot, world: World) -> Callable[[], list[str]]:
    """Starts simavr, and the wheels that its motors turn; where the board is found."""
    if why := missing():
        raise BridgeError(why)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    built = await asyncio.to_thread(build, folder, "avr", "sim")
    simulated = stack.enter_context(Simulated(built, folder / "tty"))
    simulated.ask("button 0")
    if robot.battery is not None:
        volts = CURVES[robot.battery.chemistry][9] * robot.battery.cells
        simulated.ask(f"adc 0 {round(volts / 4 * 1000)}")
    _run(stack, Wheels(simulated, world).run())
    return lambda: [str(folder / "tty")]


def _start(args: argparse.Namespace, robot: Robot) -> tuple[float, float, float] | None:
    if args.at:
        return pose(args.at, robot)
    if robot.dock:
        return pose(robot.dock, robot)
    return None


def pose(text: str, robot: Robot) -> tuple[float, float, float]:
    """A place's name, or X,Y,DEGREES. Raises RobotError."""
    parts = text.split(",")
    if len(parts) == 3:
        with contextlib.suppress(ValueError):
            x, y, degrees = map(float, parts)
            if math.isfinite(x + y + degrees):
                return x, y, math.radians(degrees)
    place = robot.place(text)
    return place.x, place.y, place.heading


def _inside(robot: Robot) -> tuple[float, float, float]:
    """Where one that is simulated begins if nobody says it: somewhere that it fits into."""
    if not robot.fence:
        return 0.0, 0.0, 0.0
    free = Ground(robot).free.buffer(-robot.body.radius - robot.map.margin).representative_point()
    return free.x, free.y, 0.0
