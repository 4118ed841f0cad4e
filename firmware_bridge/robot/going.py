"""How each kind of order is carried out, twenty times a second: going, looking for something, handling it, following somebody.

All of them only ask for speeds; the envelope is behind them. `next` answers None when it is done, and raises RobotError where it
can't be done any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from firmware_bridge.robot.config import Place, RobotError
from firmware_bridge.robot.estimate import wrap
from firmware_bridge.robot.follow import Follower
from firmware_bridge.robot.legs import Track
from firmware_bridge.robot.plan import Point
from firmware_bridge.robot.things import TOLD

if TYPE_CHECKING:
    from firmware_bridge.robot.orders import Orders
    from firmware_bridge.robot.things import Thing

BLOCKED, REPLANS = 3.0, 3  # seconds of standing before it looks for another way, and how often it does
LOOK_TURN = 0.8  # rad/s while it looks around
SPEAKER = 3.0  # metres within which whoever says "follow me" is looked for
KEEP = 1.0  # metres that it keeps from whom it follows: an arm's length and a step
CLOSER, AGAIN = 0.15, 0.2  # metres more than that, and that somebody moved, before it goes on
WAITS, LOST = 5.0, 4.0  # seconds that it waits for somebody to come into sight, and to come back
AIMS = 0.07  # rad beside a thing that a gripper forgives
# m/s to where a gripper reaches it, for so many seconds, and metres that it forgives
CREEP, CREEPS, OFF = 0.06, 8.0, 0.005
# seconds until it stands, and until it has looked from there; how often it does so anew
SETTLES, LOOKS_FOR, LOOKS = 0.4, 1.2, 3
FACES = 0.2  # rad off somebody that it leaves
Pose = tuple[float, float, float]
Twist = tuple[float, float]
STAND: Twist = (0.0, 0.0)


class Doing(Protocol):
    """One order that is carried out."""

    @property
    def path(self) -> list[Point]:
        """What is left of its way."""

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See the module. given: m/s that the envelope let through."""

    def stop(self) -> None:
        """It isn't carried out any more."""


class Going:
    """Along a way to a place; another way is looked for where something stands in it."""

    def __init__(self, orders: Orders, place: Place, points: Sequence[Point]) -> None:
        self._orders, self._place, self._points = orders, place, list(points)
        self._follower: Follower | None = None
        self._stands_since = math.inf
        self._replans = 0

    @property
    def path(self) -> list[Point]:
        """See `Doing`."""
        return list(self._follower.left) if self._follower is not None else self._points[1:]

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See `Doing`."""
        orders = self._orders
        if self._follower is None:
            self._stands_since = math.inf
            if orders.ground is None:
                raise RobotError("Going somewhere needs a fence in robot.toml.")
            self._follower = Follower(orders.robot, orders.ground, self._points, self._place.heading)
        asked = self._follower.twist(*pose, seen)
        if asked is None:
            return None
        stands = self._follower.blocked or (asked[0] != 0 and abs(given) < 1e-3)
        self._stands_since = min(self._stands_since, now) if stands else math.inf
        if now - self._stands_since <= BLOCKED:
            return asked
        self._replans += 1
        if self._replans > REPLANS:
            raise RobotError(f"The way to {self._place.name!r} is blocked.")
        self._follower, self._points = None, await orders.way(pose[:2], self._place, seen)
        return STAND

    def stop(self) -> None:
        """See `Doing`."""


class Nearing(Going):
    """To a thing that was seen; it ends facing it, and as near as whoever is to take it needs, wherever exactly it came to stand."""

    def __init__(self, orders: Orders, place: Place, points: Sequence[Point], thing: Thing) -> None:
        super().__init__(orders, place, points)
        self._thing, self._there = thing, False
        self._creeps_since = self._stood_since = math.inf
        self._looked = 0

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See `Doing`."""
        if not self._there:
            asked = await super().next(now, pose, seen, given)
            if asked is not None:
                return asked
            self._there = True
        at = self._orders.things.where(self._thing)
        if at is None:
            return None
        error = wrap(math.atan2(at.y - pose[1], at.x - pose[0]) - pose[2])
        most = self._orders.robot.limits.turn
        turn = max(-most, min(most, 2.0 * error))
        if abs(error) > AIMS:
            self._stood_since = math.inf
            return 0.0, turn
        off = self._orders.too_far(self._thing, math.dist(pose[:2], (at.x, at.y)))
        if abs(off) < OFF:
            return STAND if self._looks(now) else None
        self._stood_since = math.inf
        self._creeps_since = min(self._creeps_since, now)
        if (
            now - self._creeps_since > CREEPS
        ):  # what is in the way stays there; whoever takes it says whether that is enough
            return None
        return math.copysign(CREEP, off), turn

    def _looks(self, now: float) -> bool:
        """Whether it has to look on from where it stands: on the way it was seen from a place that was known a moment late."""
        things = self._orders.things
        if math.isinf(self._stood_since):
            if self._looked == LOOKS or not things.detects(now):
                return False
            self._stood_since, self._looked = now, self._looked + 1
        if now - self._stood_since < SETTLES:
            things.anew(self._thing)
        return now - self._stood_since < LOOKS_FOR

    def stop(self) -> None:
        """See `Doing`."""


