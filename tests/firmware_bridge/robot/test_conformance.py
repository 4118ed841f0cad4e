"""What every robot must do, the same for one in the simulator and for the firmware in simavr at the other end of a serial line.

The latter is armed, as real hardware has to be.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import shapely

from firmware_bridge.board import Board
from firmware_bridge.errors import BridgeError, Refused
from firmware_bridge.messages import Encoders, Flags, Imu, State, Status
from firmware_bridge.robot import room
from firmware_bridge.robot.arming import Arming
from firmware_bridge.robot.config import RobotError, load
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.envelope import Why, sentences
from firmware_bridge.robot.serve import Server, ask
from firmware_bridge.robot.simulated import Wheels
from firmware_bridge.robot.simulator import SimulatedBoard, World
from firmware_bridge.robot.tokens import SCOPES, Tokens
from firmware_bridge.simulator import Simulated

from .test_serve import PATIENT, TOML, until

START = (0.5, 0.5, 0.0)


@dataclass
class Subject:
    """A robot that is served. truth: where it really is, and was. stands: whether its motors do."""

    driver: Driver
    board: Board | SimulatedBoard
    toml: Path
    path: Path
    token: str
    truth: World | Wheels
    stands: Callable[[], bool]
    button: Callable[[bool], object] | None = None
    rolling: asyncio.Task[None] | None = None  # what turns the wheels of the firmware's robot

    async def ask(self, **asked: object) -> dict[str, object]:
        return await ask(self.path, {"token": self.token, **asked}, PATIENT)

    async def push(self, v: float, w: float = 0.0) -> None:
        await self.ask(op="drive", v=v, w=w)

    async def drive_off(self) -> None:
        """Until it moves, or why it doesn't: sticks are told some tens of times a second, as by a person's."""
        x, y, _ = self.truth.pose
        try:
            async with asyncio.timeout(PATIENT):
                while math.dist(self.truth.pose[:2], (x, y)) < 0.02:
                    if self.driver.envelope.why & Why.NO_POSE:
                        await self.locate()
                    await self.push(0.2)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.fail()

    async def locate(self) -> None:
        """Where its machine stood for long it doubts where it is, or can't know."""
        x, y, heading = self.truth.pose
        await self.ask(op="locate", x=x, y=y, degrees=math.degrees(heading))

    async def ordered(self, number: int) -> None:
        """Until so many orders are over."""
        loop, envelope = asyncio.get_running_loop(), self.driver.envelope
        went = loop.time()
        try:
            async with asyncio.timeout(PATIENT):
                while len(self.driver.orders.ended) < number:
                    if envelope.v or envelope.w:
                        went = loop.time()
                    elif loop.time() - went > 10:  # that drops the order
                        await self.locate()
                        went = loop.time()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.fail()

    def fail(self) -> None:
        envelope, board = self.driver.envelope, self.board
        why = sentences(envelope.why), envelope.v, board.condition, board.why, self.rolling
        pytest.fail(f"It stands: {why}, its motors {'stand' if self.stands() else 'turn'}")


