"""Deadlines for loading a model in this process and letting it serve: a thread goes on when its time is over, but changes
nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from edge_runtime.errors import TookTooLong
from edge_runtime.update.disk_threads import LEAST_BYTES_PER_SECOND, DiskHangs, within

T = TypeVar("T")
LOAD_SECONDS = 600.0  # for loading and all golden vectors; a language model on a small board takes some minutes
SWITCH_SECONDS = (
    600.0  # for what comes then, as nothing but the disk keeps it: a bundle that lies there is compared again
)
USUAL_BYTES = 64 * 2**20  # of the longest bundle, for which these are meant; `more_for` says what longer ones get


def more_for(most_bytes: int) -> float:
    """Seconds that both deadlines are longer where a device takes bundles of so many bytes, as all is read some times."""
    return max(0, most_bytes - USUAL_BYTES) / LEAST_BYTES_PER_SECOND


async def in_time(begin: Callable[[Callable[[], None]], Awaitable[T]], state: Path, most_bytes: int = 0) -> T:
    """The result of what loads a model and lets it serve from the state folder.

    begin: gets what is to be called once it is loaded, and again before each step that changes something: past the deadline
    that raises. most_bytes: of the longest bundle that the device takes. `TookTooLong` where it isn't loaded within
    `LOAD_SECONDS` and what is added for these; `DiskHangs` where it doesn't serve within `SWITCH_SECONDS` and that then, and
    nothing else begins in the state folder before it is back.
    """
    more = more_for(most_bytes)
    late = TookTooLong(f"It wasn't loaded and checked within {LOAD_SECONDS + more:.0f} seconds.")
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    gate, over, loaded = threading.Lock(), False, False

    def still() -> None:
        nonlocal loaded
        with gate:
            if over:
                raise late
            loaded = True
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(told.set)

    task, loading = asyncio.ensure_future(begin(still)), asyncio.create_task(told.wait())
    try:
        await asyncio.wait([task, loading], timeout=LOAD_SECONDS + more, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loading.cancel()
    with gate:
        over = not task.done() and not loaded
    if over:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody waits for it any more
        raise late
    try:
        return await within(SWITCH_SECONDS + more, state, task)
    except DiskHangs:
        with gate:
            over = True
        raise
