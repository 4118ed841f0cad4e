"""Loading a model again in a thread of its own, as its runtime may not come back from that either."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_runtime.serving import memory
from edge_runtime.update.admit import Loaded


class Load:
    """One load; made in the event loop that waits for it."""

    def __init__(self, reload: Callable[[str], Loaded], digest: str) -> None:
        self._reload, self._digest = reload, digest
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[Loaded] = self._loop.create_future()
        self._lock = threading.Lock()
        self._given_up = False
        # A daemon thread, and none of a pool: native code that hangs keeps neither others nor the process's end waiting.
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    async def loaded(self, seconds: float) -> Loaded:
        """What it came to; raises `TimeoutError` once it is given up, and what loading raised."""
        done, _ = await asyncio.wait([self._result], timeout=seconds)
        with self._lock:
            self._given_up = not done
        if self._given_up:
            raise TimeoutError
        return await self._result

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it came. A model that came too late is closed by then."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        loaded: Loaded | None = None
        failed: BaseException | None = None
        try:
            loaded = self._reload(self._digest)
        except BaseException as error:  # whoever waits is told of anything
            failed = error
        with self._lock:
            wanted = not self._given_up
            if wanted:
                with contextlib.suppress(RuntimeError):  # where the loop is closed, nobody waits any more
                    self._loop.call_soon_threadsafe(self._tell, loaded, failed)
        if not wanted and loaded is not None:
            loaded.engine.close()
            del loaded
            memory.trim()

    def _tell(self, loaded: Loaded | None, failed: BaseException | None) -> None:
        if self._result.done():
            return
        if loaded is not None:
            self._result.set_result(loaded)
        elif failed is not None:
            self._result.set_exception(failed)


class Joins(Protocol):
    """A thread, or what has threads."""

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""


@dataclass(frozen=True)
class Lost:
    """What didn't come back from a runtime, and the bytes that it keeps. loaded: what is to be freed should it come back."""

    name: str
    thread: Joins
    bytes: int
    loaded: Loaded | None = None
