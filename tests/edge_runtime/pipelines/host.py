"""What a pipeline uses of a device, with models that are plain functions; sources and sinks of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

from edge_runtime.events import EventHub
from edge_runtime.pipelines.declare import Pipeline
from edge_runtime.pipelines.items import Captured, Item
from edge_runtime.pipelines.reading import parse_pipeline
from edge_runtime.pipelines.runner import Running
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.turns import Urgency
from edge_runtime.serving.worker import Answer
from edge_runtime.tracing import Traces

Json = dict[str, object]
TIMER = '[source]\nkind = "timer"\nevery_seconds = 0.01\ncount = {count}\nvalue = {{ text = "now" }}\n'
EVENT = '[[sinks]]\nkind = "event"\nevery_seconds = 0\nqueue = 1000\n'


class Host:
    """A device whose specialists answer by `models`."""

    def __init__(self, **models: Callable[[Json], Awaitable[Json]]) -> None:
        self.events = EventHub()
        self.metrics = Metrics()
        self.asked: list[tuple[str, Json, Urgency]] = []
        self._models = models
        self.serving = SimpleNamespace(has=lambda name: name in models, current=lambda name: _PLAIN)
        self.governor = SimpleNamespace(check=lambda urgency: None)
        self.traces: Traces | None = None

    async def run(self, name: str, request: Json, urgency: Urgency) -> Answer:
        self.asked.append((name, request, urgency))
        return Answer(await self._models[name](request), 0.001)


_PLAIN = SimpleNamespace(loaded=SimpleNamespace(specialist=object()))


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.closed = False

    async def deliver(self, item: Item) -> bool:
        self.items.append(item)
        return True

    async def close(self) -> None:
        self.closed = True


class Given:
    """A source that gives these values, each `seconds` after the one before, and then raises `error` or ends."""

    def __init__(self, *values: Json, seconds: float = 0.0, error: Exception | None = None) -> None:
        self._values, self._seconds, self._error = values, seconds, error

    async def items(self) -> AsyncGenerator[Item, None]:
        for number, value in enumerate(self._values):
            await asyncio.sleep(self._seconds)
            yield Item(value, Captured(100.0 + number, 1000.0 + number), float(number), number)
        if self._error is not None:
            raise self._error


def pipeline(text: str, folder: Path = Path()) -> Pipeline:
    return parse_pipeline(text, "test", folder)


def running(declared: Pipeline, host: Host, source: object, *sinks: Kept) -> Running:
    """A pipeline over these parts; the sinks in the order of the file."""
    waiting = list(sinks)
    return Running(declared, host, source, lambda sink: waiting.pop(0))  # type: ignore[arg-type,return-value]


async def until(so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not so():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)
