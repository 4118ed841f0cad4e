"""Generations: a new model takes new requests at once, the old one ends with its last request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from edge_runtime.engines import GraphEngine
from edge_runtime.errors import BadRequest, NotFound, Overloaded
from edge_runtime.serving import memory
from edge_runtime.serving.streaming import Begin, StreamWorker, Writes
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import Answer, Worker
from edge_runtime.tasks import Specialist
from edge_runtime.update.admit import Loaded

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.language.generate import Piece
    from edge_runtime.language.specialist import LanguageSpecialist

_log = logging.getLogger(__name__)
DRAIN_SECONDS = 10.0  # longer than any deadline that clients usually have; afterwards the process ends anyway


@dataclass
class Generation:
    """A loaded specialist with its worker; `retired` once another one took its place."""

    loaded: Loaded
    since: float
    worker: Worker | StreamWorker | None = None
    retired: bool = False

    @property
    def language(self) -> LanguageSpecialist | None:
        """The language model below the specialist, None where it is another kind of model."""
        return getattr(self.loaded.specialist, "language", None)


class Serving:
    """The specialists that answer now, by name; lives in one event loop."""

    def __init__(self, queue: int, deadline_seconds: float, turns: Turns | None = None) -> None:
        self._queue = queue
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
        engine = self.current(name).loaded.engine
        if not isinstance(engine, GraphEngine):
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
        worker = self.current(name).worker
        assert worker is not None
        return await worker.run(request, self._deadline, urgency=urgency)

    async def infer(self, name: str, inputs: dict[str, np.ndarray], urgency: Urgency = USUAL) -> Answer:
        """What a model's graph gives for tensors, without its task around it; `Answer.value` holds arrays."""
        engine, worker = self.graph(name), self.current(name).worker
        assert isinstance(worker, Worker)
        return await worker.run(cast("dict[str, object]", inputs), self._deadline, cast(Specialist, engine), urgency)

    async def stream(self, name: str, begin: Begin, urgency: Urgency = USUAL) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer that `begin` starts with a language model; raises `BadRequest` for other models."""
        worker = self.current(name).worker
        if not isinstance(worker, StreamWorker):
            raise BadRequest(f"'{name}' isn't a language model; ask it with POST /v1/run/{name}.")
        async with contextlib.aclosing(worker.stream(begin, self._deadline, urgency)) as pieces:
            async for piece in pieces:
                yield piece

    def swap(self, loaded: Loaded) -> None:
        """Let `loaded` take all requests from now on; the generation before ends with its last request."""
        name = loaded.manifest.name
        new = Generation(loaded, time.time())
        if new.language is not None:
            specialist = cast(Writes, loaded.specialist)
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
        old = self._current.get(name)
        self._current[name] = new
        if old is not None:
            self._retire(old)

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
        self._retired += 1
        self._drained.clear()
        if generation.worker is not None and generation.worker.waiting == 0:
            self._idle(generation)

    def _idle(self, generation: Generation) -> None:
        worker = generation.worker
        if not generation.retired or worker is None:
            return
        generation.worker = None
        self._retired -= 1
        worker.stop()
        task = asyncio.create_task(asyncio.to_thread(_free, worker, generation.loaded))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        if self._retired == 0:
            self._drained.set()


def _free(worker: Worker | StreamWorker, loaded: Loaded) -> None:
    if not worker.join(DRAIN_SECONDS):
        _log.warning("%s %s didn't end; its memory stays", loaded.manifest.name, loaded.manifest.version)
        return
    loaded.engine.close()
    memory.trim()
