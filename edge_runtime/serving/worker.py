"""One thread that runs one model's requests, the most urgent first, with a bound on how many wait and for how long.

Where the model has an axis for rows, requests that wait together run together. What computes at the same time over all
models is bounded by `turns.Turns`.

The way to a thread and back costs 0.2 to 0.4 ms (measured; two wake-ups, and the interpreter lock handed over three
times), half as much as a small model takes. So a specialist that has been quick for a while answers in the event loop,
where nothing else waits for it; one slow answer or an error, and it goes back to the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import heapq
import logging
import queue
import resource
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from edge_runtime.errors import DeadlinePassed, EdgeError, EngineError, QueueFull
from edge_runtime.serving.seat import HANG_SECONDS, Abandoned, Seat, Watch, stuck
from edge_runtime.serving.turns import USUAL, Rank, Turns, Urgency, rank
from edge_runtime.tasks import Specialist, Stepwise

if TYPE_CHECKING:
    from edge_runtime.engines import Engine
    from edge_runtime.tasks import Steps

_log = logging.getLogger(__name__)
Json = dict[str, object]
INLINE_SECONDS = 0.005  # for so long the event loop may stand still; health checks and uploads don't feel it
_LEAST_SECONDS = INLINE_SECONDS / 20  # that an answer counts for, with all that is around it
_HOP_SECONDS = 0.0004  # to a thread and back
INLINE_AFTER = 16  # answers in a row that took less
_PACE = 0.1  # weight of the latest run in how long a request takes on average


@dataclass(frozen=True)
class Answer:
    """What a specialist said, and how long it took it; `together` requests shared that time.

    own: of these seconds, those in which it computed or waited, None for all: what other programs took isn't its.
    """

    value: Json
    seconds: float
    together: int = 1
    own: float | None = None


Outcome = Answer | EdgeError


@dataclass(order=True)
class _Job:
    rank: Rank
    by: Specialist = field(compare=False)
    request: Json = field(compare=False)
    answer: asyncio.Future[Answer] = field(compare=False)
    taken: bool = field(default=False, compare=False)


class Worker:
    """Runs a specialist, one run at a time; `run` must be called in the loop that made it.

    rows: most requests that one run of `engine` answers, 1 where it takes one alone. on_stuck: told once the thread
    didn't come back; nothing may be asked any more then.
    """

    def __init__(
        self,
        name: str,
        specialist: Specialist,
        bound: int,
        on_idle: Callable[[], None],
        turns: Turns | None = None,
        engine: Engine | None = None,
        rows: int = 1,
        on_stuck: Callable[[], None] = lambda: None,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._name = name
        self._specialist = specialist
        self._bound = bound
        self._on_idle = on_idle
        self._turns = turns or Turns(1)
        self._engine = engine
        self._rows = rows if engine is not None else 1
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one for each job; False at the end
        self.waiting = 0
        self.pace = 0.0  # seconds that a request takes, on average
        self._quick = 0  # answers in a row, until now, that took less than INLINE_SECONDS
        self._stood = 0.0  # seconds that the event loop computed here since an answer let others go first
        self._gathering = False
        self._on_stuck = on_stuck
        self._seat = Seat(self._turns)
        self._running: list[_Job] = []  # in the thread
        self._gone = False
        self._watch = Watch(self, hang_seconds)
        # A daemon thread: native code that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"worker-{name}", daemon=True)
        self._thread.start()

    async def run(
        self, request: Json, deadline_seconds: float, by: Specialist | None = None, urgency: Urgency = USUAL
    ) -> Answer:
        """Wait for the specialist's answer; raises `QueueFull`, or `DeadlinePassed` once time is up.

        by: answers in its place, in the same queue, as something else that uses the same engine.
        """
        if self.waiting >= self._bound:
            retry = max(1.0, self.waiting * self.pace)
            raise QueueFull(f"{self.waiting} requests wait already; try again in {retry:.0f} s.", retry)
        alone = self._rows == 1 or not self._others()  # nobody to be answered together with
        # In the event loop the members of an ensemble would answer one after the other.
        apart = urgency.beside and self._turns.at_once > 1 and self.pace > _HOP_SECONDS
        if not apart and self._quick >= INLINE_AFTER and not self.waiting and alone and self._turns.try_take():
            try:
                (outcome,) = self._answer_alone(by or self._specialist, request)
            finally:
                self._turns.give()
            self._note(outcome)
            if not isinstance(outcome, Answer):
                raise outcome
            self._stood += max(outcome.seconds, _LEAST_SECONDS)
            if self._others() or self._stood >= INLINE_SECONDS:
                self._stood = 0.0
                await asyncio.sleep(0)  # whoever asks in a loop must not keep the others from their turn
            return outcome
        seconds = deadline_seconds if urgency.seconds is None else urgency.seconds
        answer: asyncio.Future[Answer] = self._loop.create_future()
        job = _Job(rank(urgency.priority, seconds), by or self._specialist, request, answer)
        self.waiting += 1
        self._watch.begin()
        with self._lock:
            heapq.heappush(self._jobs, job)
        if apart:
            self._signals.put(True)
        else:
            self._start()
        timer = self._loop.call_later(seconds, _expire, answer, seconds)
        try:
            return await answer
        finally:
            timer.cancel()
            self._drop(job)

    def stop(self) -> None:
        """Let the thread end after the jobs it has."""
        self._signals.put(False)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _others(self) -> bool:
        """Whether the event loop has more to run in this round, which may be others who ask."""
        return bool(getattr(self._loop, "_ready", True))  # asyncio's own loops tell, others may have more

    def _start(self) -> None:
        """Let the thread see to a new job, or the event loop, once all have asked who ask in this round of it."""
        if self._rows > 1 and self._quick >= INLINE_AFTER and (self._gathering or self.waiting == 1):
            if not self._gathering:
                self._gathering = True
                self._loop.call_soon(self._gathered)
            return
        self._signals.put(True)

    def _gathered(self) -> None:
        self._gathering = False
        jobs: list[_Job] = []
        outcomes: Sequence[Outcome] = []
        if self._quick >= INLINE_AFTER and self._turns.try_take():
            try:
                jobs = self._pop()
                outcomes = self._answer(jobs)
            finally:
                self._turns.give()
            self._finish(jobs, outcomes)
        for _ in self._jobs:  # more than fit, or the loop may not now
            self._signals.put(True)

    def _work(self) -> None:
        with contextlib.suppress(Abandoned):
            while self._signals.get():
                if not self._jobs:  # it went along with one before it, or isn't wanted any more
                    continue
                self._seat.take(self._wants)
                while self._once():
                    self._seat.again(self._wants)
                self._seat.give()

    def _once(self) -> bool:
        """Run what is most urgent; whether there is more."""
        jobs = self._running = self._pop()
        outcomes = self._answer(jobs)
        self._seat.check()
        # Where the loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, jobs, outcomes)
        return bool(self._jobs)

    def seats(self) -> list[Seat]:
        """See `Watched`."""
        return [self._seat]

    def give_up(self, seat: Seat) -> None:
        """See `Watched`: what it ran and what waits fails."""
        self._gone = True
        with self._lock:
            lost, self._jobs = [*self._running, *self._jobs], []
            for job in lost:
                job.taken = True
        for job in lost:
            self.waiting -= 1
            if not job.answer.done():
                job.answer.set_exception(stuck(self._name))
        self._on_stuck()

    def _wants(self) -> Rank:
        with self._lock:
            return self._jobs[0].rank if self._jobs else (0, 0.0, 0)  # nothing to do: over at once

    def _pop(self) -> list[_Job]:
        """The most urgent job, with those that may share its run."""
        taken: list[_Job] = []
        with self._lock:
            while self._jobs and len(taken) < self._rows:
                job = heapq.heappop(self._jobs)
                job.taken = True
                taken.append(job)
        return taken

    def _answer(self, jobs: Sequence[_Job]) -> list[Outcome]:
        now = time.monotonic()
        late = DeadlinePassed("The request waited too long, so it wasn't run; try again in a second.")
        live = [job for job in jobs if not job.answer.done() and now <= job.rank[1]]
        if len(live) > 1:
            found = self._answer_together(live)
        else:
            found = [outcome for job in live for outcome in self._answer_alone(job.by, job.request)]
        outcomes = iter(found)
        wanted = {id(job) for job in live}
        return [next(outcomes) if id(job) in wanted else late for job in jobs]

    def _answer_alone(self, by: Specialist, request: Json) -> list[Outcome]:
        started, before = time.perf_counter(), _used()
        try:
            value = by.run(request)
        except EdgeError as error:
            return [error]
        except Exception as cause:
            # The thread must survive whatever a task's code does with a client's request.
            return [_failure(cause)]
        took = time.perf_counter() - started
        return [Answer(value, took, own=None if took < INLINE_SECONDS else _own(took, before))]

    def _answer_together(self, jobs: Sequence[_Job]) -> list[Outcome]:
        from edge_runtime.serving.batching import run_together

        assert self._engine is not None
        started = time.perf_counter()
        found = run_together(self._engine, [self._steps(job) for job in jobs], _failure)
        took = time.perf_counter() - started
        return [each if isinstance(each, EdgeError) else Answer(each, took, len(jobs)) for each in found]

    def _steps(self, job: _Job) -> Steps:
        from edge_runtime.serving.batching import graph_steps

        if job.by is self._engine:
            return graph_steps(job.request)  # type: ignore[arg-type]
        return cast(Stepwise, job.by).steps(job.request) if _stepwise(type(job.by)) else _whole(job.by, job.request)

    def _note(self, outcome: Outcome) -> None:
        quick = False
        if isinstance(outcome, Answer):
            quick = (outcome.seconds if outcome.own is None else outcome.own) < INLINE_SECONDS
            each = outcome.seconds / outcome.together
            self.pace += (each - self.pace) * (_PACE if self.pace else 1.0)
        self._quick = self._quick + 1 if quick else 0

    def _finish(self, jobs: Sequence[_Job], outcomes: Sequence[Outcome]) -> None:
        if self._gone:
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            self.waiting -= 1
            self._note(outcome)
            if not job.answer.done():
                if isinstance(outcome, Answer):
                    job.answer.set_result(outcome)
                else:
                    job.answer.set_exception(outcome)
        if jobs and self.waiting == 0:
            self._on_idle()

    def _drop(self, job: _Job) -> None:
        """Forget a job that nobody waits for any more, if it hasn't begun."""
        with self._lock:
            if job.taken:
                return
            job.taken = True
            self._jobs.remove(job)
            heapq.heapify(self._jobs)
        self.waiting -= 1
        if self.waiting == 0:
            self._on_idle()


