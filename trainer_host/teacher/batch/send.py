"""Sends requests as batches: once, also where a connection breaks or a process ends in the middle of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from trainer_host.errors import BudgetReached
from trainer_host.teacher.batch.books import BatchBooks
from trainer_host.teacher.batch.channel import Channel, KeyRefused, Uncertain
from trainer_host.teacher.batch.common import BatchApi, Item, Lost
from trainer_host.teacher.batch.store import Part
from trainer_host.teacher.budget import Reservation
from trainer_host.teacher.protocol import Key, Request
from trainer_host.teacher.rotation import KeyRing

logger = logging.getLogger(__name__)

Taken = list[tuple[Item, Request, Reservation]]
RECHECK_SECONDS = 5.0  # a provider's list of batches may lag behind
_KEY_PATIENCE = 600.0
_UNCERTAIN_TRIES = 3


class Sender:
    """Puts requests into batches. Belongs to one event loop. most_requests: of one batch; it may be lowered."""

    def __init__(
        self, books: BatchBooks, api: BatchApi, channel: Channel, ring: KeyRing, recheck: float = RECHECK_SECONDS
    ) -> None:
        self.most_requests = api.most_requests
        self._books = books
        self._api = api
        self._channel = channel
        self._ring = ring
        self._recheck = recheck

    async def send(self, todo: Sequence[tuple[Item, Request]]) -> BudgetReached | None:
        """Send requests in as many batches as it takes; returns why not all, where the budget has no room for more.

        Raises `TeacherStopped` where the provider takes no batch.
        """
        rest = list(todo)
        reached: BudgetReached | None = None
        while rest and reached is None:
            with tempfile.TemporaryFile() as rows:  # it has no name, and prompts don't stay on the disk
                taken, reached = self._take(rest, rows)
                if taken:
                    await self._send_one(rows, taken)
            rest = rest[len(taken) :]
        return reached

    async def find_lost(self) -> None:
        """Learn the ids of batches that were sent by a process that ended before it knew them."""
        for part in self._books.under_way():
            if part.remote:
                continue
            size = len(self._books.store.open_items(part.id))
            found = await self._search(part, size)
            if found is None:
                logger.info("a batch of %d requests was never sent", size)
                self._books.never_sent(part)
            else:
                self._books.store.sent(part.id, found)
                self._books.sent(part)

    def _take(self, todo: Sequence[tuple[Item, Request]], rows: BinaryIO) -> tuple[Taken, BudgetReached | None]:
        """As many requests as fit into one batch and the budget; their rows are written."""
        taken: Taken = []
        size = 0
        for item, request in todo:
            row = self._api.row(item) + b"\n"
            # One row at least: where that is too long by itself, the provider says so.
            if taken and (len(taken) >= self.most_requests or size + len(row) > self._api.most_bytes):
                break
            try:
                held = self._books.budget.reserve(request, self._books.price)
            except BudgetReached as cause:
                return taken, cause
            rows.write(row)
            size += len(row)
            taken.append((replace(item, worst=held.worst), request, held))
        return taken, None

    async def _send_one(self, rows: BinaryIO, taken: Taken) -> None:
        part: Part | None = None
        try:
            for attempt in range(_UNCERTAIN_TRIES):
                part = await self._begin(rows, taken, last=attempt + 1 == _UNCERTAIN_TRIES)
                if part is not None:
                    break
        except Uncertain:
            raise  # it may be there, so what was set aside stays so, and the next run looks again
        except BaseException as cause:
            if not isinstance(cause, asyncio.CancelledError):
                for _, _, held in taken:
                    self._books.budget.release(held)
            raise
        assert part is not None
        for item, _, held in taken:
            self._books.hold(part, item.id, held)
        self._books.sent(part)
        self._books.report.sent += len(taken)
        self._books.report.batches += 1

    async def _begin(self, rows: BinaryIO, taken: Taken, last: bool) -> Part | None:
        """Write a batch down and send it; None where nobody can have heard it. last: then `Uncertain` is raised."""
        while True:
            lease = await self._ring.take(1, _KEY_PATIENCE)
            try:
                part = await self._written(lease.key, taken)
                remote = await self._heard(part, rows, len(taken), lease.key, last)
            except KeyRefused as cause:
                self._ring.refuse(lease, cause.said)
                continue
            except BaseException:
                self._ring.give_back(lease)
                raise
            self._ring.give_back(lease)
            if remote is None:
                return None
            self._books.store.sent(part.id, remote)
            return replace(part, remote=remote)

    async def _written(self, key: Key | None, taken: Taken) -> Part:
        before = await self._api.newest(self._channel, key)
        part = Part(secrets.token_hex(16), None if key is None else key.name, "", before, time.time())
        items = [(item, request.max_tokens) for item, request, _ in taken]
        self._books.store.begin(part, self._books.place, items)
        return part

    async def _heard(self, part: Part, rows: BinaryIO, count: int, key: Key | None, last: bool) -> str | None:
        """The id of a batch that was written down; None where the provider doesn't have it."""
        try:
            return await self._api.send(self._channel, key, rows, count, part.id)
        except Uncertain as cause:
            logger.info("%s Looking whether the batch is there.", cause)
            found = await self._search(part, count)
            if found is None and last:
                raise
        except asyncio.CancelledError:
            raise  # the next run looks for it
        except BaseException:
            self._books.store.never_sent(part.id)
            raise
        if found is None:
            self._books.store.never_sent(part.id)
        return found

    async def _search(self, part: Part, size: int) -> str | None:
        lost = Lost(part.id, part.before, size, self._books.store.known_remotes(part.id))
        key = self._books.key_of(part)
        for pause in (0.0, self._recheck):
            await asyncio.sleep(pause)
            if found := await self._api.lost(self._channel, key, lost):
                return found[0]
        return None
