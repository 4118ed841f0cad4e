"""Finding, fetching, putting down and following in the simulated flat: by the calls of the robot specialist, to the wheels."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("shapely")

import shapely

from firmware_bridge.robot import drawn, room, things
from firmware_bridge.robot.config import Robot, RobotError, load, parse
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.grid import Grid
from firmware_bridge.robot.gripper import seen_from
from firmware_bridge.robot.legs import Tracker, Walls, clusters
from firmware_bridge.robot.modes import Event
from firmware_bridge.robot.orders import Orders
from firmware_bridge.robot.picture import picture
from firmware_bridge.robot.scan_match import Localizer
from firmware_bridge.robot.shown import ShownMap
from firmware_bridge.robot.simulator import GRIPS, SimulatedBoard, SimulatedGripper, World, look
from firmware_bridge.robot.things import Sighting, Thing, Things

from .quick import run

START = (0.5, 0.5, math.pi / 2)
KITCHEN = [[4.1, 2.5], [6.95, 2.5], [6.95, 4.95], [4.1, 4.95]]


@dataclass
class Flat:
    world: World
    driver: Driver

    async def call(self, *calls: dict[str, object]) -> None:
        await self.driver.call(calls)

    async def until(self, condition: Callable[[], object], seconds: float = 200.0) -> None:
        async with asyncio.timeout(seconds):  # of the simulation
            while not condition():  # noqa: ASYNC110  # of the simulation, which has no event
                await asyncio.sleep(0.05)

    async def done(self) -> list[tuple[str, str, str]]:
        await self.until(lambda: not self.driver.orders.queue)
        return [(each.says, each.state, each.why) for each in self.driver.orders.ended]


@contextlib.asynccontextmanager
async def flat(
    folder: Path,
    eyes: bool = True,
    way: tuple[tuple[float, float], ...] = (),
    kind: type[World] = World,
    start: tuple[float, float, float] = START,
) -> AsyncIterator[Flat]:
    toml = folder / "robot.toml"
    made = room.load("flat", toml)
    if way:
        made = replace(made, people={"anna": way})
    robot = drawn.load(toml)
    world = kind(robot, made, *start)
    async with SimulatedBoard(world) as board, Driver(robot, board, start) as driver:
        grid = _map(robot.body.radius)
        driver.orders.walls(grid.walls())
        driver.localizer = Localizer(grid.walls())
        driver.map = ShownMap(grid, grows=False)
        driver.orders.things = things.load(toml)
        driver.orders.gripper = SimulatedGripper(world)
        looking = asyncio.create_task(look(world, driver.scan, 0.1, driver.eyes.see if eyes else None))
        try:
            await asyncio.sleep(1.0)
            driver.on(Event.AUTOMATE)
            yield Flat(world, driver)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


@functools.cache
def _map(radius: float) -> Grid:
    """The flat's, which many tests need."""
    return room.load("flat", room.ROOMS / "flat" / "robot.toml").map(radius)


def order(name: str, *targets: str, **arguments: str) -> dict[str, object]:
    return {"name": name, "targets": list(targets), "arguments": arguments}


def test_it_goes_to_the_kitchen_then_brings_the_cup_to_whoever_asked_and_the_way_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with flat(tmp_path) as home:
            await home.call(order("go_to", "kitchen"), order("fetch", "cup", to="sofa"))
            await home.until(lambda: home.world.held == "cup")
            assert math.dist(home.world.pose[:2], (6.2, 3.2)) < 0.45
            said = await home.done()
            assert [(says, state) for says, state, _ in said] == [
                ("kitchen", "done"), ("kitchen", "done"), ("look for the blue cup", "done"),
                ("go to the blue cup", "done"), ("take the blue cup", "done"), ("sofa", "done"),
                ("put the blue cup down", "done"),
            ]  # fmt: skip
            assert math.dist(home.world.things["cup"], (1.2, 4.1)) < 0.5 and not home.world.held
            zones = [shapely.Polygon(zone.corners) for zone in home.driver.robot.zones]
            trail = shapely.LineString(home.world.trail)
            assert all(trail.distance(zone) > home.driver.robot.body.radius for zone in zones)
            assert not home.world.bumped
            drawing = picture(home.driver)
            assert drawing.startswith(b"\x89PNG")
            _looks_like(drawing, tmp_path)
            kept = json.loads((tmp_path / things.KEPT).read_text())
            assert math.dist(kept["cup"], home.world.things["cup"]) < 0.15

    run(main(), monkeypatch)


