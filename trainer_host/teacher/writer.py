"""One writer for what calls leave behind: rows of the cache and records of the audit log, each written in groups.

A commit costs about as much for ten calls as for one. What comes in one turn of the event loop goes out together at
the end of the next, and who brought it goes on when it is in the file. Records come after rows: meanwhile the requests
that waited for a row are already on their way. Until a record is in the log, the cache holds it together with its
reply, so that a kill -9 between the two loses nothing (`trainer_host.teacher.recover`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer_host.errors import TrainerError
from trainer_host.teacher.cache import Changes, Kept
from trainer_host.teacher.calls import Call, to_text

if TYPE_CHECKING:
    from trainer_host.teacher.audit import AuditLog
    from trainer_host.teacher.cache import ReplyCache

logger = logging.getLogger(__name__)

_GATHER = 0.01  # seconds that a record waits for others


class Writer:
    """Belongs to one event loop; `flush` before that ends. The cache and the log stay the caller's."""

    def __init__(self, cache: ReplyCache, audit: AuditLog) -> None:
        self._cache = cache
        self._audit = audit
        self._sent: list[tuple[str, str]] = []
        self._kept: list[Kept] = []
        self._ended: list[tuple[str, str]] = []
        self._over: list[str] = []
        self._calls: list[tuple[str, str]] = []  # requests and their records
        self._rows = _Group(self._write_rows)
        self._records = _Group(self._write_records, _GATHER)

    async def sending(self, call: Call) -> None:
        """A request is about to be sent: that is in the cache's file when this returns. Raises `TrainerError`.

        call: what is to be logged if this process ends before anything else is known. Where this is cancelled,
        nothing is to be sent, and what was noted is taken back.
        """
        note = (call.request, to_text(call))
        self._sent.append(note)
        try:
            await self._rows.written()
        except asyncio.CancelledError:
            if note in self._sent:
                self._sent.remove(note)
            else:
                self._over.append(call.request)
                self._rows.soon()
            raise

    async def keep(self, reply: Kept, call: Call) -> None:
        """Keep a reply and the record of its call: both are in their files when this returns. Raises `TrainerError`.

        The record is written even where the reply can't be kept, for it was paid for; where this is cancelled, both.
        """
        record = (call.request, to_text(call))
        self._kept.append(reply)
        self._ended.append(record)
        try:
            await self._rows.written()
        finally:
            self._calls.append(record)
            self._records.soon()
        await self._records.written()

    def ended(self, call: Call) -> None:
        """Write the record of a call without a reply, at once; raises `TrainerError`."""
        ended = (call.request, to_text(call))
        self._ended.append(ended)
        self._calls.append(ended)
        self.flush()

    def flush(self) -> None:
        """Write all that waits for it; raises `TrainerError`, as those hear who wait."""
        try:
            self._rows.write()
        finally:
            self._records.write()

    def close(self) -> None:
        """As `flush`, and for the last time."""
        self.flush()
        self._write_rows()

    def _write_rows(self) -> None:
        changes = Changes(self._over, self._sent, self._kept, self._ended)
        self._over, self._sent, self._kept, self._ended = [], [], [], []
        if changes:
            self._cache.write(changes)

    def _write_records(self) -> None:
        calls, self._calls = self._calls, []
        if calls:
            self._audit.record_texts([record for _, record in calls])
            self._over += [request for request, _ in calls]  # with the next rows: a commit costs more than they do


class _Group:
    """Those who wait for the same write. gather: seconds from the first of them to the write; 0 is the loop's next
    turn."""

    def __init__(self, write: Callable[[], None], gather: float = 0.0) -> None:
        self._write = write
        self._gather = gather
        self._waiting: list[asyncio.Future[None]] = []
        self._due: asyncio.Handle | None = None

    async def written(self) -> None:
        """Wait for the next write; raises what that raises."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.soon()
        await turn

    def soon(self) -> None:
        """Write before long."""
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(self._gather, self._run) if self._gather else loop.call_soon(self._run)

    def write(self) -> None:
        """Write now; raises `TrainerError`, and so does `written` for those who wait."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        waiting, self._waiting = self._waiting, []
        failed: TrainerError | None = None
        try:
            self._write()
        except TrainerError as cause:
            failed = cause
        for turn in waiting:
            if turn.done():  # cancelled
                continue
            if failed is None:
                turn.set_result(None)
            else:
                turn.set_exception(failed)
        if failed is not None:
            raise failed

    def _run(self) -> None:
        heard = any(not turn.done() for turn in self._waiting)
        try:
            self.write()
        except TrainerError as failed:
            if not heard:
                logger.warning("%s", failed)
