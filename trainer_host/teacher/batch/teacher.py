"""A teacher that gathers what it is asked, sends it as a batch, and answers when that has come back."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from trainer_host.errors import TrainerError
from trainer_host.teacher.batch.fetch import Batches, OnProgress
from trainer_host.teacher.batch.report import BatchReport
from trainer_host.teacher.protocol import Reply, Request, Teacher

logger = logging.getLogger(__name__)

IDLE_SECONDS = 3.0  # without another request; then what was gathered is sent
# Fewer are asked directly: half the price of so few isn't worth a day.
AT_LEAST = 20


class BatchTeacher:
    """See `Teacher`. Whoever asks must ask for much at the same time, and be patient: a batch may take a day.

    What is asked is fetched into the cache, then asked of `teacher`, which finds it there, or asks directly for what
    no batch could answer. The very first request is asked directly: what it teaches about the key and about what the
    model takes would else be learned from a whole batch.
    """

    def __init__(
        self,
        teacher: Teacher,
        batches: Batches,
        *,
        idle: float = IDLE_SECONDS,
        at_least: int = AT_LEAST,
        on_progress: OnProgress | None = None,
    ) -> None:
        """teacher: an `ApiTeacher` with the same endpoint, cache and budget; it is closed with this one."""
        self.name = teacher.name
        self.model = teacher.model
        self._teacher = teacher
        self._batches = batches
        self._idle = idle
        self._at_least = at_least
        self._on_progress = on_progress
        self._gathered: list[tuple[Request, asyncio.Future[None]]] = []
        self._came = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._first = asyncio.Lock()
        self._tried = False

    @property
    def report(self) -> BatchReport:
        """What came of the batches so far."""
        return self._batches.books.report

    async def ask(self, request: Request) -> Reply:
        """See `Teacher`."""
        async with self._first:
            if not self._tried:
                self._tried = True
                if not self._batches.under_way:  # else it may be in a batch already
                    return await self._teacher.ask(request)
        fetched = asyncio.get_running_loop().create_future()
        self._gathered.append((request, fetched))
        self._came.set()
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        await fetched
        return await self._teacher.ask(request)

    async def close(self) -> None:
        """See `Teacher`; batches go on at the provider."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._batches.close()
        await self._teacher.close()

    async def _run(self) -> None:
        while self._gathered:
            await self._gather()
            gathered, self._gathered = self._gathered, []
            waiting = [(request, fetched) for request, fetched in gathered if not fetched.done()]
            try:
                if len(waiting) >= self._at_least or self._batches.under_way:
                    await self._batches.fetch([request for request, _ in waiting], self._on_progress)
            except TrainerError as cause:
                for request, fetched in waiting:
                    if fetched.done():
                        continue
                    if self._batches.has(request):
                        fetched.set_result(None)
                    else:
                        fetched.set_exception(cause)
            except BaseException:  # also a mistake of ours: nobody may wait for ever
                for _, fetched in waiting:
                    fetched.cancel()
                raise
            else:
                for _, fetched in waiting:
                    if not fetched.done():
                        fetched.set_result(None)

    async def _gather(self) -> None:
        """Wait until nothing more was asked for a while."""
        while True:
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle):
                    await self._came.wait()
                    continue
            return
