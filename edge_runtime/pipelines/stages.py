"""One step of a pipeline: a bounded queue, a task that works on what is in it, and what comes after."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_runtime.errors import EdgeError
from edge_runtime.events import EventHub
from edge_runtime.pipelines.box import Box
from edge_runtime.pipelines.declare import When
from edge_runtime.pipelines.items import Item

_AGAIN_SECONDS = 60.0  # the same mistake is told once in so long; all are counted
_log = logging.getLogger(__name__)


@dataclass
class Counts:
    """What a step did since its pipeline started. held: left out as `every_seconds` asks for it."""

    taken: int = 0
    out: int = 0
    errors: int = 0
    held: int = 0


class Mistakes:
    """Tells a pipeline's mistakes as events, each kind once a minute, and keeps the latest."""

    def __init__(self, pipeline: str, events: EventHub) -> None:
        self._pipeline, self._events = pipeline, events
        self._told: dict[str, tuple[str, float]] = {}
        self.last = ""
        self.at: float | None = None  # by the wall clock

    def tell(self, where: str, error: EdgeError) -> None:
        """Keep it, and tell it where it is new."""
        text, now = f"{where}: {error}", time.monotonic()
        self.last, self.at = text, time.time()
        code, told = self._told.get(where, ("", 0.0))
        if code != error.code or now - told > _AGAIN_SECONDS:
            self._told[where] = error.code, now
            self._events.emit("error", pipeline=self._pipeline, code=error.code, message=text)

    def well(self, where: str) -> None:
        """It works again: the next mistake there is news."""
        self._told.pop(where, None)


class Stage:
    """One step. work: what an item becomes; () ends its way here. when: what must be so of an item's answer.

    waits: whether who gives waits for room, where else the oldest goes.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        bound: int,
        work: Callable[[Item], Awaitable[list[Item]]],
        mistakes: Mistakes,
        when: When,
        waits: bool,
    ) -> None:
        self.name, self.kind = name, kind
        self.counts = Counts()
        self.next: list[Stage] = []
        self._box: Box[Item] = Box(bound)
        self._work, self._mistakes, self._when, self._waits = work, mistakes, when, waits

    @property
    def dropped(self) -> int:
        """How many were dropped for newer ones."""
        return self._box.dropped

    async def give(self, item: Item) -> None:
        """Take an item into the queue, where its answer is wanted."""
        if item.answer is not None and not self._when.holds(item.answer):
            return
        if self._waits:
            await self._box.put(item)
        else:
            self._box.offer(item)

    async def run(self) -> None:
        """Work until the queue is closed and empty."""
        while (item := await self._box.take()) is not None:
            self.counts.taken += 1
            try:
                made = await self._work(item)
            except EdgeError as error:
                self.counts.errors += 1
                self._mistakes.tell(self.name, error)
                continue
            self._mistakes.well(self.name)
            self.counts.out += len(made)
            for each in made:
                for stage in self.next:
                    await stage.give(each)

    def close(self) -> None:
        """Let `run` end once it has worked on what waits."""
        self._box.close()

    def plain(self) -> dict[str, object]:
        """As JSON."""
        counts = self.counts
        return {
            "name": self.name,
            "kind": self.kind,
            "waiting": len(self._box),
            "in": counts.taken,
            "dropped": self.dropped,
            "held": counts.held,
            "out": counts.out,
            "errors": counts.errors,
        }
