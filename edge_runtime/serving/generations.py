"""Generations: a new model takes new requests at once, the old one ends with its last request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, cast

from edge_runtime.engines import GraphEngine
from edge_runtime.errors import BadRequest, DeadlinePassed, NotFound, OutOfMemory, Overloaded, Stuck
from edge_runtime.serving import memory
from edge_runtime.serving.generation import Asking, Generation
from edge_runtime.serving.loading import Joins, Load, Lost
from edge_runtime.serving.seat import HANG_SECONDS, stuck
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import Answer, Worker
from edge_runtime.tasks import Specialist
from edge_runtime.update.admit import Loaded
from edge_runtime.update.deadline import LOAD_SECONDS

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.language.generate import Piece
    from edge_runtime.serving.streaming import Begin, Writes

_log = logging.getLogger(__name__)
MOST_STUCK = 2  # threads of one version that didn't come back; then it isn't loaded again
_PATIENCE = 0.9  # of a request's time for room to load a model into, so that it is told who holds what
_SPARE_SECONDS = 2.0  # that closing unused caches takes at most; some milliseconds, but for a busy machine
DRAIN_SECONDS = 10.0  # longer than any deadline that clients usually have; afterwards the process ends anyway


class Serving:
    """The specialists that answer now, by name; lives in one event loop."""

    def __init__(
        self,
        queue: int,
        deadline_seconds: float,
        turns: Turns | None = None,
        budget: int = 0,
        reload: Callable[[str], Loaded] | None = None,
        answers: int = 1,
        hang_seconds: float = HANG_SECONDS,
        on_stuck: Callable[[str, Generation], None] = lambda name, generation: None,
        load_seconds: float = LOAD_SECONDS,
    ) -> None:
        """budget: bytes of memory for all models, 0 without a bound. reload: loads a bundle again, by its hash; blocks.

        answers: most that one language model writes at once. hang_seconds, load_seconds: after which a run, and loading a
        model again, don't come back.
        """
        self._load_seconds = load_seconds
        self._answers, self._hang_seconds, self._on_stuck = answers, hang_seconds, on_stuck
        self._lost: list[Lost] = []  # their memory stays taken until their threads come back
        self._queue = queue
        self._budget = budget
        self._reload = reload
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._reserved: dict[str, int] = {}  # for models on their way in
        self._calm = asyncio.Event()  # something that was busy is idle
        self.pinned: frozenset[str] = frozenset()  # these never give their memory back
        self._turns = turns or Turns(1)
        self._deadline = deadline_seconds
        self._current: dict[str, Generation] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._retired = 0
        self._drained = asyncio.Event()  # no retired generation has a request any more
        self._drained.set()
        self.starting = True

    def names(self) -> list[str]:
        """The specialists that serve."""
        return sorted(self._current)

    def has(self, name: str) -> bool:
        """Whether a specialist serves."""
        return name in self._current

    def current(self, name: str) -> Generation:
        """The generation that serves; raises `NotFound`, or `Overloaded` while the device starts."""
        found = self._current.get(name)
        if found is not None:
            return found
        if self.starting:
            raise Overloaded("The device is starting; try again in a second.")
        have = ", ".join(self.names()) or "none yet"
        raise NotFound(f"There is no specialist '{name[:64]}' on this device (it has {have}).")

    def graph(self, name: str) -> GraphEngine:
        """The engine below a specialist; raises `BadRequest` for language models, which have no single graph to run."""
        engine = self.current(name).graph
        if engine is None:
            raise BadRequest(f"'{name}' is a language model, which takes no tensors; ask it with POST /v1/run/{name}.")
        return engine

    def waiting(self, name: str) -> int:
        """Requests that wait for a specialist or run in it."""
        worker = self._current[name].worker
        return worker.waiting if worker else 0

    @property
    def draining(self) -> int:
        """Retired generations that still have requests."""
        return self._retired

    async def run(self, name: str, request: dict[str, object], urgency: Urgency = USUAL) -> Answer:
        """Answer a request by the generation that serves when it comes."""
        with self._asking(name):
            worker = (await self.wake(name, urgency)).worker
            assert worker is not None
            return await worker.run(request, self._deadline, urgency=urgency)

    async def infer(self, name: str, inputs: dict[str, np.ndarray], urgency: Urgency = USUAL) -> Answer:
        """What a model's graph gives for tensors, without its task around it; `Answer.value` holds arrays."""
        with self._asking(name):
            worker, engine = (await self.wake(name, urgency)).worker, self.graph(name)
            assert isinstance(worker, Worker)
            tensors = cast("dict[str, object]", inputs)
            return await worker.run(tensors, self._deadline, cast(Specialist, engine), urgency)

    async def embed(self, name: str, text: str, urgency: Urgency = USUAL) -> Answer:
        """Where a text lies among others, see `edge_runtime.tasks.Embeds`; raises `BadRequest` for who doesn't tell."""
        with self._asking(name):
            generation = await self.wake(name, urgency)
            worker, embedder = generation.worker, generation.embedder
            if embedder is None:
                raise BadRequest(
                    f"'{name}' gives no embeddings: its graph has no output for that. Routers have one; where it is "
                    "a router from before, export, gate and push it again."
                )
            assert isinstance(worker, Worker)
            return await worker.run({"text": text}, self._deadline, embedder, urgency)

    async def stream(self, name: str, begin: Begin, urgency: Urgency = USUAL) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer that `begin` starts with a language model; raises `BadRequest` for other models."""
        with self._asking(name):
            worker = (await self.wake(name, urgency)).worker
            if worker is None or isinstance(worker, Worker):
                raise BadRequest(f"'{name}' isn't a language model; ask it with POST /v1/run/{name}.")
            async with contextlib.aclosing(worker.stream(begin, self._deadline, urgency)) as pieces:
                async for piece in pieces:
                    yield piece

    def _asking(self, name: str) -> Asking:
        """Who is asked stays awake, from before it is loaded, or others would put it to sleep again at once."""
        return Asking(self.current(name), self._calm)

    async def wake(self, name: str, urgency: Urgency = USUAL) -> Generation:
        """The generation that serves, loaded again where it was asleep.

        Raises `OutOfMemory`; `DeadlinePassed` where loading takes longer than the request may, and goes on; and `Stuck`.
        """
        # Loading takes longer than an answer; who said no deadline waits for it as long as for a run that may hang.
        usual = max(self._deadline, self._hang_seconds)
        ends = time.monotonic() + (usual if urgency.seconds is None else urgency.seconds)
        while (generation := self.current(name)).worker is None:
            if generation.sick:
                raise Stuck(generation.sick, 60.0)
            with self._asking(name):
                task = self._waking.get(name)
                if task is None:
                    task = self._waking[name] = asyncio.create_task(self._load_again(name, generation))
                    task.add_done_callback(lambda done: self._woken(name, done))
                done, _ = await asyncio.wait([task], timeout=ends - time.monotonic())
                if not done:
                    raise DeadlinePassed(f"'{name}' is still being loaded; ask again in some seconds.")
                task.result()
        return generation

    def _woken(self, name: str, done: asyncio.Task[None]) -> None:
        self._waking.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever still waits raises it; perhaps nobody does

    async def _load_again(self, name: str, generation: Generation) -> None:
        assert self._reload is not None
        try:
            await self.make_room(name, generation.loaded.memory, _PATIENCE * self._deadline)
            load = Load(self._reload, generation.loaded.digest)
            loaded = await load.loaded(self._load_seconds)
        except TimeoutError:
            self._lost.append(Lost(name, load, generation.loaded.memory))
            self._judge(name, generation)
            raise stuck(name) from None
        finally:
            self.release(name)
        if self._current.get(name) is not generation:  # another one serves by now
            await asyncio.to_thread(loaded.engine.close)
            return
        generation.loaded = loaded
        generation.loads += 1
        self._employ(name, generation)

    @property
    def held(self) -> dict[str, int]:
        """Bytes that each loaded specialist was measured to hold."""
        held = {name: each.loaded.memory + each.spare_bytes for name, each in self._current.items() if not each.asleep}
        for each in self._lost:
            name = f"{each.name}, which hangs"
            held[name] = held.get(name, 0) + each.bytes
        return held

    @property
    def lost(self) -> int:
        """Threads that didn't come back from a runtime."""
        return len(self._lost)

    async def make_room(self, name: str, needed: int, seconds: float | None = None) -> None:
        """Let others give their memory back until `needed` bytes for `name` fit; raises `OutOfMemory` where they don't.

        Who was asked longest ago goes first, never who is pinned or has requests: those are waited for, for so many
        seconds, usually as long as a request waits. The generation that `name` replaces doesn't count, as it goes at once. The room is kept until
        `release`.
        """
        self._look_for_lost()
        if not self._budget:
            return
        ends = time.monotonic() + (self._deadline if seconds is None else seconds)
        spares_until = min(ends, time.monotonic() + _SPARE_SECONDS)  # the others' spare caches are waited for
        while True:
            taken = {**self.held, **self._reserved}
            free = self._budget - needed - sum(each for other, each in taken.items() if other != name)
            if free >= 0:
                self._reserved[name] = needed
                break
            could = [other for other in self.held if other not in self._reserved | {name: 0} and self._may_sleep(other)]
            if (left := spares_until - time.monotonic()) > 0 and self._ask_for_spares():
                await self._calmed(left)
                continue
            idle = [other for other in could if not self._current[other].asked and not self.waiting(other)]
            left = ends - time.monotonic()
            coming = sum(each for other, each in self._reserved.items() if other != name)
            if free + coming + sum(self.held[other] for other in could) < 0 or (not idle and left <= 0):
                raise OutOfMemory(memory.who_holds_what(name, needed, self._budget, self.held, self.pinned), 1.0)
            if idle:
                self.sleep(min(idle, key=lambda other: self._current[other].used))
                continue
            await self._calmed(left)
        await asyncio.gather(*self._closing)  # the bound holds for what is held, not only for what is counted

    def release(self, name: str) -> None:
        """Keep no room any more for one that has come, or won't come."""
        if self._reserved.pop(name, None) is not None:
            self._calm.set()

    async def _calmed(self, seconds: float) -> None:
        """Wait until something that was busy is idle, at most so long."""
        self._calm.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calm.wait()

    def _ask_for_spares(self) -> bool:
        """Let language models close the caches that no answer is written in; whether any will."""
        asked = False
        for each in self._current.values():
            if each.spare_bytes and each.worker is not None and not isinstance(each.worker, Worker):
                each.worker.give_back()
                asked |= each.worker.waiting <= each.worker.spares
        return asked

    def _has_room(self, generation: Generation) -> bool:
        """Whether the memory lets a language model write one answer more at once; nobody loses theirs for it."""
        language = generation.language
        if language is None or generation.retired:
            return False
        taken = sum(self.held.values()) + sum(self._reserved.values())
        if self._budget and taken + language.text_bytes > self._budget:
            return False
        available = memory.available_bytes()
        return available is None or available > 2 * language.text_bytes

    def _stuck(self, name: str, generation: Generation) -> None:
        """A thread of its didn't come back: load it anew where it is asked again, unless it happened before."""
        worker = generation.worker
        assert worker is not None
        worker.stop()
        loaded = generation.lie_down()
        self._lost.append(Lost(name, worker, loaded.memory, loaded))
        if generation.retired:
            self._end()
        self._judge(name, generation)

    def _judge(self, name: str, generation: Generation) -> None:
        """A thread of its didn't come back: after some it isn't loaded again."""
        self._look_for_lost()
        generation.stuck += 1
        if generation.stuck >= MOST_STUCK or self._reload is None:
            generation.sick = (
                f"'{name}' didn't come back from its runtime {generation.stuck} times, so it isn't loaded again; go back "
                "to the version before, push another one, or restart the device."
            )
        self._calm.set()
        self._on_stuck(name, generation)

    def _look_for_lost(self) -> None:
        """Free what came back after all."""
        lost, self._lost = self._lost, []
        for each in lost:
            if not each.thread.join(0):
                self._lost.append(each)
            elif each.loaded is not None:
                self._free(each.thread, each.loaded)

    def _may_sleep(self, name: str) -> bool:
        if name not in self._current:  # it hangs
            return False
        # A specialist that listens has sessions, which hold its model.
        return name not in self.pinned and not hasattr(self._current[name].loaded.specialist, "listen")

    def rest(self, seconds: float) -> None:
        """Let those give their memory back whom nobody asked for so long; see `make_room` for who never does."""
        latest = time.monotonic() - seconds
        for name, each in self._current.items():
            if not (each.asleep or each.asked or each.used > latest) and self._may_sleep(name):
                self.sleep(name)

    def sleep(self, name: str) -> None:
        """Give an idle specialist's memory back; it is loaded again when it is asked."""
        generation = self._current[name]
        worker = generation.worker
        if worker is None or worker.waiting or self._reload is None:
            return
        worker.stop()
        self._free(worker, generation.lie_down())

    def swap(self, loaded: Loaded) -> None:
        """Let `loaded` take all requests from now on; the generation before ends with its last request."""
        name = loaded.manifest.name
        new = Generation(loaded, time.time())
        self._employ(name, new)
        old = self._current.get(name)
        self._current[name] = new
        if old is not None:
            self._retire(old)

    def _employ(self, name: str, new: Generation) -> None:
        loaded = new.loaded
        new.used = time.monotonic()
        if new.language is not None:
            from edge_runtime.serving.streaming import StreamWorker  # for language models alone

            new.worker = StreamWorker(
                name,
                cast("Writes", loaded.specialist),
                self._queue,
                lambda: self._idle(new),
                self._turns,
                most=self._answers,
                room=lambda: self._has_room(new),
                on_room=self._calm.set,
                on_stuck=lambda: self._stuck(name, new),
                hang_seconds=self._hang_seconds,
            )
        else:
            new.worker = Worker(
                name,
                loaded.specialist,
                self._queue,
                lambda: self._idle(new),
                self._turns,
                loaded.engine,
                loaded.rows,
                lambda: self._stuck(name, new),
                self._hang_seconds,
            )

    def drop(self, name: str) -> None:
        """Let a specialist answer no more requests; those that it has it ends. Unknown names are nothing to do."""
        found = self._current.pop(name, None)
        if found is not None:
            self._retire(found)

    async def settled(self) -> None:
        """Wait, boundedly, until every retired generation ended and its memory is given back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._drained.wait()
                await asyncio.gather(*self._closing)

    async def close(self) -> None:
        """Retire everything and wait, boundedly, until the last requests are answered."""
        current, self._current = self._current, {}
        for generation in current.values():
            self._retire(generation)
        await self.settled()

    def _retire(self, generation: Generation) -> None:
        generation.retired = True
        if generation.worker is None:  # asleep: nothing to end
            return
        self._retired += 1
        self._drained.clear()
        if generation.worker.waiting == 0:
            self._idle(generation)

    def _idle(self, generation: Generation) -> None:
        self._calm.set()
        worker = generation.worker
        if not generation.retired or worker is None:
            return
        generation.worker = None
        worker.stop()
        self._free(worker, generation.loaded)
        self._end()

    def _end(self) -> None:
        """A retired generation has no request any more."""
        self._retired -= 1
        if self._retired == 0:
            self._drained.set()

    def _free(self, worker: Joins, loaded: Loaded) -> None:
        task = asyncio.create_task(asyncio.to_thread(_free, worker, loaded))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _free(worker: Joins, loaded: Loaded) -> None:
    if not worker.join(DRAIN_SECONDS):
        _log.warning("%s %s didn't end; its memory stays", loaded.manifest.name, loaded.manifest.version)
        return
    loaded.engine.close()
    memory.trim()
