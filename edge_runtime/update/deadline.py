"""A deadline for loading models in this process, whose thread goes on when it is over, but changes nothing any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from edge_runtime.errors import TookTooLong

T = TypeVar("T")
LOAD_SECONDS = 600.0  # for loading and all golden vectors; a language model on a small board takes some minutes


async def in_time(begin: Callable[[Callable[[], None]], Awaitable[T]]) -> T:
    """The result of what loads a model; raises `TookTooLong` where that takes longer than `LOAD_SECONDS`.

    begin: gets what is to be called once it is loaded and before anything changes; past the deadline that raises.
    """
    late = TookTooLong(f"It wasn't loaded and checked within {LOAD_SECONDS:.0f} seconds.")
    gate, over, through = threading.Lock(), False, False

    def still() -> None:
        nonlocal through
        with gate:
            if over:
                raise late
            through = True  # from here on it is a matter of milliseconds, and isn't given up

    task = asyncio.ensure_future(begin(still))
    done, _ = await asyncio.wait([task], timeout=LOAD_SECONDS)
    with gate:
        over = not done and not through
    if over:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody waits for it any more
        raise late
    return await task