def test_in_mujoco_its_arm_picks_a_thing_by_its_own_planner_carries_it_and_puts_it_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wheels slip, things have weight, and fingers hold them by friction alone."""
    pytest.importorskip("mujoco", reason="pip install 'enigma[sim]'")
    from firmware_bridge.arm.run import ArmDriver
    from firmware_bridge.robot.hand import ArmGripper, mounted
    from firmware_bridge.robot.physics import MujocoWorld
    from firmware_bridge.robot.physics_arm import MujocoJoints

    declared = load(room.ROOMS / "flat" / "robot.toml")
    assert declared.arm is not None
    arm = mounted(declared.arm, room.ROOMS / "flat")

    async def main() -> None:
        kind = functools.partial(MujocoWorld, arm=arm)
        async with flat(tmp_path, kind=kind, start=(4.6, 0.7, 0.0)) as home:  # type: ignore[arg-type]
            world, orders, declared = home.world, home.driver.orders, home.driver.robot
            assert isinstance(world, MujocoWorld) and declared.arm is not None
            async with ArmDriver(arm, MujocoJoints(world, arm)) as driver:
                gripper = ArmGripper(arm, declared.arm, declared.body.radius, driver)
                orders.gripper = gripper
                assert 0.2 < gripper.reach[0] < gripper.reach[1] < 0.5 and gripper.tucked

                def height() -> float:
                    return float(world.data.body("thing keys").xpos[2])

                with pytest.raises(RobotError, match="doesn't say how large 'Anna' is"):
                    gripper._size(orders.things.thing("anna"))
                await home.call(order("fetch", "keys", **{"from": "door", "to": "door"}))
                await home.until(lambda: height() > 0.1)
                assert await home.driver.stop()  # in the middle of lifting it: the arm stands, and holds it
                await asyncio.sleep(1.0)
                lifted = height()
                await asyncio.sleep(1.0)
                assert lifted > 0.1 and height() == pytest.approx(lifted, abs=0.005)
                assert gripper.holds is orders.things.thing("keys") and not gripper.tucked
                await home.driver.release()
                home.driver.clear()
                home.driver.on(Event.AUTOMATE)
                await home.call(order("place", "keys", to="door"))
                await home.until(lambda: home.driver.envelope.v > 0.2)
                assert gripper.tucked and height() > 0.2  # it drove only once the arm was home
                said = await home.done()
                for _ in range(3):  # what friction alone holds may slip: that is told, and it is fetched again
                    if said[-1][1] == "failed":
                        assert "lost on the way" in said[-1][2] and gripper.holds is None
                        await home.call(order("fetch", "keys", to="door"))
                        said = await home.done()
                assert said[-1][:2] == ("put the keys down", "done")
                lies = world.things["keys"]
                assert math.dist(lies, (4.6, 0.7)) < 0.5 and not world.bumped and height() < 0.05
                assert gripper.holds is None and gripper.tucked
                known = orders.things.where(orders.things.thing("keys"))
                assert known is not None and math.dist((known.x, known.y), lies) < 0.06
                estimate = home.driver.estimate
                assert estimate is not None and math.dist(estimate.pose[:2], world.pose[:2]) < 0.05
                at = world.model.jnt_qposadr[world.model.body("thing keys").jntadr[0]]
                before = len(said)
                await home.call(order("fetch", "keys", to="dock"))
                await home.until(lambda: not gripper.tucked)
                world.data.qpos[at : at + 2] = 6.5, 4.0  # somebody takes it away while the arm comes for it
                said = await home.done()
                taken = next(each for each in said[before:] if each[0] == "take the keys")
                assert taken[1] == "failed" and "closed on nothing" in taken[2] and gripper.holds is None

    run(main(), monkeypatch)


def test_a_thing_that_was_seen_on_the_way_is_looked_at_anew_from_where_the_robot_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way a robot knows where it is a moment late, and so the thing is told too near: what it stands before counts."""

    async def main() -> None:
        async with flat(tmp_path, eyes=False) as home:
            orders, world = home.driver.orders, home.world
            assert orders.gripper is not None
            took, take = list[tuple[float, float]](), orders.gripper.take

            async def taken(thing: Thing, at: Sighting, pose: tuple[float, float, float]) -> None:
                took.append((at.x, at.y))
                await take(thing, at, pose)

            monkeypatch.setattr(orders.gripper, "take", taken)

            async def late() -> None:
                while True:
                    behind = 0.1 * max(0.0, world.speed[0]) + (0.03 if world.speed[0] > 0.02 else 0.0)
                    x, y = world.things["cup"]
                    at = x - behind * math.cos(world.pose[2]), y - behind * math.sin(world.pose[2])
                    home.driver.sight([("cup", *at)], asyncio.get_running_loop().time())
                    await asyncio.sleep(0.2)

            looks = asyncio.create_task(late())
            try:
                await asyncio.sleep(0.5)
                await home.call(order("fetch", "cup", to="sofa"))
                await home.until(lambda: took)
                assert math.dist(took[0], (6.2, 3.2)) < 1e-3
            finally:
                looks.cancel()
                await asyncio.gather(looks, return_exceptions=True)

    run(main(), monkeypatch)


