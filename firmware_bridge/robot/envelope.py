"""The safety envelope: plain rules between everything that asks for motion and the motors. Nothing gets round it.

    envelope = Envelope(robot, Ground(robot))
    envelope.pose(now, x, y, heading)
    envelope.ask(now, 0.4, 0.1)
    v, w, why = envelope.step(now)

`step` is called at every turn of the drive loop, whoever asks for what. Before each speed is given it is known where the robot
comes to stand if nobody is heard of any more: it goes on until the firmware's deadman stops the motors, then brakes on its
arc. That path keeps out of all zones, or the speed isn't given. Where nothing else is safe it brakes on the arc it is on, whose
path was found free when that speed was given; so there is always a way to go on, and standing robots may turn on the spot.
Speeds are m/s along and rad/s about (counter-clockwise), times are seconds of one monotonic clock.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple

from firmware_bridge.robot.config import Robot, RobotError
from firmware_bridge.robot.limits import LONGEST_STEP, braked, speed_within, toward
from firmware_bridge.robot.proximity import Near
from firmware_bridge.robot.zones import Ground, arc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

log = logging.getLogger(__name__)

KEPT = 200  # changes that are shown
ASKABLE = 100.0  # m/s or rad/s; more is a mistake, and stands as NaN does


class Why(IntFlag):
    """What changed an order; `sentences` says it in words."""

    SPEED = 1
    RAMP = 2
    ZONE = 4
    LEAVING = 8
    NEAR = 16
    BLIND = 32
    TILTED = 64
    SAVING = 128
    STOPPED = 1 << 8
    FAULT = 1 << 9
    MODE = 1 << 10
    SILENT = 1 << 11
    BAD = 1 << 12
    CLOCK = 1 << 13
    NO_POSE = 1 << 14
    NO_SCAN = 1 << 15
    NO_IMU = 1 << 16
    NO_GROUND = 1 << 17
    UNARMED = 1 << 18


_SENTENCES = {
    Why.SPEED: "it is over the speed limit",
    Why.RAMP: "it speeds up no faster",
    Why.ZONE: "a zone or the fence is within its braking distance",
    Why.LEAVING: "it is in a zone or outside the fence, and may only creep out",
    Why.NEAR: "somebody or something is near",
    Why.BLIND: "the scanner doesn't see where it goes",
    Why.TILTED: "it is tilted",
    Why.SAVING: "the battery is low",
    Why.STOPPED: "the emergency stop is on: release it",
    Why.FAULT: "a fault is kept: see `state`, then clear it",
    Why.MODE: "its mode lets nothing move",
    Why.SILENT: "no order came in time",
    Why.BAD: "the order is no number",
    Why.CLOCK: "the clock went back",
    Why.NO_POSE: "it doesn't know where it is",
    Why.NO_SCAN: "the scanner tells nothing new",
    Why.NO_IMU: "the inertial unit tells nothing new",
    Why.NO_GROUND: "zones and fence can't be used",
    Why.UNARMED: "it isn't armed: enigma-bridge robot arm",
}
_ORDINARY = int(Why.SPEED | Why.RAMP)
_STANDS = ~int(
    Why.SPEED | Why.RAMP | Why.ZONE | Why.LEAVING | Why.NEAR | Why.BLIND | Why.TILTED | Why.SAVING
)  # all others


def sentences(why: int) -> list[str]:
    """Every reason, in words."""
    return [text for reason, text in _SENTENCES.items() if why & reason]


class Given(NamedTuple):
    """What the motors may have, and the `Why` that it isn't all that was asked for."""

    v: float
    w: float
    why: int


class Change(NamedTuple):
    """When the reasons changed: what was asked for then, and what was given."""

    at: float
    asked: tuple[float, float]
    given: tuple[float, float]
    why: int


