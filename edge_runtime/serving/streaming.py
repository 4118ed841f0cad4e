"""One thread that writes one language model's answers in order, piece by piece, with a bound on how many wait.

As `worker.Worker`, but an answer takes seconds instead of milliseconds: so it never runs in the event loop, a deadline
is for its beginning, and it ends within one token once nobody wants it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import EdgeError, EngineError, Overloaded
from edge_runtime.serving.worker import Answer

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece
    from edge_runtime.language.specialist import LanguageSpecialist

_log = logging.getLogger(__name__)
Json = dict[str, object]
ANSWER_SECONDS = 600.0  # what takes longer is a device in trouble; others wait


class Writes(Protocol):
    """A specialist over a language model."""

    language: LanguageSpecialist

    def run(self, request: Json) -> Json:
        """A whole answer."""


Begin = Callable[["LanguageSpecialist"], "Iterator[Piece]"]
_Item = object  # what the work gave; an EdgeError where it failed; None at its end


class _Job:
    """An answer that waits or is written. `cancelled` may be set from any thread."""

    def __init__(self, work: Callable[[], Iterator[object]]) -> None:
        self.work = work
        # Bounded by what an answer has: a piece for each token that fits the context.
        self.items: asyncio.Queue[_Item] = asyncio.Queue()
        self.cancelled = self.started = False
        self.ends = 0.0

    def unwanted(self) -> bool:
        return self.cancelled or time.monotonic() > self.ends


class StreamWorker:
    """Runs a language specialist; `run` and `stream` must be called in the loop that made it."""

    def __init__(self, name: str, specialist: Writes, bound: int, on_idle: Callable[[], None]) -> None:
        self._specialist = specialist
        self._bound = bound
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.waiting = 0
        # A daemon thread: native code that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"worker-{name}", daemon=True)
        self._thread.start()

    async def run(self, request: Json, deadline_seconds: float) -> Answer:
        """Wait for a whole answer; raises `Overloaded` where the queue is full, or it doesn't begin in time."""

        def work() -> Iterator[object]:
            started = time.perf_counter()
            value = self._specialist.run(request)
            yield Answer(value, time.perf_counter() - started)

        async with contextlib.aclosing(self._items(work, deadline_seconds)) as items:
            async for item in items:
                if isinstance(item, Answer):
                    return item
        raise EngineError("The specialist gave no answer; the device's log says why.")

    async def stream(self, begin: Begin, deadline_seconds: float) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer that `begin` starts, as they are written; closing the iterator ends it."""
        async with contextlib.aclosing(
            self._items(lambda: begin(self._specialist.language), deadline_seconds)
        ) as items:
            async for item in items:
                yield item  # type: ignore[misc]

    def stop(self) -> None:
        """Let the thread end after the jobs it has."""
        self._jobs.put(None)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    async def _items(
        self, work: Callable[[], Iterator[object]], deadline_seconds: float
    ) -> AsyncGenerator[object, None]:
        if self.waiting >= self._bound:
            raise Overloaded(f"{self.waiting} requests wait already; try again in a second.")
        job = _Job(work)
        self.waiting += 1
        self._jobs.put(job)
        timer = self._loop.call_later(deadline_seconds, _expire, job, deadline_seconds)
        try:
            while (item := await job.items.get()) is not None:
                if isinstance(item, EdgeError):
                    raise item
                yield item
        finally:
            timer.cancel()
            job.cancelled = True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.cancelled:
                self._write(job)
            if not self._give(self._finish, job):
                return

    def _write(self, job: _Job) -> None:
        job.started, job.ends = True, time.monotonic() + ANSWER_SECONDS
        self._specialist.language.interrupted = job.unwanted
        failure: EdgeError | None = None
        try:
            for item in job.work():
                if job.cancelled or not self._give(job.items.put_nowait, item):
                    return
            if time.monotonic() > job.ends:
                failure = Overloaded(f"The answer took longer than {ANSWER_SECONDS:g} seconds; ask for a shorter one.")
        except EdgeError as error:
            failure = error
        except Exception:
            # The thread must survive whatever a task's code does with a client's request.
            _log.exception("a specialist failed on a request")
            failure = EngineError("The specialist failed on this request; the device's log says why.")
        self._give(job.items.put_nowait, failure)

    def _give(self, what: Callable[[_Item], None] | Callable[[_Job], None], item: object) -> bool:
        """Call in the event loop; False where it is closed, so that nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(what, item)  # type: ignore[arg-type]
        except RuntimeError:
            return False
        return True

    def _finish(self, job: _Job) -> None:
        self.waiting -= 1
        job.items.put_nowait(None)
        if self.waiting == 0:
            self._on_idle()


def _expire(job: _Job, seconds: float) -> None:
    if not job.started:
        job.cancelled = True
        job.items.put_nowait(Overloaded(f"No answer began within {seconds:g} seconds; try again in a second."))