def test_the_palm_keeps_off_a_thing_that_is_higher_than_its_fingers_are_long() -> None:
    """Leaning on a cup's rim it would press the cup out of the fingers on the way."""
    from firmware_bridge.arm.pick import pick
    from firmware_bridge.robot.hand import mounted

    declared = load(room.ROOMS / "flat" / "robot.toml")
    assert declared.arm is not None
    arm = mounted(declared.arm, room.ROOMS / "flat")
    cup = arm.object("cup")
    _, (size, beyond) = pick(replace(arm, objects=(cup,)), arm.home, "cup", np.random.default_rng(1))
    fingers = 0.03  # metres from the palm to the tip, by arm.urdf
    assert size[2] / 2 > fingers and size[2] / 2 - beyond <= fingers - 0.003 + 1e-9


def test_in_mujoco_without_an_arm_what_it_takes_hangs_on_the_robot_and_wheels_slip_at_a_wall(tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="pip install 'enigma[sim]'")
    from firmware_bridge.robot.physics import MujocoWorld

    toml = tmp_path / "robot.toml"
    made = room.load("flat", toml)
    world = MujocoWorld(drawn.load(toml), made, 4.0, 0.4, math.pi)
    assert world.take("keys")
    world.step(0.5)
    away, angle = seen_from(world.pose, *world.things["keys"])
    assert away == pytest.approx(GRIPS, abs=0.03) and abs(angle) < 0.1
    lies = world.put()
    world.step(1.0)
    assert math.dist(world.things["keys"], lies) < 0.02
    world = MujocoWorld(drawn.load(toml), made, 6.6, 3.5, 0.0)
    for _ in range(100):  # straight east, past all that keeps it from doing so
        world.drive(0.7, 0.7)
        world.step(0.02)
    assert world.bumped and world.room.gap(*world.pose[:2]) > world.robot.body.radius - 0.03
    wheels = world.counts[0]
    world.drive(0.7, 0.7)
    world.step(0.2)
    assert world.counts[0] > wheels + 50 and abs(world.speed[0]) < 0.1  # against the wall they slip
    world.stop(latch=True)
    world.step(0.5)
    wheels = world.counts[0]
    world.drive(0.7, 0.7)
    world.step(0.2)
    assert world.counts[0] == pytest.approx(wheels, abs=20)


