"""Finds the pose at which a scan fits to what was seen before: a search over all of a window, then Gauss-Newton to the end.

The search is Olson's (Real-Time Correlative Scan Matching, ICRA 2009): a coarse table of the best that could be found in each
cell says where a look at the fine one pays. The end is Kohlbrecher's (Hector SLAM, SSRR 2011). Points are float64 [N, 2] in
metres, poses (x, y, heading).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firmware_bridge.robot.estimate import wrap

CELL = 0.05
POOL = 4  # fine cells of a coarse one, each way
BLUR = 0.1  # metres: standard deviation of a scan's point against a wall that was seen before
LOOKS = 24  # coarse candidates that are looked at finely
STEPS = 12  # of Gauss-Newton at most
LEAST_PLACE, LEAST_TURN = 0.02, 0.005  # no match is said to be better than that, m and rad
LOCAL = 0.55  # of a scan's points must fit for a pose on a map to be believed
Pose = tuple[float, float, float]


@dataclass(frozen=True)
class Match:
    """A pose; score: 0 to 1, how well the points fit; covariance: float64 [3, 3]."""

    x: float
    y: float
    heading: float
    score: float
    covariance: np.ndarray


class Field:
    """How likely a point of a scan is at each place: 1 at what was seen before, less beside it."""

    def __init__(self, points: np.ndarray) -> None:
        """Raises ValueError without points."""
        if not len(points):
            raise ValueError("a field needs points")
        reach = math.ceil(3 * BLUR / CELL)
        # Half a cell more, so that points in the middles of a map's cells are in the middles of these.
        low = points.min(axis=0) - (reach + POOL + 1.5) * CELL
        cells = np.unique(np.floor((points - low) / CELL).astype(np.int64), axis=0)
        shape = cells.max(axis=0) + reach + POOL + 2
        self.low = low
        self.fine = np.zeros(tuple(shape), np.float32)
        for dx in range(-reach, reach + 1):
            for dy in range(-reach, reach + 1):
                value = math.exp(-(dx * dx + dy * dy) * CELL * CELL / (2 * BLUR * BLUR))
                if value > 0.01:
                    at = (cells[:, 0] + dx, cells[:, 1] + dy)
                    self.fine[at] = np.maximum(self.fine[at], value)
        # The best of each block and of those that a point may get into from there: never less than any fine look.
        rows, columns = (-(-side // POOL) for side in self.fine.shape)
        padded = np.zeros(((rows + 1) * POOL, (columns + 1) * POOL), np.float32)
        padded[: self.fine.shape[0], : self.fine.shape[1]] = self.fine
        blocks = padded.reshape(rows + 1, POOL, columns + 1, POOL).max(axis=(1, 3))
        self.coarse = np.maximum(
            np.maximum(blocks[:-1, :-1], blocks[1:, :-1]), np.maximum(blocks[:-1, 1:], blocks[1:, 1:])
        )

    def slopes(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values float64 [N] and gradients [N, 2] (1/m) at points, between the middles of cells."""
        at = (points - self.low) / CELL - 0.5
        cell = np.floor(at).astype(np.int64)
        inside = ((cell >= 0) & (cell < np.array(self.fine.shape) - 1)).all(axis=1)
        cell[~inside] = 0
        a, b = (at - cell).T
        i, j = cell.T
        f00, f10 = self.fine[i, j], self.fine[i + 1, j]
        f01, f11 = self.fine[i, j + 1], self.fine[i + 1, j + 1]
        value = (f00 * (1 - a) + f10 * a) * (1 - b) + (f01 * (1 - a) + f11 * a) * b
        slope = (
            np.column_stack([(f10 - f00) * (1 - b) + (f11 - f01) * b, (f01 - f00) * (1 - a) + (f11 - f10) * a]) / CELL
        )
        return np.where(inside, value, 0.0), np.where(inside[:, None], slope, 0.0)


