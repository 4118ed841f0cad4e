"""Fetches a signed target in verified chunks: resumes across restarts and servers, within a budget and a bandwidth.

Whoever serves is not trusted. The signed list of chunks (SHA-256 of each MiB) says of every MiB whether it is right, so
what lies on the disk is what counts: a part that is there is read, compared, and gone on with from where it ends, from
any place that offers the file. Nothing is kept beside it that a power cut could part from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import StateError
from edge_runtime.update import disk
from edge_runtime.update.chunks import (
    FetchError,
    NotOffered,
    Plan,
    complete,
    is_whole,
    sound_chunks,
    write_chunk,
)
from edge_runtime.update.disk_threads import on_disk
from edge_runtime.update.places import Opened, Place, Refused, Unreachable

ATTEMPTS = 8  # of one place without a new chunk between; with the pauses below that is about four minutes
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds, doubled each time
LONGEST_RETRY_AFTER = 3600.0  # seconds of a Retry-After that are believed
RATE_SECONDS = 20.0  # over which the least rate is measured: mobile networks stand still for some seconds
_PART, _WHOLE = ".part", ".whole"

Tell = Callable[[int, int], None]


class OverBudget(FetchError):
    """The data that this update may take is used up."""

    code = "over_budget"


class Budget:
    """The data that an update may take in all, over its restarts and its fallbacks (a delta that failed counts too).

    most: bytes of bodies, 0 without a bound. file: where what was spent is kept; without one it is forgotten with this.
    """

    def __init__(self, most: int, file: Path | None = None) -> None:
        self.most = most
        self._file = file
        self.spent = self._saved = 0 if file is None else _spent(file)

    def allows(self, wanted: int) -> bool:
        """Whether so many bytes may still be taken."""
        return not self.most or self.spent + wanted <= self.most

    def check(self, wanted: int) -> None:
        """Raise `OverBudget` unless so many bytes may still be taken."""
        if not self.allows(wanted):
            left = max(0, self.most - self.spent) / 2**20
            raise OverBudget(
                f"The update needs {wanted / 2**20:.1f} MB more, and {left:.1f} MB of its data budget of "
                f"{self.most / 2**20:.1f} MB are left; raise budget_mb in the device's configuration, or bring it on a stick."
            )

    def spend(self, count: int) -> None:
        """So many bytes came; raises `OverBudget` where that was more than there was."""
        self.spent += count
        self.check(0)

    def save(self) -> None:
        """Keep what was spent, where there is something new to keep."""
        if self._file is not None and self.spent != self._saved:
            disk.write_atomic(self._file, strict_json.dumps({"spent": self.spent}))
            self._saved = self.spent


@dataclass(frozen=True)
class Limits:
    """What a fetch may take. bytes_per_second: 0 without a cap; deadline: seconds in all.

    room: bytes that must be free beside what is still to come, to unpack it and to remain. least_rate: bytes per second
    below which a place is left (half of a cap that is lower). attempts, first_pause: see the constants.
    """

    bytes_per_second: float = 0.0
    budget: Budget = field(default_factory=lambda: Budget(0))
    deadline: float = 3600.0
    room: int = 0
    least_rate: float = 512.0
    rate_seconds: float = RATE_SECONDS
    attempts: int = ATTEMPTS
    first_pause: float = FIRST_PAUSE


class TokenBucket:
    """At most so many bytes per second, half a second's worth at once. now: seconds of a clock that never goes back."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate / 2)
        self._tokens = self._most
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take `count` bytes; how many seconds to wait for it."""
        if not self._rate:
            return 0.0
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate) - count
        self._at = now
        return max(0.0, -self._tokens / self._rate)


async def fetch(plan: Plan, places: Sequence[Place], into: Path, limits: Limits, tell: Tell) -> Path:
    """The path of a target's whole file in the folder `into`, fetched as far as it isn't there yet.

    tell: called with the verified bytes and the bytes in all, after each chunk. A cancellation, an error or a power cut
    leaves the verified chunks for the next call. Raises `StorageFull` before the first byte where it doesn't fit,
    `OverBudget` likewise, `NotOffered` where every place refuses it (4xx) or gives other bytes than were signed,
    `FetchError` where no place could be asked, or past the deadline, and `DiskHangs`.
    """
    with disk.storage_errors(into):
        await on_disk(into, disk.make_private, into)
        whole = into / f"{plan.sha256}{_WHOLE}"
        if await on_disk(into, is_whole, plan, whole, most_bytes=plan.length):
            tell(plan.length, plan.length)
            return whole
        download = _Download(plan, places, into / f"{plan.sha256}{_PART}", limits, tell)
        try:
            async with asyncio.timeout(limits.deadline):
                await download.run()
        except TimeoutError:
            raise FetchError(
                f"'{plan.target[:80]}' wasn't fetched within {limits.deadline:.0f} seconds ({download.told()}); it goes on next time."
            ) from None
        finally:
            with contextlib.suppress(
                OSError, StateError
            ):  # a full disk has its own error, and the budget isn't worth another
                await on_disk(into, limits.budget.save)
        await on_disk(into, complete, plan, download.path, whole, most_bytes=plan.length)
        return whole


@dataclass
class _Standing:
    """How a place did so far. until: the loop's time before which it isn't asked; path: the index of that to try."""

    place: Place
    until: float = 0.0
    failures: int = 0
    path: int = 0
    validator: str = ""
    gone: bool = False
    why: str = ""


class _Download:
    """The state of one fetch; the part on the disk is always a run of verified chunks."""

    def __init__(self, plan: Plan, places: Sequence[Place], path: Path, limits: Limits, tell: Tell) -> None:
        self.path = path
        self._plan = plan
        self._limits = limits
        self._tell = tell
        self._standings = [_Standing(place) for place in places]
        self._done = 0  # chunks
        self._buffer = bytearray()  # of the next chunk
        self._givers: list[_Standing] = []  # whose bytes are in it
        self._alone = False  # a mix of several places' bytes was wrong: the chunk is to come from one of them
        self._bucket = TokenBucket(limits.bytes_per_second, time.monotonic())
        self._random = random.Random()

    async def run(self) -> None:
        plan, folder, loop = self._plan, self.path.parent, asyncio.get_running_loop()
        self._done = await on_disk(folder, sound_chunks, plan, self.path, most_bytes=plan.length)
        left = plan.length - self._plan.at(self._done)
        await on_disk(folder, disk.need_space, folder, left, self._limits.room)
        self._limits.budget.check(left)
        self._tell(self._plan.at(self._done), plan.length)
        while self._done < len(plan.chunks):
            standing = self._next()
            await asyncio.sleep(max(0.0, standing.until - loop.time()))
            before = self._done
            try:
                await self._take(standing)
            except Refused as refusal:
                self._refused(standing, str(refusal))
            except Unreachable as failure:
                standing.failures = 1 if self._done > before else standing.failures + 1
                standing.why = str(failure)
                pause = self._pause(standing.failures, failure.retry_after)
                standing.until = loop.time() + pause
                if standing.failures >= self._limits.attempts:
                    standing.gone = True

    def told(self) -> str:
        """Why the places didn't do, as the end of a sentence."""
        found = [f"{s.place.name[:60]}: {s.why}" for s in self._standings if s.why]
        return "; ".join(found[:4]) or "no place was asked"

    def _next(self) -> _Standing:
        """The place to ask, the earliest that may be; those before come first. Raises where none is left."""
        left = [standing for standing in self._standings if not standing.gone]
        if left:
            return min(left, key=lambda standing: standing.until)
        target = self._plan.target[:80]
        if any(standing.failures for standing in self._standings):
            raise FetchError(f"'{target}' wasn't fetched ({self.told()}); it goes on next time.")
        raise NotOffered(f"No place offers '{target}' as it was signed ({self.told()}); publish it again.")

    def _refused(self, standing: _Standing, why: str) -> None:
        standing.why = why
        standing.path += 1
        standing.validator = ""
        standing.gone = standing.path >= len(self._plan.paths)
        standing.failures = 0

    def _pause(self, failures: int, retry_after: float | None) -> float:
        """Exponential with full jitter, so that devices that failed together don't come back together."""
        longest = min(LONGEST_PAUSE, self._limits.first_pause * 2.0 ** (failures - 1))
        pause = self._random.uniform(longest / 2, longest)
        return pause if retry_after is None else min(LONGEST_RETRY_AFTER, retry_after) + pause / 10

    async def _take(self, standing: _Standing) -> None:
        """Take chunks from one place until it ends; raises `Refused` or `Unreachable`."""
        if self._alone and self._givers != [standing]:
            self._buffer.clear()
            self._givers.clear()
        first = self._plan.at(self._done) + len(self._buffer)
        path = self._plan.paths[standing.path]
        async with standing.place.open(path, first, standing.validator) as opened:
            self._check_head(opened, first)
            standing.validator = opened.validator
            async with contextlib.aclosing(self._timely(opened.pieces)) as pieces:
                skip = first - opened.first
                async for piece in pieces:
                    if skip >= len(piece):
                        skip -= len(piece)
                        continue
                    await self._add(memoryview(piece)[skip:], standing)
                    skip = 0
                    if self._done == len(self._plan.chunks):
                        return
        raise Unreachable("it ended too early")

    def _check_head(self, opened: Opened, first: int) -> None:
        if opened.total is not None and opened.total != self._plan.length:
            raise Refused(f"its file has {opened.total:,} bytes, not {self._plan.length:,}")
        if not 0 <= opened.first <= first:
            raise Refused(f"it began at byte {opened.first:,}, not at {first:,}")
        if opened.first < first and not self._limits.budget.allows(self._plan.length - opened.first):
            raise Refused("it can't go on where the file was left, and the data budget doesn't allow all of it again")

    async def _timely(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The pieces, as fast as they may come, and paid for; raises `Unreachable` where they come too slowly."""
        limits, cap = self._limits, self._limits.bytes_per_second
        least = min(limits.least_rate, cap / 2) if cap else limits.least_rate
        waited, got = 0.0, 0
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(limits.rate_seconds):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Unreachable(f"it sent nothing for {limits.rate_seconds:.0f} seconds") from None
            now = time.monotonic()
            waited, got = waited + now - began, got + len(piece)
            if waited >= limits.rate_seconds:
                if got < least * waited:
                    raise Unreachable(f"it sent {got / waited:.0f} bytes per second")
                waited, got = 0.0, 0
            limits.budget.spend(len(piece))
            if pause := self._bucket.take(len(piece), now):
                await asyncio.sleep(pause)
            yield piece

    async def _add(self, piece: memoryview, giver: _Standing) -> None:
        """Add bytes to the chunk in work; a chunk that is full is verified, and reaches the disk."""
        plan = self._plan
        while piece and self._done < len(plan.chunks):
            lacking = plan.size(self._done) - len(self._buffer)
            self._buffer += piece[:lacking]
            piece = piece[lacking:]
            if giver not in self._givers:
                self._givers.append(giver)
            if len(self._buffer) < plan.size(self._done):
                return
            chunk, mixed = bytes(self._buffer), len(self._givers) > 1
            self._buffer.clear()
            self._givers.clear()
            if not await on_disk(self.path.parent, write_chunk, plan, self._done, chunk, self.path):
                if mixed:
                    self._alone = True
                    raise Unreachable("what it and another place sent together wasn't what was signed")
                raise Refused("it sent other bytes than were signed")
            self._done += 1
            self._alone = False
            if self._limits.budget.most:
                await on_disk(self.path.parent, self._limits.budget.save)
            self._tell(self._plan.at(self._done), plan.length)


def _spent(file: Path) -> int:
    try:
        spent = strict_json.loads_object(file.read_bytes(), "The spent budget", StateError).get("spent")
    except (OSError, StateError):  # none yet; a power cut leaves the old file or the new one
        return 0
    return spent if isinstance(spent, int) and not isinstance(spent, bool) and spent >= 0 else 0
