"""One thread that writes one language model's answers in order, piece by piece, with a bound on how many wait.

As `worker.Worker`, but an answer takes seconds instead of milliseconds: so it never runs in the event loop, a deadline
is for its beginning, it ends within one token once nobody wants it any more, and after each token other models get their
turn: a token is as urgent as a request that comes now.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import DeadlinePassed, EdgeError, EngineError, Overloaded, QueueFull
from edge_runtime.serving.turns import USUAL, Rank, Turns, Urgency, rank
from edge_runtime.serving.worker import Answer

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece
    from edge_runtime.language.specialist import LanguageSpecialist

_log = logging.getLogger(__name__)
Json = dict[str, object]
ANSWER_SECONDS = 600.0  # what takes longer is a device in trouble; others wait
_PACE = 0.1  # weight of the latest answer in how long one takes on average


class Writes(Protocol):
    """A specialist over a language model."""

    language: LanguageSpecialist

    def run(self, request: Json) -> Json:
        """A whole answer."""


Begin = Callable[["LanguageSpecialist"], "Iterator[Piece]"]
_Item = object  # what the work gave; an EdgeError where it failed; None at its end


class _Job:
    """An answer that waits or is written. `cancelled` may be set from any thread."""

    def __init__(self, work: Callable[[], Iterator[object]], priority: int, seconds: float) -> None:
        self.work = work
        self.priority = priority
        self.seconds = seconds
        self.rank = rank(priority, seconds)
        # Bounded by what an answer has: a piece for each token that fits the context.
        self.items: asyncio.Queue[_Item] = asyncio.Queue()
        self.cancelled = self.started = False
        self.ends = 0.0

    def unwanted(self) -> bool:
        return self.cancelled or time.monotonic() > self.ends

    def __lt__(self, other: _Job) -> bool:
        return self.rank < other.rank


class StreamWorker:
    """Runs a language specialist; `run` and `stream` must be called in the loop that made it."""

    def __init__(
        self, name: str, specialist: Writes, bound: int, on_idle: Callable[[], None], turns: Turns | None = None
    ) -> None:
        self._specialist = specialist
        self._bound = bound
        self._on_idle = on_idle
        self._turns = turns or Turns(1)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one for each job; False at the end
        self.waiting = 0
        self.pace = 0.0  # seconds that an answer takes, on average
        # A daemon thread: native code that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"worker-{name}", daemon=True)
        self._thread.start()

    async def run(self, request: Json, deadline_seconds: float, urgency: Urgency = USUAL) -> Answer:
        """Wait for a whole answer; raises `QueueFull`, or `DeadlinePassed` where it doesn't begin in time."""

        def work() -> Iterator[object]:
            started = time.perf_counter()
            value = self._specialist.run(request)
            yield Answer(value, time.perf_counter() - started)

        async with contextlib.aclosing(self._items(work, deadline_seconds, urgency)) as items:
            async for item in items:
                if isinstance(item, Answer):
                    return item
        raise EngineError("The specialist gave no answer; the device's log says why.")

    async def stream(
        self, begin: Begin, deadline_seconds: float, urgency: Urgency = USUAL
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer that `begin` starts, as they are written; closing the iterator ends it."""
        async with contextlib.aclosing(
            self._items(lambda: begin(self._specialist.language), deadline_seconds, urgency)
        ) as items:
            async for item in items:
                yield item  # type: ignore[misc]

    def stop(self) -> None:
        """Let the thread end after the jobs it has."""
        self._signals.put(False)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    async def _items(
        self, work: Callable[[], Iterator[object]], deadline_seconds: float, urgency: Urgency
    ) -> AsyncGenerator[object, None]:
        if self.waiting >= self._bound:
            retry = max(1.0, self.waiting * self.pace)
            raise QueueFull(f"{self.waiting} requests wait already; try again in {retry:.0f} s.", retry)
        seconds = deadline_seconds if urgency.seconds is None else urgency.seconds
        job = _Job(work, urgency.priority, seconds)
        self.waiting += 1
        with self._lock:
            heapq.heappush(self._jobs, job)
        self._signals.put(True)
        timer = self._loop.call_later(seconds, _expire, job, seconds)
        try:
            while (item := await job.items.get()) is not None:
                if isinstance(item, EdgeError):
                    raise item
                yield item
        finally:
            timer.cancel()
            job.cancelled = True
            self._drop(job)

    def _work(self) -> None:
        while self._signals.get():
            if not self._jobs:  # it isn't wanted any more
                continue
            self._turns.take(self._wants)
            while self._once():
                self._turns.again(self._wants)
            self._turns.give()

    def _once(self) -> bool:
        """Write the most urgent answer; whether there are more."""
        with self._lock:
            job = heapq.heappop(self._jobs) if self._jobs else None
        if job is None:
            return False
        if not job.cancelled:
            began = time.monotonic()
            self._write(job)
            self.pace += (time.monotonic() - began - self.pace) * (_PACE if self.pace else 1.0)
        return self._give(self._finish, job) and bool(self._jobs)

    def _wants(self) -> Rank:
        with self._lock:
            return self._jobs[0].rank if self._jobs else (0, 0.0, 0)  # nothing to do: over at once

    def _next_token(self, job: _Job) -> bool:
        """Let others have their turn before a token; whether it isn't wanted any more."""
        if job.unwanted():
            return True
        self._turns.let_pass(rank(job.priority, job.seconds))
        return job.unwanted()

    def _write(self, job: _Job) -> None:
        job.started, job.ends = True, time.monotonic() + ANSWER_SECONDS
        self._specialist.language.interrupted = lambda: self._next_token(job)
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
        job.items.put_nowait(None)
        self._less()

    def _drop(self, job: _Job) -> None:
        """Forget a job that nobody waits for any more, if it hasn't begun."""
        with self._lock:
            if job not in self._jobs:
                return
            self._jobs.remove(job)
            heapq.heapify(self._jobs)
        self._less()

    def _less(self) -> None:
        self.waiting -= 1
        if self.waiting == 0:
            self._on_idle()


def _expire(job: _Job, seconds: float) -> None:
    if not job.started:
        job.cancelled = True
        job.items.put_nowait(DeadlinePassed(f"No answer began within {seconds:g} seconds; try again in a second."))
