"""What is under way: every task has an owner, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

from companion_app.i18n import tr

log = logging.getLogger(__name__)


async def together(*tasks: asyncio.Task[None]) -> None:
    """Wait until all are done or one fails, which ends the others and is raised.

    A group of `asyncio` (Python 3.11) that is cancelled while one of its tasks fails raises that failure alone, and
    whoever cancelled it waits for ever.
    """
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


class Work:
    """Owns tasks until `close`. A task that fails for no reason that anybody foresaw is logged and said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start; needs a running event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Cancel all, and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            error = task.exception()
            if error is not None:
                log.error("A command failed", exc_info=error)
                self._say(tr("That went wrong: {error}.", error=error))
