"""Ways round zones and walls, following them behind the envelope, and the filter that says where the robot is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from firmware_bridge.robot.config import RobotError, parse
from firmware_bridge.robot.estimate import Estimate, wrap
from firmware_bridge.robot.follow import Follower
from firmware_bridge.robot.plan import Costmap, length, plan
from firmware_bridge.robot.zones import Ground
from tests.firmware_bridge.robot.adversary import GROUND, RAW, ROBOT, World

COSTMAP = Costmap(ROBOT, GROUND)


def test_a_way_keeps_clear_of_every_zone_and_is_no_detour() -> None:
    rng = np.random.default_rng(2)
    need = ROBOT.body.radius + ROBOT.map.margin
    made = 0
    while made < 30:
        start, goal = rng.uniform([0.3, 0.3], [4.7, 3.7], (2, 2)).tolist()
        if not (COSTMAP.free(*COSTMAP.at(*start)) and COSTMAP.free(*COSTMAP.at(*goal))):
            continue
        points = plan(COSTMAP, tuple(start), tuple(goal))
        assert GROUND.free.boundary.distance(shapely.LineString(points)) > need - 0.02
        assert points[0] == tuple(start) and points[-1] == tuple(goal)
        assert length(points) < 1.6 * math.dist(start, goal) + 0.5
        made += 1


def test_a_map_without_a_way_a_goal_in_a_zone_and_a_robot_without_room_say_so() -> None:
    wall = {"name": "wall", "corners": [[2.4, 0.0], [2.6, 0.0], [2.6, 4.0], [2.4, 4.0]]}
    robot = parse({**RAW, "zones": [wall]})
    closed = Costmap(robot, Ground(robot))
    with pytest.raises(RobotError, match="There is no way to the kitchen: zones or walls close it off"):
        plan(closed, (1.0, 1.0), (4.0, 1.0), "the kitchen")
    with pytest.raises(RobotError, match="can't stand at the kitchen"):
        plan(closed, (1.0, 1.0), (2.5, 1.0), "the kitchen")
    with pytest.raises(RobotError, match="can't stand at that place"):
        plan(closed, (1.0, 1.0), (99.0, 1.0))
    with pytest.raises(RobotError, match="drive it by hand"):
        plan(closed, (-3.0, 1.0), (1.0, 1.0))
    open_door = np.array([[2.5, y] for y in np.arange(0, 4, 0.05) if not 1.5 < y < 2.3])
    around = Costmap(parse({**RAW, "zones": []}), Ground(parse({**RAW, "zones": []})), open_door)
    assert any(abs(y - 1.9) < 0.35 for _, y in plan(around, (1.0, 0.6), (4.0, 0.6))[1:-1])


@pytest.mark.parametrize(("start", "goal"), [((0.5, 0.5), (3.0, 3.5)), ((4.4, 0.6), (0.6, 3.4))])
def test_a_robot_follows_its_way_to_the_end_behind_the_envelope(
    start: tuple[float, float], goal: tuple[float, float]
) -> None:
    world = World(*start, 2.0)
    envelope = world.envelope
    follower = Follower(ROBOT, GROUND, plan(COSTMAP, start, goal), heading=0.3)
    for _ in range(1200):
        world.run(0.05, True)
        assert world.nearest > 0
        now, pose = world.now, world.pose
        envelope.pose(now, *pose, 0.02, 0.02)
        envelope.scan(now, -math.pi, math.pi / 90, np.full(180, 9.0))
        envelope.tilt(now, 0, 0)
        asked = follower.twist(*pose)
        if asked is None:
            break
        envelope.ask(now, *asked)
        given = envelope.step(now)
        world.orders.append((now, given.v, given.w))
    assert math.dist(world.pose[:2], goal) < 0.1 and abs(wrap(world.pose[2] - 0.3)) < 0.15
    assert world.now < 100 + 4 * math.dist(start, goal) / 0.6 + 10


def test_a_follower_goes_round_what_the_scan_sees_or_says_that_it_is_blocked() -> None:
    follower = Follower(ROBOT, GROUND, [(0.6, 0.6), (4.0, 0.6)])
    aside = np.array([[1.0, 0.58]])
    asked = follower.twist(0.6, 0.6, 0.0, aside)
    assert asked is not None and asked[0] > 0 and asked[1] != 0
    wall = np.column_stack([np.full(60, 0.9), np.linspace(0.0, 1.5, 60)])
    asked = follower.twist(0.6, 0.6, 0.0, wall)
    assert asked is not None and asked[0] == 0 and follower.blocked


class Walk:
    """A robot on a random walk, with wheels that slip in turns and a gyro with a bias."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.pose = np.zeros(3)
        self.w, self.now = 0.0, 0.0
        self.bias, self.slip = self.rng.normal(0, 0.02), 1 + self.rng.normal(0, 0.12)

    def step(self, stands: bool) -> tuple[float, float, float]:
        """What wheels and gyro say after the next 0.05 s: v, w, rate."""
        self.now += 0.05
        self.w = 0.0 if stands else 0.97 * self.w + self.rng.normal(0, 0.12)
        v = 0.0 if stands else 0.3
        x, y, heading = self.pose
        self.pose = np.array(
            [x + v * 0.05 * math.cos(heading), y + v * 0.05 * math.sin(heading), heading + self.w * 0.05]
        )
        moving = 0.0 if stands else 1.0
        said = v + moving * self.rng.normal(0, 0.01), self.w * self.slip + moving * self.rng.normal(0, 0.05)
        return *said, self.w + self.bias + self.rng.normal(0, 0.01)


