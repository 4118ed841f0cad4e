"""Threads that write one language model's answers, piece by piece, with a bound on how many wait.

As `worker.Worker`, but an answer takes seconds instead of milliseconds: so it never runs in the event loop, a deadline
is for its beginning, it ends within one token once nobody wants it any more, and after each token others get their
turn: a token is as urgent as a request that comes now. So several answers of one model are written by turns, each in a
thread and a cache of its own, where there is memory for more than one; see `language.together` for what they share.
Where they share nothing, each turn begins with weights that a neighbour drove out of the processor's caches; so it lasts
`TURN_SECONDS` then, unless somebody more urgent waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import DeadlinePassed, EdgeError, EngineError, Overloaded, QueueFull
from edge_runtime.serving.seat import HANG_SECONDS, Abandoned, Seat, Watch, stuck
from edge_runtime.serving.turns import USUAL, Rank, Turns, Urgency, rank
from edge_runtime.serving.worker import Answer

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece
    from edge_runtime.language.specialist import LanguageSpecialist

_log = logging.getLogger(__name__)
Json = dict[str, object]
ANSWER_SECONDS = 600.0  # what takes longer is a device in trouble; others wait
TURN_SECONDS = 0.03  # dozens of tokens of a tiny model, some of a small one; other models' requests wait as long
SPARE_SECONDS = 60.0  # that a further answer's cache stays without being used
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

    def __init__(self, work: Callable[[], Iterator[object]], priority: int, seconds: float, usual: float) -> None:
        """seconds: until it must have begun. usual: of requests that say none, which its tokens are as urgent as."""
        self.work = work
        self.priority = priority
        self.usual = usual
        self.rank = rank(priority, seconds)
        # Bounded by what an answer has: a piece for each token that fits the context.
        self.items: asyncio.Queue[_Item] = asyncio.Queue()
        self.cancelled = self.started = self.lost = False
        self.ends = 0.0
        self.turn, self.turn_ends = self.rank, 0.0  # the place that it has its turn by

    def unwanted(self) -> bool:
        return self.cancelled or time.monotonic() > self.ends

    def __lt__(self, other: _Job) -> bool:
        return self.rank < other.rank


class StreamWorker:
    """Runs a language specialist; `run` and `stream` must be called in the loop that made it.

    most: answers that are written by turns. room: asked before another cache is opened, whether there is memory for it;
    where there isn't, answers wait for one another. on_room: told once one was closed. on_stuck: told once a thread
    didn't come back; nothing may be asked any more then.
    """

    def __init__(
        self,
        name: str,
        specialist: Writes,
        bound: int,
        on_idle: Callable[[], None],
        turns: Turns | None = None,
        *,
        most: int = 1,
        room: Callable[[], bool] = lambda: True,
        on_room: Callable[[], None] = lambda: None,
        on_stuck: Callable[[], None] = lambda: None,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._name = name
        self._specialist = specialist
        self._bound = bound
        self._on_idle = on_idle
        self._turns = turns or Turns(1)
        self._most, self._room, self._on_room = most, room, on_room
        self._on_stuck = on_stuck
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()  # of the jobs, or of whether threads are wanted
        self._jobs: list[_Job] = []
        self._stopped = self._spares_unwanted = False
        self._here = threading.local()  # the job and the place of a thread
        self.waiting = 0
        self.pace = 0.0  # seconds that an answer takes, on average
        self._writing: dict[Seat, _Job] = {}
        self._threads: dict[Seat, threading.Thread] = {}
        self._watch = Watch(self, hang_seconds)
        self._given_up = False
        specialist.language.interrupted = self._next_token
        specialist.language.priority = lambda: self._here.job.priority
        self._employ(spare=False)

    @property
    def spares(self) -> int:
        """Caches beyond the first one, each of `text_bytes`."""
        return len(self._threads) - 1

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
        """Let the threads end after the jobs they have."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the threads' end; whether it came."""
        ends = time.monotonic() + timeout
        threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            return False
        # else each keeps the other until somebody searches for garbage
        self._specialist.language.interrupted, self._specialist.language.priority = bool, int
        return True

    def give_back(self) -> None:
        """Let the caches go that nobody uses; `on_room` is told once they are gone."""
        with self._changed:
            self._spares_unwanted = True
            self._changed.notify_all()

    async def _items(
        self, work: Callable[[], Iterator[object]], deadline_seconds: float, urgency: Urgency
    ) -> AsyncGenerator[object, None]:
        if self.waiting >= self._bound:
            retry = max(1.0, self.waiting * self.pace)
            raise QueueFull(f"{self.waiting} requests wait already; try again in {retry:.0f} s.", retry)
        seconds = deadline_seconds if urgency.seconds is None else urgency.seconds
        job = _Job(work, urgency.priority, seconds, deadline_seconds)
        self.waiting += 1
        self._watch.begin()
        with self._changed:
            heapq.heappush(self._jobs, job)
            self._spares_unwanted = False
            self._changed.notify()
        if len(self._threads) < min(self.waiting, self._most) and self._room():
            self._employ(spare=True)
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

    def _employ(self, spare: bool) -> None:
        seat = Seat(self._turns)
        # A daemon thread: native code that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._work, args=(seat, spare), name=f"worker-{self._name}", daemon=True)
        self._threads[seat] = thread
        thread.start()

    def _work(self, seat: Seat, spare: bool) -> None:
        if not spare:
            with contextlib.suppress(Abandoned):
                self._write_all(seat, spare)
            return
        language = self._specialist.language
        try:
            language.widen()
        except EdgeError as error:
            _log.warning("%s writes %d answers at once and no more: %s", self._name, self.spares, error)
            self._most = max(1, self.spares)  # as many as there are without this thread
        else:
            try:
                self._write_all(seat, spare)
            except Abandoned:
                return
            language.narrow()
        self._give(self._left, seat)

    def _write_all(self, seat: Seat, spare: bool) -> None:
        self._here.seat = seat
        while self._wait_for_jobs(spare):
            seat.take(self._wants)
            while self._once(seat):
                seat.again(self._wants)
            seat.give()

    def _wait_for_jobs(self, spare: bool) -> bool:
        """Whether there are any; False where the thread is to end."""
        with self._changed:
            while not self._jobs:
                if self._stopped or (spare and self._spares_unwanted):
                    return False
                if not self._changed.wait(SPARE_SECONDS if spare else None) and not self._jobs:
                    return False
        return True

    def _left(self, seat: Seat) -> None:
        self._threads.pop(seat, None)
        self._on_room()

    def _once(self, seat: Seat) -> bool:
        """Write the most urgent answer; whether there are more."""
        with self._changed:
            job = heapq.heappop(self._jobs) if self._jobs else None
        if job is None:
            return False
        if not job.cancelled:
            began = time.monotonic()
            self._writing[seat] = job
            self._write(job)
            seat.check()
            self._writing.pop(seat, None)
            self.pace += (time.monotonic() - began - self.pace) * (_PACE if self.pace else 1.0)
        return self._give(self._finish, job) and bool(self._jobs)

    def _wants(self) -> Rank:
        with self._changed:
            return self._jobs[0].rank if self._jobs else (0, 0.0, 0)  # nothing to do: over at once

    def _next_token(self) -> bool:
        """Let others have their turn before a token; whether it isn't wanted any more."""
        job: _Job = self._here.job
        if job.unwanted():
            return True
        language, alone = self._specialist.language, len(self._writing) == 1
        if alone or language.reads_together or time.monotonic() > job.turn_ends:
            job.turn = rank(job.priority, job.usual)
            self._here.seat.let_pass(job.turn)
            job.turn_ends = time.monotonic() + TURN_SECONDS
        else:
            self._here.seat.let_pass(job.turn)
        return job.unwanted()

    def _write(self, job: _Job) -> None:
        job.started, job.ends = True, time.monotonic() + ANSWER_SECONDS
        self._here.job = job
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

    def seats(self) -> list[Seat]:
        """See `Watched`."""
        return list(self._threads)

    def give_up(self, seat: Seat) -> None:
        """See `Watched`: what it wrote or read along and what waits fails, what others write is written to its end."""
        with self._changed:
            lost, self._jobs = self._jobs, []
        if (job := self._writing.pop(seat, None)) is not None:
            lost.append(job)
        for each in lost:
            each.cancelled = each.lost = True
            each.items.put_nowait(stuck(self._name))
            self.waiting -= 1
        if (thread := self._threads[seat].ident) is not None:
            self._specialist.language.lose(thread)
        if not self._given_up:  # another thread of its, before
            self._given_up = True
            self._on_stuck()

    def _give(
        self, what: Callable[[_Item], None] | Callable[[_Job], None] | Callable[[Seat], None], item: object
    ) -> bool:
        """Call in the event loop; False where it is closed, so that nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(what, item)  # type: ignore[arg-type]
        except RuntimeError:
            return False
        return True

    def _finish(self, job: _Job) -> None:
        if job.lost:
            return
        job.items.put_nowait(None)
        self._less()

    def _drop(self, job: _Job) -> None:
        """Forget a job that nobody waits for any more, if it hasn't begun."""
        with self._changed:
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