def _looks_like(drawing: bytes, folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (folder / "way.png").write_bytes(drawing)
    with image.open(folder / "way.png") as shown:
        pixels = np.asarray(shown.convert("RGB")).reshape(-1, 3)
    for colour in ((30, 90, 200), (245, 190, 190), (30, 30, 30), (200, 30, 30), (230, 140, 20)):
        assert (pixels == colour).all(axis=1).sum() > 50, colour


def test_what_it_cannot_do_is_refused_in_a_sentence_before_anything_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with flat(tmp_path) as home:
            for calls, why in (
                ((order("fetch", "umbrella"),), "no 'umbrella'"),
                ((order("fetch", "anna"),), "a person, whom no robot carries"),
                ((order("fetch"),), "fetch needs one thing"),
                ((order("follow", "cup", "keys"),), "follow needs one thing"),
                ((order("follow"), order("go_to", "sofa")), "say that last"),
                ((order("go_to", "sofa"), order("find", "keys", **{"in": "cellar"})), "no place 'cellar'"),
                ((order("place", "cup", to="attic"),), "no place 'attic'"),
            ):
                with pytest.raises(RobotError, match=why):
                    await home.call(*calls)
            home.driver.use(parse_with_zone(home))
            for name in ("fetch", "find"):
                with pytest.raises(RobotError, match="can't stand at the place 'kitchen': it is in a zone"):
                    await home.call(order("go_to", "sofa"), order(name, "cup"))
            with pytest.raises(RobotError, match="can't stand at the place 'kitchen'"):
                await home.call(order("go_to", "kitchen"), order("fetch", "cup"))
            home.driver.sight([("cup", 5.0, 3.5)])  # it lies in the zone
            with pytest.raises(RobotError, match="can't get near 'blue cup': zones or walls are round it"):
                await home.call(order("fetch", "cup"))
            home.driver.orders.gripper = None
            for name in ("fetch", "place"):
                with pytest.raises(RobotError, match="no gripper, so it can't fetch anything"):
                    await home.call(order(name, "slippers"))
            home.driver.on(Event.TAKE)
            with pytest.raises(RobotError, match="manual, and takes no orders"):
                await home.call(order("follow"))
            assert len(home.world.trail) == 1 and not home.driver.orders.ended

    run(main(), monkeypatch)


def parse_with_zone(home: Flat) -> Robot:
    zone = parse({"body": {"radius": 0.2, "track": 0.3, "wheel_speed": 1.0, "counts_per_metre": 1000.0},
                  "fence": [[0, 0], [9, 0], [9, 9], [0, 9]], "zones": [{"name": "wet floor", "corners": KITCHEN}]}).zones  # fmt: skip
    return replace(home.driver.robot, zones=(*home.driver.robot.zones, *zone))


def test_without_a_detector_it_goes_where_things_should_be_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with flat(tmp_path, eyes=False) as home:
            with pytest.raises(RobotError, match="no detector of things, and nobody knows where 'keys'"):
                await home.call(order("find", "keys"))
            with pytest.raises(RobotError, match="can't know where exactly 'slippers' lies"):
                await home.call(order("fetch", "slippers"))
            await home.call(order("find", "slippers"))
            assert await home.done() == [("sofa", "done", "It should be here; this robot has no detector that looks.")]

    run(main(), monkeypatch)


def test_what_nobody_knows_is_looked_for_in_all_places_and_a_stop_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with flat(tmp_path) as home:
            del home.world.things["keys"], home.driver.orders.things.areas["kitchen"]
            await home.call(order("find", "keys"))
            said = await home.done()
            assert said[-2][1] == "failed" and said[-1][1] == "dropped"
            assert "'keys' wasn't seen (" in said[-2][2]
            assert all(place in said[-2][2] for place in ("sofa", "door"))
            home.world.things["keys"] = (3.6, 0.4)
            await home.call(order("fetch", "keys", to="dock"))
            await home.until(lambda: home.world.held)
            await home.until(lambda: home.driver.envelope.v > 0.2)
            await home.call({"name": "stop"})
            await home.until(lambda: abs(home.world.speed[0]) < 0.01, 2.0)
            assert home.driver.orders.ended[-1].state == "dropped" and home.world.held == "keys"
            with pytest.raises(RobotError, match="The gripper holds 'keys': say first where to put it"):
                await home.call(order("fetch", "cup"))
            await home.call(order("place", "keys"))  # where it is
            assert (await home.done())[-1][:2] == ("put the keys down", "done")
            assert math.dist(home.world.pose[:2], home.world.things["keys"]) < 0.35 and not home.world.held
            home.world.take("keys")  # somebody takes it away while the robot comes for it
            home.world.things["keys"], home.world.held = (9.0, 9.0), ""
            await home.call(order("fetch", "keys", to="dock"))
            await asyncio.sleep(0.5)
            assert await home.driver.stop()
            assert home.driver.orders.ended[-1].why == "emergency stop" and home.driver.modes.mode.value == "fault"

    run(main(), monkeypatch)


@pytest.mark.parametrize("eyes", [True, False])
def test_it_follows_somebody_at_a_distance_and_stands_when_they_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eyes: bool
) -> None:
    """With a detector that knows her, and by her legs alone."""

    async def main() -> None:
        async with flat(tmp_path, eyes=eyes, way=((0.6, 1.8), (2.0, 1.5), (3.6, 1.5), (5.2, 1.7))) as home:
            await home.call(order("follow", "anna") if eyes else order("follow"))
            nearest, far = math.inf, 0.0
            began = home.world.pose
            for step in range(600):
                await asyncio.sleep(0.05)
                away = math.dist(home.world.pose[:2], home.world.people()["anna"])
                nearest = min(nearest, away)
                far = max(far, away if step > 100 else 0.0)
                if home.world.time > 12.5:  # before she turns round
                    break
            assert math.dist(began[:2], home.world.pose[:2]) > 1.5 and nearest > 0.6 and far < 2.2, (nearest, far)
            assert home.driver.orders.queue[0].state == "going"
            home.world.room = replace(home.world.room, people={})
            said = await home.done()
            assert said[-1][1] == "failed" and "lost sight of" in said[-1][2]
            await home.until(lambda: abs(home.world.speed[0]) < 0.01, 2.0)
            home.world.room = replace(
                home.world.room, people={"anna": ((home.world.pose[0], home.world.pose[1] + 1.5),)}
            )
            await asyncio.sleep(1.0)
            await home.call(order("follow"))
            await asyncio.sleep(1.0)
            await home.call(order("dock"))  # which ends following
            assert [each.says for each in home.driver.orders.queue] == ["dock"]

    run(main(), monkeypatch)


