"""What a robot was sent to do, one after the other: checked and planned before it is accepted, then carried out to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from firmware_bridge.robot import errands
from firmware_bridge.robot.config import Place, Robot, RobotError
from firmware_bridge.robot.going import Doing, Following, Going, Handling, Looking, Nearing
from firmware_bridge.robot.gripper import Gripper
from firmware_bridge.robot.legs import Tracker
from firmware_bridge.robot.plan import Costmap, Point, length, plan
from firmware_bridge.robot.things import Sighting, Thing, Things
from firmware_bridge.robot.zones import Ground

log = logging.getLogger(__name__)

MOST = 8  # calls that wait
AFTER = "the order before failed"
STANDS_OFF = 16  # directions from which it may come near to a thing
EYES, PERSON = (0.4, 0.8), (0.8, 1.2)  # metres from a thing that it only looks at, and from a person
Pose = tuple[float, float, float]


@dataclass
class Order:
    """A part of a call; state: waiting, going, done, failed or dropped.

    does: go, near (to a thing that was seen), look, take, put or follow. place: where it ends as far as is known.
    """

    place: Place
    points: list[Point] = field(default_factory=list)
    state: str = "waiting"
    why: str = ""
    does: str = "go"
    thing: Thing | None = None
    rest: tuple[Place, ...] = ()  # where else to look
    call: int = 0

    @property
    def says(self) -> str:
        """For people."""
        if self.does == "go":
            return self.place.name
        name = self.thing.name if self.thing is not None else "whoever is near"
        does = {"near": "go to the {}", "look": "look for the {}", "take": "take the {}", "put": "put the {} down"}
        person = self.thing is None or self.thing.person
        return does.get(self.does, "follow the {}").replace("the {}" if person else "{}", name)


class Orders:
    """The orders of one robot on its ground; without a ground there are none."""

    def __init__(self, robot: Robot, ground: Ground | None, things: Things | None = None) -> None:
        self.robot, self.ground = robot, ground
        self.things, self.people = things or Things(), Tracker()
        self.gripper: Gripper | None = None
        self.queue: deque[Order] = deque()
        self.ended: deque[Order] = deque(maxlen=20)
        self.outcomes: deque[dict[str, object]] = deque(maxlen=20)  # of whole calls, for people
        self.built: np.ndarray | None = None
        self._costmap: Costmap | None = None
        self._doing: Doing | None = None
        self._calls = self._told = 0
        self._tucks = False

    def use(self, robot: Robot, ground: Ground | None) -> None:
        """Another robot.toml."""
        self.robot, self.ground, self._costmap = robot, ground, None

    def walls(self, points: np.ndarray) -> None:
        """Where something stands on a map: float64 [N, 2], metres."""
        self.built, self._costmap, self.people = points, None, Tracker(points)

    def drop(self, why: str) -> None:
        """No order is carried out any more."""
        if self.queue and why != AFTER:
            self._came_to("dropped", f"I stopped: {why}.")
        for order in self.queue:
            order.state, order.why = "dropped", why
            self.ended.append(order)
        self.queue.clear()
        self._leave()

    async def take(self, calls: Sequence[dict[str, object]], pose: Pose, now: float = 0.0) -> None:
        """All calls or none: go_to, dock, move, turn, find, fetch, place, follow. Raises RobotError where one can't be done."""
        if len({order.call for order in self.queue}) + len(calls) > MOST:
            raise RobotError(f"Up to {MOST} orders wait for each other.")
        waiting = [order for order in self.queue if order.does != "follow"]
        last = waiting[-1].place if waiting else Place("here", *pose)
        made: list[Order] = []
        holds = self.gripper.holds if self.gripper is not None else None
        for order in waiting:
            holds = order.thing if order.does == "take" else None if order.does == "put" else holds
        for call in calls:
            if made and made[-1].does == "follow":
                raise RobotError("The robot follows until it is told something else: say that last.")
            self._calls += 1
            parts, holds = await errands.parts(self, call, last, holds, now)
            for part in parts:
                part.call = self._calls
            made += parts
            last = made[-1].place
        if self.queue and self.queue[-1].does == "follow":  # it goes on until it is told something else
            if len(self.queue) == 1:
                self._leave()
            follows = self.queue.pop()
            follows.state = "done"
            self.ended.append(follows)
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
        if self._doing is not None:
            return self._doing.path
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
        try:
            if self._doing is None:
                order.state = "going"
                self._tucks = self._must_tuck(order)
                self._doing = self._tucking() if self._tucks else await self._begin(order, pose)
            doing = self._doing
            asked = await doing.next(now, pose, seen, given)
        except RobotError as error:
            if self.queue and self.queue[0] is order:
                self._end(order, "failed", str(error))
                self.drop(AFTER)
            return 0.0, 0.0
        if doing is not self._doing:  # it was dropped meanwhile
            return 0.0, 0.0
        if asked is None and self._tucks:
            self._doing = None
            return 0.0, 0.0
        if asked is None:
            self._end(order, "done", order.why)
            return 0.0, 0.0
        return asked

    def _must_tuck(self, order: Order) -> bool:
        """Whether an arm that was stopped on its way is out where the robot is to drive."""
        return self.gripper is not None and not self.gripper.tucked and order.does not in ("take", "put")

    def _tucking(self) -> Doing:
        assert self.gripper is not None
        return Handling(self, self.gripper.tuck())

    async def way(self, start: Point, place: Place, seen: np.ndarray | None = None) -> list[Point]:
        """A way round zones, walls and what was `seen`. Raises RobotError where there is none."""
        goal = (place.x, place.y)
        if self.ground is not None and math.dist(start, goal) < 1e-6:
            return [start, goal]
        costmap = await self._map()
        if seen is not None and self.ground is not None:
            walls = seen if self.built is None else np.concatenate([self.built, seen])
            costmap = await asyncio.to_thread(Costmap, self.robot, self.ground, walls)
        return await asyncio.to_thread(plan, costmap, start, goal, f"the place {place.name!r}")

    async def near(self, start: Point, thing: Thing, at: Sighting) -> Order:
        """The way to where the gripper, or eyes, are near enough to a thing that was seen. Raises RobotError."""
        costmap = await self._map()
        least, most = self.gripper.reach if self.gripper is not None else EYES
        if thing.person:
            least, most = PERSON
        stands = []
        for away in np.linspace(least, most, 3).tolist():
            for angle in np.linspace(-math.pi, math.pi, STANDS_OFF, endpoint=False).tolist():
                x, y = at.x - away * math.cos(angle), at.y - away * math.sin(angle)
                if costmap.free(*costmap.at(x, y)):
                    stands.append((math.dist(start, (x, y)), Place(f"near {thing.name}", x, y, angle)))
        for _, place in sorted(stands, key=lambda each: each[0])[:8]:
            with contextlib.suppress(RobotError):
                return Order(place, await self.way(start, place), does="near", thing=thing)
        raise RobotError(f"The robot can't get near {thing.name!r}: zones or walls are round it.")

    def too_far(self, thing: Thing, away: float) -> float:
        """Metres that a thing is beyond what the gripper reaches; negative: it is too near."""
        if self.gripper is None or thing.person:
            return 0.0
        least, most = self.gripper.reach
        return away - max(least, min(most, away))

    async def _map(self) -> Costmap:
        if self.ground is None:
            raise RobotError("Going somewhere needs a fence in robot.toml.")
        if self._costmap is None:
            self._costmap = await asyncio.to_thread(Costmap, self.robot, self.ground, self.built)
        return self._costmap

    async def _begin(self, order: Order, pose: Pose) -> Doing:
        thing, gripper = order.thing, self.gripper
        if order.does == "follow":
            return Following(self, thing)
        if order.does == "look" and thing is not None:
            return Looking(self, thing, (order.place,), order.rest)
        if order.does == "near" and thing is not None:
            at = self.things.where(thing)
            if at is None:
                raise RobotError(f"Nobody knows any more where {thing.name!r} is.")
            there = await self.near(pose[:2], thing, at)
            order.place = there.place
            return Nearing(self, there.place, there.points, thing)
        if order.does in ("take", "put"):
            if gripper is None or thing is None:
                raise RobotError(errands.NO_GRIPPER)
            return Handling(
                self, self._take(gripper, thing, pose) if order.does == "take" else self._put(gripper, pose)
            )
        if order.does == "go" and (not order.points or math.dist(order.points[0], pose[:2]) > 0.5):
            order.points = await self.way(pose[:2], order.place)
        return Going(self, order.place, order.points)

    async def _take(self, gripper: Gripper, thing: Thing, pose: Pose) -> None:
        if gripper.holds == thing:
            return
        at = self.things.where(thing)
        if at is None:
            raise RobotError(f"Nobody knows any more where {thing.name!r} is.")
        await gripper.take(thing, at, pose)
        self.things.lost(thing)

    async def _put(self, gripper: Gripper, pose: Pose) -> None:
        thing = gripper.holds
        if thing is None:
            raise RobotError("The gripper holds nothing.")
        self.things.put(thing, *await gripper.put(pose))

    def _end(self, order: Order, state: str, why: str) -> None:
        order.state, order.why = state, why
        log.info("%s: %s. %s", order.says, state, why)
        if order in self.queue:  # else it was dropped meanwhile
            self.queue.remove(order)
            self.ended.append(order)
            if state == "failed":
                self._came_to(state, f"I couldn't do that ({order.says}). {why}")
            elif all(each.call != order.call for each in self.queue):
                self._came_to(state, f"Done: {order.says}.")
        self._leave()

    def _came_to(self, state: str, text: str) -> None:
        self._told += 1
        self.outcomes.append({"number": self._told, "state": state, "text": text})

    def _leave(self) -> None:
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.stop()
