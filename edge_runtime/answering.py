"""What a device answers: by one specialist or a group, within its plan and its strength, and counted."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime import tracing
from edge_runtime.config import Config
from edge_runtime.errors import EdgeError, Stuck
from edge_runtime.events import EventHub
from edge_runtime.serving.doubts import Doubts
from edge_runtime.serving.generations import Serving
from edge_runtime.serving.governor import Governor, Limits, State
from edge_runtime.serving.groups import ask_group
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.plan import FILE_NAME as PLAN_FILE
from edge_runtime.serving.plan import Plan, load_plan, parse_plan
from edge_runtime.serving.recent import Recent
from edge_runtime.serving.shadows import Shadows
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import Answer
from edge_runtime.update import disk
from edge_runtime.update.deadline import LOAD_SECONDS, more_for
from edge_runtime.update.disk_threads import on_disk

if TYPE_CHECKING:
    import numpy as np
    from opentelemetry.trace import Span

    from edge_runtime.language.generate import Piece
    from edge_runtime.serving.generation import Generation
    from edge_runtime.serving.streaming import Begin
    from edge_runtime.update.admit import Loaded

_log = logging.getLogger(__name__)
_REST_SECONDS = 60.0  # between two looks for models that nobody asks
_MOST_LOST = 4  # threads that didn't come back from a runtime; then only a new process has their memory
Json = dict[str, object]


class _Judged:
    """A class, as a generator's context takes a microsecond more; see `Answering._judged`."""

    def __init__(self, device: Answering, name: str) -> None:
        self._device, self._name = device, name

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EdgeError) and self._device.watch is not None:
            self._device.watch(self._name, 0.0, error)


