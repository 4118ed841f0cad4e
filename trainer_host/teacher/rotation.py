"""Which of a provider's keys a request goes out with: the first one in order that is neither refused nor resting.

A key is taken when the request has its slot and is about to be sent, never before: of 1,000 queued requests with a
dead key, only those that are open at the moment then find that out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from trainer_host.errors import NoKeyLeft, TeacherStopped
from trainer_host.teacher.protocol import Key

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0  # of a tokens-per-minute cap
# A key whose provider doesn't say for how long rests this long, then twice as long, up to the second figure.
_FIRST_REST = 0.5
_LONGEST_REST = 60.0
_SMOOTHING = 0.1  # of the share of a request's worst case that it turned out to use


@dataclass(frozen=True, eq=False)
class Lease:
    """A key for one request. key: None where the provider wants none. worst: tokens that the request may use;
    tokens: that it is expected to."""

    key: Key | None
    worst: int
    tokens: int
    at: float
    _place: _Place = field(repr=False)


@dataclass(eq=False)
class _Place:
    """What is known about one key. used: (when, tokens) of the last minute, oldest first; leases: not yet known."""

    key: Key | None
    refused: str = ""
    rests_until: float = 0.0
    rested: int = 0  # times in a row without an answer between them
    rested_at: float = 0.0
    used: deque[tuple[float, int]] = field(default_factory=deque)
    used_tokens: int = 0
    leased_tokens: int = 0
    share: float | None = None

    @property
    def name(self) -> str:
        return self.key.name if self.key is not None else "no key"


class KeyRing:
    """A provider's keys in the order of preference. Belongs to one event loop."""

    def __init__(
        self,
        provider: str,
        keys: tuple[Key, ...],
        *,
        tokens_per_minute: int | None = None,
        window: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """keys: none for a provider that wants none. tokens_per_minute: of each key, prompts and answers together."""
        self.provider = provider
        self._places = [_Place(key) for key in keys] or [_Place(None)]
        self._cap = tokens_per_minute
        self._window = window
        self._clock = clock
        self._changed = asyncio.Event()

    @property
    def left(self) -> int:
        """How many keys aren't refused."""
        return sum(not place.refused for place in self._places)

    async def take(self, tokens: int, patience: float) -> Lease:
        """The first key that may be used, as soon as there is one.

        tokens: the request's worst case. Raises `NoKeyLeft` where all are refused, and `TeacherStopped` where the
        first one comes back only after `patience` seconds.
        """
        give_up = self._clock() + patience
        while True:
            now = self._clock()
            open_places = [place for place in self._places if not place.refused]
            if not open_places:
                raise self._none_left()
            waits = [(self._wait(place, tokens, now), place) for place in open_places]
            wait, place = min(waits, key=lambda pair: pair[0])
            if wait <= 0:
                expected = self._expected(place, tokens)
                place.leased_tokens += expected
                return Lease(place.key, max(1, tokens), expected, now, place)
            if now + wait > give_up:
                raise self._all_rest(wait)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def may_be_used_now(self, tokens: int = 0) -> bool:
        """Whether a request wouldn't have to wait for a key."""
        now = self._clock()
        return any(not place.refused and self._wait(place, tokens, now) <= 0 for place in self._places)

    def give_back(self, lease: Lease, tokens: int = 0) -> None:
        """The request is over; every lease is given back once. tokens: what it used, 0 where it came to nothing."""
        place = lease._place
        place.leased_tokens -= lease.tokens
        if tokens and self._cap is not None:
            place.used.append((self._clock(), tokens))
            place.used_tokens += tokens
            share = min(1.0, tokens / lease.worst)
            place.share = share if place.share is None else place.share + _SMOOTHING * (share - place.share)
        if tokens and lease.at >= place.rested_at:
            place.rested = 0
        self._changed.set()

    def rest(self, lease: Lease, seconds: float | None) -> None:
        """The provider throttles this key. seconds: for how long, None where it didn't say."""
        place, now = lease._place, self._clock()
        if seconds is None:
            if lease.at < place.rested_at:
                return  # it was sent before the rest that answers it began
            seconds = min(_FIRST_REST * 2.0**place.rested, _LONGEST_REST) * random.uniform(0.75, 1.0)
        if now + seconds > place.rests_until:
            logger.info("%s: the key '%s' rests for %.1f s", self.provider, place.name, seconds)
            place.rests_until = now + seconds
        place.rested = min(place.rested + 1, 30)
        place.rested_at = now

    def refuse(self, lease: Lease, why: str) -> None:
        """The provider refuses this key; it is never used again. why: the provider's words, scrubbed."""
        place = lease._place
        if not place.refused:
            place.refused = why or "refused"
            logger.warning("%s: the key '%s' isn't used any more: %s", self.provider, place.name, place.refused)
        self._changed.set()

    def _expected(self, place: _Place, tokens: int) -> int:
        """A request's worst case by the share of it that requests turned out to use.

        With the worst case itself, far less than the cap would ever be used.
        """
        return max(1, round(tokens * (1.0 if place.share is None else place.share)))

    def _wait(self, place: _Place, tokens: int, now: float) -> float:
        """Seconds until a request may go out with this key; infinity where only another one's end can tell."""
        rest = place.rests_until - now
        if self._cap is None:
            return rest
        while place.used and place.used[0][0] <= now - self._window:
            place.used_tokens -= place.used.popleft()[1]
        # A request that is larger than the cap goes out alone.
        over = place.used_tokens + place.leased_tokens + min(self._expected(place, tokens), self._cap) - self._cap
        for at, used in place.used:
            if over <= 0:
                break
            over -= used
            rest = max(rest, at + self._window - now)
        return rest if over <= 0 else max(rest, self._window)

    def _none_left(self) -> NoKeyLeft:
        if self._places[0].key is None:
            why = self._places[0].refused
            return NoKeyLeft(
                f"{self.provider} asks for a key ({why}); store one with 'enigma keys add {self.provider}'."
            )
        said = "; ".join(f"'{place.name}': {place.refused}" for place in self._places)
        return NoKeyLeft(
            f"{self.provider} refused every key ({said}); add another with 'enigma keys add {self.provider}', "
            "then go on with --resume."
        )

    def _all_rest(self, wait: float) -> TeacherStopped:
        names = ", ".join(f"'{place.name}'" for place in self._places if not place.refused)
        return TeacherStopped(
            f"{self.provider} wants a pause of {_duration(wait)} (keys: {names}); what was answered is kept, "
            "so go on later with --resume, or add another key."
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
