"""A robot that isn't there, in plain arithmetic: a board with a deadman, two wheels, a gyro, a battery and a scanner in a room.

The drive loop can't tell it from a board: the same calls, refusals and streams. What it does depends on nothing but what it
is told and how much time `step` is given, in pieces of PIECE seconds. `enigma-bridge robot serve --on simavr` runs the real
firmware instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import AsyncIterator, Sequence
from typing import Self

import numpy as np

from firmware_bridge.board import Condition, Subscription
from firmware_bridge.errors import BridgeError, Refused
from firmware_bridge.messages import Encoders, Flags, Imu, M, State, Status
from firmware_bridge.robot.battery import CURVES
from firmware_bridge.robot.config import Robot, RobotError
from firmware_bridge.robot.gripper import Pose, ahead, seen_from
from firmware_bridge.robot.room import FIRST, RAYS, STEP, Room, cast
from firmware_bridge.robot.things import Sighting, Thing

PIECE = 0.005  # seconds
TURN = 0.02  # seconds between two looks at the clock
DEADMAN = 0.25  # as the firmware's
LAG = 0.08  # seconds in which motors get most of the speed that they are told
NOISE = 0.01  # metres, one standard deviation of a ray
CHARGED = 0.9  # of the battery at the beginning
CHARGING = 60.0  # W in the dock
NEAR_DOCK = 0.2  # metres
GRAVITY = 9.81
EYES, SIDE = 2.5, math.radians(45)  # metres and rad to each side that its camera sees
GRIPS, GRIPS_SIDE, GRIPS_SECONDS = 0.3, math.radians(25), 1.0  # metres before its middle, rad, and how long it takes
WALK = 0.35  # m/s of people
LEG, LEG_APART = 0.06, 0.12  # metres: radius of a leg, and its distance from a person's middle


class World:
    """What is simulated. pose: where the robot really is, m and rad."""

    def __init__(self, robot: Robot, room: Room, x: float, y: float, heading: float, seed: int = 0) -> None:
        self.robot, self.room = robot, room
        self.pose = (x, y, heading)
        self.time = 0.0
        self.trail = [(x, y)]
        self.charge = CHARGED
        self.latched = self.bumped = False
        self.counts = [0.0, 0.0]
        self._duties, self._told_at = (0.0, 0.0), -math.inf
        self._speeds = [0.0, 0.0]
        self.things = dict(room.things)
        self.held = ""
        self._gap = (x, y), room.gap(x, y)
        self._rng = np.random.default_rng(seed)
        self._rest = 0.0

    @property
    def speed(self) -> tuple[float, float]:
        """m/s along, rad/s about."""
        left, right = self._speeds
        return (left + right) / 2, (right - left) / self.robot.body.track

    def drive(self, left: float, right: float) -> None:
        """Parts of full power; they count until the deadman."""
        self._duties, self._told_at = (left, right), self.time

    def stop(self, latch: bool) -> None:
        """The motors stand."""
        self._duties = (0.0, 0.0)
        self.latched = self.latched or latch

    def step(self, seconds: float) -> None:
        """Time goes by; what is less than a piece is kept for the next time."""
        self._rest += seconds
        while self._rest >= PIECE:
            self._rest -= PIECE
            self._piece()

    def scan(self) -> list[float]:
        """A scan from where it is, metres."""
        away = self._rays()
        return [float(each) for each in away + self._rng.normal(0, NOISE, len(away))]

    def people(self) -> dict[str, tuple[float, float]]:
        """Where each is: to and fro along their ways."""
        return {name: _walked(way, self.time * WALK) for name, way in self.room.people.items()}

    def sights(self) -> list[tuple[str, float, float]]:
        """What a camera sees of things and people: metres before and left of the robot's middle, about; nothing behind walls, behind it, or far away."""
        seen = []
        ahead = [(name, x, y, *seen_from(self.pose, x, y)) for name, (x, y) in {**self.things, **self.people()}.items()]
        near = [each for each in ahead if each[0] != self.held and abs(each[4]) < SIDE and each[3] < EYES]
        walls = cast(self.room.walls, self.pose, np.array([each[4] for each in near]), EYES) if near else ()
        for (name, _, _, away, angle), wall in zip(near, walls, strict=True):
            if away < wall:
                dx, dy = self._rng.normal(0, NOISE, 2)
                seen.append((name, away * math.cos(angle) + float(dx), away * math.sin(angle) + float(dy)))
        return seen

    def take(self, name: str) -> bool:
        """Closes the gripper on what lies before it; whether that is it."""
        if not self.held and name in self.things:
            away, angle = seen_from(self.pose, *self.things[name])
            if away <= GRIPS + 0.15 and abs(angle) < GRIPS_SIDE:
                self.held = name
        return self.held == name

    def put(self) -> tuple[float, float]:
        """Opens it; where the thing lies then."""
        self.things[self.held] = there = ahead(self.pose, GRIPS)
        self.held = ""
        return there

    def _rays(self) -> np.ndarray:
        away = self.room.scan(*self.pose)
        for x, y in self.people().values():
            for side in (-LEG_APART, LEG_APART):
                away = np.minimum(away, _leg(self.pose, x, y + side))
        return away

    @property
    def volts(self) -> float:
        """Of the battery; 0 where robot.toml names none."""
        declared = self.robot.battery
        if declared is None:
            return 0.0
        rest = float(np.interp(self.charge, np.linspace(0, 1, 11), CURVES[declared.chemistry])) * declared.cells
        return rest - (declared.idle + declared.driving * self._load) / rest * declared.resistance

    def _piece(self) -> None:
        self.time += PIECE
        body = self.robot.body
        alive = not self.latched and self.time - self._told_at <= DEADMAN
        share = 1 - math.exp(-PIECE / LAG)
        for wheel, duty in enumerate(self._duties):
            self._speeds[wheel] += ((duty if alive else 0.0) * body.wheel_speed - self._speeds[wheel]) * share
        v, w = self.speed
        x, y, heading = self.pose
        middle = heading + w * PIECE / 2
        there = x + v * PIECE * math.cos(middle), y + v * PIECE * math.sin(middle)
        if v and self._room_at(*there) < body.radius:  # it stands at a wall, and its wheels with it
            self._speeds, self.bumped = [0.0, 0.0], True
            return
        for wheel in (0, 1):
            self.counts[wheel] += self._speeds[wheel] * PIECE * body.counts_per_metre
        self.pose = (*there, heading + w * PIECE)
        if self.held:
            self.things[self.held] = ahead(self.pose, GRIPS)
        if math.dist(self.trail[-1], there) > 0.01:
            self.trail.append(there)
        self._power()

    def _room_at(self, x: float, y: float) -> float:
        """Metres to the nearest wall, at least: a gap changes by no more than one goes, so few points have to be looked at."""
        at, gap = self._gap
        if gap - math.dist(at, (x, y)) < self.robot.body.radius:
            self._gap = at, gap = (x, y), self.room.gap(x, y)
        return gap - math.dist(at, (x, y))

    @property
    def _load(self) -> float:
        return max(map(abs, self._speeds)) / self.robot.body.wheel_speed

    def _power(self) -> None:
        declared = self.robot.battery
        if declared is None:
            return
        load = self._load
        watts = declared.idle + declared.driving * load
        if self.robot.dock:
            dock = self.robot.place(self.robot.dock)
            if not load and math.dist(self.pose[:2], (dock.x, dock.y)) < NEAR_DOCK:
                watts -= CHARGING
        self.charge = max(0.0, min(1.0, self.charge - watts * PIECE / 3600 / declared.capacity))


