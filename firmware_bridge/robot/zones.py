"""Where a robot may be: inside the fence and outside all zones, as a grid of distances that is asked in under a microsecond.

Polygons are checked and joined by shapely once, when they change. Each cell holds the distance of its middle to the edge of
the free ground, negative outside. A distance changes by no more than one goes, so the middle's distance less the way to it is
never more than the true one: what the grid says is safe is safe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from firmware_bridge.robot.config import Robot, RobotError

if TYPE_CHECKING:
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

CELL = 0.05  # metres; the grid says up to 0.035 m less than is true
MOST_CELLS = 600_000  # larger grounds get larger cells
BEYOND = 1.0  # metres of the grid outside the fence; farther out all is forbidden
STEP = 0.03  # metres between two looks along a path where it is narrow


def polygon(corners: Sequence[tuple[float, float]], what: str) -> Polygon:
    """A checked polygon. Raises RobotError where it crosses itself or has no inside."""
    shapely = _shapely()
    made = shapely.Polygon(corners)
    if not made.is_valid:
        why = shapely.is_valid_reason(made).replace("[", " at ").rstrip("]").lower()
        raise RobotError(f"{what} can't be used ({' '.join(why.split())}): draw it without crossing itself.")
    if made.area < 1e-4:
        raise RobotError(f"{what} has no inside: draw its corners one after the other.")
    return made


class Ground:
    """The free ground of a robot. free: its shape; empty grounds are refused."""

    def __init__(self, robot: Robot) -> None:
        """Raises RobotError where the fence is missing or a polygon can't be used."""
        import numpy as np

        shapely = _shapely()
        if not robot.fence:
            raise RobotError("robot.toml has no fence: the corners of the ground that the robot may be on.")
        fence = polygon(robot.fence, "The fence")
        self.zones = {each.name: polygon(each.corners, f"The zone {each.name!r}") for each in robot.zones}
        self.free: BaseGeometry = fence.difference(shapely.union_all(list(self.zones.values())))
        if self.free.buffer(-robot.body.radius - robot.map.margin).is_empty:
            raise RobotError("Zones and fence leave no room that the robot fits into.")
        west, south, east, north = fence.bounds
        self.cell = max(CELL, math.sqrt((east - west + 2 * BEYOND) * (north - south + 2 * BEYOND) / MOST_CELLS))
        self._west, self._south = west - BEYOND, south - BEYOND
        self.columns = math.ceil((east - west + 2 * BEYOND) / self.cell) + 1
        self.rows = math.ceil((north - south + 2 * BEYOND) / self.cell) + 1
        xs = self._west + (np.arange(self.columns) + 0.5) * self.cell
        ys = self._south + (np.arange(self.rows) + 0.5) * self.cell
        points = shapely.points(*np.meshgrid(xs, ys))
        edge = self.free.boundary
        shapely.prepare(edge)
        shapely.prepare(self.free)
        away = shapely.distance(points, edge)
        self.distances = np.where(shapely.contains(self.free, points), away, -away).astype(np.float32)
        self._flat = memoryview(self.distances.reshape(-1))

    def clearance(self, x: float, y: float) -> float:
        """Metres from a point to what is forbidden, at least; negative in there."""
        cell = self.cell
        right, up = (x - self._west) / cell, (y - self._south) / cell
        if not (0 <= right < self.columns and 0 <= up < self.rows):  # nan too
            return -BEYOND
        column, row = int(right), int(up)
        return self._flat[row * self.columns + column] - cell * math.hypot(right - column - 0.5, up - row - 0.5)

    def smooth(self, x: float, y: float) -> float:
        """About the same, without steps between cells: for telling which way leads out."""
        right, up = (x - self._west) / self.cell - 0.5, (y - self._south) / self.cell - 0.5
        if not (0 <= right < self.columns - 1 and 0 <= up < self.rows - 1):
            return -BEYOND
        column, row = int(right), int(up)
        a, b, at, flat = right - column, up - row, row * self.columns + column, self._flat
        low = flat[at] * (1 - a) + flat[at + 1] * a
        at += self.columns
        return low * (1 - b) + (flat[at] * (1 - a) + flat[at + 1] * a) * b

    def forbidden(self, x: float, y: float) -> str:
        """What a point is in, or too near to: a zone's name, or the fence."""
        from shapely import Point

        point = Point(x, y)
        near = min(self.zones, key=lambda name: self.zones[name].distance(point), default=None)
        if near is not None and self.zones[near].distance(point) <= self.free.boundary.distance(point) + 1e-9:
            return f"the zone {near!r}"
        return "the fence"

    def ahead(self, x: float, y: float, heading: float, bend: float, most: float, keep: float) -> float:
        """How far, up to `most` metres, the middle may go on an arc of `bend` (1/m; negative `most`: backward) and stay
        `keep` metres from what is forbidden."""
        keep += STEP / 2  # between two looks
        way, sign, most = 0.0, math.copysign(1.0, most), abs(most)
        cell, west, south, columns, rows, flat = self.cell, self._west, self._south, self.columns, self.rows, self._flat
        straight = abs(most * bend) < 1e-6
        along, across = math.cos(heading), math.sin(heading)
        right, up = (x - west) / cell, (y - south) / cell
        while True:  # as `clearance` and `arc` say it: a command has 50 us
            if not (0 <= right < columns and 0 <= up < rows):
                return max(0.0, way - STEP)
            column, row = int(right), int(up)
            room = flat[row * columns + column] - cell * math.hypot(right - column - 0.5, up - row - 0.5) - keep
            if room < 0:
                return max(0.0, way - STEP)
            way += room + STEP
            if way - STEP / 2 >= most:
                return most
            if straight:
                px, py = x + sign * way * along, y + sign * way * across
            else:
                after = heading + sign * way * bend
                px, py = x + (math.sin(after) - across) / bend, y - (math.cos(after) - along) / bend
            right, up = (px - west) / cell, (py - south) / cell


def arc(x: float, y: float, heading: float, way: float, bend: float) -> tuple[float, float, float]:
    """Where one is after `way` metres on an arc of `bend` (1/m)."""
    turned = way * bend
    if abs(turned) < 1e-6:
        middle = heading + turned / 2
        return x + way * math.cos(middle), y + way * math.sin(middle), heading + turned
    after = heading + turned
    return (
        x + (math.sin(after) - math.sin(heading)) / bend,
        y - (math.cos(after) - math.cos(heading)) / bend,
        after,
    )


def _shapely() -> ModuleType:
    try:
        import shapely
    except ImportError:
        raise RobotError("Zones need shapely: pip install 'enigma[robot]'.") from None
    return shapely
