"""Generations: a new model takes new requests at once, the old one ends with its last request."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.engines import Engine, GraphEngine
from edge_runtime.errors import BadRequest, EngineError, NotFound, OutOfMemory, Overloaded
from edge_runtime.serving import memory
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import Answer, Worker
from edge_runtime.tasks import Embeds, Specialist
from edge_runtime.update.admit import Loaded

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.language.generate import Piece
    from edge_runtime.language.specialist import LanguageSpecialist
    from edge_runtime.serving.streaming import Begin, StreamWorker, Writes

_log = logging.getLogger(__name__)
DRAIN_SECONDS = 10.0  # longer than any deadline that clients usually have; afterwards the process ends anyway


@dataclass
class Generation:
    """A specialist with its worker; `retired` once another one took its place.

    Asleep, it has no worker, and its engine is a stand-in that only says what the model takes and gives.
    """

    loaded: Loaded
    since: float
    worker: Worker | StreamWorker | None = None
    retired: bool = False
    used: float = 0.0  # by the monotonic clock, when it was asked last
    asked: int = 0  # requests that wait for it to be loaded, or for their answer
    loads: int = 1
    _known: tuple[Engine, GraphEngine | None] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.writes = self.language is not None
        self.embeds = self.embedder is not None

    @property
    def language(self) -> LanguageSpecialist | None:
        """The language model below the specialist, None where it is another kind of model, or asleep."""
        return getattr(self.loaded.specialist, "language", None)

    @property
    def embedder(self) -> Specialist | None:
        """What places texts, None where the specialist doesn't, or is asleep."""
        specialist = self.loaded.specialist
        return specialist.embedder if isinstance(specialist, Embeds) else None

    @property
    def graph(self) -> GraphEngine | None:
        """The engine, None where it has no single graph; found out once, as `isinstance` of a protocol takes 0.1 ms."""
        engine = self.loaded.engine
        if self._known is None or self._known[0] is not engine:
            self._known = engine, engine if isinstance(engine, GraphEngine) else None
        return self._known[1]

    @property
    def asleep(self) -> bool:
        """Whether its memory was given back, until somebody asks it."""
        return isinstance(self.loaded.engine, Asleep)


class Asleep:
    """Stands for the engine and the specialist of a model that gave its memory back."""

    def __init__(self, engine: Engine) -> None:
        self.runtime, self.version = engine.runtime, engine.version
        if isinstance(engine, GraphEngine):
            self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: object) -> Any:
        """Nothing runs; raises `EngineError`."""
        raise EngineError("The model gave its memory back; ask again.")

    def close(self) -> None:
        """Nothing is left to free."""


