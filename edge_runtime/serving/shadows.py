"""Candidates in the shadow of a specialist: asked what it answered already, by nobody who waits, and held against it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from edge_runtime.errors import EdgeError
from edge_runtime.serving.governor import Governor, State
from edge_runtime.serving.groups import IN_THE_SHADOW, alike
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.plan import Shadow
from edge_runtime.serving.turns import Urgency
from edge_runtime.serving.worker import Answer

Json = dict[str, object]
_MOST = 8  # comparisons under way; more are left out


class Shadows:
    """Comparisons, and what came of them: by "specialist and candidate", how often their answers were alike.

    ask: one specialist, by its name.
    """

    def __init__(
        self, ask: Callable[[str, Json, Urgency], Awaitable[Answer]], governor: Governor, metrics: Metrics
    ) -> None:
        self._ask, self._governor, self._metrics = ask, governor, metrics
        self.running: set[asyncio.Task[None]] = set()
        self.compared: dict[str, dict[str, int]] = {}

    def follow(self, name: str, shadow: Shadow, request: Json, value: Json) -> None:
        """Compare what `name` answered with what its candidate does, for the share of requests that the plan says."""
        if random.random() >= shadow.share:
            return
        if len(self.running) >= _MOST or self._governor.state is not State.FREE:
            self._count(name, shadow.candidate, "skipped")
            return
        task = asyncio.create_task(self._compare(name, shadow.candidate, request, value))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def close(self) -> None:
        """End those under way."""
        for task in self.running:
            task.cancel()

    async def _compare(self, name: str, candidate: str, request: Json, value: Json) -> None:
        try:
            answer = await self._ask(candidate, request, IN_THE_SHADOW)
        except EdgeError:
            self._count(name, candidate, "failed")
            return
        self._count(name, candidate, "same" if alike(value, answer.value) else "different")

    def _count(self, name: str, candidate: str, result: str) -> None:
        self._metrics.count("enigma_shadow_total", specialist=name, candidate=candidate, result=result)
        kept = self.compared.setdefault(f"{name} and {candidate}", {})
        kept[result] = kept.get(result, 0) + 1