class SimulatedBoard:
    """The board of a `World`, as the drive loop knows boards; used as an async context manager."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.condition = Condition.CONNECTED
        self.why: BridgeError | None = None
        self._told: list[tuple[Subscription, float]] = []
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.condition = Condition.CLOSED
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def drive(self, left: float, right: float, within: float = DEADMAN) -> None:
        """As a board's; raises Refused while the emergency stop is on."""
        if self.world.latched:
            raise Refused("The board refused: its emergency stop is on.", Status.STOPPED)
        self.world.drive(left, right)

    async def stop(self, latch: bool = False) -> None:
        """As a board's."""
        self.world.stop(latch)

    async def release(self) -> None:
        """As a board's."""
        self.world.latched = False

    async def leds(self, on: int) -> None:
        """It has none to see."""

    @contextlib.asynccontextmanager
    async def stream(self, kind: type[M], every: float, size: int = 64) -> AsyncIterator[Subscription[M]]:
        """Encoders, State and Imu, as a board tells them."""
        made = Subscription(kind, every, size)
        entry = (made, every)
        self._told.append(entry)
        try:
            yield made
        finally:
            self._told.remove(entry)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        at, due = loop.time(), dict[int, float]()
        while True:
            await asyncio.sleep(TURN)
            now = loop.time()
            self.world.step(min(now - at, 1.0))  # a machine that slept has no second to make up for
            at = now
            for told, every in list(self._told):
                if self.world.time >= due.get(id(told), 0.0):
                    due[id(told)] = self.world.time + every
                    told.add(self._message(told.kind))

    def _message(self, kind: type[object]) -> object:
        world = self.world
        if kind is Encoders:
            return Encoders(world.time, math.trunc(world.counts[0]), math.trunc(world.counts[1]))
        if kind is Imu:
            return Imu(world.time, 0.0, 0.0, GRAVITY, 0.0, 0.0, world.speed[1], 25.0)
        flags = Flags.LATCHED if world.latched else Flags(0)
        return State(world.time, 0.0, 0.0, world.volts, int(flags), 0, 0)


