"""A map from scans and odometry: each scan is fitted to those before, and where the robot comes again the loop is closed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firmware_bridge.robot.pose_graph import Edge, Pose, between, compose, solve, turned
from firmware_bridge.robot.scan_match import Field, match, placed

FARTHEST = 15.0  # metres; beyond, rays of small scanners say little
RECENT = 12  # scans that a new one is fitted to
MOVED, TURNED = 0.1, 0.1  # metres and rad that make a new scan worth keeping
PLACE, TURN = 0.4, 0.35  # window round what odometry says: metres and rad, and per metre and rad of way
GAP = 30  # scans between the ends of a loop
AROUND = 6  # scans before and after that a loop's end is fitted to
NEAR, DRIFT, WIDEST = (
    1.5,
    0.03,
    5.0,
)  # metres: where loops are looked for, more by so much per metre since the last, at most
FITS, FITS_LOOP = 0.45, 0.62  # scores of matches that are believed
DOUBT = (0.1, 0.1, 0.05)  # of odometry alone, for a metre and a rad


@dataclass
class Scan:
    """What is kept of one: odometry (x, y, heading) and points float64 [N, 2] in the robot's frame."""

    odometry: Pose
    points: np.ndarray


def points_of(first: float, step: float, ranges: np.ndarray, farthest: float = FARTHEST) -> np.ndarray:
    """A LaserScan's points in the robot's frame: float64 [N, 2]; what is out of reach or no number is left out."""
    away = np.asarray(ranges, dtype=np.float64)
    angles = first + step * np.arange(len(away))
    good = np.isfinite(away) & (away > 0.05) & (away < farthest)
    away, angles = away[good], angles[good]
    return np.column_stack([away * np.cos(angles), away * np.sin(angles)])


class Slam:
    """One map that grows. poses: of the scans that were kept, in metres of the first one's frame."""

    def __init__(self, start: Pose = (0.0, 0.0, 0.0)) -> None:
        self.scans: list[Scan] = []
        self.poses: list[Pose] = []
        self.edges: list[Edge] = []
        self.loops = 0
        self._start = start
        self._way: list[float] = []  # metres since the beginning at each scan
        self._closed_at = 0.0
        self._waiting = 0  # loops since the last solution

    def add(self, odometry: Pose, points: np.ndarray) -> Pose:
        """A scan with the raw odometry of its moment; returns its pose on the map."""
        if not self.scans:
            self._keep(Scan(odometry, points), self._start, 0.0)
            return self._start
        moved = between(self.scans[-1].odometry, odometry)
        way = math.hypot(moved[0], moved[1])
        guess = compose(self.poses[-1], moved)
        if (way < MOVED and abs(moved[2]) < TURNED) or len(points) < 10:
            return guess
        last = len(self.poses) - 1
        field = Field(self._seen(max(0, last - RECENT + 1), last))
        found = match(field, points, guess, PLACE + 0.2 * way, TURN + 0.2 * abs(moved[2]))
        pose, covariance = guess, np.diag(np.square(DOUBT)) * max(way + abs(moved[2]), 0.1)
        if found.score >= FITS:
            pose, covariance = (found.x, found.y, found.heading), turned(found.covariance, self.poses[-1][2])
        self.edges.append(Edge(last, last + 1, between(self.poses[-1], pose), covariance))
        self._keep(Scan(odometry, points), pose, way)
        if self._close(last + 1):
            self._waiting += 1
            self.settle()
        return self.poses[-1]

    def settle(self) -> None:
        """Moves all poses to where they fit all that was measured."""
        if self._waiting:
            self.poses = solve(self.poses, self.edges)
            self._waiting = 0

    def finish(self) -> None:
        """Looks for loops everywhere once more, now that the map is nearly right."""
        for at in range(GAP, len(self.scans)):
            self._waiting += self._close(at, NEAR)
        self.settle()

    def walls(self) -> np.ndarray:
        """All points on the map: float64 [N, 2]."""
        return self._seen(0, len(self.poses) - 1)

    def _keep(self, scan: Scan, pose: Pose, way: float) -> None:
        self.scans.append(scan)
        self.poses.append(pose)
        self._way.append((self._way[-1] if self._way else 0.0) + way)

    def _seen(self, first: int, last: int) -> np.ndarray:
        return np.concatenate([placed(self.scans[at].points, self.poses[at]) for at in range(first, last + 1)])

    def _close(self, at: int, reach: float | None = None) -> bool:
        """Fits scan `at` to the nearest ones of long ago; whether that made a new edge."""
        if at < GAP:
            return False
        x, y, _ = self.poses[at]
        radius = reach or min(NEAR + DRIFT * (self._way[at] - self._closed_at), WIDEST)
        old = np.array([pose[:2] for pose in self.poses[: at - GAP + 1]])
        away = np.hypot(old[:, 0] - x, old[:, 1] - y)
        nearest = int(np.argmin(away))
        if away[nearest] > radius:
            return False
        field = Field(self._seen(max(0, nearest - AROUND), min(nearest + AROUND, at - GAP)))
        found = match(field, self.scans[at].points, self.poses[at], max(0.5, radius), 0.35)
        if found.score < FITS_LOOP:
            return False
        pose = (found.x, found.y, found.heading)
        covariance = turned(found.covariance, self.poses[nearest][2]) * 2
        self.edges.append(Edge(nearest, at, between(self.poses[nearest], pose), covariance, loop=True))
        self.loops += 1
        self._closed_at = self._way[at]
        return True


def trajectory_error(poses: np.ndarray, reference: np.ndarray) -> float:
    """Absolute trajectory error, m: the root mean square after the best turn and shift; both float64 [N, 2 or more].

    Sturm et al.: A Benchmark for the Evaluation of RGB-D SLAM Systems (IROS 2012).
    """
    a, b = poses[:, :2] - poses[:, :2].mean(axis=0), reference[:, :2] - reference[:, :2].mean(axis=0)
    angle = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return float(np.sqrt((((a @ turn) - b) ** 2).sum(axis=1).mean()))