@functools.cache
def _stepwise(kind: type) -> bool:
    """Whether a class of specialists can share runs; asked once, as `isinstance` of a protocol takes 0.05 ms."""
    return issubclass(kind, Stepwise)


def _whole(by: Specialist, request: Json) -> Steps:
    """A request of a specialist that can't share runs, beside others that do."""
    return by.run(request)
    yield {}


def _used() -> resource.struct_rusage | None:
    """What this thread used until now; None where the system doesn't tell."""
    return resource.getrusage(resource.RUSAGE_THREAD) if hasattr(resource, "RUSAGE_THREAD") else None


def _own(took: float, before: resource.struct_rusage | None) -> float:
    """Of the seconds that a run took in this thread, those that are its own.

    On a busy machine others get the processor meanwhile, which is no reason to answer in a thread from now on. Who gave
    it away by itself has waited for something, though, and would again.
    """
    after = _used()
    if before is None or after is None or after.ru_nvcsw > before.ru_nvcsw:
        return took
    return min(took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _failure(cause: Exception) -> EdgeError:
    if isinstance(cause, EdgeError):
        return cause
    _log.error("a specialist failed on a request", exc_info=cause)
    return EngineError("The specialist failed on this request; the device's log says why.")


def _expire(answer: asyncio.Future[Answer], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(DeadlinePassed(f"No answer within {seconds:g} seconds; try again in a second."))
