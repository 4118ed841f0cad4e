"""The board's clock on the host's: offset and drift from round trips.

As in Klipper's clocksync.py (klipper3d.org, "MCU/host time synchronisation"): the board's 32-bit counter is unwrapped, and a
line is fitted through pairs of times, in which a round trip that took long counts for nothing because half of it is what a
pair can be wrong by. Ours is a plain least-squares line through the quicker half of 64 round trips.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from firmware_bridge.errors import Disconnected

WRAP = 1 << 32  # microseconds: 71.6 minutes
KEPT = 64
SLOT = 0.25  # seconds, so that those kept are of 16 seconds at least, however often it is asked
SPAN = 2.0  # seconds between the first and the last pair before a slope says more than noise does
JUMP = 0.5  # seconds off what was expected: no crystal drifts like that, the board restarted


@dataclass(frozen=True)
class _Pair:
    host: float
    board: int
    trip: float


class Clock:
    """Turns host times (the event loop's seconds) into the board's microseconds, and back."""

    def __init__(self) -> None:
        self._pairs: deque[_Pair] = deque(maxlen=KEPT)
        self._host = self._slot = 0.0
        self._board = 0.0
        self._rate = 1e6  # board microseconds in a second of the host
        self.uncertainty = float("inf")

    def add(self, sent: float, received: float, board: int) -> None:
        """One round trip: host seconds, and the board's 32-bit microseconds between them. Raises Disconnected on a jump."""
        host = (sent + received) / 2
        if self._pairs:
            expected = self._unwrapped(host)
            board = round(expected) + (board - round(expected) + WRAP // 2) % WRAP - WRAP // 2
            if abs(board - expected) > JUMP * 1e6 + (received - sent) * 1e6:
                raise Disconnected("The board's clock jumped: it restarted.")
        pair = _Pair(host, board, received - sent)
        if self._pairs and host - self._slot < SLOT:  # many in a row: the quickest stands for all
            if pair.trip < self._pairs[-1].trip:
                self._pairs[-1] = pair
        else:
            self._slot = host
            self._pairs.append(pair)
        self._fit()

    def _fit(self) -> None:
        quick = sorted(self._pairs, key=lambda pair: pair.trip)[: (len(self._pairs) + 1) // 2]
        first = min(pair.host for pair in quick)
        if max(pair.host for pair in quick) - first < SPAN:
            best = quick[0]
            self._host, self._board = best.host, best.board
            self.uncertainty = best.trip / 2
            return
        mean_host = sum(pair.host - first for pair in quick) / len(quick) + first
        base = quick[0].board
        mean_board = sum(pair.board - base for pair in quick) / len(quick) + base
        square = sum((pair.host - mean_host) ** 2 for pair in quick)
        self._rate = sum((pair.host - mean_host) * (pair.board - mean_board) for pair in quick) / square
        self._host, self._board = mean_host, mean_board
        self.uncertainty = quick[-1].trip / 2

    def _unwrapped(self, host: float) -> float:
        return self._board + (host - self._host) * self._rate

    def board(self, host: float) -> int:
        """The board's 32-bit microseconds at a time of the host."""
        return round(self._unwrapped(host)) % WRAP

    def host(self, board: int) -> float:
        """The host's time of a 32-bit time of the board's, within 35 minutes of the last round trip."""
        near = self._pairs[-1].board if self._pairs else 0
        return self._host + (near + (board - near + WRAP // 2) % WRAP - WRAP // 2 - self._board) / self._rate

    @property
    def drift(self) -> float:
        """How much faster than the host's the board's clock is, parts per million; 0 until two seconds have been seen."""
        return self._rate - 1e6