class Looking:
    """Turns around where it is, then goes to the next place and does the same, until a detector has seen the thing."""

    def __init__(self, orders: Orders, thing: Thing, places: Sequence[Place], rest: Sequence[Place]) -> None:
        """places: where it has looked, or does now; rest: where else."""
        self._orders, self._thing = orders, thing
        self._looked, self._rest = [each.name for each in places], list(rest)
        self._going: Going | None = None
        self._began = self._heading = self._turned = math.nan

    @property
    def path(self) -> list[Point]:
        """See `Doing`."""
        return self._going.path if self._going is not None else []

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See `Doing`."""
        things = self._orders.things
        if math.isnan(self._began):
            self._began = now
        sighting = things.where(self._thing)
        if sighting is not None and sighting.at >= self._began:
            return None
        if self._going is not None:
            try:
                asked = await self._going.next(now, pose, seen, given)
            except RobotError:  # then it looks from where it is
                asked = None
            if asked is not None:
                return asked
            self._going, self._turned = None, math.nan
        if math.isnan(self._turned):
            self._heading, self._turned = pose[2], 0.0
        self._turned += abs(wrap(pose[2] - self._heading))
        self._heading = pose[2]
        if self._turned < 2 * math.pi and things.detects(now):
            return 0.0, min(LOOK_TURN, self._orders.robot.limits.turn)
        things.lost(self._thing)
        while self._rest:
            place = min(self._rest, key=lambda each: math.dist(pose[:2], (each.x, each.y)))
            self._rest.remove(place)
            with contextlib.suppress(RobotError):  # a place that can't be reached isn't looked at
                self._going = Going(self._orders, place, await self._orders.way(pose[:2], place))
                self._looked.append(place.name)
                return STAND
        where = ", ".join(dict.fromkeys(self._looked)) or "here"
        raise RobotError(f"{self._thing.name!r} wasn't seen ({where}).")

    def stop(self) -> None:
        """See `Doing`."""


class Handling:
    """Stands while the gripper takes something or puts it down."""

    def __init__(self, orders: Orders, work: Coroutine[object, object, None]) -> None:
        self._orders = orders
        self._task = asyncio.ensure_future(work)

    @property
    def path(self) -> list[Point]:
        """See `Doing`."""
        return []

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See `Doing`."""
        if not self._task.done():
            return STAND
        self._task.result()
        return None

    def stop(self) -> None:
        """See `Doing`."""
        if self._task.done():
            return
        self._task.cancel()
        if self._orders.gripper is not None:
            self._orders.gripper.stop()


class Following:
    """Keeps KEEP metres from somebody, until it is told something else. thing: None is whoever stands nearest."""

    def __init__(self, orders: Orders, thing: Thing | None) -> None:
        self._orders, self._thing = orders, thing
        self._track: Track | None = None
        self._seen_at = math.nan
        self._goal: Point | None = None
        self._going: Going | None = None

    @property
    def path(self) -> list[Point]:
        """See `Doing`."""
        return self._going.path if self._going is not None else []

    async def next(self, now: float, pose: Pose, seen: np.ndarray | None, given: float) -> Twist | None:
        """See `Doing`."""
        if math.isnan(self._seen_at):
            self._seen_at = now + WAITS - LOST
        target = self._target(now, pose)
        if target is None:
            if now - self._seen_at > LOST:
                raise RobotError(f"{self._who} was lost sight of." if self._track or self._goal else self._nobody)
            return STAND
        self._seen_at = max(now, self._seen_at)
        away = math.dist(pose[:2], target)
        if away <= KEEP + CLOSER:
            self._going = None
            error = wrap(math.atan2(target[1] - pose[1], target[0] - pose[0]) - pose[2])
            most = self._orders.robot.limits.turn
            return 0.0, max(-most, min(most, 1.5 * error)) if abs(error) > FACES else 0.0
        part = (away - KEEP) / away
        goal = pose[0] + (target[0] - pose[0]) * part, pose[1] + (target[1] - pose[1]) * part
        if self._going is None or self._goal is None or math.dist(goal, self._goal) > AGAIN:
            place = Place(self._who, *goal, heading=math.atan2(target[1] - pose[1], target[0] - pose[0]))
            self._goal, self._going = goal, Going(self._orders, place, await self._orders.way(pose[:2], place))
        asked = await self._going.next(now, pose, seen, given)
        if asked is None:
            self._going = None
        return asked or STAND

    def stop(self) -> None:
        """See `Doing`."""

    def _target(self, now: float, pose: Pose) -> Point | None:
        """Where they are: as a detector says that knows them, else as the legs go that were theirs."""
        people = self._orders.people
        if self._thing is not None:
            told = self._orders.things.where(self._thing)
            if told is not None and now - told.at <= TOLD:
                self._track = people.nearest(told.x, told.y, 0.6) or self._track
                return told.x, told.y
        elif self._track is None:
            self._track = people.nearest(pose[0], pose[1], SPEAKER)
        if self._track is None or self._track not in people.tracks:
            return None
        return self._track.expected(now)

    @property
    def _who(self) -> str:
        return self._thing.name if self._thing is not None else "whoever it follows"

    @property
    def _nobody(self) -> str:
        if self._thing is not None:
            return f"{self._thing.name!r} isn't in sight: say where, or ask to find them first."
        return f"Nobody is within {SPEAKER:g} m to follow."
