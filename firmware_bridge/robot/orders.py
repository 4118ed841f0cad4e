"""What a robot was sent to do, one after the other: checked and planned before it is accepted, then followed to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firmware_bridge.robot.config import FAR, Place, Robot, RobotError
from firmware_bridge.robot.follow import Follower
from firmware_bridge.robot.plan import Costmap, Point, length, plan
from firmware_bridge.robot.zones import Ground

log = logging.getLogger(__name__)

MOST = 8  # orders that wait
BLOCKED, REPLANS = 3.0, 3  # seconds of standing before it looks for another way, and how often it does
Pose = tuple[float, float, float]


@dataclass
class Order:
    """Somewhere to go; state: waiting, going, done, failed or dropped."""

    place: Place
    points: list[Point]
    state: str = "waiting"
    why: str = ""
    replans: int = 0


class Orders:
    """The orders of one robot on its ground; without a ground there are none."""

    def __init__(self, robot: Robot, ground: Ground | None) -> None:
        self.robot, self.ground = robot, ground
        self.queue: deque[Order] = deque()
        self.ended: deque[Order] = deque(maxlen=20)
        self._walls: np.ndarray | None = None
        self._costmap: Costmap | None = None
        self._follower: Follower | None = None
        self._stands_since = math.inf

    def use(self, robot: Robot, ground: Ground | None) -> None:
        """Another robot.toml."""
        self.robot, self.ground, self._costmap = robot, ground, None

    def walls(self, points: np.ndarray) -> None:
        """Where something stands on a map: float64 [N, 2], metres."""
        self._walls, self._costmap = points, None

    def drop(self, why: str) -> None:
        """No order is carried out any more."""
        for order in self.queue:
            order.state, order.why = "dropped", why
            self.ended.append(order)
        self.queue.clear()
        self._follower = None

    async def take(self, calls: Sequence[dict[str, object]], pose: Pose) -> None:
        """All calls or none: go_to, dock, move, turn. Raises RobotError where one can't be carried out."""
        if len(self.queue) + len(calls) > MOST:
            raise RobotError(f"Up to {MOST} orders wait for each other.")
        made: list[Order] = []
        for call in calls:
            last = made[-1].place if made else self.queue[-1].place if self.queue else Place("here", *pose)
            place = self._place(call, last)
            made.append(Order(place, await self.way((last.x, last.y), place)))
        self.queue.extend(made)

    async def home(self, pose: Pose) -> None:
        """Instead of all else, to the dock. Raises RobotError."""
        place = self.robot.place(self.robot.dock)
        points = await self.way(pose[:2], place)
        self.drop("the battery is low")
        self.queue.append(Order(place, points))

    @property
    def path(self) -> list[Point]:
        """What is left of the way of the order that is carried out."""
        if self._follower is not None:
            return list(self._follower.left)
        return self.queue[0].points[1:] if self.queue else []

    @property
    def goes_home(self) -> bool:
        """Whether the first order is the dock."""
        return bool(self.queue and self.robot.dock) and self.queue[0].place == self.robot.place(self.robot.dock)

    async def metres_home(self, pose: Pose) -> float | None:
        """The way to the dock; None where there is none."""
        if not self.robot.dock:
            return None
        try:
            return length(await self.way(pose[:2], self.robot.place(self.robot.dock)))
        except RobotError as error:
            log.warning("Home can't be reached: %s", error)
            return None

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> tuple[float, float] | None:
        """The speeds that the first order asks for, None: there is none. given: m/s that the envelope let through."""
        if not self.queue or self.ground is None:
            return None
        order = self.queue[0]
        if self._follower is None:
            order.state, self._stands_since = "going", math.inf
            self._follower = Follower(self.robot, self.ground, order.points, order.place.heading)
        asked = self._follower.twist(*pose, seen)
        if asked is None:
            self._end(order, "done", "")
            return 0.0, 0.0
        stands = self._follower.blocked or (asked[0] != 0 and abs(given) < 1e-3)
        self._stands_since = min(self._stands_since, now) if stands else math.inf
        if now - self._stands_since > BLOCKED:
            await self._other_way(order, pose[:2], seen)
            return 0.0, 0.0
        return asked

    async def way(self, start: Point, place: Place, seen: np.ndarray | None = None) -> list[Point]:
        """A way round zones, walls and what was `seen`. Raises RobotError where there is none."""
        if self.ground is None:
            raise RobotError("Going somewhere needs a fence in robot.toml.")
        goal = (place.x, place.y)
        if math.dist(start, goal) < 1e-6:
            return [start, goal]
        if self._costmap is None:
            self._costmap = await asyncio.to_thread(Costmap, self.robot, self.ground, self._walls)
        costmap = self._costmap
        if seen is not None:
            walls = seen if self._walls is None else np.concatenate([self._walls, seen])
            costmap = await asyncio.to_thread(Costmap, self.robot, self.ground, walls)
        return await asyncio.to_thread(plan, costmap, start, goal, f"the place {place.name!r}")

    async def _other_way(self, order: Order, at: Point, seen: np.ndarray | None) -> None:
        self._follower = None
        order.replans += 1
        try:
            if order.replans > REPLANS:
                raise RobotError(f"The way to {order.place.name!r} is blocked.")
            order.points = await self.way(at, order.place, seen)
        except RobotError as error:
            self._end(order, "failed", str(error))
            self.drop("the order before failed")

    def _end(self, order: Order, state: str, why: str) -> None:
        order.state, order.why = state, why
        log.info("%s: %s. %s", order.place.name, state, why)
        with contextlib.suppress(ValueError):  # it was dropped meanwhile
            self.queue.remove(order)
            self.ended.append(order)
        self._follower = None

    def _place(self, call: dict[str, object], last: Place) -> Place:
        """Where a call leads to from where the one before ended."""
        name, arguments = call.get("name"), call.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise RobotError("arguments must be an object.")
        if name == "go_to" and {"x", "y"} <= arguments.keys():
            x, y = _within(arguments["x"], FAR, "go_to: x"), _within(arguments["y"], FAR, "go_to: y")
            heading = math.atan2(y - last.y, x - last.x) if math.dist((x, y), (last.x, last.y)) > 1e-6 else last.heading
            if "degrees" in arguments:
                heading = math.radians(_within(arguments["degrees"], 360.0, "go_to: degrees"))
            return Place(f"{x:.2f}, {y:.2f}", x, y, heading)
        if name == "go_to":
            targets = call.get("targets") or [arguments.get("place")]
            if not isinstance(targets, list) or len(targets) != 1 or not isinstance(targets[0], str):
                raise RobotError(
                    'go_to needs one place: {"name": "go_to", "targets": ["kitchen"]}, or x and y in metres.'
                )
            return self.robot.place(targets[0])
        if name == "dock":
            return self.robot.place(self.robot.dock or "dock")
        if name == "move":
            way = _within(arguments.get("metres"), 20.0, "move: metres")
            x, y = last.x + way * math.cos(last.heading), last.y + way * math.sin(last.heading)
            return Place(f"{way:g} m on", x, y, last.heading)
        if name == "turn":
            angle = _within(arguments.get("degrees"), 360.0, "turn: degrees")
            return Place(f"turned by {angle:g} degrees", last.x, last.y, last.heading + math.radians(angle))
        raise RobotError(f"The robot has no action {str(name)[:40]!r}: go_to, dock, move, turn, undock and stop are.")


def _within(value: object, most: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        raise RobotError(f"{what} must be a number from {-most:g} to {most:g}.")
    return float(value)
