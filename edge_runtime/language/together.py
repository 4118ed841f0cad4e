"""Answers that wait for their turn leave their next token here, and whoever computes next reads all of them in one run.

Reading a token costs mostly what reading the weights costs, so several answers of one model are written by fewer runs.
No answer waits for another one to come: who has the processor takes along those that are there.
"""

from __future__ import annotations

import threading

import numpy as np

from edge_runtime.engines.language import FeedsTogether, LanguageEngine
from edge_runtime.errors import EngineError


class Asked:
    """A token that an answer goes on with, to be read into its cache."""

    def __init__(self, engine: LanguageEngine, token: int, priority: int) -> None:
        self.engine, self.token, self.priority = engine, token, priority
        self.done = threading.Event()
        self.row: np.ndarray | EngineError | None = None  # float32 [V], what follows it


class Together:
    """The tokens that answers of one model wait with; every method is called in the answer's own thread."""

    def __init__(self, engine: FeedsTogether) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._waiting: list[Asked] = []
        self._reading: dict[int, list[Asked]] = {}  # by the thread that reads them

    def ask(self, engine: LanguageEngine, token: int, priority: int) -> Asked:
        """Leave a token; `answer` or `withdraw` must follow."""
        asked = Asked(engine, token, priority)
        with self._lock:
            self._waiting.append(asked)
        return asked

    def answer(self, asked: Asked) -> np.ndarray:
        """What follows, by a neighbour's run or by one that takes along whoever is as urgent or more; raises `EngineError`."""
        with self._lock:
            group: list[Asked] = []
            if asked in self._waiting:
                group = [each for each in self._waiting if each.priority <= asked.priority]
                self._waiting = [each for each in self._waiting if each.priority > asked.priority]
                self._reading[threading.get_ident()] = group
        if group:
            self._read(group)
        asked.done.wait()
        if isinstance(asked.row, np.ndarray):
            return asked.row
        raise asked.row or EngineError("The model failed while it read several answers at once; ask again.")

    def withdraw(self, asked: Asked) -> None:
        """The answer ends. Its cache is nobody else's once this returns: a neighbour that reads it now is waited for."""
        with self._lock:
            if asked in self._waiting:
                self._waiting.remove(asked)
                return
        asked.done.wait()

    def lose(self, thread: int) -> None:
        """A thread didn't come back from a run: whom it took along waits no longer."""
        with self._lock:
            lost = self._reading.pop(thread, [])
        for asked in lost:
            if not asked.done.is_set():
                asked.row = EngineError("The model didn't come back from its runtime; ask again in some seconds.")
                asked.done.set()

    def _read(self, group: list[Asked]) -> None:
        try:
            if len(group) == 1:
                group[0].row = group[0].engine.feed([group[0].token])[0]
            else:
                rows = self._engine.feed_together([(each.engine, each.token) for each in group])
                for each, row in zip(group, rows, strict=True):
                    each.row = row
        finally:  # whatever happened, nobody waits for ever
            with self._lock:
                self._reading.pop(threading.get_ident(), None)
            for each in group:
                each.done.set()
