"""Wheels and gyro as the board told them, into the estimate: by the board's clock, in its order, however late this machine reads.

A machine that stands for a moment reads all at once what the board told meanwhile. Its times still say when each was so, and where
some of it is lost the counters have gone on. Only a board that began anew, or was silent for long, leaves the robot lost.
"""

from __future__ import annotations

import math
from collections import deque

from firmware_bridge.messages import Encoders, Imu
from firmware_bridge.robot.config import Body
from firmware_bridge.robot.estimate import Estimate

WRAP = (1 << 32) / 1e6  # seconds until the board's clock begins anew
LONGEST = 30.0  # seconds for which counters say where it went
GAP = 0.25  # seconds between two counts beyond which speed is no constant
AHEAD = 1.0  # seconds that a board's clock may gain on what was expected: more, and it is another one
# Seconds of messages of which the quickest says how far both clocks are apart: not many, since a board in simavr may be slow.
WINDOW = 0.25


class Odometer:
    """Takes what the board tells, and hands it on with `settle`. Its own times are the board's, near the host's."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._told: dict[type, tuple[float, float]] = {}  # the last time of each kind: on the board, and here
        self._waiting: list[tuple[float, float, Encoders | Imu]] = []
        self._delays: deque[tuple[float, float]] = deque()  # when a message was read, and how long after it was told
        self._quickest = math.inf  # of them all, however long ago
        self._counts: tuple[float, int, int] | None = None
        self.counted_at = -math.inf  # when it read the last counts that could be used

    def time(self, now: float) -> float:
        """The host's `now` among the times of measurements."""
        return now - min((delay for _, delay in self._delays), default=0.0)

    def hear(self, now: float, told: Encoders | Imu) -> None:
        """A message that was read at `now`; those of a kind come in the order of the board's time."""
        at = self._when(now, told)
        while self._delays and self._delays[0][0] < now - WINDOW:
            self._delays.popleft()
        self._delays.append((now, now - at))
        self._quickest = min(self._quickest, now - at)
        self._told[type(told)] = (told.time, at)
        self._waiting.append((at, now, told))

    def settle(self, estimate: Estimate | None) -> None:
        """Hands on what was heard since the last time."""
        waiting, self._waiting = sorted(self._waiting, key=lambda each: each[0]), []
        for at, now, told in waiting:
            if isinstance(told, Encoders):
                self._count(at, now, told, estimate)
            elif estimate is not None:
                estimate.gyro(at, told.gz)

    def _when(self, now: float, told: Encoders | Imu) -> float:
        """Its time here; another board's, or one that began anew, goes on from now."""
        before = self._told.get(type(told))
        same = before is not None
        if before is None and self._told:
            before = next(iter(self._told.values()))
        if before is not None:
            off = (told.time - before[0] + WRAP / 2) % WRAP - WRAP / 2
            at = before[1] + off
            if (0 if same else -LONGEST) < off <= LONGEST and now - at > self._quickest - AHEAD:
                return at
            self._told.clear()
            self._counts = None
        return self.time(now)

    def _count(self, at: float, now: float, told: Encoders, estimate: Estimate | None) -> None:
        body = self.body
        left, right = (told.right, told.left) if body.swap else (told.left, told.right)
        before, self._counts = self._counts, (at, left, right)
        if before is None or not 0 < at - before[0] <= LONGEST:
            return
        seconds = at - before[0]
        metres = (left - before[1]) / body.counts_per_metre, (right - before[2]) / body.counts_per_metre
        if max(abs(metres[0]), abs(metres[1])) > 2 * body.wheel_speed * seconds + 0.05:
            return  # counters that began anew
        self.counted_at = now
        if estimate is None:
            return
        along, turn = sum(metres) / 2, (metres[1] - metres[0]) / body.track
        if seconds > GAP:
            estimate.rolled(at, along, turn, seconds)
        else:
            estimate.odometry(at, along / seconds, turn / seconds)
