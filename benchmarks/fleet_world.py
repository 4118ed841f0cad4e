"""What the simulated fleet of `fleet.py` shares: the setting, the time, and what is due when."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp

from benchmarks.fleet_relay import Relay
from edge_runtime.update.desired import Rollout, parse_desired
from edge_runtime.update.report import Report

SPECIALIST, TASK = "home-en", "router"
FIRST, GOOD, BAD, PARTLY = "1.0.0", "2.0.0", "3.0.0", "4.0.0"
OLD = "cpu:old"  # the machines on which PARTLY fails
START = datetime(2027, 1, 1, tzinfo=UTC)
AT_ONCE = 64  # devices that speak to the server at the same time
TICK = 60.0  # what is due within so many seconds of the simulated clock happens together
HOUR = 3600.0


@dataclass(frozen=True)
class Setting:
    """A scenario. poll, soak: seconds; look: how often the host looks, too; size: bytes of a model. faulty: share of requests
    that go wrong; late: devices that join within `joining` seconds of the first release; away: share of devices that are off
    once, from within `leaving` seconds on, for up to `away_days`; cuts: power cuts in 10,000 steps of a device's updater.
    """

    devices: int = 10_000
    late: int = 300
    poll: float = 3600.0
    soak: float = 3600.0
    look: float = 300.0
    size: int = 64 * 1024
    faulty: float = 0.02
    joining: float = 12 * HOUR
    away: float = 0.05
    leaving: float = 8 * HOUR
    away_days: float = 2.0
    cuts: int = 50
    seed: int = 1
    most_days: float = 10.0


class World:
    """The simulated time, what is due when, and what all devices share."""

    def __init__(self, setting: Setting, relay: Relay, session: aiohttp.ClientSession, root: bytes) -> None:
        self.setting, self.relay, self.session, self.root = setting, relay, session, root
        self.draw = random.Random(setting.seed)
        self.now = 0.0
        self.news: dict[str, Report] = {}
        self.given: dict[str, set[str]] = {}
        self.ran: dict[str, set[str]] = {}
        self.polls = self.failed = self.cuts = 0
        self._due: list[tuple[float, int, Callable[[], Coroutine[None, None, None]]]] = []
        self._order = 0
        self._parsed: dict[bytes, tuple[Rollout, ...]] = {}

    def clock(self) -> datetime:
        """The simulated time."""
        return START + timedelta(seconds=round(self.now))

    def seconds(self) -> float:
        """The simulated time in seconds since 1970."""
        return START.timestamp() + self.now

    def at(self, when: float, what: Callable[[], Coroutine[None, None, None]]) -> None:
        """Let something happen then."""
        self._order += 1
        heapq.heappush(self._due, (when, self._order, what))

    async def go_on(self) -> None:
        """Let the next tick's events happen, `AT_ONCE` at a time."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def happen(what: Callable[[], Coroutine[None, None, None]]) -> None:
            async with turns:
                await what()

        self.now = max(self.now, self._due[0][0])
        until = self.now + TICK
        happening = []
        while self._due and self._due[0][0] < until:
            happening.append(happen(heapq.heappop(self._due)[2]))
        await asyncio.gather(*happening)
        self.now = until

    def fails(self, version: str, tags: Sequence[str]) -> bool:
        """Whether a release doesn't stand its probation on a machine."""
        return version == BAD or (version == PARTLY and OLD in tags)

    def parsed(self, raw: bytes) -> tuple[Rollout, ...]:
        """The list of rollouts; read once, since all devices read the same."""
        if raw not in self._parsed:
            self._parsed = {raw: parse_desired(raw)}
        return self._parsed[raw]


def bundle_of(version: str) -> str:
    """What names a version on a device."""
    return hashlib.sha256(version.encode()).hexdigest()
