"""A way of the joints round boxes: two trees of random joints that grow towards each other, then what is roundabout is cut.

Kuffner, LaValle: RRT-Connect: An Efficient Approach to Single-Query Path Planning (2000).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firmware_bridge.arm.space import Space
from firmware_bridge.arm.urdf import ArmError

STEP = 0.12  # metres that the arm moves at most on a new branch
TRIES = 1500  # random joints
CUTS = 60  # tries to leave out what lies between two points of a way
SLACK = 0.003  # metres that a way keeps besides the margin, so that the envelope has nothing to say


def plan(space: Space, start: np.ndarray, goals: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Points [n] of the joints from `start` to one of `goals`, straight between each two. Raises ArmError: there is none."""
    keep = space.margin + SLACK
    if space.clearance(start[None])[0] < keep:
        raise ArmError(f"The arm begins too near to {space.why(start)}: move it away by hand.")
    open_ = [goal for goal in goals if space.clearance(goal[None])[0] >= keep]
    if not open_:
        raise ArmError(f"The arm can't be there without coming too near to {space.why(goals[0])}.")
    for goal in open_:
        if space.free(start, goal, keep):
            return [start, goal]
    kinematics = space.kinematics
    low, high = kinematics.chain.low, kinematics.chain.high
    trees = [_Tree([start]), _Tree(open_)]
    for _ in range(TRIES):
        ours, other = trees
        near = ours.nearest(rng.uniform(low, high), kinematics.reach, grow=(space, keep))
        if near is not None:
            met = other.connect(ours.points[near], kinematics.reach, space, keep)
            if met is not None:
                whole = [*reversed(ours.way(near)), *other.way(met)[1:]]
                return _cut(space, whole if trees[0].first is start else whole[::-1], keep, rng)
        trees.reverse()
    raise ArmError(
        f"No way was found in {TRIES:,} tries: make room, or put things where the arm comes to them more freely."
    )


class _Tree:
    def __init__(self, roots: Sequence[np.ndarray]) -> None:
        self.points, self._above, self.first = list(roots), [-1] * len(roots), roots[0]

    def nearest(self, wanted: np.ndarray, weights: np.ndarray, grow: tuple[Space, float]) -> int | None:
        """A new point from the nearest one towards `wanted`, at most STEP away; None where something is in the way."""
        away = np.abs(np.array(self.points) - wanted) @ weights
        at = int(away.argmin())
        if away[at] < 1e-9:
            return at
        step = self.points[at] + (wanted - self.points[at]) * min(1.0, STEP / away[at])
        if not grow[0].free(self.points[at], step, grow[1]):
            return None
        self.points.append(step)
        self._above.append(at)
        return len(self.points) - 1

    def connect(self, wanted: np.ndarray, weights: np.ndarray, space: Space, keep: float) -> int | None:
        """The number of a point that is `wanted`, grown step by step; None where something is in the way."""
        while (at := self.nearest(wanted, weights, (space, keep))) is not None:
            if np.abs(self.points[at] - wanted).max() < 1e-9:
                return at
        return None

    def way(self, at: int) -> list[np.ndarray]:
        """From a point to the root."""
        made = []
        while at >= 0:
            made.append(self.points[at])
            at = self._above[at]
        return made


def _cut(space: Space, points: list[np.ndarray], keep: float, rng: np.random.Generator) -> list[np.ndarray]:
    """The way without what can be left out."""
    for _ in range(CUTS):
        if len(points) < 3:
            break
        a, b = sorted(rng.choice(len(points), 2, replace=False).tolist())
        if b - a > 1 and space.free(points[a], points[b], keep):
            points = [*points[: a + 1], *points[b:]]
    return points
