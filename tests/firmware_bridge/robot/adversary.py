"""A robot of the worst kind behind the envelope, and orders that are meant to break it. What is promised is checked at each step.

Its wheels speed up at once and brake as slowly as they may, on their arc or not; orders act late; poses come late, are off by
as much as they say, or don't come; whoever asks may fall silent, send rubbish, or ask as if the clock jumped.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import shapely

from firmware_bridge.robot.config import Robot, parse
from firmware_bridge.robot.envelope import LONGEST_STEP, Envelope, Why
from firmware_bridge.robot.limits import braked
from firmware_bridge.robot.zones import Ground

SUB = 0.005  # seconds of one piece of its way
RAW = {
    "body": {"radius": 0.18, "track": 0.3, "wheel_speed": 0.9, "counts_per_metre": 2000},
    "limits": {"speed": 0.6},
    "proximity": {"stop": 0.15, "slow": 0.9},
    "tilt": {},
    "current": {"most": 5.0, "seconds": 0.2},
    "fence": [[0.0, 0.0], [5.0, 0.0], [5.0, 4.0], [0.0, 4.0]],
    "zones": [
        {"name": "stairs", "corners": [[2.0, 1.0], [2.6, 1.2], [2.4, 2.2]]},
        {"name": "bed", "corners": [[3.6, 2.4], [4.4, 2.4], [4.4, 3.2], [3.6, 3.2]]},
        {"name": "pole", "corners": [[1.0, 2.8], [1.05, 2.8], [1.05, 2.85], [1.0, 2.85]]},
    ],
}
ROBOT: Robot = parse(RAW)
GROUND = Ground(ROBOT)
FORBIDDEN = shapely.box(-9, -9, 14, 13).difference(GROUND.free)


@dataclass(frozen=True)
class Turn:
    """One turn of the drive loop, and what goes on around it."""

    dt: float
    order: tuple[float, float] | None  # None: whoever asks is silent
    late: float  # seconds until the motors get it
    age: float  # of the pose; beyond 1: it doesn't come
    off: tuple[float, float, float]  # how far the pose is off, parts of what it says
    near: float  # metres to somebody ahead; nan: the scanner is broken
    event: str  # stop, release, tilt, current, clear or nothing


class World:
    """The robot as it really is, at time `now`."""

    def __init__(self, x: float, y: float, heading: float) -> None:
        self.envelope = Envelope(ROBOT, GROUND)
        self.now = 100.0
        self.pose = (x, y, heading)
        self.v = self.w = 0.0
        self.past: deque[tuple[float, tuple[float, float, float]]] = deque([(0.0, self.pose)], maxlen=200)
        self.orders: list[tuple[float, float, float]] = []
        self.had, self.had_at = (0.0, 0.0), -math.inf
        self.grown, self.told = 0.0, -math.inf
        self.nearest = self.clear_of(np.array([[x, y]]))

    @staticmethod
    def clear_of(points: np.ndarray) -> float:
        """Metres between the robot's edge and what is forbidden, the least of all points, by shapely alone."""
        return float(shapely.distance(shapely.points(points), FORBIDDEN).min()) - ROBOT.body.radius

    def run(self, seconds: float, on_arc: bool) -> None:
        """Goes on for so long with what the motors have."""
        limits, trail = ROBOT.limits, []
        for _ in range(max(1, math.ceil(seconds / SUB))):
            piece = seconds / max(1, math.ceil(seconds / SUB))
            self.now += piece
            while self.orders and self.orders[0][0] <= self.now:
                at, *had = self.orders.pop(0)
                self.had, self.had_at = (had[0], had[1]), at
            v, w = self.had if self.now - self.had_at <= ROBOT.times.deadman else (0.0, 0.0)
            low_v, low_w = limits.brake * piece, limits.turn_brake * piece
            if on_arc and not v and not w and (self.v or self.w):
                part = max(0.0, 1 - piece / max(abs(self.v) / limits.brake, abs(self.w) / limits.turn_brake))
                self.v, self.w = self.v * part, self.w * part
            else:
                self.v = (
                    v
                    if v * self.v >= 0 and abs(v) >= abs(self.v)
                    else max(v, self.v - low_v)
                    if self.v > v
                    else min(v, self.v + low_v)
                )
                self.w = (
                    w
                    if w * self.w >= 0 and abs(w) >= abs(self.w)
                    else max(w, self.w - low_w)
                    if self.w > w
                    else min(w, self.w + low_w)
                )
            x, y, heading = self.pose
            middle = heading + self.w * piece / 2
            self.pose = (
                x + self.v * piece * math.cos(middle),
                y + self.v * piece * math.sin(middle),
                heading + self.w * piece,
            )
            self.past.append((self.now, self.pose))
            trail.append(self.pose[:2])
        self.nearest = self.clear_of(np.array(trail))

    def turn(self, turn: Turn, doubt: float = 0.02, turn_doubt: float = 0.02, on_arc: bool = True) -> None:
        """Time passes, then the envelope is told, asked and held to what it promises."""
        before = (self.envelope.v, self.envelope.w)
        if turn.dt > 0:
            self.run(turn.dt, on_arc)
        now = self.now if turn.dt > 0 else self.now + turn.dt
        envelope = self.envelope
        if turn.age <= 1:
            at, seen = min(self.past, key=lambda each: abs(each[0] - (now - turn.age)))
            away = math.hypot(*turn.off[:2]) or 1.0
            scale = doubt / max(1.0, away)
            envelope.pose(
                at,
                seen[0] + turn.off[0] * scale,
                seen[1] + turn.off[1] * scale,
                seen[2] + turn.off[2] * turn_doubt,
                doubt,
                turn_doubt,
            )
        envelope.moving(self.v)
        envelope.scan(now, -math.pi, math.pi / 90, np.where(np.abs(np.arange(180) - 90) < 20, turn.near, 9.0))
        envelope.tilt(now, 0.4 if turn.event == "tilt" else 0.0, 0.0)
        envelope.current(now, 9.0 if turn.event == "current" else 1.0)
        if turn.event == "stop":
            envelope.stop()
        elif turn.event == "release":
            envelope.release()
        elif turn.event == "clear":
            envelope.clear()
        if turn.order is not None:
            envelope.ask(now, *turn.order)
        v, w, why = given = envelope.step(now)
        self.orders.append((self.now + turn.late, v, w))
        self.orders.sort(key=lambda each: each[0])
        self._held(turn, now - self.told, before, v, w, why)
        self.told = now
        assert self.nearest > 0, (self.pose, given)

    def _held(self, turn: Turn, passed: float, before: tuple[float, float], v: float, w: float, why: int) -> None:
        """The promises that one output must keep."""
        limits, tiny = ROBOT.limits, 1e-9
        assert math.isfinite(v + w) and -limits.back - tiny <= v <= limits.speed + tiny and abs(w) <= limits.turn + tiny
        assert abs(v) + abs(w) * ROBOT.body.track / 2 <= ROBOT.body.wheel_speed + tiny
        dt = max(passed, 0.0) if passed < math.inf else 0.0
        if dt > ROBOT.times.deadman:
            before, self.grown = (0.0, 0.0), 0.0
        rise = min(dt, LONGEST_STEP)
        assert before[0] * v >= 0 and before[1] * w >= 0  # who goes back stands first
        assert abs(v) <= abs(before[0]) + limits.acceleration * rise + tiny
        assert abs(w) <= abs(before[1]) + limits.turn_acceleration * rise + tiny
        if rise > 0 and abs(v) > abs(before[0]):
            grown = (abs(v) - abs(before[0])) / rise
            assert grown <= self.grown + limits.jerk * rise + 1e-6
            self.grown = grown
        elif rise > 0 or v == 0:
            self.grown = 0.0
        if why & (Why.STOPPED | Why.CLOCK):
            assert v == w == 0
        else:
            assert abs(v) >= abs(before[0]) - limits.brake * dt - tiny
            assert abs(w) >= abs(before[1]) - limits.turn_brake * dt - tiny
        arc = braked(*before, dt, limits.brake, limits.turn_brake)
        halts = Why.STOPPED | Why.FAULT | Why.SILENT | Why.BAD | Why.CLOCK | Why.NO_POSE | Why.NO_SCAN | Why.NO_IMU
        if why & halts:
            assert why & (Why.STOPPED | Why.CLOCK) or (v, w) == arc
        elif why == 0 and turn.order is not None:
            assert math.dist((v, w), turn.order) < 1e-5
        near = turn.near - ROBOT.body.radius
        if v > 0 and near <= 0.15:
            assert v <= max(0.0, before[0] - limits.brake * dt, arc[0]) + tiny