@pytest.fixture(params=["simulator", "serial"])
async def robot(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    toml, path, tokens = tmp_path / "robot.toml", tmp_path / "robot.sock", Tokens(tmp_path / "robot.tokens")
    toml.write_text(TOML)
    made, token = load(toml), tokens.add("all", SCOPES)
    button: Callable[[bool], object] | None = None
    rolling: asyncio.Task[None] | None = None
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "simulator":
            truth: World | Wheels = World(made, room.around(made, toml), *START)
            assert isinstance(truth, World)
            board: Board | SimulatedBoard = await stack.enter_async_context(SimulatedBoard(truth))
            stands = _slow(truth)
            driver = await stack.enter_async_context(Driver(made, board, START))
        else:
            simulated: Simulated = request.getfixturevalue("simulated")
            simulated.ask("button 0")
            truth = Wheels(simulated, World(made, room.around(made, toml), *START))
            rolling = asyncio.create_task(truth.run())
            stack.callback(rolling.cancel)
            line = Board(lambda: [str(simulated.link)], answer=10.0)
            board = await stack.enter_async_context(line)
            driver = await stack.enter_async_context(Driver(made, board, START, 3, Arming(toml, line)))
            stands, button = _zero(simulated), _red(simulated)
        await stack.enter_async_context(Server(driver, tokens, path, toml))
        subject = Subject(driver, board, toml, path, token, truth, stands, button, rolling)
        await subject.ask(op="arm")
        await until(lambda: not driver.envelope.why & (Why.NO_POSE | Why.NO_IMU | Why.UNARMED))
        yield subject


def _slow(world: World) -> Callable[[], bool]:
    return lambda: max(map(abs, world.speed)) < 0.005


def _red(simulated: Simulated) -> Callable[[bool], object]:
    return lambda pressed: simulated.ask(f"button {pressed:d}")


def _zero(simulated: Simulated) -> Callable[[], bool]:
    return lambda: simulated.motors() == (0, 0)


async def test_its_board_tells_and_refuses_as_a_board_does(robot: Subject) -> None:
    board = robot.board
    async with (
        board.stream(Encoders, 0.05) as wheels,
        board.stream(Imu, 0.05) as gyro,
        board.stream(State, 0.05) as state,
    ):
        first = await wheels.next(PATIENT)
        await robot.drive_off()
        async with asyncio.timeout(PATIENT):
            while (await wheels.next(PATIENT)).left <= first.left:
                pass
        assert (
            math.isfinite((await gyro.next(PATIENT)).gz)
            and not Flags((await state.next(PATIENT)).flags) & Flags.LATCHED
        )
        await board.stop(latch=True)
        with pytest.raises(Refused) as refused:
            await board.drive(0.1, 0.1, 30)
        assert refused.value.status == Status.STOPPED
        async with asyncio.timeout(PATIENT):
            while not Flags((await state.next(PATIENT)).flags) & Flags.LATCHED:
                pass
    await board.release()


async def test_it_goes_to_a_place_round_a_zone_and_is_stopped_whatever_it_does(robot: Subject) -> None:
    with pytest.raises(RobotError, match="manual, and takes no orders"):
        await robot.ask(calls=[{"name": "go_to", "targets": ["table"]}])
    await robot.ask(op="mode", event="automate")
    for call, why in (
        ({"name": "go_to", "targets": ["tub"]}, "can't stand at the place 'tub': it is in a zone"),
        ({"name": "go_to", "targets": ["attic"]}, "no place 'attic'"),
        ({"name": "fly"}, "no action 'fly'"),
        ({"name": "move", "arguments": {"metres": math.nan}}, "move: metres must be a number"),
    ):
        with pytest.raises(RobotError, match=why):
            await robot.ask(calls=[call])
    ended = robot.driver.orders.ended
    for number in range(9):
        began = len(robot.truth.trail) - 1
        await robot.ask(calls=[{"name": "go_to", "targets": ["table"]}], age_ms=20, max_age_ms=500)
        await robot.ordered(number + 1)
        x, y, _ = robot.truth.pose
        if ended[-1].state == "done" and math.dist((x, y), (1.1, 1.0)) < 0.25:
            break
        await robot.locate()  # a machine that stands now and then makes it stand, too, and lose its place
    assert (ended[-1].state, ended[-1].why) == ("done", "")
    assert math.dist((x, y), (1.1, 1.0)) < 0.25
    ground = robot.driver.envelope.ground
    assert ground is not None
    trail = shapely.LineString(robot.truth.trail[began:])
    assert all(trail.distance(zone) > 0.15 for zone in ground.zones.values())
    await robot.ask(calls=[{"name": "dock"}])
    await until(lambda: robot.driver.envelope.v or robot.driver.envelope.w)
    await ask(robot.path, {"op": "stop"}, PATIENT)  # without a token
    await until(robot.stands)
    await until(lambda: robot.driver.envelope.why & Why.STOPPED)
    said = (await robot.ask(op="state"))["state"]
    assert isinstance(said, dict) and said["mode"] == "fault" and said["stopped"]
    assert "the emergency stop is on: release it" in said["why"] and said["orders"][-1]["state"] == "dropped"
    with pytest.raises(RobotError, match="release it first"):
        await robot.ask(op="clear")
    await robot.ask(op="release")
    await robot.ask(op="clear")
    assert robot.driver.modes.mode.value == "manual"


async def test_a_person_drives_as_long_as_the_deadman_is_held_and_zones_that_cannot_be_read_stop_all(
    robot: Subject,
) -> None:
    envelope = robot.driver.envelope
    await robot.drive_off()
    await until(lambda: envelope.why & Why.SILENT and robot.stands())  # the sticks were let go
    with pytest.raises(RobotError, match="the robot stands"):
        await robot.push(math.nan, 0.0)
    await until(lambda: envelope.why & Why.BAD)
    with pytest.raises(RobotError, match="too large"):
        await robot.push(10**400, 0.0)
    if robot.button is None:
        await robot.board.stop(latch=True)
    else:
        robot.button(True)  # its red one
    await until(lambda: robot.driver.modes.mode.value == "fault")
    if robot.button is not None:
        with pytest.raises(BridgeError, match="emergency stop"):
            await robot.ask(op="release")
        robot.button(False)
    async with asyncio.timeout(PATIENT):
        while robot.driver.envelope.stopped:
            with contextlib.suppress(RobotError):  # the firmware hasn't seen yet that the button is up
                await robot.ask(op="release")
            await asyncio.sleep(0.02)
    await robot.ask(op="clear")
    robot.toml.write_text(TOML.replace("[1.6, 0.5], [1.2, 0.5]", "[1.2, 0.5], [1.6, 0.5]"))  # crosses itself
    with pytest.raises(RobotError, match="'stairs' can't be used"):
        await robot.ask(op="reload")
    with contextlib.suppress(RobotError):  # real hardware isn't armed any more
        await robot.push(0.2)
    await until(lambda: robot.driver.envelope.why & Why.NO_GROUND)
    robot.toml.write_text(TOML)
    await robot.ask(op="reload")
    await robot.ask(op="arm")
    await robot.drive_off()