def test_legs_are_told_from_walls_and_keep_who_they_are() -> None:
    wall = np.column_stack([np.linspace(0, 4, 81), np.full(81, 3.0)])
    tracker = Tracker(wall)
    for step in range(20):
        x = 0.5 + 0.1 * step
        legs = np.array([[x - 0.1, 1.0], [x - 0.08, 1.02], [x + 0.1, 1.0], [x + 0.12, 1.02]])
        points = np.concatenate([legs, wall + 0.02])
        assert len(clusters(points, Walls(wall))) == 1
        tracker.scan(0.2 * step, points)
        if not step:
            first = tracker.tracks[0]
    assert tracker.tracks == [first] and first.vx == pytest.approx(0.5, abs=0.1)
    assert tracker.nearest(2.4, 1.0, 0.3) is first and tracker.nearest(0, 0, 0.5) is None
    tracker.scan(9.0, np.empty((0, 2)))
    assert tracker.tracks == []


def test_things_are_known_by_id_and_name_and_a_bad_inventory_is_a_sentence(tmp_path: Path) -> None:
    toml = tmp_path / "robot.toml"
    with pytest.raises(RobotError, match=r"knows no things: inventory\.json beside its robot\.toml"):
        things.load(toml).thing("cup")
    for text in ("[]", "{", '{"areas": [], "entities": [{"name": "x"}]}', '{"areas": 1, "entities": []}'):
        (tmp_path / things.INVENTORY).write_text(text)
        with pytest.raises(RobotError, match="is no inventory"):
            things.load(toml)
    made = Things([Thing("red_ball", "red ball")], {}, tmp_path / things.KEPT)
    assert made.thing("Red Ball") is made.thing("red_ball")
    with pytest.raises(RobotError, match="seen at no place"):
        made.report(1.0, [("red_ball", math.nan, 0.0)])
    assert not made.detects(1.0) and made.where(made.thing("red_ball")) is None
    made.put(made.thing("red_ball"), 1.0, 2.0)
    again = Things(list(made.known.values()), {}, tmp_path / things.KEPT).where(made.thing("red_ball"))
    assert again is not None and (again.x, again.y, again.at) == (1.0, 2.0, -math.inf)
    for text in ('{"red_ball": [1e9, "x"]}', f'{{"red_ball": [0, {10**400}]}}'):
        (tmp_path / things.KEPT).write_text(text)
        assert Things([], {}, tmp_path / things.KEPT)._sightings == {}


async def test_orders_without_a_ground_are_refused() -> None:
    robot = parse({"body": {"radius": 0.2, "track": 0.3, "wheel_speed": 1.0, "counts_per_metre": 1000.0}})
    with pytest.raises(RobotError, match="needs a fence"):
        await Orders(robot, None).take([{"name": "move", "arguments": {"metres": 1.0}}], (0, 0, 0))
