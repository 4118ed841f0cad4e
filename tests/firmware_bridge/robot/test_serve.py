"""A robot that is served: the real firmware in simavr, wheels that turn its encoders, orders through the socket as pipelines send them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge_runtime.events import EventHub
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.actions import Actions
from edge_runtime.pipelines.items import Captured, Item, SinkError
from firmware_bridge.board import Board
from firmware_bridge.robot import going, room
from firmware_bridge.robot.battery import Need
from firmware_bridge.robot.config import RobotError, load
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.envelope import Why
from firmware_bridge.robot.modes import Event, Mode
from firmware_bridge.robot.serve import LINE, OPS, Server, ask
from firmware_bridge.robot.simulated import Wheels
from firmware_bridge.robot.simulator import World
from firmware_bridge.robot.tokens import SCOPES, Tokens, write_private
from firmware_bridge.simulator import Simulated

PATIENT = 120.0  # seconds that a busy machine may take
TOML = """
dock = "dock"
fence = [[0, 0], [3, 0], [3, 3], [0, 3]]

[body]
radius = 0.15
track = 0.25
wheel_speed = 0.8
counts_per_metre = 1000

[times]
latency = 0.1
pose = 1.0
imu = 2.0

[tilt]

[[zones]]
name = "stairs"
corners = [[1.2, 0.0], [1.6, 0.0], [1.6, 0.5], [1.2, 0.5]]

[[zones]]
name = "bath"
corners = [[2.0, 2.0], [3.0, 2.0], [3.0, 3.0], [2.0, 3.0]]

[[places]]
name = "dock"
at = [0.5, 0.5, 0]

[[places]]
name = "table"
at = [1.1, 1.0, 90]

