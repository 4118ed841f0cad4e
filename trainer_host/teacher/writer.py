"""One writer for what calls leave behind: rows of the cache and records of the audit log, each written in groups.

A commit costs about as much for ten calls as for one. What comes in one turn of the event loop goes out together at
the end of the next, and who brought it goes on when it is in the file. Records come after rows: meanwhile the requests
that waited for a row are already on their way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer_host.errors import TrainerError

if TYPE_CHECKING:
    from trainer_host.teacher.audit import AuditLog, Call
    from trainer_host.teacher.cache import Kept, ReplyCache

logger = logging.getLogger(__name__)

# So long a record waits for others, in seconds: a kill -9 loses those of so short a time, as it does those of the
# requests that are open.
_GATHER = 0.004


class Writer:
    """Belongs to one event loop; `flush` before that ends. The cache and the log stay the caller's."""

    def __init__(self, cache: ReplyCache, audit: AuditLog) -> None:
        self._cache = cache
        self._audit = audit
        self._sent: list[str] = []
        self._kept: list[Kept] = []
        self._over: list[str] = []
        self._calls: list[Call] = []
        self._rows = _Group(self._write_rows)
        self._records = _Group(self._write_records, _GATHER)

    async def sending(self, request: str) -> None:
        """A request is about to be sent: that is in the cache's file when this returns. Raises `TrainerError`.

        Where it is cancelled, nothing is to be sent, and what was noted is taken back.
        """
        self._sent.append(request)
        try:
            await self._rows.written()
        except asyncio.CancelledError:
            self._over.append(request)
            self._rows.soon()
            raise

    async def keep(self, reply: Kept, call: Call) -> None:
        """Keep a reply and the record of its call: both are in their files when this returns. Raises `TrainerError`.

        The record is written even where the reply can't be kept, for it was paid for; where this is cancelled, both.
        """
        self._kept.append(reply)
        try:
            await self._rows.written()
        finally:
            self._calls.append(call)
            self._records.soon()
        await self._records.written()

    def ended(self, call: Call, *, billed: bool) -> None:
        """Write the record of a call without a reply, at once. billed: the provider may have billed it.

        Raises `TrainerError`.
        """
        self._calls.append(call)
        if not billed:
            self._over.append(call.request)
        self.flush()

    def flush(self) -> None:
        """Write all that waits for it; raises `TrainerError`, as those hear who wait."""
        try:
            self._rows.write()
        finally:
            self._records.write()

    def _write_rows(self) -> None:
        sent, self._sent = self._sent, []
        kept, self._kept = self._kept, []
        over, self._over = self._over, []
        if sent or kept or over:
            self._cache.write(sent, kept, over)

    def _write_records(self) -> None:
        calls, self._calls = self._calls, []
        if calls:
            self._audit.record(*calls)


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
