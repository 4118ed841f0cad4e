"""Who computes next, over all models: so many at a time as the processor has room for, the most urgent first.

A small processor gains nothing from running more models at once than it has cores; they only wait inside the runtimes,
where nobody can say who goes first. So they wait here, in the order of priority and, within one, of deadlines (earliest
deadline first, Liu and Layland 1973).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

PRIORITIES = {"high": 0, "normal": 1, "low": 2}
NORMAL = PRIORITIES["normal"]
# Priority, deadline by the monotonic clock, and a number that lets equals go in the order in which they came.
Rank = tuple[int, float, int]
_numbers = itertools.count()


@dataclass(frozen=True)
class Urgency:
    """How urgent a request is. seconds: until its deadline, None for the device's own.

    beside: others are asked the same at this moment, and the last answer is waited for: where the processor has room,
    they compute at the same time, each in its own thread.
    """

    priority: int = NORMAL
    seconds: float | None = None
    beside: bool = False


USUAL = Urgency()


def rank(priority: int, seconds: float) -> Rank:
    """The place of what comes now and must be answered within `seconds`."""
    return priority, time.monotonic() + seconds, next(_numbers)


class _Waiter:
    def __init__(self, wants: Callable[[], Rank]) -> None:
        self.wants = wants
        self.called = threading.Event()


class Turns:
    """Turns at the processor; every method may be called from any thread."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._free = at_once
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []  # one for each thread at the most, so that a search is cheap

    def take(self, wants: Callable[[], Rank]) -> None:
        """Wait for a turn. wants: asked whenever one is given, as what waits may have become more urgent meanwhile."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            waiter = _Waiter(wants)
            self._waiting.append(waiter)
        waiter.called.wait()

    def try_take(self) -> bool:
        """Take a turn where one is free at once."""
        with self._lock:
            if self._free <= 0:
                return False
            self._free -= 1
            return True

    def give(self) -> None:
        """End a turn, which goes to the most urgent one that waits."""
        with self._lock:
            self._free += 1
            self._call()

    def allow(self, at_once: int) -> None:
        """Let so many compute at once from now on; turns that run end as they would."""
        with self._lock:
            self._free += at_once - self.at_once
            self.at_once = at_once
            self._call()

    def _call(self) -> None:
        while self._free > 0 and self._waiting:
            best = min(self._waiting, key=lambda waiter: waiter.wants())
            self._waiting.remove(best)
            self._free -= 1
            best.called.set()

    def again(self, wants: Callable[[], Rank]) -> None:
        """End a turn and wait for the next one, which may be at once; in between nobody less urgent can slip in."""
        waiter = _Waiter(wants)
        with self._lock:
            if not self._waiting:
                return
            self._waiting.append(waiter)
        self.give()
        waiter.called.wait()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits; asked for every token: who comes right now passes at the next one."""
        return bool(self._waiting)
