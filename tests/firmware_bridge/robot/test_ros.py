"""A robot in a graph of ROS: what it tells is what it does, and what it is told goes through its envelope."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from firmware_bridge.robot import ros_messages as made
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.grid import Grid
from firmware_bridge.robot.modes import Mode
from firmware_bridge.robot.pose_graph import compose
from firmware_bridge.robot.shown import ShownMap

from .test_serve import PATIENT, until
from .test_simulator import START, Pretended, pretended

if not all(map(find_spec, ("rosbags", "aiohttp", "PIL"))):
    pytest.skip("ROS 2 needs pip install 'enigma[ros2]'", allow_module_level=True)

from firmware_bridge.robot.ros import TYPES, Options, RosRobot
from firmware_bridge.ros2.graph import RosGraph, Subscription
from firmware_bridge.ros2.names import DEFAULT, LATCHED
from firmware_bridge.ros2.types import Types
from tests.firmware_bridge.ros2.rosbridge_server import RosbridgeServer


@contextlib.asynccontextmanager
async def in_graph(
    robot: Pretended, token: str | None = None, **options: Any
) -> AsyncIterator[tuple[RosGraph, RosRobot]]:
    """The robot in a graph behind a rosbridge of the tests, and somebody else in that graph."""
    async with RosbridgeServer() as server, contextlib.AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(await RosGraph.open(over="rosbridge", interface=server.url)) for _ in "12"
        ]
        bridge = RosRobot(one, robot.path, token or robot.token, Options(20.0, **options))
        running = asyncio.create_task(bridge.run())
        try:
            await until(lambda: bridge.counts["frames"] > 0)
            yield other, bridge
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def some(reader: Subscription, true: Any = lambda message: True) -> Any:
    """The first message of which that is so."""
    async with asyncio.timeout(PATIENT):
        while not true(message := await reader.next(PATIENT)):
            pass
    return message


async def test_what_it_tells_is_where_it_is_and_what_it_sees(tmp_path: Path) -> None:
    async with pretended(tmp_path) as robot, in_graph(robot) as (other, _):
        names = ("odom", "scan", "map", "battery_state")
        read = {each: other.subscribe(f"/{each}", TYPES[each], LATCHED if each == "map" else DEFAULT) for each in names}
        frames = other.subscribe("/tf", "tf2_msgs/msg/TFMessage")
        health = other.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
        odometry, scan = await some(read["odom"]), await some(read["scan"])
        place = odometry.pose.pose.position
        assert math.dist((place.x, place.y), robot.world.pose[:2]) < 0.1
        assert made.heading_of(odometry.pose.pose.orientation) == pytest.approx(START[2], abs=0.1)
        assert odometry.child_frame_id == "base_link" and odometry.pose.covariance[0] > 0
        ahead = round((0 - scan.angle_min) / scan.angle_increment)
        truth = robot.world.room.scan(*robot.world.pose)[ahead]
        assert scan.ranges[ahead] == pytest.approx(truth, abs=0.15) and scan.header.frame_id == "base_link"
        about, transform = (await some(frames)).transforms
        assert (transform.header.frame_id, transform.child_frame_id) == ("odom", "base_link")
        assert (about.header.frame_id, about.child_frame_id) == ("map", "odom")
        before = transform.transform.translation
        robot.driver.locate(2.0, 1.0, 0.0)  # map to odom takes the jump
        moved = await some(frames, lambda told: told.transforms[0].transform.translation.x > 1.0)
        there = moved.transforms[1].transform.translation
        assert math.dist((there.x, there.y), (before.x, before.y)) < 0.02
        grid = await some(read["map"])
        assert len(grid.data) == grid.info.width * grid.info.height and set(grid.data.tolist()) == {-1, 0, 100}
        battery = await some(read["battery_state"], lambda told: told.voltage > 0)
        assert 0.5 < battery.percentage <= robot.world.charge + 0.01 and battery.voltage == pytest.approx(
            robot.world.volts, abs=0.1
        )
        status = (await some(health)).status[0]
        told = {each.key: each.value for each in status.values}
        assert told["simulated"] == "true" and told["mode"] == "manual" and status.hardware_id == "simulated"


async def test_orders_go_through_tokens_modes_and_the_envelope_and_stop_needs_nothing(tmp_path: Path) -> None:
    async with pretended(tmp_path) as robot, in_graph(robot) as (other, bridge):
        odometry, refused = other.subscribe("/odom", TYPES["odom"]), other.subscribe("/refused", TYPES["refused"])
        wheels, goal, stop = [other.advertise(f"/{each}", TYPES[each]) for each in ("cmd_vel", "goal_pose", "stop")]
        assert all([await each.matched(PATIENT) for each in (wheels, goal, stop)])

        async def push() -> None:
            while True:
                wheels.publish(linear={"x": 9.0})
                await asyncio.sleep(0.05)

        pushing = asyncio.create_task(push())
        fast = await some(odometry, lambda told: told.twist.twist.linear.x > 0.03)
        assert fast.twist.twist.linear.x <= robot.driver.robot.limits.speed + 0.05
        pushing.cancel()
        await until(lambda: robot.driver.envelope.v == 0)  # the deadman
        wheels.publish(linear={"y": 0.2})
        assert "along" in (await some(refused)).data

        def pose(x: float, y: float, degrees: float = 90.0, frame: str = "map") -> dict[str, object]:
            place = {"position": {"x": x, "y": y}, "orientation": made.turned(math.radians(degrees))}
            return {"header": {"frame_id": frame}, "pose": place}

        goal.publish(pose(0.5, 1.0))
        assert "manual, and takes no orders" in (await some(refused)).data
        await robot.ask(op="mode", event="automate")
        wheels.publish(linear={"x": 0.1})
        assert "take it over first" in (await some(refused)).data
        for wrong, why in (
            (pose(0.5, 1.0, frame="camera"), "not in the frame 'camera'"),
            (pose(50.0, 1.0), "goal_pose:"),
            (pose(0.5, 1.0) | {"pose": {"orientation": {"w": 0.0}}}, "no turn about"),
        ):
            goal.publish(wrong)
            assert why in (await some(refused)).data
        goal.publish(pose(0.5, 1.1, 45.0))
        await until(lambda: robot.driver.orders.queue)
        assert robot.driver.orders.queue[0].place.heading == pytest.approx(math.pi / 4)
        stop.publish()
        await until(lambda: robot.driver.modes.mode is Mode.FAULT)
        assert robot.world.latched and not robot.driver.orders.queue and bridge.counts["orders"] >= 3


async def test_a_token_that_only_reads_drives_nothing_a_prefix_is_everywhere_and_a_scanner_is_heard(
    tmp_path: Path,
) -> None:
    async with pretended(tmp_path) as robot:
        reads = robot.tokens.add("eye", ["read", "sense"])
        async with in_graph(robot, reads, prefix="r1", scanner="/lidar") as (other, bridge):
            odometry, refused = (
                other.subscribe("/r1/odom", TYPES["odom"]),
                other.subscribe("/r1/refused", TYPES["refused"]),
            )
            assert (await some(odometry)).child_frame_id == "r1/base_link"
            wheels, rays = other.advertise("/r1/cmd_vel", TYPES["cmd_vel"]), other.advertise("/lidar", TYPES["scan"])
            assert await wheels.matched(PATIENT) and await rays.matched(PATIENT)
            wheels.publish(linear={"x": 0.2})
            assert "needs a token with the scope drive" in (await some(refused)).data
            rays.publish(angle_increment=0.1, range_min=0.1, range_max=5.0, ranges=[0.0, 1.25, 9.0])
            await until(lambda: bridge.counts["scans"])
            scan = robot.driver.latest_scan
            assert scan is not None and robot.driver.envelope.v == 0


def test_map_to_odom_and_odom_to_base_link_make_the_pose() -> None:
    pose = {"x": 2.0, "y": -1.0, "degrees": 100.0, "odom": [0.4, 0.3, 20.0]}
    about, base = made.transforms(1.0, pose, made.Frames())["transforms"]
    parts = []
    for each in (about, base):
        at = each["transform"]["translation"]
        turn = made.heading_of(SimpleNamespace(**each["transform"]["rotation"]))
        assert turn is not None
        parts.append((at["x"], at["y"], turn))
    assert compose(*parts) == pytest.approx((2.0, -1.0, math.radians(100)))


def test_a_map_keeps_its_corner_and_its_rows(tmp_path: Path) -> None:
    odds = np.zeros((3, 4), np.float32)
    odds[0, 1], odds[2, 3] = 5.0, -5.0
    shown = ShownMap(Grid(odds, -1.0, 2.0, 0.5), grows=False)
    about = shown.about()
    assert about is not None
    types = Types()
    grid = types.make(TYPES["map"], made.grid(1.5, about, shown.png(), made.Frames()))
    assert grid.data.reshape(3, 4).tolist() == [[-1, 100, -1, -1], [-1] * 4, [-1, -1, -1, 0]]
    assert (grid.info.origin.position.x, grid.info.origin.position.y, grid.info.resolution) == (-1.0, 2.0, 0.5)
    assert (grid.header.stamp.sec, grid.header.stamp.nanosec) == (1, 500_000_000)


def test_what_is_no_turn_about_the_vertical_axis_is_none_and_rates_have_bounds() -> None:
    for turn in (0.0, 1.0, -3.0):
        assert made.heading_of(SimpleNamespace(**made.turned(turn))) == pytest.approx(turn)
    for wrong in ((0, 0, 0, 0), (0.7, 0, 0, 0.7), (0, 0, 2, 0)):
        assert made.heading_of(SimpleNamespace(**dict(zip("xyzw", wrong, strict=True)))) is None
    with pytest.raises(RobotError, match=r"0\.1 to 20 times"):
        Options(50)