[[places]]
name = "tub"
at = [2.5, 2.5]
"""


@dataclass
class Served:
    driver: Driver
    wheels: Wheels
    simulated: Simulated
    tokens: Tokens
    path: Path
    toml: Path

    async def ask(self, scope: str | None = None, **asked: object) -> dict[str, object]:
        token = self.tokens.add(f"for {scope}", [scope]) if scope else None
        return await ask(self.path, {**({"token": token} if token else {}), **asked}, PATIENT)


@contextlib.asynccontextmanager
async def served(
    simulated: Simulated, folder: Path, text: str = TOML, at: tuple[float, float, float] = (0.5, 0.5, 0.0)
) -> AsyncIterator[Served]:
    toml = folder / "robot.toml"
    toml.write_text(text)
    robot = load(toml)
    simulated.ask("button 0")
    wheels = Wheels(simulated, World(robot, room.around(robot, toml), *at))
    rolling = asyncio.create_task(wheels.run())
    tokens, path = Tokens(folder / "robot.tokens"), folder / "robot.sock"
    try:
        async with (
            Board(lambda: [str(simulated.link)], answer=10.0) as board,
            Driver(robot, board, at, within=3) as driver,
            Server(driver, tokens, path, toml),
        ):
            yield Served(driver, wheels, simulated, tokens, path, toml)
    finally:
        rolling.cancel()
        await asyncio.gather(rolling, return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = PATIENT) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is the board's, which has no event
            await asyncio.sleep(0.02)


async def until_it_did(robot: Served, condition: Callable[[], object], again: Callable[[], Awaitable[object]]) -> None:
    """Where its machine stood for long, a robot doubts where it is, and stands: it is told, which drops its orders, and asked
    again."""
    loop, envelope = asyncio.get_running_loop(), robot.driver.envelope
    went = asked = loop.time()
    async with asyncio.timeout(PATIENT):
        while not condition():
            now = loop.time()
            if envelope.v or envelope.w:
                went = now
            if now - went > 10 or now - asked > 30:
                robot.driver.locate(*robot.wheels.pose)
                went = asked = now
                await again()
            await asyncio.sleep(0.02)


async def nothing() -> None:
    """It goes home by itself."""


async def test_a_pipeline_asks_for_actions_with_its_token_and_nothing_else(
    simulated: Simulated, tmp_path: Path
) -> None:
    async with served(simulated, tmp_path) as robot:
        secret = tmp_path / "ear.token"
        write_private(secret, robot.tokens.add("ear", ["act"]) + "\n")
        sink = declare.Action(robot.path, "$answer.calls", PATIENT, 5.0, secret)
        actions = Actions(sink, "ear", EventHub())
        go = {"name": "go_to", "arguments": {}, "targets": ["table"]}

        async def deliver(calls: list[object], by: Actions = actions) -> bool:
            return await by.deliver(Item({}, Captured.now(), 0.0, answer={"calls": calls, "unsure": False}))

        with pytest.raises(SinkError, match="manual, and takes no orders"):
            await deliver([go])
        robot.driver.on(Event.AUTOMATE)
        assert await deliver([go])
        await until(lambda: robot.driver.envelope.v or robot.driver.envelope.w)
        nobody = Actions(replace(sink, token_file=None), "ear", EventHub())
        with pytest.raises(SinkError, match="needs a token with the scope act"):
            await deliver([go], nobody)
        assert await deliver([{"name": "stop", "arguments": {}, "targets": ["base"]}], nobody)  # always wins
        await until(lambda: not robot.driver.orders.queue and robot.driver.envelope.v == 0)
        assert await deliver([go])
        with pytest.raises(SinkError, match="needs a token with the scope act"):
            await deliver([{"name": "stop"}, go], nobody)
        assert not robot.driver.orders.queue
        for line, why in (
            (b"[]\n", "must be an object"),
            (b"rubbish\n", "must be an object"),
            (b'{"op": "fly"}\n', "op must be stop"),
            (b'{"op": "drive", "v": 1, "w": 0}\n', "scope drive"),
            (b"[" * 60_000 + b"\n", "must be an object"),
            (b"x" * (LINE + 10) + b"\n", "A line has up to"),
        ):
            reader, writer = await asyncio.open_unix_connection(robot.path)
            writer.write(line)
            said = json.loads(await reader.readline())
            assert said["accepted"] is False and why in said["reason"]
            writer.close()
        assert robot.path.stat().st_mode & 0o777 == 0o600
        for op, scope in OPS.items():
            for other in set(SCOPES) - {scope}:
                with pytest.raises(RobotError, match=f"scope {scope}"):
                    await robot.ask(other, op=op)
        robot.tokens.remove("ear")
        with pytest.raises(SinkError, match="scope act"):
            await deliver([go])


async def test_with_a_low_battery_it_goes_home_by_itself_and_an_empty_one_lets_nothing_move(
    simulated: Simulated, tmp_path: Path
) -> None:
    text = TOML.replace("[tilt]", "[tilt]\n\n[battery]\ncells = 3\ncapacity = 20\n")
    simulated.ask(f"adc 0 {round(3 * 3.42 / 4 * 1000)}")
    async with served(simulated, tmp_path, text, (1.1, 1.0, 0.0)) as robot:
        await until(lambda: robot.driver.need is Need.HOME)
        assert robot.driver.envelope.cap == 0.5 and robot.driver.modes.mode is Mode.MANUAL  # a person decides
        robot.driver.on(Event.AUTOMATE)
        await until_it_did(robot, lambda: robot.driver.modes.mode is Mode.DOCKED, nothing)
        assert math.dist(robot.wheels.pose[:2], (0.5, 0.5)) < 0.2
        robot.driver.on(Event.UNDOCK)
        battery = robot.driver.battery
        assert battery is not None
        battery.charge = 0.01
        await until(lambda: robot.driver.modes.mode is Mode.FAULT)
        with pytest.raises(RobotError, match="charge it"):
            await robot.ask("manage", op="clear")


async def test_scans_come_through_the_socket_and_what_stands_in_the_way_is_gone_round_or_told(
    simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(going, "BLOCKED", 0.5)
    text = TOML.replace("[tilt]", "[tilt]\n\n[proximity]\nstop = 0.1\nslow = 0.5\n")
    async with served(simulated, tmp_path, text, (0.5, 1.5, 0.0)) as robot:
        token = robot.tokens.add("eyes", ["sense"])
        near = 3.0

        async def look() -> None:
            while True:
                ranges = [None if ray == 7 else near if 60 < ray < 120 else 3.0 for ray in range(180)]
                await ask(
                    robot.path,
                    {"token": token, "op": "scan", "first": -math.pi, "step": math.pi / 90, "ranges": ranges},
                    PATIENT,
                )
                await asyncio.sleep(0.05)

        looking = asyncio.create_task(look())
        try:
            await until(lambda: robot.driver.seen is not None)
            assert robot.driver.seen is not None and robot.driver.seen.shape == (179, 2)
            robot.driver.on(Event.AUTOMATE)

            async def move() -> None:
                await robot.ask("act", calls=[{"name": "move", "arguments": {"metres": 1.0}}])

            async def move_again() -> None:
                robot.wheels.world.pose = (0.5, 1.5, 0.0)  # it is carried back
                robot.driver.locate(*robot.wheels.pose)
                await move()

            await move()
            await until_it_did(robot, lambda: robot.driver.envelope.v > 0.02, move_again)
            near = 0.16  # somebody steps before it
            await until(lambda: robot.driver.envelope.v == 0)
            ended = robot.driver.orders.ended
            await until_it_did(robot, lambda: ended and ended[-1].state != "dropped", move_again)
            assert ended[-1].state == "failed"
            assert robot.wheels.pose[0] < 1.3
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await until(lambda: robot.driver.envelope.why & Why.NO_SCAN)  # the eyes are shut