def heading_out(x: float, y: float, uphill: bool) -> float:
    """Where there is most room: straight on, or where the distance to what is forbidden grows."""
    if uphill:
        step = 0.05
        return math.atan2(
            GROUND.smooth(x, y + step) - GROUND.smooth(x, y - step),
            GROUND.smooth(x + step, y) - GROUND.smooth(x - step, y),
        )

    def room(heading: float) -> float:
        return min(
            GROUND.smooth(x + way * math.cos(heading), y + way * math.sin(heading)) for way in (0.1, 0.2, 0.3, 0.4)
        )

    return max((math.pi * part / 12 for part in range(-12, 12)), key=room)


def leaves(world: World, seconds: float = 20.0) -> bool:
    """Whether a robot that is asked to can get to where there is more room, from wherever the adversary left it."""
    envelope = world.envelope
    envelope.release()
    start, wanted, blocked = world.pose, None, 0
    for step in range(round(seconds / 0.05)):
        world.run(0.05, True)
        now, (x, y, heading) = world.now, world.pose
        envelope.pose(now, x, y, heading, 0.02, 0.02)
        envelope.moving(world.v)
        envelope.scan(now, -math.pi, math.pi / 90, np.full(180, 9.0))
        envelope.tilt(now, 0, 0)
        envelope.current(now, 0)
        if step == 0:
            envelope.clear()
        if GROUND.smooth(x, y) > 0.35 or math.dist((x, y), start[:2]) > 0.5:
            return True
        if wanted is None or blocked > 20:
            wanted, blocked = heading_out(x, y, blocked > 20), 0
        error = (wanted - heading + math.pi) % (2 * math.pi) - math.pi
        envelope.ask(now, 0.2 if abs(error) < 0.3 else 0.0, 1.5 * error)
        v, w, _ = envelope.step(now)
        blocked += abs(error) < 0.3 and v == 0
        world.orders.append((now, v, w))
    return False
