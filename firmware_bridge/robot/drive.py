"""The drive loop: what sensors tell goes into the estimate, orders go through the envelope, and what is left of them to the board.

Twenty times a second, whatever else happens. Everything that may ask for motion (a person's sticks, orders of models, the
battery that wants home) ends in `Envelope.ask`; there is no other way to the motors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.board import Board, Condition, Subscription
from firmware_bridge.errors import BridgeError, NoAnswer, Refused
from firmware_bridge.messages import Analogue, Encoders, Flags, Imu, M, State, Status
from firmware_bridge.robot.arming import Arming
from firmware_bridge.robot.battery import Battery, Need
from firmware_bridge.robot.config import Robot, RobotError
from firmware_bridge.robot.envelope import Envelope
from firmware_bridge.robot.estimate import Estimate
from firmware_bridge.robot.eyes import Eyes
from firmware_bridge.robot.modes import Event, Mode, Modes
from firmware_bridge.robot.odometer import Odometer
from firmware_bridge.robot.orders import Orders
from firmware_bridge.robot.scan_match import Localizer, placed
from firmware_bridge.robot.shown import Scan, ShownMap, Tilt
from firmware_bridge.robot.slam import points_of
from firmware_bridge.robot.zones import Ground

if TYPE_CHECKING:
    from firmware_bridge.robot.simulator import SimulatedBoard

log = logging.getLogger(__name__)

TICK = 0.05
WITHIN = 0.2  # less than the firmware's deadman
TRAIL, APART = 10_000, 0.03  # points of the way that it went, and metres between two
LOST = 1.0  # metres or rad of doubt at which the place counts as unknown
MOST_SCANS = 20_000  # that are recorded; half an hour of ten a second
MATCH = 0.18  # seconds between two scans that are fitted to the map: wheels and gyro are good for longer
MISSED = 4  # drives in a row without an answer: the board is gone
KEPT = 200  # messages of a kind that wait while this machine stands
HOME_EVERY = 5.0  # seconds between two looks how far home is


class Driver:
    """One robot on one board. Used as an async context manager.

    start: where it is now, if that is known. within: seconds that a drive may take to the board; more where this machine is busy.
    arming: a person's leave for the motors to turn; None: there is nothing to arm, as in a simulation.
    """

    def __init__(
        self,
        robot: Robot,
        board: Board | SimulatedBoard,
        start: tuple[float, float, float] | None = None,
        within: float = WITHIN,
        arming: Arming | None = None,
    ) -> None:
        self.robot, self.board = robot, board
        self.modes = Modes()
        self._within = within
        self.estimate = Estimate(*start) if start is not None else None
        self.battery = Battery(robot.battery) if robot.battery is not None else None
        self.need = Need.NOTHING
        self.localizer: Localizer | None = None
        self.seen: np.ndarray | None = None  # what the last scan saw, on the map
        self.trail: deque[tuple[float, float]] = deque(maxlen=TRAIL)
        self.record: list[tuple[float, tuple[float, float, float], float, float, list[float]]] | None = None
        self.simulated = not isinstance(board, Board)  # or `serve --on simavr`, which says so
        self.arming = arming
        self.latest_scan: Scan | None = None
        self.tilt: Tilt | None = None
        self.map = ShownMap.around(robot.fence)
        self.speed = robot.limits.speed  # the most that a person lets it have, m/s
        self._holds_until = self._matched_at = -math.inf
        self.eyes = Eyes(self)
        self._home: float | None = None
        self._home_at = -math.inf
        self._looking: asyncio.Task[float | None] | None = None
        self.odometer = Odometer(robot.body)
        self._missed, self._load = 0, 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._states: Subscription | None = None
        self.orders = Orders(robot, None)
        self.envelope = Envelope(robot, None, grounded=False)
        self.use(robot)

    def use(self, robot: Robot, ground: Ground | None = None) -> None:
        """Goes by another robot.toml, as after a zone was drawn; orders are dropped. Raises RobotError: then nothing moves.

        ground: that of its zones, where it was made already.
        """
        self.orders.drop("robot.toml was read again")
        old, self.robot, self.odometer.body = self.envelope, robot, robot.body
        self.envelope = Envelope(robot, None, grounded=False)
        self.envelope.stopped, self.envelope.fault, self.envelope.changes = old.stopped, old.fault, old.changes
        if ground is None and robot.fence:
            ground = Ground(robot)
        self.envelope.ground, self.envelope.grounded = ground, True
        self.orders.use(robot, ground)

    def name_places(self, robot: Robot) -> None:
        """The same robot.toml but for places: nothing that it does changes."""
        self.robot = self.envelope.robot = self.orders.robot = robot

    async def __aenter__(self) -> Driver:
        kinds: list[tuple[type, float]] = [(Encoders, TICK), (State, 0.1), (Imu, TICK)]
        if self.robot.current is not None:
            kinds.append((Analogue, 0.1))
        for kind, every in kinds:
            self._tasks.append(asyncio.create_task(self._listen(kind, every)))
        self._tasks.append(asyncio.create_task(self._loop()))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(BridgeError):
            await self.board.stop()

    # What people and programs ask for.

    def twist(self, v: float, w: float) -> None:
        """A person's sticks. Raises RobotError where it isn't a person who drives."""
        self._must_be_armed()
        if self.modes.mode is not Mode.MANUAL:
            raise RobotError(f"The robot is {self.modes.mode.value}: take it over first, with mode manual.")
        self.envelope.ask(_now(), v, w)
        if not (math.isfinite(v) and math.isfinite(w)):
            raise RobotError("v and w must be numbers: the robot stands.")

    def hold(self) -> None:
        """A person holds the deadman of assisted driving, for as long as the firmware's would last."""
        self._holds_until = _now() + self.robot.times.deadman

    async def stop(self) -> bool:
        """The emergency stop: here and in the firmware, until `release`. Whether the board has said that it stands.

        Where it hasn't, nothing is sent to it any more but zeros, and its deadman stops it.
        """
        self.envelope.stop()
        self.orders.drop("emergency stop")
        self._check()
        try:
            await self.board.stop(latch=True)
        except BridgeError as error:
            log.error("Emergency stop: the board doesn't answer (%s).", error)
            return False
        return True

    def limit(self, speed: float) -> None:
        """The most that a person lets it have, m/s; robot.toml's is never passed. Raises RobotError."""
        most = self.robot.limits.speed
        if not 0 < speed <= most:
            raise RobotError(f"speed must be more than 0 and at most {most:g} m/s, as robot.toml has it.")
        self.speed = speed

    async def release(self) -> None:
        """Ends it. Raises BridgeError while the board's own button is pressed or the board is gone."""
        await self.board.release()
        if self._states is not None:  # those that wait are of before, and would stop it again
            self._states.forget()
        self.envelope.release()

    def clear(self) -> None:
        """Ends a fault. Raises RobotError while its cause is there."""
        if self.envelope.stopped:
            raise RobotError("The emergency stop is on: release it first.")
        if self.board.condition is not Condition.CONNECTED:
            raise RobotError(f"The board isn't connected: {self.board.why or 'look at the cable'}")
        if self.need is Need.STAND:
            raise RobotError("The battery is too low: charge it.")
        self.envelope.clear()
        if self.orders.gripper is not None:
            self.orders.gripper.clear()
        if self.modes.mode is Mode.FAULT:
            self.modes.on(Event.CLEAR)

    def on(self, event: Event) -> None:
        """A mode that a person asks for. Raises RobotError."""
        if event in (Event.CLEAR, Event.TRIP):
            raise RobotError("clear and stop have commands of their own.")
        if event is Event.AUTOMATE and self.envelope.ground is None:
            raise RobotError("A robot without a fence in its robot.toml is driven by hand only.")
        self.modes.on(event)
        self.orders.drop(f"the mode changed to {self.modes.mode.value}")

    def locate(self, x: float, y: float, heading: float) -> None:
        """A person says where it is."""
        if not math.isfinite(x + y + heading):
            raise RobotError("A place is x and y in metres and a heading.")
        self.odometer.settle(self.estimate)
        before, self.estimate = self.estimate, Estimate(x, y, heading, 0.05, 0.05)
        if before is not None:
            self.estimate.odom, self.estimate.odom_doubt = before.odom, before.odom_doubt
        self.eyes.past.clear()
        self.orders.drop("it was put somewhere else")

    def scan(self, first: float, step: float, ranges: Sequence[float]) -> None:
        """A LaserScan round the robot's middle: first angle and step in rad, metres."""
        now = _now()
        self.envelope.scan(now, first, step, ranges)
        if self._reckoned(now) is None or self.estimate is None:
            return  # a scan of somewhere or other says nothing of the map
        if self.record is not None and len(self.record) < MOST_SCANS:
            self.record.append((now, self.estimate.pose, first, step, list(ranges)))
        self.latest_scan = Scan(now, self.estimate.pose, first, step, tuple(ranges))
        points = points_of(first, step, np.asarray(ranges))
        if self.localizer is not None and now - self._matched_at >= MATCH:
            self._matched_at = now
            if (match := self.localizer.match(self.estimate.pose, points)) is not None:
                self.estimate.matched(self.odometer.time(now), match.x, match.y, match.heading, match.covariance)
        self.seen = placed(points, self.estimate.pose)
        self.orders.people.scan(now, self.seen)
        self.map.add(now, self.estimate.pose, self.seen)

    def sight(self, seen: Sequence[tuple[str, float, float]], at: float | None = None) -> None:
        """What a detector sees, by name and in metres on the map; nothing is told, too. at: when it did. Raises RobotError."""
        held = self.orders.gripper.holds if self.orders.gripper is not None else None
        self.orders.things.report(_now() if at is None else at, seen, held)

    async def call(self, calls: Sequence[dict[str, object]]) -> None:
        """Orders of a model, all or none: stop alone; or those of `errands`, one after the other. Raises RobotError."""
        names = [call.get("name") for call in calls]
        if names[:1] == ["stop"]:
            self.orders.drop("stop")
            self.envelope.ask(_now(), 0.0, 0.0)
            return
        self._must_be_armed()
        if not self.modes.takes_orders and not (self.modes.mode is Mode.DOCKED and names[:1] == ["undock"]):
            raise RobotError(f"The robot is {self.modes.mode.value}, and takes no orders.")
        if self.modes.mode is Mode.DOCKED:
            self.modes.on(Event.UNDOCK)
            calls = calls[1:]
        if self.estimate is None:
            raise RobotError("The robot doesn't know where it is: tell it, with locate.")
        await self.orders.take(calls, self.estimate.pose, _now())

    def arm(self, minutes: float, who: str, accept: bool = False) -> None:
        """A person gives the motors leave to turn. Raises RobotError."""
        if self.arming is not None:
            self.arming.arm(_now(), minutes, who, self.robot, accept)

    def disarm(self, who: str) -> None:
        """Takes it back: it brakes."""
        if self.arming is not None:
            self.arming.disarm(f"by {who}")

    def _must_be_armed(self) -> None:
        if self.arming is not None and not self.arming.look(_now()):
            raise RobotError("The robot isn't armed, and stands: enigma-bridge robot arm.")

    # What goes on by itself.

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                await self._tick(loop.time())
            except Exception as error:  # motors must stand, and the loop go on, whatever is wrong with one turn
                log.exception("The drive loop failed.")
                self.envelope.trip(f"The drive loop failed ({type(error).__name__}): see the log.")
                with contextlib.suppress(BridgeError):
                    await self.board.stop()
            due = max(due + TICK, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _tick(self, now: float) -> None:
        self._check()
        envelope = self.envelope
        if (estimate := self._reckoned(now)) is not None:
            doubt, turn_doubt = estimate.doubt
            if max(doubt, turn_doubt) < LOST:
                envelope.pose(now, *estimate.pose, doubt, turn_doubt)
                envelope.moving(float(estimate.state[3]))
            self.eyes.past.add(now, estimate.pose)
            if not self.trail or math.dist(self.trail[-1], estimate.pose[:2]) > APART:
                self.trail.append(estimate.pose[:2])
        await self._power(now)
        envelope.allowed = self.modes.moves
        armed, envelope.armed = envelope.armed, self.arming is None or self.arming.look(now)
        if armed and not envelope.armed:
            self.orders.drop("it isn't armed any more")
        envelope.cap = min(0.5 if self.need in (Need.SAVE, Need.HOME) else 1.0, self.speed / self.robot.limits.speed)
        order = await self._next(now)
        if order is not None:
            envelope.ask(now, *order)
        given = envelope.step(_now())
        body = self.robot.body
        left = (given.v - given.w * body.track / 2) / body.wheel_speed
        right = (given.v + given.w * body.track / 2) / body.wheel_speed
        self._load = max(abs(left), abs(right))
        if body.swap:
            left, right = right, left
        try:
            await self.board.drive(max(-1.0, min(1.0, left)), max(-1.0, min(1.0, right)), self._within)
            self._missed = 0
        except Refused as error:
            if error.status == Status.STOPPED:
                envelope.stop()
            elif error.status != Status.LATE:
                envelope.trip(str(error))
        except NoAnswer as error:
            self._missed += 1
            if self._missed >= MISSED:
                envelope.trip(str(error))
        except BridgeError as error:
            envelope.trip(str(error))
            await asyncio.sleep(TICK)

    def _reckoned(self, now: float) -> Estimate | None:
        """Where it is now, by all that was told; None where nothing is, or the wheels were silent for too long."""
        self.odometer.settle(self.estimate)
        if self.estimate is not None:
            self.estimate.step(self.odometer.time(now))
        return self.estimate if now - self.odometer.counted_at <= self.robot.times.pose else None

    def _check(self) -> None:
        """A stop or a fault ends what it was doing."""
        if (self.envelope.stopped or self.envelope.fault) and self.modes.mode is not Mode.FAULT:
            self.orders.drop(self.envelope.fault or "emergency stop")
            self.modes.on(Event.TRIP)

    async def _power(self, now: float) -> None:
        if self.battery is None:
            return
        self.battery.step(now, self._load)
        if self.battery.measured_at == -math.inf:
            return  # it was just started: the first voltage comes within a second, and without one nothing is known
        if now - self._home_at > HOME_EVERY and self._looking is None and self.estimate is not None:
            self._home_at = now  # beside the drive loop, which a large map would hold up
            self._looking = asyncio.create_task(self.orders.metres_home(self.estimate.pose))
        if self._looking is not None:
            if self._looking.done():
                self._home, self._looking = self._looking.result(), None
            elif self._home is None:
                return
        need = self.battery.needs(now, self._home, self.robot.limits.speed / 2)
        if need is not self.need:
            log.info("The battery (%.0f %% for sure) asks for: %s.", 100 * self.battery.sure, need.value)
            if need in (Need.SAVE, Need.HOME, Need.STAND):
                with contextlib.suppress(BridgeError):
                    await self.board.leds(0)
        self.need = need
        if self.modes.mode is Mode.DOCKED:
            return
        if need is Need.STAND:
            self.envelope.trip("The battery is too low to go on: charge it.")
        if need is Need.HOME and self.modes.mode is Mode.AUTONOMOUS and not self.orders.goes_home and self.estimate:
            with contextlib.suppress(RobotError):  # the next look at the way home says so
                await self.orders.home(self.estimate.pose)

    async def _next(self, now: float) -> tuple[float, float] | None:
        """What orders ask for now; None: nothing does."""
        if not self.modes.takes_orders or self.estimate is None:
            return None
        if self.modes.mode is Mode.ASSISTED and now > self._holds_until:
            return None
        if now - self.odometer.counted_at > self.robot.times.deadman:
            return None  # the firmware may have stopped the motors since, so it hasn't come as far as it seems
        home = self.orders.goes_home
        asked = await self.orders.next(now, self.estimate.pose, self.seen, self.envelope.v)
        if home and not self.orders.queue and self.orders.ended[-1].state == "done":
            self.modes.on(Event.DOCK)
        return asked

    async def _listen(self, kind: type[M], every: float) -> None:
        """Takes what the board tells of one kind, also after it was gone."""
        while True:
            try:
                async with self.board.stream(kind, every, size=KEPT) as told:
                    if kind is State:
                        self._states = told
                    while True:
                        with contextlib.suppress(NoAnswer):
                            self._hear(_now(), await told.next(1.0))
            except BridgeError:
                await asyncio.sleep(0.5)

    def _hear(self, now: float, told: object) -> None:
        if isinstance(told, Encoders):
            self.odometer.hear(now, told)
        elif isinstance(told, State):
            if Flags(told.flags) & (Flags.LATCHED | Flags.BUTTON) and not self.envelope.stopped:
                self.envelope.stop()
            if self.battery is not None:
                self.battery.measure(now, told.battery)
        elif isinstance(told, Imu):
            self.odometer.hear(now, told)
            self.tilt = Tilt(math.atan2(told.ay, told.az), math.atan2(-told.ax, math.hypot(told.ay, told.az)), told.gz)
            self.envelope.tilt(now, self.tilt.roll, self.tilt.pitch)
        elif isinstance(told, Analogue) and self.robot.current is not None:
            volts = getattr(told, self.robot.current.input)
            self.envelope.current(now, volts * self.robot.current.amperes_per_volt)


def _now() -> float:
    return asyncio.get_running_loop().time()
