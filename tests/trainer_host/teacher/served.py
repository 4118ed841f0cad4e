"""A fake provider in a thread of its own, for what runs event loops itself: commands and the facade."""

from __future__ import annotations

import asyncio
import threading

from tests.trainer_host.teacher.fake_api import FakeApi


class Served:
    """Serves until `stop`."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(api.start(), self._loop).result(20)

    def stop(self) -> None:
        """Close the port and end the thread."""
        asyncio.run_coroutine_threadsafe(self.api.stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()
