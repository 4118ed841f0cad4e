"""Follows a way: looks at short arcs and takes the one that is free and ends nearest to the way. The envelope is behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from firmware_bridge.robot.config import Robot
from firmware_bridge.robot.estimate import wrap
from firmware_bridge.robot.plan import Point
from firmware_bridge.robot.zones import Ground, arc

AHEAD = 0.5  # metres of the way that it looks ahead
ARRIVED, TURNED = 0.08, math.radians(6)  # metres and rad at which a goal is reached
SHARP, ENOUGH = math.radians(50), math.radians(10)  # who has to turn by more turns on the spot, until so much is left
BENDS = tuple(bend * 0.5 for bend in range(-8, 9))  # 1/m


class Follower:
    """One way to go; heading: as which it ends, rad, None: any."""

    def __init__(self, robot: Robot, ground: Ground, points: Sequence[Point], heading: float | None = None) -> None:
        self._robot, self._ground = robot, ground
        self._points, self._heading = list(points), heading
        self._near = 0  # of the points the last one that was passed
        self.blocked = self._turning = False

    @property
    def left(self) -> Sequence[Point]:
        """The points that are still ahead."""
        return self._points[self._near + 1 :]

    def twist(self, x: float, y: float, heading: float, seen: np.ndarray | None = None) -> tuple[float, float] | None:
        """The speeds to ask for at a pose, None: it has arrived. seen: float64 [N, 2], what a scan sees, on the map."""
        limits = self._robot.limits
        self.blocked = False
        goal = self._points[-1]
        away = math.dist((x, y), goal)
        if away < ARRIVED:
            error = wrap(self._heading - heading) if self._heading is not None else 0.0
            if abs(error) < TURNED:
                return None
            return 0.0, max(-limits.turn, min(limits.turn, 2.0 * error))
        target = self._target(x, y)
        error = wrap(math.atan2(target[1] - y, target[0] - x) - heading)
        self._turning = abs(error) > (ENOUGH if self._turning else SHARP)
        if self._turning:
            return 0.0, max(-limits.turn, min(limits.turn, 2.0 * error))
        reach = min(AHEAD, math.dist((x, y), target))
        ideal = 2 * math.sin(error) / max(reach, 0.05)
        best = self._best(x, y, heading, ideal, reach, target, seen)
        if best is None:
            self.blocked = True
            return 0.0, max(-limits.turn, min(limits.turn, 1.5 * error))
        speed = min(limits.speed, math.sqrt(limits.acceleration * away), 0.1 + 1.5 * reach / (1 + abs(best)))
        return speed, speed * best

    def _target(self, x: float, y: float) -> Point:
        """The point of the way that is AHEAD metres farther than the nearest one."""
        left = AHEAD
        nearest, at, share = math.inf, self._near, 0.0
        for leg in range(self._near, len(self._points) - 1):
            a, b = self._points[leg], self._points[leg + 1]
            long = math.dist(a, b) or 1e-9
            part = max(0.0, min(1.0, ((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / long**2))
            away = math.dist((x, y), (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))
            if away < nearest:
                nearest, at, share = away, leg, part
        self._near = at
        for leg in range(at, len(self._points) - 1):
            a, b = self._points[leg], self._points[leg + 1]
            long = math.dist(a, b)
            if long * (1 - share) >= left:
                part = share + left / (long or 1e-9)
                return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])
            left, share = left - long * (1 - share), 0.0
        return self._points[-1]

    def _best(
        self, x: float, y: float, heading: float, ideal: float, reach: float, target: Point, seen: np.ndarray | None
    ) -> float | None:
        """The bend of the free arc that ends nearest to the target."""
        keep = self._robot.body.radius + self._robot.map.margin
        made = []
        for bend in (max(-6.0, min(6.0, ideal)), *BENDS):
            end = arc(x, y, heading, reach, bend)
            made.append((math.dist(end[:2], target) + (0.0 if bend == ideal else 0.02), bend))
        for _, bend in sorted(made):
            if self._ground.ahead(x, y, heading, bend, reach, keep) < reach - 0.02:
                continue
            if seen is not None and len(seen) and not self._passes(x, y, heading, bend, reach, seen):
                continue
            return bend
        return None

    def _passes(self, x: float, y: float, heading: float, bend: float, reach: float, seen: np.ndarray) -> bool:
        for way in np.linspace(0, reach, 6)[1:].tolist():
            px, py, _ = arc(x, y, heading, way, bend)
            if np.hypot(seen[:, 0] - px, seen[:, 1] - py).min() < self._robot.body.radius + 0.03:
                return False
        return True
