"""How near somebody is, from a LaserScan: it can't tell people from walls, so it slows down for both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_bridge.robot.config import Limits, Proximity, Times
from firmware_bridge.robot.limits import speed_within

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SIDE = math.radians(60)  # who is farther to the side isn't in the way
SEEN = 0.5  # of a side's directions must have been measured, or it is blind there


class Near:
    """The nearest ahead and behind, in metres from the robot's edge; at: when it was scanned."""

    def __init__(self, rules: Proximity | None, radius: float) -> None:
        self.at = -math.inf
        self.ahead = self.behind = 0.0
        self.sees_ahead = self.sees_behind = False
        self._rules, self._radius = rules, radius

    def scan(self, now: float, first: float, step: float, ranges: ArrayLike) -> None:
        """ranges: metres, inf where nothing is in reach, as LaserScan has it (REP 117); nan is a ray that failed."""
        import numpy as np

        measured = np.asarray(ranges, dtype=np.float64).reshape(-1)
        if not (math.isfinite(now) and math.isfinite(first) and math.isfinite(step) and step and len(measured)):
            self.at = -math.inf
            return
        angles = first + step * np.arange(len(measured))
        whole = 2 * SIDE / abs(step)  # rays that would see all of a side
        valid = ~np.isnan(measured)
        away = np.maximum(np.where(valid, measured, np.inf), 0.0)  # -inf: too near to be measured
        side = np.cos(angles)
        for name, there in (("ahead", side >= math.cos(SIDE)), ("behind", side <= -math.cos(SIDE))):
            setattr(self, name, float(np.min(away[there], initial=np.inf)) - self._radius)
            setattr(self, f"sees_{name}", bool(np.sum(valid & there) >= SEEN * whole))
        self.at = now

    def limit(self, now: float, v: float, moving: float, limits: Limits, times: Times) -> tuple[float, bool]:
        """The fastest that it may go into the direction of `v`, and whether that is because it sees nothing there."""
        assert self._rules is not None
        away, sees = (self.ahead, self.sees_ahead) if v > 0 else (self.behind, self.sees_behind)
        away -= (now - self.at) * (self._rules.person + abs(moving))
        if away < self._rules.slow:
            room = away - self._rules.stop
            slower = max(0.0, limits.speed * room / (self._rules.slow - self._rules.stop))
            slower = min(slower, speed_within(room, times.deadman + times.latency, limits.brake))
            return (min(slower, limits.creep), True) if not sees else (slower, False)
        return (math.inf, False) if sees else (limits.creep, True)
