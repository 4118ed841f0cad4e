"""Asks a specialist about what comes along a pipeline, by the same queue, priorities and deadlines as any request."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Protocol, cast

from edge_runtime.audio.files import RATE
from edge_runtime.pipelines.declare import Model
from edge_runtime.pipelines.items import Item, Json, Sound, request_of
from edge_runtime.pipelines.references import fill
from edge_runtime.pipelines.ring import Ring

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.audio.wake import WakeSession
    from edge_runtime.events import EventHub
    from edge_runtime.serving.generations import Serving
    from edge_runtime.serving.governor import Governor
    from edge_runtime.serving.metrics import Metrics
    from edge_runtime.serving.turns import Urgency
    from edge_runtime.serving.worker import Answer
    from edge_runtime.tracing import Traces

LISTEN_SECONDS = 0.2  # that a listening specialist is asked about at once


class Host(Protocol):
    """What a pipeline uses of a device."""

    events: EventHub
    metrics: Metrics
    serving: Serving
    governor: Governor
    traces: Traces | None

    async def run(self, name: str, request: Json, urgency: Urgency) -> Answer:
        """Answer a request, see `Device.run`."""


class Listens(Protocol):
    """A specialist that takes sound as it comes."""

    def listen(self) -> WakeSession:
        """Begin a session."""


class Asking:
    """One model of a pipeline, with the sound that it waits for the rest of."""

    def __init__(self, declared: Model, host: Host, pipeline: str) -> None:
        self._declared, self._host, self._pipeline = declared, host, pipeline
        self._ring: Ring | None = None
        self._last = -1  # sequence of the latest piece of sound
        self._session: WakeSession | None = None
        self._fed = 0  # samples that the session got

    async def answer(self, item: Item) -> list[Item]:
        """What the model says of an item: nothing where it only listened, an item for each answer else.

        Raises `EdgeError`.
        """
        if not isinstance(item.value, Sound) or self._declared.after:
            return [await self._ask(item)]
        serving, name = self._host.serving, self._declared.specialist
        listens = serving.has(name) and hasattr(serving.current(name).loaded.specialist, "listen")
        if item.sequence != self._last + 1 or listens is (self._session is None) or self._ring is None:
            self._begin(listens)
        self._last = item.sequence
        assert self._ring is not None
        made: list[Item] = []
        for window, done in self._ring.push(item.value.samples):
            ended = done / RATE  # seconds into this piece
            if listens:
                made += await self._listen(item, window, ended - len(window) / RATE)
            else:
                at = item.captured.later(ended)
                heard = Sound(window)
                whole = dataclasses.replace(item, value=heard, captured=at, position=item.position + ended)
                made.append(await self._ask(whole))
        return made

    def _begin(self, listens: bool) -> None:
        """No window, and no phrase, spans a gap in the sound."""
        if listens:
            window = hop = int(LISTEN_SECONDS * RATE)
            specialist = self._host.serving.current(self._declared.specialist).loaded.specialist
            self._session, self._fed = cast(Listens, specialist).listen(), 0
        else:
            window, hop = int(self._declared.window * RATE), int(self._declared.hop * RATE)
            self._session = None
        self._ring = Ring(window, hop)

    async def _listen(self, item: Item, samples: np.ndarray, began: float) -> list[Item]:
        """What was heard in the next samples, each at the moment when it had ended. began: seconds into the piece."""
        session, name = self._session, self._declared.specialist
        assert session is not None
        self._host.governor.check(self._declared.urgency)
        before = self._fed / RATE
        self._fed += len(samples)
        # The model may be a newer one than the session began with: the specialist takes the session over.
        asked: Json = {"session": session, "samples": samples}
        answer = await self._host.serving.run(name, asked, self._declared.urgency)
        made: list[Item] = []
        for found in cast("list[Json]", answer.value["detections"]):
            self._host.metrics.count("enigma_wakes_total", specialist=name)
            offset = began + float(cast(float, found["seconds"])) - before
            told = dataclasses.replace(item, captured=item.captured.later(offset), position=item.position + offset)
            made.append(told.answered(self._declared.name, name, found, answer.seconds))
        return made

    async def _ask(self, item: Item) -> Item:
        declared = self._declared
        request = await request_of(item)
        if declared.request is not None:
            value = request if isinstance(item.value, dict) else next(iter(request.values()))
            request = cast(Json, fill(declared.request, value, item.answer, f"the request of '{declared.name}'"))
        traces = self._host.traces
        with traces.step(self._pipeline, item.trace) if traces else contextlib.nullcontext() as trace:
            answer = await self._host.run(declared.specialist, request, declared.urgency)
        return item.answered(declared.name, declared.specialist, answer.value, answer.seconds, trace)
