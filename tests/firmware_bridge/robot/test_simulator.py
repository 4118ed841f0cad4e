"""A robot that isn't there: its world obeys nothing but arithmetic, and what is drawn, watched and limited through the socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely

from firmware_bridge.messages import Flags, State
from firmware_bridge.robot import drawn, room
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.envelope import Why
from firmware_bridge.robot.modes import Mode
from firmware_bridge.robot.serve import FRESH, Server, ask
from firmware_bridge.robot.simulator import DEADMAN, PIECE, SimulatedBoard, World, look
from firmware_bridge.robot.tokens import SCOPES, Tokens

from .test_serve import PATIENT, until

START = (0.5, 0.5, math.pi / 2)
BOX = [[0.3, 1.2], [1.2, 1.2], [1.2, 1.6], [0.3, 1.6]]


def world(folder: Path, seed: int = 0) -> World:
    flat = room.load("flat", folder / "robot.toml")
    return World(drawn.load(folder / "robot.toml"), flat, *START, seed=seed)


def test_the_world_depends_on_what_it_is_told_and_on_nothing_else(tmp_path: Path) -> None:
    one, other = world(tmp_path), world(tmp_path)
    for made, steps in ((one, [0.02] * 100), (other, [0.05] * 40)):
        for at, seconds in enumerate(steps):
            if at * seconds < 1.0:
                made.drive(0.5, 0.4)
            made.step(seconds)
    assert one.pose == pytest.approx(other.pose, abs=0.02) and one.pose[1] > 0.8
    again = world(tmp_path)
    for at in range(100):
        if at * 0.02 < 1.0:
            again.drive(0.5, 0.4)
        again.step(0.02)
    assert again.pose == one.pose and again.scan() == one.scan()


def test_without_orders_it_stops_by_its_deadman_latched_it_goes_nowhere_and_walls_are_hard(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.drive(0.5, 0.5)
    made.step(DEADMAN)
    assert made.speed[0] > 0.3
    made.step(0.6)
    assert abs(made.speed[0]) < 0.001
    made.stop(latch=True)
    made.drive(1.0, 1.0)
    made.step(0.2)
    assert abs(made.speed[0]) < 0.001
    made.latched = False
    for _ in range(300):
        made.drive(1.0, 1.0)
        made.step(0.02)
    assert made.bumped and made.speed == (0.0, 0.0)
    assert made.room.gap(*made.pose[:2]) >= made.robot.body.radius - made.robot.body.wheel_speed * PIECE


def test_a_scan_sees_the_walls_and_the_map_of_a_room_is_the_room(tmp_path: Path) -> None:
    flat = room.load("flat", tmp_path / "robot.toml")
    away = flat.scan(1.0, 1.0, 0.0)
    assert away[90] == pytest.approx(6.0) and away[135] == pytest.approx(
        1.4
    )  # the far wall, and the one ahead to the left
    grid = flat.map(0.18)
    ends = grid.walls()
    assert max(flat.gap(*each) for each in ends.tolist()) < 1.5 * grid.cell
    truth = {tuple(cell) for cell in np.floor((_along(flat.walls) - (grid.west, grid.south)) / grid.cell).astype(int)}
    found = {tuple(cell) for cell in np.floor((ends - (grid.west, grid.south)) / grid.cell).astype(int)}
    near = {(x + i, y + j) for x, y in found for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert len(truth & near) > 0.85 * len(truth)  # behind the furniture nobody looks


def _along(walls: np.ndarray) -> np.ndarray:
    return np.concatenate([np.linspace(a, b, round(math.dist(a, b) / 0.02) + 1) for a, b in walls])


@pytest.mark.parametrize(
    ("walls", "why"),
    [
        ("walls = []", "must be a list"),
        ("walls = [[0, 0, 1]]", "must be a list"),
        ("walls = ", "isn't TOML"),
        (None, "There is no room"),
    ],
)
def test_a_room_that_is_none_is_refused_in_a_sentence(tmp_path: Path, walls: str | None, why: str) -> None:
    if walls is not None:
        (tmp_path / "walls.toml").write_text(walls)
    (tmp_path / "robot.toml").touch()
    with pytest.raises(RobotError, match=why):
        room.load(str(tmp_path) if walls is not None else "castle", tmp_path / "robot.toml")


@dataclass
class Pretended:
    world: World
    driver: Driver
    tokens: Tokens
    path: Path
    toml: Path
    token: str

    async def ask(self, **asked: object) -> dict[str, object]:
        return await ask(self.path, {"token": self.token, **asked}, PATIENT)


@contextlib.asynccontextmanager
async def pretended(folder: Path) -> AsyncIterator[Pretended]:
    made = world(folder)
    tokens, path, toml = Tokens(folder / "robot.tokens"), folder / "robot.sock", folder / "robot.toml"
    token = tokens.add("all", SCOPES)
    async with SimulatedBoard(made) as board, Driver(made.robot, board, START) as driver:
        looking = asyncio.create_task(look(made, driver.scan))
        try:
            async with Server(driver, tokens, path, toml):
                await until(lambda: not driver.envelope.why & (Why.NO_POSE | Why.NO_SCAN | Why.NO_IMU))
                yield Pretended(made, driver, tokens, path, toml, token)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def test_zones_that_a_person_draws_hold_at_once_and_over_a_restart_and_bad_ones_change_nothing(
    tmp_path: Path,
) -> None:
    async with pretended(tmp_path) as robot:
        plan = (await robot.ask(op="plan"))["plan"]
        assert isinstance(plan, dict) and plan["simulated"] and plan["revision"] == 0
        assert [(zone["name"], zone["drawn"]) for zone in plan["zones"]] == [("stairs", False)]
        await robot.ask(op="draw", revision=0, zones=[{"name": "rug", "corners": BOX}])
        for zones, why in (
            ([{"name": "bow", "corners": [[1, 1], [2, 2], [2, 1], [1, 2]]}], "can't be used"),
            ([{"name": "stairs", "corners": BOX}], "Two zones are called 'stairs'"),
            ([{"name": "all", "corners": [[0, 0], [7, 0], [7, 5], [0, 5]]}], "leave no room"),
            ([{"name": "x", "corners": [[0, 0], [1, 1]]}], "3 to"),
        ):
            with pytest.raises(RobotError, match=why):
                await robot.ask(op="draw", revision=1, zones=zones)
        with pytest.raises(RobotError, match="Somebody else drew"):
            await robot.ask(op="draw", revision=0, zones=[])
        await robot.ask(op="mode", event="automate")
        with pytest.raises(RobotError, match="in a zone"):
            await robot.ask(calls=[{"name": "go_to", "arguments": {"x": 0.7, "y": 1.4}}])
        await robot.ask(op="mode", event="take")
        zone = shapely.Polygon(BOX)
        set_out = 0
        async with asyncio.timeout(120):
            while set_out < 60:  # by hand, straight at it
                if (
                    robot.driver.envelope.why & Why.NO_POSE
                ):  # a machine that stood for two seconds: it can't know any more
                    x, y, heading = robot.world.pose
                    await robot.ask(op="locate", x=x, y=y, degrees=math.degrees(heading))
                await robot.ask(op="drive", v=0.5, w=0.0)
                await asyncio.sleep(0.04)
                set_out += robot.world.pose[1] > 0.6
        assert shapely.LineString(robot.world.trail).distance(zone) > robot.driver.robot.body.radius
        await robot.ask(op="draw", revision=1, places=[{"name": "here", "at": [0.6, 0.6, 0]}])
        assert drawn.load(robot.toml).place("HERE").x == 0.6
        assert [each.name for each in drawn.load(robot.toml).zones] == ["stairs", "rug"]
        file = robot.toml.with_name(drawn.NAME)
        assert file.stat().st_mode & 0o777 == 0o600
        file.write_text(file.read_text()[:-20])
        with pytest.raises(RobotError, match="Nothing moves until it is right"):
            await robot.ask(op="reload")
        await robot.ask(op="drive", v=-0.2, w=0.0)
        await until(lambda: robot.driver.envelope.why & Why.NO_GROUND)
    with pytest.raises(RobotError, match="Nothing moves until it is right"):
        drawn.load(robot.toml)


async def test_it_goes_to_a_point_that_was_tapped_within_the_speed_that_a_person_lets_it_have(tmp_path: Path) -> None:
    async with pretended(tmp_path) as robot:
        with pytest.raises(RobotError, match=r"at most 0.5 m/s"):
            await robot.ask(op="limit", speed=0.6)
        await robot.ask(op="limit", speed=0.2)
        await robot.ask(op="mode", event="automate")
        fastest, number = 0.0, 0

        def there() -> bool:
            nonlocal fastest
            fastest = max(fastest, robot.driver.envelope.v)
            return len(robot.driver.orders.ended) > number

        for _ in range(9):
            number = len(robot.driver.orders.ended)
            await robot.ask(calls=[{"name": "go_to", "arguments": {"x": 0.5, "y": 1.0}}])
            await until(there)
            if robot.driver.orders.ended[-1].state == "done":
                break
            # A machine that stands now and then makes it stand, too, and lose its place.
            x, y, heading = robot.world.pose
            await robot.ask(op="locate", x=x, y=y, degrees=math.degrees(heading))
        assert robot.driver.orders.ended[-1].state == "done" and 0.1 < fastest <= 0.2 + 1e-9
        assert math.dist(robot.world.pose[:2], (0.5, 1.0)) < 0.15
        with pytest.raises(RobotError, match="go_to: x must be a number"):
            await robot.ask(calls=[{"name": "go_to", "arguments": {"x": "far", "y": 1}}])


async def test_who_watches_sees_what_changes_and_what_was_seen_too_long_ago_moves_nothing(tmp_path: Path) -> None:
    async with pretended(tmp_path) as robot:
        token = robot.tokens.add("eyes", ["read"])
        reader, writer = await asyncio.open_unix_connection(robot.path, limit=1 << 20)
        writer.write(json.dumps({"token": token, "op": "watch", "hz": 20}).encode() + b"\n")
        async with asyncio.timeout(PATIENT):
            assert json.loads(await reader.readline())["accepted"] is True
            frames = [json.loads(await reader.readline())["frame"] for _ in range(6)]
            scanned = [frame["scan"] for frame in frames if "scan" in frame]
            assert scanned and 0 < len(scanned) < 6 and len(scanned[0]["cm"]) == room.RAYS
            assert len(json.dumps(frames[0])) < 25_000  # at 2 Hz less than 50 kB/s
            times = [frame["t"] for frame in frames]
            assert times == sorted(times) and all(frame["simulated"] for frame in frames)
            while True:  # a machine that stands for half a second makes what was seen too old
                try:
                    await robot.ask(op="drive", v=0.2, w=0.0, seen=times[-1])
                    break
                except RobotError as error:
                    assert "too long on its way" in str(error)
                    times.append(json.loads(await reader.readline())["frame"]["t"])
            with pytest.raises(RobotError, match="too long on its way"):
                await robot.ask(op="drive", v=0.2, w=0.0, seen=times[-1] - FRESH)
            with pytest.raises(RobotError, match="too long on its way"):
                await robot.ask(op="drive", v=0.2, w=0.0, seen=times[-1] + 60)
            await until(lambda: robot.driver.map.revision)  # it has no map, so one grows
            map = await robot.ask(op="map")
            about = map["map"]
            assert isinstance(about, dict) and about["columns"] > 100
            picture = base64.b64decode(str(map["png"]))
            assert picture.startswith(b"\x89PNG") and (await robot.ask(op="map"))["map"]
            stopped = await ask(robot.path, {"op": "stop"}, PATIENT)
            assert stopped["board"] == "stands" and isinstance(stopped["ms"], float) and robot.world.latched
            robot.tokens.remove("eyes")
            while (said := json.loads(await reader.readline())).get("accepted") is None:
                continue
            assert "scope read" in said["reason"] and not await reader.readline()
        writer.close()
        assert robot.driver.modes.mode is Mode.FAULT
        with pytest.raises(RobotError, match="release it first"):
            robot.driver.clear()
        told = robot.driver._states
        assert told is not None
        told.add(State(robot.world.time, 0.0, 0.0, 12.0, int(Flags.LATCHED), 0, 0))  # unread, and of before
        await robot.driver.release()
        await until(lambda: told._kept or robot.driver.envelope.stopped)
        await until(lambda: not told._kept)
        assert not robot.driver.envelope.stopped
        robot.driver.clear()