def test_wheels_and_gyro_together_are_twice_as_good_as_either_alone_and_the_doubt_is_honest() -> None:
    ends: dict[str, list[float]] = {"both": [], "wheels": [], "gyro": []}
    inside = 0
    for seed in range(8):
        walk, both, wheels = Walk(seed), Estimate(0, 0, 0), Estimate(0, 0, 0)
        dead = np.zeros(3)  # the gyro's turns, and the speed that was asked for
        for step in range(600):
            v, w, rate = walk.step(stands=step < 100)
            both.odometry(walk.now, v, w)
            both.gyro(walk.now, rate)
            wheels.odometry(walk.now, v, w)
            asked = 0.0 if step < 100 else 0.3
            dead += (asked * 0.05 * math.cos(dead[2]), asked * 0.05 * math.sin(dead[2]), rate * 0.05)
        for name, pose in (("both", both.pose), ("wheels", wheels.pose), ("gyro", dead)):
            ends[name].append(math.dist(pose[:2], walk.pose[:2]))
        inside += ends["both"][-1] <= both.doubt[0]
    rmse = {name: float(np.sqrt(np.mean(np.square(each)))) for name, each in ends.items()}
    assert rmse["both"] <= rmse["wheels"] / 2 and rmse["both"] <= rmse["gyro"] / 2, rmse
    assert inside >= 7, (inside, ends)


def test_poses_of_scans_hold_the_drift_and_one_that_is_far_off_is_not_believed() -> None:
    walk, estimate = Walk(3), Estimate(0, 0, 0)
    spread, before = np.diag([0.02**2, 0.02**2, 0.02**2]), estimate.odom
    for step in range(800):
        v, w, _ = walk.step(False)
        estimate.odometry(walk.now, v, w)
        assert math.dist(estimate.odom[:2], before[:2]) < 0.02  # also where a scan has just moved the pose
        before = estimate.odom
        if step % 20 == 0:
            x, y, heading = walk.pose + walk.rng.normal(0, 0.02, 3)
            assert estimate.matched(walk.now, x, y, heading + 2 * math.pi, spread)
    assert math.dist(estimate.pose[:2], walk.pose[:2]) < 0.08 and estimate.doubt[0] < 0.2
    assert math.dist(estimate.odom[:2], walk.pose[:2]) > 0.1 and 2 * math.sqrt(estimate.odom_doubt[0]) > 0.2
    assert not estimate.matched(walk.now, walk.pose[0] + 3, walk.pose[1], walk.pose[2], spread)
    assert not estimate.matched(walk.now, math.nan, 0, 0, spread) and estimate.refused == 1


def test_a_sensor_that_falls_silent_or_disagrees_is_named_within_a_second_and_makes_it_doubt() -> None:
    walk, estimate = Walk(4), Estimate(0, 0, 0)
    for _ in range(100):
        v, w, rate = walk.step(False)
        estimate.odometry(walk.now, v, w)
        estimate.gyro(walk.now, rate)
    assert estimate.missing(walk.now) == []
    doubt = estimate.doubt[1]
    for _ in range(20):
        walk.now += 0.05
        estimate.odometry(walk.now, 0.1, 1.2)
        estimate.gyro(walk.now, 0.0)  # it is stuck, or the wheels turn on the spot
    assert estimate.missing(walk.now) == ["agreement of gyro and wheels"] and estimate.doubt[1] > doubt + 0.2
    for _ in range(20):
        walk.now += 0.05
        estimate.odometry(walk.now, 0.1, 0.0)
    assert estimate.missing(walk.now) == ["gyro"]
    estimate.odometry(walk.now, math.nan, 0.0)
    estimate.gyro(walk.now, math.inf)
    assert np.isfinite(estimate.state).all()
