"""A command to a device that is done once, though the device may go away in the middle of it and come back."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping

from companion_app.state.fleet import steerable
from companion_app.state.model import Phase
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, DeviceUnreachable, Interrupted, Overloaded

# So long a command waits for a device that went away; a restart takes a second or two, a reboot half a minute.
SEND_SECONDS = 45.0
PAUSE = 0.2

Answer = Mapping[str, object]


class Sending:
    """Sends commands. client_of: the client of a device; poke: has its link look at once."""

    def __init__(self, store: Store, client_of: Callable[[str], DeviceClient], poke: Callable[[str], None]) -> None:
        self._store = store
        self._client_of = client_of
        self._poke = poke

    async def once(
        self,
        address: str,
        call: Callable[[DeviceClient, str], Awaitable[Answer]],
        *,
        repeatable: bool,
        seconds: float = SEND_SECONDS,
    ) -> Answer:
        """What the device answers; raises `EdgeError`, `TimeoutError` and `OSError` as the call does.

        call: gets the client and the key that says which command this is. repeatable: whether doing it twice comes to the
        same; another one is sent again only to a device that knows keys.
        """
        key = uuid.uuid4().hex
        ends = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(ends):
                    return await call(self._client_of(address), key)
            except Interrupted:
                if not repeatable:
                    raise
                key = uuid.uuid4().hex
            except Overloaded as busy:  # it starts, or installs something else
                left = ends - asyncio.get_running_loop().time()
                if left <= busy.retry_after:
                    raise
                await asyncio.sleep(min(busy.retry_after, 1.0))
            except DeviceUnreachable:
                patient = min(ends, asyncio.get_running_loop().time() + SEND_SECONDS)
                if not (repeatable or self._knows_keys(address)) or not await self._back(address, patient):
                    raise

    def _knows_keys(self, address: str) -> bool:
        """An older device would do a command twice."""
        return steerable(self._store.state.fleet.details.get(address))

    async def _back(self, address: str, ends: float) -> bool:
        """Wait until the link says that the device is back; whether it came in time."""
        loop = asyncio.get_running_loop()
        # The link may not know yet that the device is gone, so it looks first.
        self._poke(address)
        await asyncio.sleep(PAUSE)
        news = asyncio.Event()
        stop = self._store.listen(lambda state: news.set())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    while not self._online(address):
                        news.clear()
                        await news.wait()
        finally:
            stop()
        return self._online(address) and loop.time() < ends

    def _online(self, address: str) -> bool:
        return any(one.address == address and one.link.phase is Phase.ONLINE for one in self._store.state.devices)
