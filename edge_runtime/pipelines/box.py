"""A bounded queue from any thread to the event loop: where it is full, the oldest goes, and is counted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Box(Generic[T]):
    """Holds the `bound` latest things; made in the event loop that takes them.

    `offer` never waits and drops the oldest; `put` waits for room, for sources that can wait, as a file can.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[T] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._told = False  # whether the loop knows of news: one call into it for many things
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, thing: T) -> bool:
        """Add a thing, from any thread; False where the oldest went for it, or where the box is closed."""
        with self._lock:
            if self._closed:
                return False
            full = len(self._waiting) >= self._bound
            if full:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(thing)
            told, self._told = self._told, True
        if not told:
            self._wake()
        return not full

    async def put(self, thing: T) -> None:
        """Add a thing once there is room; nothing is dropped. In a closed box it is lost."""
        while len(self._waiting) >= self._bound and not self._closed:
            self._room.clear()
            await self._room.wait()
        self.offer(thing)

    async def take(self) -> T | None:
        """The oldest thing that is there; None once the box is closed and empty."""
        while True:
            with self._lock:
                if self._waiting:
                    thing = self._waiting.popleft()
                    self._room.set()
                    return thing
                if self._closed:
                    return None
                self._told = False
                self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        """Let `take` return None once the box is empty; from any thread."""
        with self._lock:
            self._closed = True
        self._wake()

    def _wake(self) -> None:
        def wake() -> None:
            self._news.set()
            self._room.set()

        with contextlib.suppress(RuntimeError):  # the loop ended meanwhile: nobody takes any more
            self._loop.call_soon_threadsafe(wake)
