"""Where a camera's things are: boxes in a picture become places, by how the camera stands on the robot and by what the scanner sees.

A pinhole of square pixels. What stands on the floor is where the ray through the lower edge of its box meets the floor; it can't be
behind what the scanner sees in that direction. Where the lower edge isn't in the picture, as of somebody near, the scanner alone says
how far. Hartley, Zisserman: Multiple View Geometry, chapter 6.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.robot.config import Camera, RobotError
from firmware_bridge.robot.scan_match import placed
from firmware_bridge.robot.slam import points_of

if TYPE_CHECKING:
    from firmware_bridge.robot.drive import Driver

CUT = 0.99  # of the picture's height, from which a box goes on beyond it
FARTHEST = 6.0  # metres: beyond, a pixel more or less of a low camera is half a metre and more
NARROW = math.radians(1.5)  # to each side, where a box is narrower than two rays of a scanner
Box = tuple[float, float, float, float]


def place(camera: Camera, box: Box, size: tuple[float, float], points: np.ndarray | None) -> tuple[float, float] | None:
    """Metres before and left of the robot's middle to the middle of what is in a box; None where nothing says how far it is.

    box: left, top, right and lower edge in shares of the picture. size: of the picture, pixels. points: float64 [N, 2], what
    the scanner saw, before and left of the robot's middle.
    """
    left, _, right, low = box
    focal = size[0] / 2 / math.tan(math.radians(camera.view) / 2)
    across, down = ((left + right) / 2 - 0.5) * size[0] / focal, (low - 0.5) * size[1] / focal
    tilt, turn = math.radians(camera.down), math.radians(camera.degrees)
    ahead, under = math.cos(tilt) - down * math.sin(tilt), math.sin(tilt) + down * math.cos(tilt)
    if ahead <= 0:
        return None
    bearing, half = turn - math.atan2(across, ahead), (right - left) / 2 * size[0] / focal / ahead
    away = math.inf
    if low < CUT and under * FARTHEST > camera.z:
        away = camera.z / under * math.hypot(ahead, across) * (1 + half)  # its middle is half its width behind its edge
    if points is not None and len(points):
        dx, dy = points[:, 0] - camera.x, points[:, 1] - camera.y
        beside = np.abs((np.arctan2(dy, dx) - bearing + math.pi) % (2 * math.pi) - math.pi)
        scanned = np.hypot(dx, dy)[beside <= max(NARROW, math.atan(half) / 2)]
        away = min(away, float(scanned.min(initial=math.inf)))
    if not math.isfinite(away):
        return None
    return camera.x + away * math.cos(bearing), camera.y + away * math.sin(bearing)


class Past:
    """Where the robot was, for pictures that took a while; the last SECONDS."""

    SECONDS = 2.0

    def __init__(self) -> None:
        self._poses: list[tuple[float, tuple[float, float, float]]] = []

    def add(self, now: float, pose: tuple[float, float, float]) -> None:
        """Poses come in the order of time; one that doesn't begins anew."""
        if self._poses and now < self._poses[-1][0]:
            self._poses.clear()
        self._poses.append((now, pose))
        while self._poses[0][0] < now - self.SECONDS:
            self._poses.pop(0)

    def clear(self) -> None:
        """It was put somewhere else."""
        self._poses.clear()

    def at(self, when: float) -> tuple[float, float, float] | None:
        """Between the two poses round that moment; None before the first."""
        if not self._poses or when < self._poses[0][0]:
            return None
        for (before, a), (after, b) in zip(self._poses, self._poses[1:], strict=False):
            if when <= after:
                part = (when - before) / (after - before) if after > before else 1.0
                turn = (b[2] - a[2] + math.pi) % (2 * math.pi) - math.pi
                return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), a[2] + part * turn
        return self._poses[-1][1]


class Eyes:
    """What a robot's detectors tell as they see it: from where the robot was when the picture was taken."""

    def __init__(self, driver: Driver) -> None:
        self.past = Past()
        self._driver = driver

    def see(self, seen: Sequence[tuple[str, float, float]], age: float = 0.0) -> None:
        """Names, and metres before and left of the robot's middle, `age` seconds ago. Raises RobotError."""
        pose = self._was(age)
        along, across = math.cos(pose[2]), math.sin(pose[2])
        there = [(name, pose[0] + a * along - b * across, pose[1] + a * across + b * along) for name, a, b in seen]
        self._driver.sight(there, _now() - age)

    def boxes(self, boxes: Sequence[tuple[str, Box]], size: tuple[float, float], age: float) -> list[str]:
        """The same as boxes in a picture of robot.toml's [camera]; whom nothing says how far away they are. Raises RobotError.

        Names that the inventory doesn't have are left out.
        """
        robot, scan, points = self._driver.robot, self._driver.latest_scan, None
        if robot.camera is None:
            raise RobotError("robot.toml has no [camera]: it says how the camera stands on the robot.")
        if scan is not None and _now() - scan.at <= robot.times.scan + age:
            there = placed(points_of(scan.first, scan.step, np.asarray(scan.ranges)), scan.pose)
            points = relative(there, self._was(age))
        seen, lost = [], []
        for name, box in boxes:
            if not self._driver.orders.things.knows(name):
                continue
            if (at := place(robot.camera, box, size, points)) is not None:
                seen.append((name, *at))
            else:
                lost.append(name)
        self.see(seen, age)
        return lost

    def _was(self, age: float) -> tuple[float, float, float]:
        """Where it was so many seconds ago. Raises RobotError."""
        estimate = self._driver.estimate
        if estimate is None:
            raise RobotError("The robot doesn't know where it is: tell it, with locate.")
        pose = self.past.at(_now() - age) if age else estimate.pose
        if pose is None:
            raise RobotError(
                f"The picture is {age * 1000:.0f} ms old, and the robot doesn't know any more where it was then."
            )
        return pose


def _now() -> float:
    return asyncio.get_running_loop().time()


def relative(points: Sequence[tuple[float, float]] | np.ndarray, pose: tuple[float, float, float]) -> np.ndarray:
    """Points of the map before and left of the robot, float64 [N, 2]."""
    made = np.asarray(points, dtype=np.float64).reshape(-1, 2) - np.array(pose[:2])
    along, across = math.cos(pose[2]), math.sin(pose[2])
    return np.column_stack([made[:, 0] * along + made[:, 1] * across, made[:, 1] * along - made[:, 0] * across])
