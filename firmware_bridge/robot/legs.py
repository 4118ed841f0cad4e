"""People from a LaserScan: narrow clusters of points that aren't walls of the map, followed from scan to scan.

A scan can't tell legs from a chair's; who is followed was chosen when following began, and is whoever is near to where they were
a moment before. Without a map walls that end narrowly look like legs, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

GAP = 0.35  # metres between neighbouring points of one person: two legs of a step
WIDEST = 0.7  # metres of a person
CELL = 0.04  # metres of the grid of walls
WALL = 0.12  # metres from the map's walls within which a point is a wall's
STEP = 0.6  # metres that somebody may be away from where they were expected
GONE = 1.5  # seconds without a cluster after which a track ends
TRUST = 0.5  # of a new position against the expected one


@dataclass
class Track:
    """Somebody, or something like it: metres on the map, m/s, and when it was seen last."""

    x: float
    y: float
    vx: float
    vy: float
    at: float

    def expected(self, now: float) -> tuple[float, float]:
        """Where it should be now."""
        return self.x + self.vx * (now - self.at), self.y + self.vy * (now - self.at)


class Walls:
    """Where a map's walls are, asked in a microsecond. points: float64 [N, 2], N > 0."""

    def __init__(self, points: np.ndarray) -> None:
        self._low = points.min(axis=0) - 2 * WALL
        cells = np.floor((points - self._low) / CELL).astype(int)
        reach = math.ceil(WALL / CELL)
        self._built = np.zeros(tuple(cells.max(axis=0) + 2 * reach + 2), bool)
        for dx in range(-reach, reach + 1):
            for dy in range(-reach, reach + 1):
                if math.hypot(dx, dy) * CELL <= WALL + CELL / 2:
                    self._built[cells[:, 0] + dx, cells[:, 1] + dy] = True

    def near(self, points: np.ndarray) -> np.ndarray:
        """Whether each of float64 [N, 2] is within WALL of one: bool [N]."""
        cells = np.floor((points - self._low) / CELL).astype(int)
        inside = (cells >= 0).all(axis=1) & (cells < self._built.shape).all(axis=1)
        cells[~inside] = 0
        return np.asarray(inside & self._built[cells[:, 0], cells[:, 1]])


def clusters(points: np.ndarray, walls: Walls | None) -> np.ndarray:
    """Middles float64 [N, 2] of what may be people. points: float64 [N, 2], as a scan goes round; walls: of the map."""
    if len(points) and walls is not None:
        points = points[~walls.near(points)]
    if not len(points):
        return np.empty((0, 2))
    cuts = np.flatnonzero(np.hypot(*np.diff(points, axis=0).T) > GAP) + 1
    parts = np.split(points, cuts)
    if len(parts) > 1 and math.dist(parts[0][0], parts[-1][-1]) <= GAP:  # a scan goes round
        parts = [np.concatenate([parts[-1], parts[0]]), *parts[1:-1]]
    wide = [float(np.hypot(*np.ptp(part, axis=0))) for part in parts]
    return np.array(
        [part.mean(axis=0) for part, width in zip(parts, wide, strict=True) if len(part) > 1 and width < WIDEST]
    ).reshape(-1, 2)


class Tracker:
    """The people around. Tracks keep their identity: whoever follows one holds on to the object. walls: as `Walls`."""

    def __init__(self, walls: np.ndarray | None = None) -> None:
        self.tracks: list[Track] = []
        self._walls = Walls(walls) if walls is not None and len(walls) else None

    def scan(self, now: float, points: np.ndarray) -> None:
        """One scan's points on the map."""
        free = [tuple(each) for each in clusters(points, self._walls).tolist()]
        for track in sorted(self.tracks, key=lambda each: -each.at):
            expected = track.expected(now)
            near = min(free, key=lambda each: math.dist(each, expected), default=None)
            if near is None or math.dist(near, expected) > STEP:
                continue
            free.remove(near)
            dt = max(now - track.at, 1e-3)
            vx, vy = (near[0] - track.x) / dt, (near[1] - track.y) / dt
            track.vx, track.vy = (
                max(-2.0, min(2.0, old + TRUST * (new - old))) for old, new in ((track.vx, vx), (track.vy, vy))
            )
            track.x, track.y, track.at = near[0], near[1], now
        self.tracks = [each for each in self.tracks if now - each.at <= GONE]
        self.tracks += [Track(x, y, 0.0, 0.0, now) for x, y in free]

    def nearest(self, x: float, y: float, within: float) -> Track | None:
        """Whoever is nearest to a point."""
        track = min(self.tracks, key=lambda each: math.dist((each.x, each.y), (x, y)), default=None)
        return track if track is not None and math.dist((track.x, track.y), (x, y)) <= within else None
