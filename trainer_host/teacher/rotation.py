"""Which of a provider's keys a request goes out with: the first one in order that is neither refused nor resting.

A key is taken when the request has its slot and is about to be sent, never before: of 1,000 queued requests with a
dead key, only those that are open at the moment then find that out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from trainer_host.errors import NoKeyLeft, TeacherStopped
from trainer_host.teacher.protocol import Key

logger = logging.getLogger(__name__)

MINUTE = 60.0
_BURST = 0.03  # of a minute's cap may be used at once
# A key whose provider doesn't say for how long rests this long, then twice as long, up to the second figure.
_FIRST_REST = 0.5
_SHORTEST_REST = 0.02  # likewise doubled, where it says less
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
    """What is known about one key. level: tokens that may be used at once, as of `level_at`. share: of its worst
    case, what a request turned out to use."""

    key: Key | None
    level: float
    level_at: float
    refused: str = ""
    rests_until: float = -math.inf
    rested: int = 0  # times in a row without an answer between them
    rested_at: float = -math.inf
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
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """keys: none for a provider that wants none. tokens_per_minute: of each key, prompts and answers together."""
        self.provider = provider
        # A bucket that fills at the cap's rate. It holds little, so that no minute sees much more than the cap, and
        # requests are spread over the minute: in bursts, the time that answers take would be lost in each of them.
        self._rate = math.inf if tokens_per_minute is None else tokens_per_minute / MINUTE
        self._burst = math.inf if tokens_per_minute is None else _BURST * tokens_per_minute
        self._places = [_Place(key, self._burst, clock()) for key in keys or (None,)]
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
            waits = [max(0.0, self._wait(place, tokens, now)) for place in open_places]
            wait = min(waits)
            place = open_places[waits.index(wait)]  # of several that are free, the first
            if wait <= 0:
                expected = self._expected(place, tokens)
                place.level -= expected
                return Lease(place.key, max(1, tokens), expected, now, place)
            # A cap is no reason to give up: there, others go first, and it moves.
            if place.rests_until > max(now, give_up):
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
        place.level = min(self._burst, place.level + lease.tokens - tokens)
        if tokens:
            share = min(1.0, tokens / lease.worst)
            place.share = share if place.share is None else place.share + _SMOOTHING * (share - place.share)
        if tokens and lease.at > place.rested_at:
            place.rested = 0
        self._changed.set()

    def rest(self, lease: Lease, seconds: float | None) -> None:
        """The provider throttles this key. seconds: for how long, None where it didn't say."""
        place, now = lease._place, self._clock()
        if lease.at > place.rested_at:
            place.rested = min(place.rested + 1, 30)
            place.rested_at = now
        elif seconds is None:
            return  # it was sent before the rest that answers it began
        growth = 2.0 ** (place.rested - 1)
        if seconds is None:
            seconds = min(_FIRST_REST * growth, _LONGEST_REST) * random.uniform(0.75, 1.0)
        else:  # some say 0 again and again
            seconds = max(seconds, min(_SHORTEST_REST * growth, _LONGEST_REST))
        if now + seconds > place.rests_until:
            logger.info("%s: the key '%s' rests for %.1f s", self.provider, place.name, seconds)
            place.rests_until = now + seconds

    def refuse(self, lease: Lease, why: str) -> None:
        """The provider refuses this key; it is never used again. why: the provider's words, scrubbed."""
        place = lease._place
        if not place.refused:
            place.refused = why or "refused"
            logger.warning("%s: the key '%s' isn't used any more: %s", self.provider, place.name, place.refused)
        self._changed.set()

    def _expected(self, place: _Place, tokens: int) -> int:
        """With the worst case itself, far less than the cap would ever be used."""
        return max(1, round(tokens * (1.0 if place.share is None else place.share)))

    def _wait(self, place: _Place, tokens: int, now: float) -> float:
        """Seconds until a request may go out with this key."""
        rest = place.rests_until - now
        if self._rate == math.inf:
            return rest
        place.level = min(self._burst, place.level + (now - place.level_at) * self._rate)
        place.level_at = now
        # One that is larger than the bucket goes out when that is full, and leaves a debt.
        short = min(self._expected(place, tokens), self._burst) - place.level
        return max(rest, short / self._rate)

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
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
