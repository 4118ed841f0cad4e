"""One thread that runs one model's requests in order, with a bound on how many wait and for how long.

The way to a thread and back costs 0.2 to 0.4 ms (measured; two wake-ups, and the interpreter lock handed over three
times), half as much as a small model takes. So a specialist that has been quick for a while answers in the event loop,
where nothing else waits for it; one slow answer or an error, and it goes back to the thread.
"""

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
INLINE_SECONDS = 0.005  # for so long the event loop may stand still; health checks and uploads don't feel it
INLINE_AFTER = 16  # answers in a row that took less


@dataclass(frozen=True)
class Answer:
    """What a specialist said, and how long it took it."""

    value: Json
    seconds: float


@dataclass(frozen=True)
class _Job:
    by: Specialist
    request: Json
    deadline: float
    answer: asyncio.Future[Answer]


class Worker:
    """Runs a specialist, one request at a time; `run` must be called in the loop that made it."""

    def __init__(self, name: str, specialist: Specialist, bound: int, on_idle: Callable[[], None]) -> None:
        self._specialist = specialist
        self._bound = bound
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.waiting = 0
        self._quick = 0  # answers in a row, until now, that took less than INLINE_SECONDS
        # A daemon thread: native code that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"worker-{name}", daemon=True)
        self._thread.start()

    async def run(self, request: Json, deadline_seconds: float, by: Specialist | None = None) -> Answer:
        """Wait for the specialist's answer; raises `Overloaded` where the queue is full or time is up.

        by: answers in its place, in the same queue, as something else that uses the same engine.
        """
        if self.waiting >= self._bound:
            raise Overloaded(f"{self.waiting} requests wait already; try again in a second.")
        if self._quick >= INLINE_AFTER and not self.waiting:
            outcome = self._answer(by or self._specialist, request)
            self._note(outcome)
            await asyncio.sleep(0)  # whoever asks in a loop must not keep the others from their turn
            if isinstance(outcome, Answer):
                return outcome
            raise outcome
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self.waiting += 1
        self._jobs.put(_Job(by or self._specialist, request, time.monotonic() + deadline_seconds, answer))
        timer = self._loop.call_later(deadline_seconds, _expire, answer, deadline_seconds)
        try:
            return await answer
        finally:
            timer.cancel()

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
                outcome = self._answer(job.by, job.request)
            try:
                self._loop.call_soon_threadsafe(self._finish, job, outcome)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _answer(self, by: Specialist, request: Json) -> Answer | EdgeError:
        started = time.perf_counter()
        try:
            value = by.run(request)
        except EdgeError as error:
            return error
        except Exception:
            # The thread must survive whatever a task's code does with a client's request.
            _log.exception("a specialist failed on a request")
            return EngineError("The specialist failed on this request; the device's log says why.")
        return Answer(value, time.perf_counter() - started)

    def _note(self, outcome: Answer | EdgeError) -> None:
        quick = isinstance(outcome, Answer) and outcome.seconds < INLINE_SECONDS
        self._quick = self._quick + 1 if quick else 0

    def _finish(self, job: _Job, outcome: Answer | EdgeError) -> None:
        self.waiting -= 1
        self._note(outcome)
        if not job.answer.done():
            if isinstance(outcome, Answer):
                job.answer.set_result(outcome)
            else:
                job.answer.set_exception(outcome)
        if self.waiting == 0:
            self._on_idle()


def _expire(answer: asyncio.Future[Answer], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(Overloaded(f"No answer within {seconds:g} seconds; try again in a second."))