def match(field: Field, points: np.ndarray, guess: Pose, place: float, turn: float) -> Match:
    """The pose within `place` metres and `turn` rad of `guess` at which `points` (robot's frame) fit best.

    What is far from the guess must fit a little better: up to 0.1 of the score at the window's edge, so that a scan of a
    bare corridor doesn't slide along it.
    """
    reach = float(np.quantile(np.hypot(points[:, 0], points[:, 1]), 0.9)) or 1.0
    step = min(max(POOL * CELL / reach / 2, math.radians(0.5)), math.radians(2))
    angles = np.arange(-math.ceil(turn / step), math.ceil(turn / step) + 1) * step
    headings = guess[2] + angles
    turned = rotated(points, headings)  # [A, N, 2]
    width = math.ceil(place / (POOL * CELL))
    offsets = np.arange(-width, width + 1) * POOL
    base = np.floor((turned + np.array(guess[:2]) - field.low) / CELL).astype(np.int64)
    moves = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 2)  # [T, 2] fine cells
    far = np.hypot(moves[:, 0], moves[:, 1]) * CELL / max(place, CELL)
    scores = np.empty((len(angles), len(moves)))
    table = np.pad(field.coarse, 2 * width + 1)  # so that every window over a cell is within it
    for at, cells in enumerate(np.floor_divide(base, POOL)):
        scores[at] = _sums(table, cells + 2 * width + 1, moves // POOL, width) / len(points)
    scores -= 0.1 * np.maximum(far, np.abs(angles)[:, None] / max(turn, step)) ** 2
    best: tuple[float, Pose] = (-1.0, guess)
    fine = np.stack(np.meshgrid(np.arange(POOL), np.arange(POOL), indexing="ij"), axis=-1).reshape(-1, 2)
    for index in np.argsort(scores, axis=None)[::-1][:LOOKS]:
        a, t = divmod(int(index), len(moves))
        if scores[a, t] <= best[0]:
            break
        seen = _sums(field.fine, base[a] + moves[t], fine, POOL) / len(points)
        penalty = 0.1 * max(float(far[t]), abs(float(angles[a])) / max(turn, step)) ** 2
        k = int(np.argmax(seen))
        if seen[k] - penalty > best[0]:
            x, y = np.array(guess[:2]) + (moves[t] + fine[k]) * CELL
            best = (float(seen[k]) - penalty, (float(x), float(y), float(headings[a])))
    return refine(field, points, best[1])


def _sums(table: np.ndarray, cells: np.ndarray, moves: np.ndarray, most: int) -> np.ndarray:
    """Sums of the table's values at all cells int [N, 2], for each move int [T, 2] of up to `most`; cells near its edge are left out."""
    inside = np.all((cells >= most) & (cells < np.array(table.shape) - most), axis=1)
    flat = cells[inside] @ np.array([table.shape[1], 1])
    return np.asarray(table.reshape(-1).take(flat + (moves @ np.array([table.shape[1], 1]))[:, None]).sum(axis=1))


def refine(field: Field, points: np.ndarray, guess: Pose) -> Match:
    """Gauss-Newton from a pose that is near already."""
    pose = np.array(guess)
    best, best_score, hessian = pose, -1.0, np.eye(3)
    for _ in range(STEPS):
        there = rotated(points, pose[2:3])[0]
        value, slope = field.slopes(there + pose[:2])
        score = float(value.mean())
        jacobian = np.column_stack([slope, slope[:, 1] * there[:, 0] - slope[:, 0] * there[:, 1]])
        if score > best_score:
            best, best_score, hessian = pose, score, jacobian.T @ jacobian
        rest = 1 - value
        change = np.linalg.solve(jacobian.T @ jacobian + 1e-3 * np.eye(3), jacobian.T @ rest)
        change = np.clip(change, [-0.1, -0.1, -0.05], [0.1, 0.1, 0.05])
        pose = pose + change
        if np.abs(change).max() < 1e-4:
            break
    misfit = max((1 - best_score) ** 2, 0.01)
    covariance = misfit * np.linalg.inv(hessian + 1e-3 * np.eye(3)) + np.diag(
        [LEAST_PLACE**2, LEAST_PLACE**2, LEAST_TURN**2]
    )
    return Match(float(best[0]), float(best[1]), wrap(float(best[2])), best_score, covariance)


def rotated(points: np.ndarray, headings: np.ndarray) -> np.ndarray:
    """float64 [A, N, 2]."""
    cos, sin = np.cos(headings)[:, None], np.sin(headings)[:, None]
    x, y = points[:, 0], points[:, 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def placed(points: np.ndarray, pose: Pose) -> np.ndarray:
    """Points of the robot's frame on the map."""
    return rotated(points, np.array([pose[2]]))[0] + np.array(pose[:2])


class Localizer:
    """Tells the pose on a map that is there already. walls: float64 [N, 2]."""

    def __init__(self, walls: np.ndarray) -> None:
        self._field = Field(walls)

    def match(self, pose: Pose, points: np.ndarray) -> Match | None:
        """The pose near `pose`; None where the scan doesn't fit, as among many people."""
        if len(points) < 20:
            return None
        found = match(self._field, points, pose, 0.3, 0.2)
        return found if found.score >= LOCAL else None