class Envelope:
    """Rules of one robot. ground: its zones; None: robot.toml has no fence, or (with `grounded`) it couldn't be used.

    allowed: whether its mode lets it move. armed: whether a person gave its motors leave. cap: part of the speed that battery and mode leave.
    """

    def __init__(self, robot: Robot, ground: Ground | None, grounded: bool = True) -> None:
        self.robot, self.ground = robot, ground
        self.allowed, self.armed, self.cap = True, True, 1.0
        self.grounded = grounded and (ground is not None or not robot.fence)
        self.stopped = False
        self.fault = ""
        self.changes: deque[Change] = deque(maxlen=KEPT)
        self.near = Near(robot.proximity, robot.body.radius)
        self.v = self.w = 0.0
        self.why = 0
        self._growth = self._turn_growth = 0.0
        self._at = -math.inf
        self._asked, self._asked_at, self._bad = (0.0, 0.0), -math.inf, False
        self._pose, self._pose_at, self._doubt, self._turn_doubt = (0.0, 0.0, 0.0), -math.inf, 0.0, 0.0
        self._moving = 0.0
        self._tilt, self._tilt_at = 0.0, -math.inf
        self._over_since = math.inf

    def ask(self, now: float, v: float, w: float) -> None:
        """An order; it counts until `deadman` seconds later. What is no number makes the robot stand."""
        bad = not (
            isinstance(v, int | float) and isinstance(w, int | float) and abs(v) <= ASKABLE and abs(w) <= ASKABLE
        )
        self._bad, self._asked_at = bad, now
        self._asked = (0.0, 0.0) if bad else (float(v), float(w))

    def stop(self) -> None:
        """The emergency stop: motors at once, until `release`."""
        self.stopped = True

    def release(self) -> None:
        """Ends it. What was asked for before doesn't count any more."""
        self.stopped, self._asked_at = False, -math.inf

    def trip(self, fault: str) -> None:
        """A fault that is kept until `clear`. The first one is shown."""
        if not self.fault:
            log.warning("Fault: %s", fault)
        self.fault = self.fault or fault

    def clear(self) -> None:
        """Ends a fault. Raises RobotError where its cause is still there."""
        if self.robot.tilt is not None and self._tilt > math.radians(self.robot.tilt.stop):
            raise RobotError("It is still tilted: put it on its wheels.")
        self.fault, self._over_since, self._asked_at = "", math.inf, -math.inf

    def pose(self, now: float, x: float, y: float, heading: float, doubt: float = 0.0, turn_doubt: float = 0.0) -> None:
        """Where it was at `now`; doubt (m) and turn_doubt (rad): how far that may be off."""
        if math.isfinite(x + y + heading + now) and 0 <= doubt < math.inf and 0 <= turn_doubt < math.inf:
            self._pose, self._pose_at, self._doubt, self._turn_doubt = (x, y, heading), now, doubt, turn_doubt
        else:
            self._pose_at = -math.inf

    def lost(self) -> None:
        """The pose isn't known any more."""
        self._pose_at = -math.inf

    def moving(self, speed: float) -> None:
        """The measured speed, m/s: a robot that is faster than it was told brakes for longer."""
        self._moving = abs(speed) if math.isfinite(speed) else ASKABLE

    def scan(self, now: float, first: float, step: float, ranges: ArrayLike) -> None:
        """A LaserScan round the robot's middle: the angle (rad) of the first ray, from one to the next, and metres."""
        self.near.scan(now, first, step, ranges)

    def tilt(self, now: float, roll: float, pitch: float) -> None:
        """How far it leans, rad; over the limit is a fault."""
        angle = (
            math.acos(max(-1.0, min(1.0, math.cos(roll) * math.cos(pitch)))) if math.isfinite(roll + pitch) else math.pi
        )
        self._tilt, self._tilt_at = angle, now
        if self.robot.tilt is not None and angle > math.radians(self.robot.tilt.stop):
            self.trip(f"It is tilted by {math.degrees(angle):.0f} degrees: put it on its wheels.")

    def current(self, now: float, amperes: float) -> None:
        """What the motors draw; too much for too long is a fault."""
        limit = self.robot.current
        if limit is None:
            return
        if abs(amperes) <= limit.most:
            self._over_since = math.inf
            return
        self._over_since = min(self._over_since, now)  # of nan too
        if now - self._over_since >= limit.seconds:
            self.trip(f"The motors draw {amperes:.1f} A, over {limit.most:g}: see what blocks them.")

    def where(self, now: float) -> tuple[float, float, float] | None:
        """The pose now, reckoned on from the last one; None where that is too old."""
        age = now - self._pose_at
        if not 0 <= age <= self.robot.times.pose:
            return None
        x, y, heading = self._pose
        if abs(self.v) > 1e-6:
            return arc(x, y, heading, self.v * age, self.w / self.v)
        return x, y, heading + self.w * age

    def step(self, now: float) -> Given:
        """What the motors get now; keeps it as what they have until the next step."""
        dt = now - self._at
        first = self._at == -math.inf
        why = self._gates(now)
        if not dt >= 0 or not math.isfinite(now):
            why |= Why.CLOCK.value
            dt = 0.0
        self._at = now if math.isfinite(now) else self._at
        if dt > self.robot.times.deadman:  # the firmware stopped the motors since
            self.v = self.w = self._growth = self._turn_growth = 0.0
            dt = 0.0 if first else dt
        if self.stopped or why & Why.CLOCK.value:
            self.v = self.w = self._growth = self._turn_growth = 0.0
        elif why & _STANDS:
            limits = self.robot.limits
            self.v, self.w = braked(self.v, self.w, dt, limits.brake, limits.turn_brake)
            self._growth = self._turn_growth = 0.0
        else:
            why |= self._move(now, dt)
        if why != self.why:
            self._changed(now, why)
        return Given(self.v, self.w, why)

    def _gates(self, now: float) -> int:
        times, why = self.robot.times, 0
        if self.stopped:
            why |= Why.STOPPED.value
        if self.fault:
            why |= Why.FAULT.value
        if not self.allowed:
            why |= Why.MODE.value
        if not self.armed:
            why |= Why.UNARMED.value
        if not self.grounded:
            why |= Why.NO_GROUND.value
        if self._bad:
            why |= Why.BAD.value
        if not 0 <= now - self._asked_at <= times.deadman:
            why |= Why.SILENT.value
        if self.ground is not None and not 0 <= now - self._pose_at <= times.pose:
            why |= Why.NO_POSE.value
        if self.robot.proximity is not None and not 0 <= now - self.near.at <= times.scan:
            why |= Why.NO_SCAN.value
        if self.robot.tilt is not None and not 0 <= now - self._tilt_at <= times.imu:
            why |= Why.NO_IMU.value
        return why

    def _move(self, now: float, dt: float) -> int:
        limits, body = self.robot.limits, self.robot.body
        v, w = self._asked
        why = 0
        fastest, turn = (limits.speed if v >= 0 else limits.back) * self.cap, limits.turn * self.cap
        if self.robot.tilt is not None and self._tilt > math.radians(self.robot.tilt.slow):
            fastest = min(fastest, limits.creep)
            why |= Why.TILTED.value if abs(v) > fastest else 0
        # Both by one part, so that the arc stays the one that was asked for.
        part = min(1.0, fastest / abs(v) if v else 1.0, turn / abs(w) if w else 1.0)
        wheel = (abs(v) + abs(w) * body.track / 2) * part
        if wheel > body.wheel_speed:
            part *= body.wheel_speed / wheel
        if part < 1:
            why |= Why.SAVING.value if self.cap < 1 else Why.SPEED.value
            v, w = v * part, w * part
        if self.robot.proximity is not None and v:
            least, blind = self.near.limit(now, v, self.v, limits, self.robot.times)
            if least < abs(v):
                v = math.copysign(least, v)
                why |= Why.BLIND.value if blind else Why.NEAR.value
        new_v, growth = toward(self.v, self._growth, v, dt, limits.acceleration, limits.jerk, limits.brake)
        new_w, turn_growth = toward(
            self.w, self._turn_growth, w, dt, limits.turn_acceleration, limits.turn_jerk, limits.turn_brake
        )
        if abs(new_v) + abs(new_w) * body.track / 2 > body.wheel_speed:  # one rises before the other is down
            new_v = math.copysign(min(abs(new_v), abs(self.v)), new_v)
            new_w = math.copysign(min(abs(new_w), abs(self.w)), new_w)
        if new_v != v or new_w != w:
            why |= Why.RAMP.value
        if self.ground is not None:
            new_v, new_w, zone = self._keep_out(now, dt, new_v, new_w)
            why |= zone
            if new_v == 0 or zone & ~_ORDINARY:
                rise = min(dt, LONGEST_STEP)
                growth = min(growth, max(0.0, abs(new_v) - abs(self.v)) / rise) if rise > 0 else 0.0
        self._growth, self._turn_growth = growth, turn_growth
        self.v, self.w = new_v, new_w
        return why

    def _keep_out(self, now: float, dt: float, v: float, w: float) -> tuple[float, float, int]:
        """The most of (v, w) with which the robot comes to stand outside of every zone."""
        limits, ground = self.robot.limits, self.ground
        assert ground is not None
        if abs(v) < 1e-6:  # nothing can be reckoned with an arc of no length
            v = 0.0
            if not self.v:
                return v, w, 0
            return v, braked(self.v, self.w, dt, limits.brake, limits.turn_brake)[1], Why.RAMP.value
        where = self.where(now)
        assert where is not None
        room = ground.clearance(where[0], where[1]) - self.robot.body.radius - self.robot.map.margin - self._doubt
        if room < 0:
            return self._leave(dt, v, w, where)
        need = self._need(v, w)
        aside = self._aside(now, dt, v, w, need)
        if need + aside <= room:
            return v, w, 0
        bend = w / v
        keep = self.robot.body.radius + self.robot.map.margin + self._doubt + aside
        free = ground.ahead(*where, bend, math.copysign(need, v), keep)
        if free >= need:
            return v, w, 0
        brake = min(limits.brake, limits.turn_brake / abs(bend)) if bend else limits.brake
        slower = speed_within(free, self.robot.times.deadman + self.robot.times.latency, brake)
        least = max(1e-3, abs(self.v) - limits.brake * dt, self._moving - 2 * limits.brake * dt)
        if least <= slower < abs(v) and slower * abs(bend) >= abs(self.w) - limits.turn_brake * dt:
            part = slower / abs(v)
            return v * part, w * part, Why.ZONE.value
        if abs(self.v) <= limits.creep:  # it may turn on the spot, and creep to where there is more room
            return self._leave(dt, v, w, where)
        return (*braked(self.v, self.w, dt, limits.brake, limits.turn_brake), Why.ZONE.value)

    def _need(self, v: float, w: float) -> float:
        """Metres until it stands: as fast as it is or will be until the deadman, then braking on the arc."""
        limits, times = self.robot.limits, self.robot.times
        speed = max(abs(v), self._moving)
        seconds = max(speed / limits.brake, abs(w) / limits.turn_brake)
        return speed * (times.deadman + times.latency + seconds / 2)

    def _aside(self, now: float, dt: float, v: float, w: float, need: float) -> float:
        """Metres that the way of (v, w), or of anything slower on its arc, may be beside the arc."""
        limits = self.robot.limits
        speed = max(abs(v), self._moving)
        braking = speed / limits.brake
        # Motors that are let go may leave the arc, and the heading may be off.
        aside = speed * braking / 2 * abs(w) * braking / 2 + self._turn_doubt * need
        if self.v or self.w:
            # Orders act late, wheels need the step's time to change, and the pose is as old as it is.
            change = max(abs(v - self.v), limits.brake * dt) + max(abs(w - self.w), limits.turn_brake * dt) * need
            age = now - self._pose_at
            aside += (self.robot.times.latency + dt / 2) * change + age * age * (
                limits.brake + limits.turn_brake * need
            )
        return aside

    def _leave(self, dt: float, v: float, w: float, where: tuple[float, float, float]) -> tuple[float, float, int]:
        """It is close to what is forbidden, or in it after a jump of the estimate: it may turn, and creep where there is more room or enough."""
        limits, ground = self.robot.limits, self.ground
        assert ground is not None
        here = ground.smooth(where[0], where[1])
        why = (Why.LEAVING if here < self.robot.body.radius else Why.ZONE).value
        if abs(self.v) > limits.creep:
            return (*braked(self.v, self.w, dt, limits.brake, limits.turn_brake), why)
        slow = max(-limits.creep, min(limits.creep, v))
        way = max(self._need(slow, w), 2 * ground.cell)
        # What the grid's caution, slack and late orders cost elsewhere counts for little at this speed.
        enough = self.robot.body.radius + self.robot.map.margin + self._doubt + ground.cell / 10
        for share in (1 / 3, 2 / 3, 1.0):
            x, y, _ = arc(*where, math.copysign(way * share, v), w / slow)
            if ground.smooth(x, y) < min(enough, here + 0.3 * way * share):
                return (braked(self.v, 0.0, dt, limits.brake, limits.turn_brake)[0], w, why)
        return slow, w, why

    def _changed(self, now: float, why: int) -> None:
        self.why = why
        change = Change(now, self._asked, (self.v, self.w), why)
        self.changes.append(change)
        level = logging.DEBUG if not why & ~_ORDINARY else logging.INFO
        if log.isEnabledFor(level):
            asked, given = "{:.2f} m/s, {:.2f} rad/s".format(*self._asked), f"{self.v:.2f}, {self.w:.2f}"
            log.log(
                level, "Asked for %s, given %s: %s.", asked, given, "; ".join(sentences(why)) or "nothing in the way"
            )