class Answering:
    """The half of a `Device` that answers; made and used in one event loop."""

    def __init__(self, state: Path, config: Config, reload: Callable[[str], Loaded]) -> None:
        """reload: loads a bundle again, by its hash; blocks."""
        self.config = config
        self.state = state
        self.events = EventHub()
        self.traces: tracing.Traces | None = None
        self.metrics = Metrics()
        self.recent = Recent(config.log.requests)
        self.on_restart: Callable[[], None] | None = None  # ends the process so that it begins again
        self.doubts = Doubts(state, config.log.unsure)
        self.failed: dict[str, str] = {}
        limits = config.governor
        self.governor = Governor(
            Path(limits.sysfs),
            Limits(limits.warm_celsius, limits.hot_celsius, limits.battery_low_percent, limits.battery_empty_percent),
        )
        self.shadows = Shadows(self._run_one, self.governor, self.metrics)
        self._turns = Turns(config.models.turns)
        self.serving = Serving(
            config.server.queue,
            config.server.deadline_seconds,
            self._turns,
            config.models.memory_mb * 2**20,
            reload,
            config.models.answers,
            config.models.hang_seconds,
            self._hung,
            LOAD_SECONDS + more_for(config.update.max_bundle_mb * 2**20),
        )
        self._follow(load_plan(state))
        self.watch: Callable[[str, float, EdgeError | None], None] | None = None  # of each answer, see `_judged`

    async def run(self, name: str, request: Json, urgency: Urgency = USUAL) -> Answer:
        """Answer a request by a specialist, or by a group that the plan names, and count it."""
        self.governor.check(urgency)
        group = self.plan.groups.get(name)
        if group is not None and not self.serving.has(name):
            return await ask_group(name, group, request, urgency, self._run)
        return await self._run(name, request, urgency)

    async def _run(self, name: str, request: Json, urgency: Urgency) -> Answer:
        """Answer by one specialist, or the smaller one in its place, with a candidate in its shadow."""
        smaller = self.plan.smaller.get(name)
        if smaller is not None and self.governor.state is not State.FREE and self.serving.has(smaller):
            self.metrics.count("enigma_smaller_total", specialist=name)
            answer = await self._run_one(smaller, request, urgency)
            return dataclasses.replace(answer, value={**answer.value, "answered_by": smaller})
        answer = await self._run_one(name, request, urgency)
        shadow = self.plan.shadows.get(name)
        if shadow is not None:
            self.shadows.follow(name, shadow, request, answer.value)
        return answer

    def known(self, name: str) -> None:
        """Raise `NotFound` (`Overloaded` while it starts) unless a specialist or a group has this name."""
        if name not in self.plan.groups:
            self.serving.current(name)

    def set_plan(self, text: str) -> Plan:
        """Take another plan and keep it; raises `BadRequest`."""
        plan = parse_plan(text)
        with disk.storage_errors(self.state):
            disk.write_atomic(self.state / PLAN_FILE, text.encode("utf-8"))
        self._follow(plan)
        self.events.emit("plan", groups=sorted(plan.groups), missing=self.missing or None)
        return plan

    async def reread_plan(self) -> None:
        """Follow the plan as its file is now; one that can't be used changes nothing, and is an event."""
        try:
            plan = await on_disk(self.state, load_plan, self.state)
        except EdgeError as error:
            _log.error("%s", error)
            self.events.emit("error", code=error.code, message=str(error))
            return
        if plan != self.plan:
            self._follow(plan)
            self.events.emit("plan", groups=sorted(plan.groups), missing=self.missing or None)

    def _follow(self, plan: Plan) -> None:
        self.plan = plan
        self.serving.pinned = plan.pinned
        self.shadows.compared = {}

    @property
    def missing(self) -> list[str]:
        """Specialists that the plan names and the device doesn't have."""
        plan = self.plan
        named = {member for group in plan.groups.values() for member in group.members}
        named |= {*plan.pinned, *plan.smaller, *plan.smaller.values(), *plan.shadows}
        named |= {shadow.candidate for shadow in plan.shadows.values()}
        return sorted(name for name in named if not self.serving.has(name))

    async def govern(self) -> None:
        """Look after heat, supply and battery, until cancelled."""
        seconds = self.config.governor.seconds
        while seconds:
            if await asyncio.to_thread(self.governor.look):
                state = self.governor.state
                self._turns.allow(self.config.models.turns if state is State.FREE else 1)
                reasons = "; ".join(self.governor.reasons)
                self.events.emit("governor", state=state.name.lower(), message=reasons or None)
            await asyncio.sleep(seconds)

    async def rest(self) -> None:
        """Let models that nobody asks give their memory back, until cancelled."""
        seconds = self.config.models.idle_seconds
        while seconds:
            await asyncio.sleep(min(seconds / 4, _REST_SECONDS))
            self.serving.rest(seconds)

    def _hung(self, name: str, generation: Generation) -> None:
        """A model didn't come back from its runtime; its thread and its memory are lost until the process ends."""
        self.metrics.count("enigma_stuck_total", specialist=name)
        if generation.sick:
            self.failed[name] = generation.sick
        message = generation.sick or "A run didn't come back from its runtime, so the model is loaded anew."
        _log.error("%s: %s", name, message)
        self.events.emit("error", specialist=name, code=Stuck.code, message=message)
        if self.serving.lost >= _MOST_LOST and self.on_restart is not None:
            _log.error("%d threads don't come back; the daemon begins again", self.serving.lost)
            self.on_restart()

    async def _run_one(self, name: str, request: Json, urgency: Urgency) -> Answer:
        answer = await self._timed("run", name, self.serving.run(name, request, urgency))
        self.metrics.observe("enigma_specialist_seconds", answer.seconds, specialist=name)
        if answer.together > 1:
            self.metrics.count("enigma_batched_total", specialist=name)
        if answer.value.get("unsure") is True:
            self.metrics.count("enigma_unsure_total", specialist=name)
            self.doubts.keep(name, request, answer.value)
        if answer.value.get("truncated") is True:
            self.metrics.count("enigma_truncated_total", specialist=name)
        return answer

    async def infer(self, name: str, inputs: dict[str, np.ndarray], urgency: Urgency = USUAL) -> dict[str, np.ndarray]:
        """What a model's graph gives for tensors, counted; see `Serving.infer`."""
        self.governor.check(urgency)
        answer = await self._timed("infer", name, self.serving.infer(name, inputs, urgency))
        return cast("dict[str, np.ndarray]", answer.value)

    async def embed(self, name: str, text: str, urgency: Urgency = USUAL) -> Answer:
        """Where a text lies among others, counted; see `Serving.embed`."""
        self.governor.check(urgency)
        return await self._timed("embed", name, self.serving.embed(name, text, urgency))

    async def _timed(self, what: str, name: str, asked: Awaitable[Answer]) -> Answer:
        """An answer, traced, told to whoever watches, and its time among `enigma_WHAT_seconds`."""
        started = time.perf_counter()
        with self._judged(name), self._span(what, name) as span:
            answer = await asked
            tracing.told(span, answer, started)
        self._took(name, answer)
        self.metrics.observe(f"enigma_{what}_seconds", time.perf_counter() - started, specialist=name)
        return answer

    async def stream(self, name: str, begin: Begin, urgency: Urgency = USUAL) -> AsyncGenerator[Piece, None]:
        """The pieces of a language model's answer as they are written, counted; see `Serving.stream`."""
        self.governor.check(urgency)
        started = time.perf_counter()
        tokens = 0
        first = 0.0
        try:
            with self._judged(name):
                async with contextlib.aclosing(self.serving.stream(name, begin, urgency)) as pieces:
                    async for piece in pieces:
                        if not first:
                            first = time.perf_counter() - started
                            self.metrics.observe("enigma_first_token_seconds", first, specialist=name)
                        if piece.token is not None:
                            tokens += 1
                            self.metrics.count("enigma_tokens_total", specialist=name)
                        yield piece
        finally:
            if self.traces is not None:
                self.traces.wrote(name, tokens, first, time.perf_counter() - started)

    def _judged(self, name: str) -> _Judged:
        """Tell whoever watches a new version what failed."""
        return _Judged(self, name)

    def _took(self, name: str, answer: Answer) -> None:
        """Tell whoever watches a new version how long the model took for an answer, whoever waited for whom."""
        if self.watch is not None:
            self.watch(name, 1000 * answer.seconds, None)

    def _span(self, what: str, name: str) -> contextlib.AbstractContextManager[Span | None]:
        return contextlib.nullcontext() if self.traces is None else self.traces.run(what, name)
