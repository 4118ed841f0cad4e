"""One running pipeline: opens its source again whenever that fails, and lets its stages work side by side."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import logging
import time
from collections.abc import Awaitable, Callable

from edge_runtime.errors import EdgeError, NotFound, Overloaded
from edge_runtime.media import Media
from edge_runtime.pipelines.asking import Asking, Host
from edge_runtime.pipelines.box import Box
from edge_runtime.pipelines.declare import Camera, Microphone, Pipeline, When
from edge_runtime.pipelines.declare import Sink as DeclaredSink
from edge_runtime.pipelines.items import Captured, Frame, Item, Json, Sound, SourceError
from edge_runtime.pipelines.sinks import Sink
from edge_runtime.pipelines.sources import Source, reads_end
from edge_runtime.pipelines.stages import Mistakes, Stage

PICTURE_EVERY = 0.2  # seconds; people look, models get every picture
LISTENERS = 4  # that may take a pipeline's sound at the same time
DRAIN_SECONDS = 30.0  # for what is under way when a source has ended
_CLOSE_SECONDS = 5.0
_LATE_SECONDS = 5.0  # that a microphone may be behind before whoever listens is told so
_PIECES = 256  # of sound that wait for a listener, some thirteen seconds
_log = logging.getLogger(__name__)


class State(enum.Enum):
    """What a pipeline does."""

    RUNNING = "running"
    RETRYING = "retrying"  # its source failed, and is opened again soon
    ENDED = "ended"  # its source came to its end
    STOPPED = "stopped"
    FAILED = "failed"  # by a mistake of the program; the log says more


class Running:
    """A pipeline from its start to its end; `run` must be called in the loop that made it.

    source: opened again and again, where it fails. open_sink: as in `sinks`. Raises `SinkError` where a sink can't ever deliver.
    """

    def __init__(
        self,
        declared: Pipeline,
        host: Host,
        source: Source,
        open_sink: Callable[[DeclaredSink], Sink],
    ) -> None:
        self.declared = declared
        self.state = State.RUNNING
        self.latest: Captured | None = None
        self._shown = isinstance(declared.source, Camera) and declared.source.shown
        self._seen: tuple[Frame, Captured] | None = None  # of a camera that is shown, the latest picture
        self._drawn: tuple[float, Media, Captured] | None = None
        self._drawing = asyncio.Lock()
        self._heard = isinstance(declared.source, Microphone) and declared.source.heard
        self._listeners: set[Box[Item]] = set()
        self.taken = self.lost = self.restarts = self.source_errors = 0
        self._source = source
        self._sequence = -1  # each opening of the source adds one more than its items
        self._mistakes = Mistakes(declared.name, host.events)
        self._told: dict[str, int] = {}
        self._sinks: list[Sink] = []
        models: dict[str, Stage] = {}
        self._roots: list[Stage] = []
        for model in declared.models:
            asking = Asking(model, host, declared.name)
            stage = self._stage(model.name, "model", model.queue, asking.answer, model.when)
            models[model.name] = stage
            (models[model.after].next if model.after else self._roots).append(stage)
        self._models = list(models.values())
        self._ends: list[Stage] = []
        for number, sink in enumerate(declared.sinks):
            opened = open_sink(sink)
            self._sinks.append(opened)
            stage = self._sink_stage(f"{sink.kind}-{number}", sink, opened)
            self._ends.append(stage)
            for name in sink.after:
                models[name].next.append(stage)
            if not sink.after:
                self._roots.append(stage)

    @property
    def stages(self) -> list[Stage]:
        """All stages: each stands behind those that give to it."""
        return [*self._models, *self._ends]

    async def run(self) -> None:
        """Run until the source ends, or until cancelled."""
        working = [asyncio.create_task(stage.run()) for stage in self.stages]
        reading = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait([reading, *working], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._drain(working)
            self.state = State.ENDED
        except asyncio.CancelledError:
            self.stopped()
            raise
        except Exception:  # a mistake of the program in one pipeline may stop neither the device nor other pipelines
            _log.exception("the pipeline %s failed", self.declared.name)
            self.state = State.FAILED
            self._mistakes.tell("pipeline", EdgeError("It failed; the device's log says why."))
        finally:
            for box in self._listeners:
                box.close()
            for task in (reading, *working):
                task.cancel()
            await asyncio.wait([reading, *working], timeout=_CLOSE_SECONDS)
            for sink in self._sinks:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await sink.close()

    async def picture(self) -> tuple[Media, Captured]:
        """The camera's latest picture, small, and when it was; made anew five times a second at most.

        Raises `NotFound` where it isn't to be shown, or there is none yet.
        """
        if not self._shown:
            raise NotFound(
                f"The pipeline '{self.declared.name}' shows no pictures; for those of a camera, its [source] says shown = true."
            )
        async with self._drawing:
            if self._seen is None:
                raise NotFound(f"The camera of the pipeline '{self.declared.name}' has given no picture yet.")
            frame, captured = self._seen
            now = time.monotonic()
            if self._drawn is None or (now - self._drawn[0] >= PICTURE_EVERY and captured != self._drawn[2]):
                self._drawn = now, await asyncio.to_thread(frame.preview), captured
            return self._drawn[1:]

    async def sound(self, seconds: float) -> tuple[Media, Captured]:
        """What the microphone hears from now on, a WAV of so many seconds, and when it began.

        It is one sound: what a failure of the source cuts ends it. Raises `NotFound` where it isn't to be heard, or
        nothing comes, and `Overloaded` where many listen.
        """
        import numpy as np

        from edge_runtime.audio.files import RATE

        if not self._heard:
            raise NotFound(
                f"The pipeline '{self.declared.name}' lets nobody listen; to a microphone, where its [source] says heard = true."
            )
        if len(self._listeners) >= LISTENERS:
            raise Overloaded(f"{LISTENERS} listen to the pipeline '{self.declared.name}' already; try again later.")
        box: Box[Item] = Box(_PIECES)
        self._listeners.add(box)
        parts: list[np.ndarray] = []
        wanted, count = round(seconds * RATE), 0
        began: Captured | None = None
        last = 0
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds + _LATE_SECONDS):
                    while count < wanted and (item := await box.take()) is not None:
                        if began is not None and item.sequence != last + 1:
                            break
                        assert isinstance(item.value, Sound)
                        began, last = began or item.captured, item.sequence
                        parts.append(item.value.samples)
                        count += len(item.value.samples)
        finally:
            self._listeners.discard(box)
        if began is None:
            raise NotFound(f"The microphone of the pipeline '{self.declared.name}' gives nothing now.")
        return Sound(np.concatenate(parts)[:wanted]).encoded(), began

    def stopped(self) -> None:
        """Say that it was stopped, also before it did anything; what had ended before stays so."""
        if self.state in (State.RUNNING, State.RETRYING):
            self.state = State.STOPPED

    async def _drain(self, working: list[asyncio.Task[None]]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                for stage, task in zip(self.stages, working, strict=True):
                    stage.close()
                    await task

    async def _read(self) -> None:
        """Open the source, again and again where it fails, until it ends."""
        pause = self.declared.retry
        while True:
            began = time.monotonic()
            try:
                await self._read_once()
                if reads_end(self.declared.source):
                    return
                raise SourceError("It ended, which it should not.")
            except EdgeError as error:
                self.source_errors += 1
                self._mistakes.tell("source", error)
            if time.monotonic() - began > self.declared.retry_most:  # it was well for long
                pause = self.declared.retry
            self.state = State.RETRYING
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.declared.retry_most)
            self.restarts += 1

    async def _read_once(self) -> None:
        last: int | None = None
        self._sequence += 1  # what is heard before and after a failure isn't one sound
        async with contextlib.aclosing(self._source.items()) as items:
            while True:
                try:
                    async with asyncio.timeout(self.declared.quiet or None):
                        item = await anext(items)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise SourceError(f"It gave nothing for {self.declared.quiet:g} seconds.") from None
                gap = 0 if last is None else max(0, item.sequence - last - 1)
                last = item.sequence
                self.lost += gap
                await self._give(item, gap)

    async def _give(self, item: Item, gap: int) -> None:
        if self.state is not State.RUNNING:
            self.state = State.RUNNING
            self._mistakes.well("source")
        self.taken += 1
        self.latest = item.captured
        if self._shown and isinstance(item.value, Frame):
            self._seen = item.value, item.captured
        self._sequence += gap + 1
        numbered = dataclasses.replace(item, sequence=self._sequence)
        for box in self._listeners:
            box.offer(numbered)
        for stage in self._roots:
            await stage.give(numbered)

    def _stage(
        self, name: str, kind: str, bound: int, work: Callable[[Item], Awaitable[list[Item]]], when: When
    ) -> Stage:
        return Stage(name, kind, bound, work, self._mistakes, when, self.declared.waits)

    def _sink_stage(self, name: str, declared: DeclaredSink, sink: Sink) -> Stage:
        earliest = float("-inf")

        async def deliver(item: Item) -> list[Item]:
            nonlocal earliest
            if item.captured.monotonic < earliest:
                stage.counts.held += 1
                return []
            if not await sink.deliver(item):
                return []
            earliest = item.captured.monotonic + declared.every_seconds
            return [item]

        stage = self._stage(name, "sink", declared.queue, deliver, declared.when)
        return stage

    def plain(self) -> Json:
        """As JSON, with the figures of each stage."""
        return {
            "name": self.declared.name,
            "state": self.state.value,
            "source": self.declared.kind,
            "shown": self._shown,
            "heard": self._heard,
            "in": self.taken,
            "dropped": self.dropped,
            "out": sum(stage.counts.out for stage in self._ends),
            "errors": self.errors,
            "restarts": self.restarts,
            "last_error": self._mistakes.last or None,
            "last_error_time": None if self._mistakes.at is None else round(self._mistakes.at, 3),
            "age_seconds": None if self.latest is None else round(self.latest.age, 3),
            "stages": [stage.plain() for stage in self.stages],
        }

    @property
    def dropped(self) -> int:
        """What a slow stage, or a slow loop, made the pipeline leave out."""
        return self.lost + sum(stage.dropped for stage in self.stages)

    @property
    def errors(self) -> int:
        """Of the source and of all stages."""
        return self.source_errors + sum(stage.counts.errors for stage in self.stages)

    def news(self) -> dict[str, int]:
        """What was counted since this was asked last, for counters that only go up."""
        now = {
            "in": self.taken,
            "dropped": self.dropped,
            "out": sum(stage.counts.out for stage in self._ends),
            "errors": self.errors,
            "restarts": self.restarts,
        }
        told, self._told = self._told, now
        return {what: count - told.get(what, 0) for what, count in now.items()}
