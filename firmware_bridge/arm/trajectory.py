"""Ways of the joints with times: from rest to rest on each leg, by a quintic, so that speed, acceleration and jerk are bounded.

A leg from a to b in T seconds is a + (b - a) s(t / T) with s(u) = 10 u^3 - 15 u^4 + 6 u^5, whose derivatives are at most 15/8,
10/sqrt(3) and 60 (Craig, Introduction to Robotics, section 7.3).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

SPEED, ACCELERATION, JERK = 15 / 8, 10 / math.sqrt(3), 60.0


class Trajectory:
    """Points [n] of the joints, one after the other. speed, acceleration, jerk: float64 [n], each joint's most.

    seconds: how long it takes.
    """

    def __init__(
        self, points: Sequence[np.ndarray], speed: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray
    ) -> None:
        self.points = [np.asarray(point, float) for point in points]
        self.times = [0.0]
        for a, b in itertools.pairwise(self.points):
            way = np.abs(b - a)
            least = max(
                float((SPEED * way / speed).max()),
                math.sqrt(float((ACCELERATION * way / acceleration).max())),
                float((JERK * way / jerk).max()) ** (1 / 3),
            )
            self.times.append(self.times[-1] + least)

    @property
    def seconds(self) -> float:
        return self.times[-1]

    def at(self, seconds: float) -> np.ndarray:
        """The joints [n] at a time; before the beginning and behind the end, where it begins and ends."""
        for leg, (begins, ends) in enumerate(itertools.pairwise(self.times)):
            if seconds < ends:
                part = max(0.0, (seconds - begins) / (ends - begins))
                share = part**3 * (10 + part * (6 * part - 15))
                a, b = self.points[leg], self.points[leg + 1]
                return np.asarray(a + share * (b - a))
        return self.points[-1]

    def speed(self, seconds: float) -> np.ndarray:
        """How fast the joints [n] go at a time, a second; before the beginning and behind the end they stand."""
        for leg, (begins, ends) in enumerate(itertools.pairwise(self.times)):
            if seconds < ends:
                part = max(0.0, (seconds - begins) / (ends - begins))
                share = 30 * (part * (1 - part)) ** 2 / (ends - begins)
                return np.asarray(share * (self.points[leg + 1] - self.points[leg]))
        return np.zeros_like(self.points[-1])
