"""One thread that runs one model's requests in order, with a bound on how many wait and for how long."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.errors import EdgeError, EngineError, Overloaded
from edge_runtime.tasks import Specialist

_log = logging.getLogger(__name__)
Json = dict[str, object]


@dataclass(frozen=True)
class Answer:
    """What a specialist said, and how long it took it."""

    value: Json
    seconds: float


@dataclass(frozen=True)
class _Job:
    request: Json
    deadline: float
    answer: asyncio.Future[Answer]


class Worker:
    """Runs a specialist off the event loop; `run` must be called in the loop that made it."""

    def __init__(self, name: str, specialist: Specialist, bound: int, on_idle: Callable[[], None]) -> None:
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
        """Wait for the specialist's answer; raises `Overloaded` where the queue is full or time is up."""
        if self.waiting >= self._bound:
            raise Overloaded(f"{self.waiting} requests wait already; try again in a second.")
        deadline = time.monotonic() + deadline_seconds
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self.waiting += 1
        self._jobs.put(_Job(request, deadline, answer))
        try:
            async with asyncio.timeout(deadline_seconds):
                return await answer
        except TimeoutError:
            raise Overloaded(f"No answer within {deadline_seconds:g} seconds; try again in a second.") from None

    def stop(self) -> None:
        """Let the thread end after the jobs it has."""
        self._jobs.put(None)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            outcome: Answer | EdgeError
            if job.answer.done() or time.monotonic() > job.deadline:
                outcome = Overloaded("The request waited too long; try again in a second.")
            else:
                outcome = self._answer(job.request)
            try:
                self._loop.call_soon_threadsafe(self._finish, job, outcome)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _answer(self, request: Json) -> Answer | EdgeError:
        started = time.perf_counter()
        try:
            value = self._specialist.run(request)
        except EdgeError as error:
            return error
        except Exception:
            # The thread must survive whatever a task's code does with a client's request.
            _log.exception("a specialist failed on a request")
            return EngineError("The specialist failed on this request; the device's log says why.")
        return Answer(value, time.perf_counter() - started)

    def _finish(self, job: _Job, outcome: Answer | EdgeError) -> None:
        self.waiting -= 1
        if not job.answer.done():
            if isinstance(outcome, Answer):
                job.answer.set_result(outcome)
            else:
                job.answer.set_exception(outcome)
        if self.waiting == 0:
            self._on_idle()
