"""Devices near us: asks the network by mDNS for as long as somebody looks at the list."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable, Sequence

from companion_app.services.link import sentence_of
from companion_app.state import fleet_actions as fact
from companion_app.state.fleet import Found
from companion_app.state.store import Store
from edge_runtime.client import EdgeError
from edge_runtime.discovery import Found as Announced
from edge_runtime.discovery import find

LISTEN_SECONDS = 3.0
AGAIN_SECONDS = 12.0
SETTLED_SECONDS = 0.5  # who only passes by asks the network nothing

Find = Callable[[float], Awaitable[Sequence[Announced]]]


class Nearby:
    """Looks while it is wanted. came: called with the address of each device that answers, so that its link wakes up."""

    def __init__(self, store: Store, came: Callable[[str], None], find: Find = find) -> None:
        self._store = store
        self._came = came
        self._find = find
        self._task: asyncio.Task[None] | None = None

    def want(self, wanted: bool) -> None:
        """Begin to look, or stop."""
        if wanted and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look())
        elif not wanted and self._task is not None:
            self._task.cancel()
            self._task = None
            self._store.dispatch(fact.NearbyLooked(False))

    async def close(self) -> None:
        """Stop, and wait for it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        await asyncio.sleep(SETTLED_SECONDS)
        with contextlib.suppress(ImportError):  # `find` says so
            # A third of a second, which no frame waits for.
            await asyncio.to_thread(importlib.import_module, "zeroconf.asyncio")
        while True:
            self._store.dispatch(fact.NearbyLooked(True, problem=self._store.state.fleet.look_problem))
            try:
                answered = await self._find(LISTEN_SECONDS)
            except (EdgeError, OSError) as error:
                self._store.dispatch(fact.NearbyLooked(False, (), sentence_of(error)))
                return  # neither a missing package nor a missing network comes by waiting here
            found = tuple(Found(one.name, one.id, one.url, one.version) for one in answered)
            self._store.dispatch(fact.NearbyLooked(False, found))
            for one in found:
                self._came(one.url)
            await asyncio.sleep(AGAIN_SECONDS)
