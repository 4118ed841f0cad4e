"""A thread's place at the processor: its turns, since when it computes, and giving it up where native code hangs.

A call into a runtime that doesn't come back can't be ended; its thread stays until the process ends. What can be done
is that nobody waits for it: its turn goes to others, and it never computes beside them should it come back after all.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from edge_runtime.errors import Stuck
from edge_runtime.serving.turns import Rank, Turns

HANG_SECONDS = 60.0  # usual bound of one run or token; even a large model on a small device takes a tenth of it

_LOOKS = 3  # in a row that find the same run or token; between the first and the last are the seconds of the bound


class Abandoned(BaseException):
    """Ends a thread whose place was given up; no `except Exception` of a task may keep it."""


class Seat:
    """The place of one thread, which calls all but `abandon` and `since`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lock = threading.Lock()
        self._gone = False
        self.since: float | None = None  # by the monotonic clock, when what it computes now was begun

    def take(self, wants: Callable[[], Rank]) -> None:
        """See `Turns.take`."""
        self._turns.take(wants)
        self._begin()

    def give(self) -> None:
        """See `Turns.give`; raises `Abandoned`."""
        self._end()
        self._turns.give()

    def again(self, wants: Callable[[], Rank]) -> None:
        """See `Turns.again`; raises `Abandoned`."""
        self._end()
        self._turns.again(wants)
        self._begin()

    def let_pass(self, own: Rank) -> None:
        """See `Turns.let_pass`; raises `Abandoned`."""
        if self._turns.wanted:
            self.again(lambda: own)
        else:
            self._end()
            self._begin()

    def check(self) -> None:
        """Raise `Abandoned` where nobody waits for what this thread does any more."""
        if self._gone:
            raise Abandoned

    def abandon(self) -> bool:
        """Give its turn to others for good; False where it doesn't compute."""
        with self._lock:
            if self.since is None or self._gone:
                return False
            self._gone = True
        self._turns.give()
        return True

    def _begin(self) -> None:
        self.since = time.monotonic()

    def _end(self) -> None:
        with self._lock:
            if self._gone:
                raise Abandoned
            self.since = None


class Watched(Protocol):
    """A worker."""

    waiting: int  # requests that it has

    def seats(self) -> list[Seat]:
        """The places of its threads."""

    def give_up(self, seat: Seat) -> None:
        """A thread didn't come back; its place is given up already."""


class Watch:
    """Looks from the event loop, as long as requests wait, whether one of a worker's threads computes without end."""

    def __init__(self, worker: Watched, seconds: float) -> None:
        """seconds: of one run or token, after which it is taken for endless."""
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._worker = weakref.ref(worker)  # a cycle would keep a model until somebody searches for garbage
        self._planned = False
        self._seen: dict[Seat, tuple[float, int]] = {}  # since when it computes, and how many looks have found that

    def begin(self) -> None:
        """A request came."""
        if not self._planned:
            self._planned = True
            self._loop.call_later(self._seconds / (_LOOKS - 1), self._look)

    def _look(self) -> None:
        self._planned = False
        worker = self._worker()
        if worker is None:
            return
        before, self._seen = self._seen, {}
        for seat in worker.seats():
            if (since := seat.since) is None:
                continue
            known, looks = before.get(seat, (since, 0))
            looks = looks + 1 if known == since else 1
            # Looks are counted, not seconds: where the whole process stood, nothing hangs.
            if looks < _LOOKS:
                self._seen[seat] = since, looks
            elif seat.abandon():
                worker.give_up(seat)
        if worker.waiting:
            self.begin()


def stuck(name: str) -> Stuck:
    """What those are told who waited."""
    return Stuck(
        f"'{name}' didn't come back from its runtime, so it is loaded anew; ask again in some seconds, with another "
        "input where it was this one.",
        5.0,
    )