class Serving:
    """The specialists that answer now, by name; lives in one event loop."""

    def __init__(
        self,
        queue: int,
        deadline_seconds: float,
        turns: Turns | None = None,
        budget: int = 0,
        reload: Callable[[str], Loaded] | None = None,
    ) -> None:
        """budget: bytes of memory for all models, 0 without a bound. reload: loads a bundle again, by its hash; blocks."""
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
            worker = (await self.wake(name)).worker
            assert worker is not None
            return await worker.run(request, self._deadline, urgency=urgency)

    async def infer(self, name: str, inputs: dict[str, np.ndarray], urgency: Urgency = USUAL) -> Answer:
        """What a model's graph gives for tensors, without its task around it; `Answer.value` holds arrays."""
        with self._asking(name):
            worker, engine = (await self.wake(name)).worker, self.graph(name)
            assert isinstance(worker, Worker)
            tensors = cast("dict[str, object]", inputs)
            return await worker.run(tensors, self._deadline, cast(Specialist, engine), urgency)

    async def embed(self, name: str, text: str, urgency: Urgency = USUAL) -> Answer:
        """Where a text lies among others, see `edge_runtime.tasks.Embeds`; raises `BadRequest` for who doesn't tell."""
        with self._asking(name):
            generation = await self.wake(name)
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
            worker = (await self.wake(name)).worker
            if worker is None or isinstance(worker, Worker):
                raise BadRequest(f"'{name}' isn't a language model; ask it with POST /v1/run/{name}.")
            async with contextlib.aclosing(worker.stream(begin, self._deadline, urgency)) as pieces:
                async for piece in pieces:
                    yield piece

    @contextlib.contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Who is asked stays awake, from before it is loaded, or others would put it to sleep again at once."""
        generation = self.current(name)
        generation.asked += 1
        generation.used = time.monotonic()
        try:
            yield
        finally:
            generation.asked -= 1
            if not generation.asked:
                self._calm.set()

    async def wake(self, name: str) -> Generation:
        """The generation that serves, loaded again where it was asleep; raises `OutOfMemory`."""
        while (generation := self.current(name)).worker is None:
            with self._asking(name):
                task = self._waking.get(name)
                if task is None:
                    task = self._waking[name] = asyncio.create_task(self._load_again(name, generation))
                    task.add_done_callback(lambda done: self._woken(name, done))
                await asyncio.shield(task)
        return generation

    def _woken(self, name: str, done: asyncio.Task[None]) -> None:
        self._waking.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever still waits raises it; perhaps nobody does

    async def _load_again(self, name: str, generation: Generation) -> None:
        assert self._reload is not None
        try:
            await self.make_room(name, generation.loaded.memory)
            loaded = await asyncio.to_thread(self._reload, generation.loaded.digest)
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
        return {name: each.loaded.memory for name, each in self._current.items() if not each.asleep}

    async def make_room(self, name: str, needed: int) -> None:
        """Let others give their memory back until `needed` bytes for `name` fit; raises `OutOfMemory` where they don't.

        Who was asked longest ago goes first, never who is pinned or has requests: those are waited for, as long as a
        request waits. The generation that `name` replaces doesn't count, as it goes at once. The room is kept until
        `release`.
        """
        if not self._budget:
            return
        ends = time.monotonic() + self._deadline
        while True:
            taken = {**self.held, **self._reserved}
            free = self._budget - needed - sum(each for other, each in taken.items() if other != name)
            if free >= 0:
                self._reserved[name] = needed
                break
            could = [other for other in self.held if other not in self._reserved | {name: 0} and self._may_sleep(other)]
            idle = [other for other in could if not self._current[other].asked and not self.waiting(other)]
            left = ends - time.monotonic()
            coming = sum(each for other, each in self._reserved.items() if other != name)
            if free + coming + sum(self.held[other] for other in could) < 0 or (not idle and left <= 0):
                raise OutOfMemory(self._who_holds_what(name, needed), 1.0)
            if idle:
                self.sleep(min(idle, key=lambda other: self._current[other].used))
                continue
            self._calm.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._calm.wait()
        await asyncio.gather(*self._closing)  # the bound holds for what is held, not only for what is counted

    def release(self, name: str) -> None:
        """Keep no room any more for one that has come, or won't come."""
        if self._reserved.pop(name, None) is not None:
            self._calm.set()

    def _may_sleep(self, name: str) -> bool:
        # A specialist that listens has sessions, which hold its model.
        return name not in self.pinned and not hasattr(self._current[name].loaded.specialist, "listen")

    def _who_holds_what(self, name: str, needed: int) -> str:
        def megabytes(count: int) -> str:
            return f"{count / 2**20:.1f} MB"

        holders = [
            f"{other} {megabytes(held)}{' (pinned)' if other in self.pinned else ''}"
            for other, held in sorted(self.held.items(), key=lambda item: -item[1])
            if other != name
        ]
        return (
            f"'{name}' needs {megabytes(needed)} of the {megabytes(self._budget)} for models, which are held by "
            f"{', '.join(holders) or 'nobody'}; raise models.memory_mb, unpin or remove one."
        )

    def sleep(self, name: str) -> None:
        """Give an idle specialist's memory back; it is loaded again when it is asked."""
        generation = self._current[name]
        worker, loaded = generation.worker, generation.loaded
        if worker is None or worker.waiting or self._reload is None:
            return
        stand_in = Asleep(loaded.engine)
        generation.loaded = dataclasses.replace(loaded, engine=stand_in, specialist=stand_in)
        generation.worker = None
        self._free(worker, loaded)

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

            specialist = cast("Writes", loaded.specialist)
            new.worker = StreamWorker(name, specialist, self._queue, lambda: self._idle(new), self._turns)
        else:
            new.worker = Worker(
                name,
                loaded.specialist,
                self._queue,
                lambda: self._idle(new),
                self._turns,
                loaded.engine,
                loaded.rows,
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
        self._retired -= 1
        self._free(worker, generation.loaded)
        if self._retired == 0:
            self._drained.set()

    def _free(self, worker: Worker | StreamWorker, loaded: Loaded) -> None:
        worker.stop()
        task = asyncio.create_task(asyncio.to_thread(_free, worker, loaded))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _free(worker: Worker | StreamWorker, loaded: Loaded) -> None:
    if not worker.join(DRAIN_SECONDS):
        _log.warning("%s %s didn't end; its memory stays", loaded.manifest.name, loaded.manifest.version)
        return
    loaded.engine.close()
    memory.trim()
