"""How many requests are open at a time: as many as the provider takes without queueing or refusing them.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): one more for each round of answers, a fifth
fewer after a refusal for too many. The number at which a refusal came is remembered and tried again only rarely.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

START = 8  # what every provider takes, and what a local server does
_FAST = 2.0  # more per answer at first: a lesson of some hundred calls would be half over before doubling gets anywhere
_BACK_OFF = 0.8  # of what was open when the refusal came
# At the known limit, so many answers pass before one more is tried: about one refusal in 500 requests.
_PROBE_AFTER = 500
# A server that queues answers later for the same text. Doubling is within what one model's speed varies by.
_SLOW = 3.0
_SLOW_BACK_OFF = 0.9
_FADE = 1.01  # by which the best time seen is forgotten per round: a model may be slower tonight
# Seconds for an answer grow with its length from a part that doesn't; as if that were so many tokens.
_FIXED_TOKENS = 50


@dataclass
class Slot:
    """The right to have one request open. began: when it was sent, in seconds of the limiter's clock. held: from when it
    was waited for until it is left."""

    _limiter: Limiter
    _first: bool
    began: float = -math.inf
    held: bool = False

    async def __aenter__(self) -> Slot:
        await self._limiter._acquire(self._first)
        self.began = self._limiter._clock()
        self.held = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.leave()

    def may_send(self) -> bool:
        """Whether the slot still counts, now that its request is about to be sent: while that waited for a key, the
        limit may have sunk below what is open. If not, it is to be left and taken anew."""
        self.began = self._limiter._clock()
        return self._limiter.active <= self._limiter.limit

    def leave(self) -> None:
        """The request isn't open any more: the next one may go, while its books are still being written."""
        if self.held:
            self.held = False
            self._limiter._left()

    def answered(self, seconds: float, tokens: int) -> None:
        """A request was answered. seconds: from sending to the end. tokens: of the answer."""
        self._limiter._answered(seconds / (_FIXED_TOKENS + tokens))

    def crowded(self) -> None:
        """The provider said that there are too many."""
        self._limiter._crowded(self)


class Limiter:
    """Gives out slots in the order in which they were asked for. Belongs to one event loop."""

    def __init__(self, bound: int, start: int = START, clock: Callable[[], float] = time.monotonic) -> None:
        """bound: never more than these at a time."""
        if bound < 1:
            raise ValueError("at least one request must be open at a time")
        self.bound = bound
        self.active = 0
        self.refusals = 0  # rounds in which the provider said that there are too many
        self._limit = float(min(start, bound))
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ceiling = math.inf  # so many were too many
        self._since = 0  # answers since the limit stood below the ceiling
        self._lowered = -math.inf
        self._round: list[float] = []
        self._round_at = self._limit  # the limit when the round began, and so its size
        self._best = math.inf
        self._best_at = self._limit

    @property
    def limit(self) -> int:
        """How many may be open now."""
        return max(1, int(self._limit))

    def slot(self, *, first: bool = False) -> Slot:
        """An async context manager that waits for a slot and holds it. first: before all others, for a request that is tried
        again."""
        return Slot(self, first)

    def _left(self) -> None:
        self.active -= 1
        self._wake()

    async def _acquire(self, first: bool) -> None:
        if self.active < self.limit and not self._waiting:
            self.active += 1
            return
        turn = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the slot came in the same moment
                self.active -= 1
                self._wake()
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(turn)
            raise

    def _wake(self) -> None:
        while self._waiting and self.active < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.active += 1
                turn.set_result(None)

    def _answered(self, pace: float) -> None:
        # Where nobody waits for a slot, that nothing went wrong says nothing about a higher limit.
        if self._waiting or self.active >= self.limit:
            self._grow()
        self._round.append(pace)
        if len(self._round) >= self._round_at:
            self._measure()
        self._wake()

    def _grow(self) -> None:
        self._since += 1
        if self._since >= _PROBE_AFTER and self._limit >= self._ceiling - 1:
            self._since = 0
            self._ceiling += 1
        # Tripling per round until the first refusal (slow start), then one more per round.
        step = _FAST if self._ceiling == math.inf else 1.0 / self._limit
        if self._limit < (most := min(self._ceiling - 1, float(self.bound))):
            self._limit = min(self._limit + step, most)

    def _measure(self) -> None:
        """Judge a round of answers by their mean pace."""
        pace = sum(self._round) / len(self._round)
        self._round.clear()
        self._best *= _FADE
        if pace < self._best:
            self._best, self._best_at = pace, self._round_at
        elif pace > _SLOW * self._best and self._limit > self._best_at:
            # Never below where the best was seen: then it isn't the number of requests that slows it.
            # In a queue the pace grows with its length: so many make it as slow as is put up with.
            share = min(_SLOW * self._best / pace, _SLOW_BACK_OFF)
            self._limit = max(self._limit * share, self._best_at)
            self._ceiling = self._limit + 1
            self._since = 0
        self._round_at = self._limit

    def _crowded(self, slot: Slot) -> None:
        if slot.began < self._lowered:
            return  # it was sent before the last step down, which answers it
        self.refusals += 1
        self._ceiling = float(max(2, self.active))
        self._limit = max(1.0, self.active * _BACK_OFF)
        self._best_at = min(self._best_at, self._limit)
        self._lowered = self._clock()
        self._since = 0
        self._round.clear()
        self._round_at = self._limit