class SimulatedGripper:
    """The `Gripper` of a `World`: what lies right before the robot is carried there, without fingers, weight or slips."""

    kind = "a gripper in the simulator"
    reach = (0.27, 0.36)
    tucked = True

    def __init__(self, world: World) -> None:
        self._world = world
        self.holds: Thing | None = None

    async def take(self, thing: Thing, at: Sighting, pose: Pose) -> None:
        """See `Gripper`."""
        await asyncio.sleep(GRIPS_SECONDS)
        if not self._world.take(thing.id):
            raise RobotError(f"The gripper closed on nothing: {thing.name!r} isn't before it.")
        self.holds = thing

    async def put(self, pose: Pose) -> tuple[float, float]:
        """See `Gripper`."""
        await asyncio.sleep(GRIPS_SECONDS)
        self._world.put()
        self.holds = None
        return ahead(pose, GRIPS)

    async def tuck(self) -> None:
        """See `Gripper`."""

    def stop(self) -> None:
        """See `Gripper`."""

    def clear(self) -> None:
        """See `Gripper`."""


async def look(world: World, scan: object, every: float = 0.1, sight: object = None) -> None:
    """Hands a scan to `scan(first, step, ranges)` so often, and what a camera sees to `sight(seen)`, until cancelled."""
    assert callable(scan)
    for turn in itertools.count():
        if callable(sight) and turn % 2 == 0:
            sight(world.sights())
        scan(FIRST, STEP, world.scan())
        await asyncio.sleep(every)


def _walked(way: Sequence[tuple[float, float]], metres: float) -> tuple[float, float]:
    """The point so far along a way and back, and again."""
    legs = [*itertools.pairwise(way), *itertools.pairwise(way[::-1])]
    whole = sum(math.dist(a, b) for a, b in legs)
    left = metres % whole if whole else 0.0
    for a, b in legs:
        long = math.dist(a, b)
        if left <= long and long:
            return a[0] + (b[0] - a[0]) * left / long, a[1] + (b[1] - a[1]) * left / long
        left -= long
    return way[0]


def _leg(pose: Pose, x: float, y: float) -> np.ndarray:
    """Metres to a leg in each direction of a scan, float64 [RAYS]; inf where it isn't."""
    away, angle = seen_from(pose, x, y)
    off = np.angle(np.exp(1j * (FIRST + STEP * np.arange(RAYS) - angle)))
    across = away * np.sin(off)
    hit = (np.abs(across) < LEG) & (np.abs(off) < math.pi / 2)
    depth = np.sqrt(np.maximum(LEG**2 - across**2, 0.0))
    return np.where(hit, np.maximum(away * np.cos(off) - depth, 0.02), np.inf)
