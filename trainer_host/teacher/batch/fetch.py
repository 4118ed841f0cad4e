"""Fills the reply cache by batches, at half price: what was fetched is then asked for, and found there.

A batch is written down before it is sent, and every result is kept before it is counted. So a process may end at any
moment: the next one finds the batches, collects what they answered, and sends only what no batch holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer_host.errors import TeacherStopped, TrainerError
from trainer_host.teacher.batch.anthropic import AnthropicBatches
from trainer_host.teacher.batch.books import BatchBooks
from trainer_host.teacher.batch.channel import CallRefused, Channel, Patience
from trainer_host.teacher.batch.collect import collect
from trainer_host.teacher.batch.common import BatchApi, Item, Seen
from trainer_host.teacher.batch.openai import OpenAiBatches
from trainer_host.teacher.batch.report import BatchReport, Progress
from trainer_host.teacher.batch.send import RECHECK_SECONDS, Sender
from trainer_host.teacher.batch.store import Part
from trainer_host.teacher.cache import request_hash
from trainer_host.teacher.protocol import Request
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.rotation import KeyRing
from trainer_host.teacher.wires import WireError

LATE_SECONDS = 26 * 3600.0  # providers promise 24 hours
_SLOWER = 1.5  # from one look at a batch to the next

OnProgress = Callable[[Progress], None]
Wanted = dict[str, tuple[Item, Request]]


@dataclass(frozen=True)
class Pace:
    """Seconds. first, most: between looks at a batch. recheck: before a batch that can't be found counts as not
    sent."""

    first: float = 10.0
    most: float = 60.0
    recheck: float = RECHECK_SECONDS


def batch_api(endpoint: Endpoint) -> BatchApi:
    """The batch API of a provider; raises `TrainerError` where it has none that we know."""
    if endpoint.provider == "openai":
        return OpenAiBatches()
    if endpoint.provider == "anthropic":
        return AnthropicBatches()
    raise TrainerError(f"Batches work with openai and anthropic, not with {endpoint.provider}; leave --batch out.")


class Batches:
    """The batches of one endpoint. Belongs to one event loop."""

    def __init__(
        self, books: BatchBooks, ring: KeyRing, *, pace: Pace | None = None, patience: Patience | None = None
    ) -> None:
        """ring: of the same keys; shared with an `ApiTeacher`, so that a key that is refused is so for both.

        Raises `TrainerError` for a provider without batches.
        """
        self.books = books
        self._pace = pace or Pace()
        self._api = batch_api(books.endpoint)
        self._channel = Channel(books.endpoint, patience)
        self._sender = Sender(books, self._api, self._channel, ring, self._pace.recheck)

    @property
    def under_way(self) -> int:
        """Requests in batches that aren't collected yet."""
        return sum(len(self.books.store.open_items(part.id)) for part in self.books.under_way())

    async def fetch(self, requests: Sequence[Request], on_progress: OnProgress | None = None) -> BatchReport:
        """Get the replies to requests into the cache, as far as batches can.

        Requests in batches of an earlier run are waited for, not sent again; with no requests at all, every such
        batch is. What a batch couldn't answer is asked again in another, at most `ROUNDS` times in all.

        Raises `BudgetReached` where the budget has no room for a single request more, and `TeacherStopped` where
        no batch can be sent or read; what is under way then stays, for the next run.
        """
        wanted = self._wanted(requests)
        report = self.books.report
        report.cached += sum(self.books.cache.find(name) is not None for name in wanted)
        for part in self.books.under_way():
            report.resumed += self.books.owe(part, self.books.store.open_items(part.id))
        while True:
            await self._sender.find_lost()
            reached = await self._sender.send(self._lacking(wanted))
            if not (parts := self._concerned(wanted)):
                if reached is not None:
                    raise reached
                break
            await self._wait(parts, on_progress)
        self.books.count_left(list(wanted))
        return report

    async def submit(self, requests: Sequence[Request]) -> list[Part]:
        """Send what is neither in the cache nor in a batch, and don't wait: `fetch` does, later, in any process.

        Returns all batches under way. Raises `BudgetReached` where not all of it has room.
        """
        for part in self.books.under_way():
            self.books.owe(part, self.books.store.open_items(part.id))
        await self._sender.find_lost()
        reached = await self._sender.send(self._lacking(self._wanted(requests)))
        if reached is not None:
            raise reached
        return self.books.under_way()

    async def poll(self, part: Part) -> Seen:
        """How far a batch is."""
        try:
            return await self._api.look(self._channel, self.books.key_of(part), part.remote)
        except CallRefused as cause:
            if cause.status != 404:
                raise
            return Seen("failed", message="the provider doesn't know the batch any more")

    async def collect(self, part: Part, seen: Seen) -> None:
        """Keep the results of a batch that has ended."""
        size = len(self.books.store.open_items(part.id))
        await collect(self.books, self._api, self._channel, part, seen)
        if seen.state == "failed":
            # Most often too much was queued at a time, and a smaller batch may pass.
            self._sender.most_requests = max(1, min(self._sender.most_requests, size) // 2)

    def has(self, request: Request) -> bool:
        """Whether the reply to a request is in the cache."""
        return any(self.books.cache.find(name) is not None for name in self._wanted([request]))

    async def close(self) -> None:
        """Close the connections; batches go on at the provider."""
        await self._channel.close()

    def _wanted(self, requests: Sequence[Request]) -> Wanted:
        endpoint, dialect = self.books.endpoint, self.books.cache.dialect(self.books.endpoint)
        made: Wanted = {}
        for request in requests:
            try:
                body = self.books.wire.body(request, endpoint, dialect)
            except WireError:
                continue  # a direct call says why
            name = request_hash(endpoint, body, request.sample)
            made[name] = (Item(name, body, request.task), request)
            if self.books.recorder is not None and name not in self.books.prompts:
                self.books.prompts[name] = self.books.recorder.prompt(request)
        return made

    def _lacking(self, wanted: Wanted) -> list[tuple[Item, Request]]:
        sent = {item.id for part in self.books.under_way() for item in self.books.store.open_items(part.id)}
        return [
            pair
            for name, pair in wanted.items()
            if name not in sent and name not in self.books.given_up and self.books.cache.find(name) is None
        ]

    def _concerned(self, wanted: Wanted) -> list[Part]:
        """Batches to wait for."""
        parts = self.books.under_way()
        if not wanted:
            return parts
        return [part for part in parts if any(item.id in wanted for item in self.books.store.open_items(part.id))]

    async def _wait(self, parts: list[Part], on_progress: OnProgress | None) -> None:
        """Wait until a batch has ended, and collect all that have."""
        pause = self._pace.first
        while True:
            seen = [(part, await self.poll(part)) for part in parts]
            if on_progress is not None:
                done, total = sum(one.done for _, one in seen), sum(one.total for _, one in seen)
                on_progress(Progress(len(seen), done, total))
            ended = [(part, one) for part, one in seen if one.state != "running"]
            for part, one in ended:
                await self.collect(part, one)
            if any(one.cancelled for _, one in ended):
                raise TeacherStopped(
                    f"A batch was cancelled at {self.books.endpoint.provider}; what was answered is kept, "
                    "go on with --resume."
                )
            if ended:
                return
            if all(time.time() - part.at > LATE_SECONDS for part in parts):
                raise TeacherStopped(
                    f"{self.books.endpoint.provider} hasn't answered a batch within {LATE_SECONDS / 3600:.0f} hours; "
                    "look at it there, or go on later with --resume."
                )
            await asyncio.sleep(pause)
            pause = min(pause * _SLOWER, self._pace.most)
