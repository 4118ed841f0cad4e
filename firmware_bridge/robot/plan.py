"""A way to a place: A* on a grid of what is free, kept away from edges where there is room, and drawn straight where it can be.

The grid joins zones and fence with the walls of a map, and with what a scan sees in the way. Hart, Nilsson, Raphael: A Formal
Basis for the Heuristic Determination of Minimum Cost Paths (1968).
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence

import numpy as np

from firmware_bridge.robot.config import Robot, RobotError
from firmware_bridge.robot.zones import Ground

CELL = 0.1  # metres; a room is 50 by 50
MOST_CELLS = 400_000
COMFORT = 0.3  # metres more than needed that a way keeps from edges where it can
Point = tuple[float, float]


class Costmap:
    """Room around each cell: metres from its middle to what is forbidden or built, less what the robot needs."""

    def __init__(self, robot: Robot, ground: Ground, walls: np.ndarray | None = None) -> None:
        """walls: float64 [N, 2], points of a map and of scans that something stands at, in metres."""
        import shapely

        west, south, east, north = ground.free.bounds
        self.cell = max(CELL, math.sqrt((east - west) * (north - south) / MOST_CELLS))
        self._west, self._south = west, south
        columns, rows = math.ceil((east - west) / self.cell), math.ceil((north - south) / self.cell)
        xs, ys = np.meshgrid(west + (np.arange(columns) + 0.5) * self.cell, south + (np.arange(rows) + 0.5) * self.cell)
        # The envelope's own distances, as careful as it is: a way that it wouldn't let pass is no way.
        away = np.vectorize(ground.clearance, otypes=[float])(xs, ys)
        away -= robot.body.radius + robot.map.margin
        if walls is not None and len(walls):
            tree = shapely.STRtree(shapely.points(walls))
            middles = shapely.points(xs.reshape(-1), ys.reshape(-1))
            _, near = tree.query_nearest(middles, return_distance=True, all_matches=False)
            away = np.minimum(away, near.reshape(away.shape) - robot.body.radius)
        self.room = away - robot.map.clearance

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of a point, which may be outside."""
        return math.floor((y - self._south) / self.cell), math.floor((x - self._west) / self.cell)

    def middle(self, row: int, column: int) -> Point:
        """The point in the middle of a cell."""
        return self._west + (column + 0.5) * self.cell, self._south + (row + 0.5) * self.cell

    def free(self, row: int, column: int) -> bool:
        """Whether the robot fits there."""
        rows, columns = self.room.shape
        return 0 <= row < rows and 0 <= column < columns and bool(self.room[row, column] >= 0)

    def sees(self, a: Point, b: Point, least: float) -> bool:
        """Whether the straight way between two points has `least` metres of room all along."""
        steps = max(2, math.ceil(math.dist(a, b) / (self.cell / 2)) + 1)
        for part in np.linspace(0, 1, steps).tolist():
            row, column = self.at(a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)
            if not self.free(row, column) or self.room[row, column] < least:
                return False
        return True


def plan(costmap: Costmap, start: Point, goal: Point, what: str = "that place") -> list[Point]:
    """The points of a way from `start` to `goal`, in metres. Raises RobotError where there is none."""
    begin = _nearest(costmap, costmap.at(*start))
    end = costmap.at(*goal)
    if not costmap.free(*end):
        raise RobotError(f"The robot can't stand at {what}: it is in a zone, outside the fence, or too near to a wall.")
    if begin is None:
        raise RobotError("The robot stands where it has no room: drive it by hand to where it has.")
    cells = _search(costmap, begin, end)
    if not cells:
        raise RobotError(f"There is no way to {what}: zones or walls close it off.")
    points = [start, *(costmap.middle(*cell) for cell in cells[1:-1]), goal]
    return _straight(costmap, points)


def length(points: Sequence[Point]) -> float:
    """Metres."""
    return sum(math.dist(a, b) for a, b in itertools.pairwise(points))


def _nearest(costmap: Costmap, cell: tuple[int, int], reach: int = 4) -> tuple[int, int] | None:
    """The free cell next to one: a robot that came to stand close to an edge may be in one that isn't."""
    around = itertools.product(range(-reach, reach + 1), repeat=2)
    free = [(r * r + c * c, (cell[0] + r, cell[1] + c)) for r, c in around if costmap.free(cell[0] + r, cell[1] + c)]
    return min(free)[1] if free else None


def _search(costmap: Costmap, begin: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    room = costmap.room
    rows, columns = room.shape
    comfort = np.where(room < COMFORT, 1 + 2 * (1 - np.clip(room, 0, COMFORT) / COMFORT), 1.0).reshape(-1).tolist()
    free = (room >= 0).reshape(-1).tolist()
    steps = [(r, c, math.hypot(r, c)) for r, c in itertools.product((-1, 0, 1), repeat=2) if r or c]
    source, target = begin[0] * columns + begin[1], end[0] * columns + end[1]
    best, came = {source: 0.0}, {source: source}
    queue = [(0.0, source)]
    done = set()
    while queue:
        _, here = heapq.heappop(queue)
        if here == target:
            cells = [here]
            while cells[-1] != source:
                cells.append(came[cells[-1]])
            return [divmod(cell, columns) for cell in reversed(cells)]
        if here in done:
            continue
        done.add(here)
        row, column = divmod(here, columns)
        for r, c, way in steps:
            if not (0 <= row + r < rows and 0 <= column + c < columns):
                continue
            there = here + r * columns + c
            if not free[there] or (r and c and not (free[here + r * columns] and free[here + c])):
                continue
            cost = best[here] + way * comfort[there]
            if cost < best.get(there, math.inf):
                best[there], came[there] = cost, here
                heapq.heappush(queue, (cost + math.hypot(row + r - end[0], column + c - end[1]), there))
    return []


def _straight(costmap: Costmap, points: list[Point]) -> list[Point]:
    """Leaves out what lies on a straight way that has as much room as the points between, up to the comfort."""
    rooms = []
    for point in points:
        row, column = costmap.at(*point)
        rooms.append(float(costmap.room[row, column]) if costmap.free(row, column) else 0.0)
    kept, at = [points[0]], 0
    while at < len(points) - 1:
        ahead = at + 1
        for far in range(len(points) - 1, at + 1, -1):
            least = max(0.0, min(min(rooms[at + 1 : far]), COMFORT) - costmap.cell)
            if costmap.sees(points[at], points[far], least):
                ahead = far
                break
        kept.append(points[ahead])
        at = ahead
    return kept
