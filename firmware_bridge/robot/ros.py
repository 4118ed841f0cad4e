"""A robot in a graph of ROS 2, beside its own process: it tells where it is and what it sees, and takes orders.

    out     odom, tf, scan, map, plan, battery_state, /diagnostics, refused
    in      cmd_vel, goal_pose, stop, and a scanner's topic

It is one more client of the robot's socket: what comes in goes through the same tokens, modes and safety envelope as a
person's sticks. Nothing here reaches the motors by another way, and an order that is refused is said on `refused`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.errors import BridgeError
from firmware_bridge.robot import ros_messages as made
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.pose_graph import compose
from firmware_bridge.robot.serve import FASTEST, ask
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import DEFAULT, LATCHED, SENSORS, Qos, check_name

log = logging.getLogger(__name__)
SLOWLY = 1.0  # seconds between two of what changes seldom
MAP_EVERY = 2.0  # seconds between two maps that changed
MAP_ANYWAY = 60.0  # seconds after which it is told again: a rosbridge that began anew has forgotten it
AGAIN = 1.0  # seconds until a robot that went away is looked for again
SILENT = 3.0  # seconds without a frame after which it is gone
LONGEST = 1 << 20  # bytes of a frame
LATEST = Qos(1, reliable=False)  # of orders nothing but the latest counts; a reader of this quality hears every writer
SCAN_EVERY = 0.1  # seconds between two scans of a scanner that are handed on
TYPES = {
    "odom": "nav_msgs/msg/Odometry",
    "scan": "sensor_msgs/msg/LaserScan",
    "map": "nav_msgs/msg/OccupancyGrid",
    "plan": "nav_msgs/msg/Path",
    "battery_state": "sensor_msgs/msg/BatteryState",
    "refused": "std_msgs/msg/String",
    "cmd_vel": "geometry_msgs/msg/Twist",
    "goal_pose": "geometry_msgs/msg/PoseStamped",
    "stop": "std_msgs/msg/Empty",
}
TF, DIAGNOSTICS = "tf2_msgs/msg/TFMessage", "diagnostic_msgs/msg/DiagnosticArray"


@dataclass(frozen=True)
class Options:
    """hz: frames a second. prefix: of topics and frames, where there are several robots. scanner: a topic of LaserScan."""

    hz: float = 10.0
    prefix: str = ""
    scanner: str = ""

    def __post_init__(self) -> None:
        if not 0.1 <= self.hz <= FASTEST:
            raise RobotError(f"A robot is told of 0.1 to {FASTEST:g} times a second.")


class RosRobot:
    """See the module; `run` until it is cancelled. counts: what was told and taken."""

    def __init__(self, graph: RosGraph, path: Path, token: str, options: Options | None = None) -> None:
        self._graph, self._path, self._token = graph, path, token
        self.options = options or Options()
        self.counts = {"frames": 0, "orders": 0, "refused": 0, "scans": 0}
        base = check_name(self.options.prefix).lstrip("/") if self.options.prefix else ""
        self._frames = made.Frames(base)
        self._base = f"/{base}/" if base else "/"
        names = ("odom", "map", "plan", "battery_state", "refused", *(() if self.options.scanner else ("scan",)))
        self._out = {
            name: graph.advertise(self._base + name, TYPES[name], LATCHED if name == "map" else DEFAULT)
            for name in names
        }
        self._out["tf"] = graph.advertise("/tf", TF)
        self._odom = (0.0, 0.0, 0.0)  # where it lies in map
        self._out["diagnostics"] = graph.advertise("/diagnostics", DIAGNOSTICS)
        self._map, self._path_told = 0, None  # type: tuple[int, list[Any] | None]
        self._slowly = self._mapped_at = -math.inf
        self._said: set[str] = set()

    async def run(self) -> None:
        """Tells and takes. Raises RosError where a topic can't be."""
        tasks: list[Callable[[], Any]] = [self._tell, self._drive, self._go, self._stop]
        if self.options.scanner:
            tasks.append(self._scan)
        running = [asyncio.create_task(each()) for each in tasks]
        try:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    # Out.

    async def _tell(self) -> None:
        while True:
            try:
                async for frame in self._watch():
                    self.counts["frames"] += 1
                    await self._publish(frame, time.time())
            except BridgeError as error:
                self._say(str(error))
            except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
                self._say(f"The robot at {self._path} went away ({error or 'it is silent'}); it is looked for.")
            await asyncio.sleep(AGAIN)

    async def _watch(self) -> AsyncIterator[dict[str, Any]]:
        """Frames, until the robot goes away. Raises RobotError, OSError, ValueError, TimeoutError."""
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LONGEST)
        try:
            wanted = {"token": self._token, "op": "watch", "hz": self.options.hz}
            writer.write(json.dumps(wanted).encode() + b"\n")
            while True:
                async with asyncio.timeout(max(SILENT, 3 / self.options.hz)):
                    line = await reader.readline()
                if not line:
                    raise OSError("it closed the connection")
                told = json.loads(line)
                if told.get("accepted") is False:
                    raise RobotError(str(told.get("reason")))
                if "frame" in told:
                    yield told["frame"]
        finally:
            writer.close()

    async def _publish(self, frame: dict[str, Any], now: float) -> None:
        frames, pose = self._frames, frame["pose"]
        if pose is not None:
            self._put("odom", made.odometry(now, pose, frames))
            self._put("tf", made.transforms(now, pose, frames))
            self._odom = made.in_map(pose)
        if frame["path"] != self._path_told:
            self._path_told = frame["path"]
            self._put("plan", made.path(now, frame["path"], frames))
        if "scan" in frame and "scan" in self._out:
            taken = now - (frame["t"] - frame["scan"]["t"])
            self._put("scan", made.scan(taken, frame["scan"], 1 / self.options.hz, frames))
        if now - self._slowly > SLOWLY:
            self._slowly = now
            self._put("diagnostics", made.diagnostics(now, frame, f"robot{self._base}".rstrip("/")))
            if frame["battery"] is not None:
                unknown = math.nan if self._graph.transport.nan else 0.0
                self._put("battery_state", made.battery(now, frame["battery"], frames, unknown))
        about = frame["map"]
        waited = now - self._mapped_at
        if about is not None and ((waited > MAP_EVERY and about["revision"] != self._map) or waited > MAP_ANYWAY):
            self._mapped_at = now
            told: dict[str, Any] = await self._ask({"op": "map"})
            png = base64.b64decode(told["png"])
            self._put("map", await asyncio.to_thread(made.grid, now, told["map"], png, frames))
            self._map = about["revision"]

    def _put(self, name: str, fields: dict[str, Any]) -> None:
        try:
            self._out[name].publish(fields)
        except BridgeError as error:  # a reader that is slow, or a graph that is away: the next one counts
            self._say(f"{self._out[name].topic.name}: {error}")

    # In.

    async def _drive(self) -> None:
        """By hand, within the envelope; whoever sends no more is stopped by the deadman."""
        async for twist in self._graph.subscribe(self._base + "cmd_vel", TYPES["cmd_vel"], LATEST).each():
            sideways = max(map(abs, (twist.linear.y, twist.linear.z, twist.angular.x, twist.angular.y)))
            if sideways > 1e-3:
                self._refuse("cmd_vel: this robot drives along and turns about the vertical axis, nothing else.")
                continue
            await self._order({"op": "drive", "v": twist.linear.x, "w": twist.angular.z}, "cmd_vel")

    async def _go(self) -> None:
        async for goal in self._graph.subscribe(self._base + "goal_pose", TYPES["goal_pose"]).each():
            frame, heading = goal.header.frame_id.lstrip("/"), made.heading_of(goal.pose.orientation)
            if frame not in (self._frames.map, self._frames.odom):
                self._refuse(f"goal_pose: a goal is on the map, not in the frame {frame[:40]!r}.")
            elif heading is None:
                self._refuse("goal_pose: its orientation is no turn about the vertical axis.")
            else:
                x, y = float(goal.pose.position.x), float(goal.pose.position.y)
                if frame == self._frames.odom:
                    x, y, heading = compose(self._odom, (x, y, heading))
                there = {"x": x, "y": y, "degrees": math.degrees(heading)}
                await self._order({"calls": [{"name": "go_to", "arguments": there}]}, "goal_pose")

    async def _stop(self) -> None:
        """The emergency stop, whoever sends it."""
        async for _ in self._graph.subscribe(self._base + "stop", TYPES["stop"]).each():
            await self._order({"op": "stop"}, "stop")

    async def _scan(self) -> None:
        """A scanner's rays, round the robot's middle and forward."""
        qos = Qos(SENSORS.depth, reliable=False, every=SCAN_EVERY)
        async for told in self._graph.subscribe(self.options.scanner, TYPES["scan"], qos).each():
            rays = [float(each) if told.range_min <= each <= told.range_max else None for each in told.ranges]
            asked = {"op": "scan", "first": float(told.angle_min), "step": float(told.angle_increment), "ranges": rays}
            if await self._order(asked, self.options.scanner):
                self.counts["scans"] += 1

    async def _order(self, asked: dict[str, object], topic: str) -> bool:
        try:
            await self._ask(asked)
        except BridgeError as error:
            self._refuse(f"{topic}: {error}")
            return False
        self.counts["orders"] += 1
        return True

    async def _ask(self, asked: dict[str, object]) -> dict[str, object]:
        return await ask(self._path, {"token": self._token, **asked})

    def _refuse(self, why: str) -> None:
        self.counts["refused"] += 1
        self._say(why)
        with contextlib.suppress(BridgeError):
            self._out["refused"].publish(data=why)

    def _say(self, text: str) -> None:
        """Logs a sentence the first time."""
        if text not in self._said and len(self._said) < 200:
            self._said.add(text)
            log.warning("%s", text)
