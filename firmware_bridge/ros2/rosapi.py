"""What a graph's rosapi node tells a client of rosbridge: nodes, topics, services, and whether somebody reads a topic.

It is asked while somebody wants to know, a few times a second at most. Where rosapi isn't there, nothing is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from firmware_bridge.errors import BridgeError
from firmware_bridge.ros2.names import is_name
from firmware_bridge.ros2.transport import MAX_SEEN, Seen

AGAIN = 0.2  # seconds between two looks
WITHIN = 3.0  # seconds in which it answers
LATER = 5.0  # seconds until what it refused is asked again
_NODES, _SEEN, _SERVICES = "nodes", "topics", "services"
Ask = Callable[[str, dict[str, object]], Awaitable[dict[str, Any]]]


class Rosapi:
    """See the module. ask: calls a service, and returns the values of its reply, or raises a BridgeError."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._nodes: list[str] = []
        self._seen: list[Seen] = []
        self._readers: dict[str, int] = {}
        self._services: list[str] = []
        self._types: dict[str, str] = {}  # of services
        self._failed: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Asks no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def nodes(self) -> list[str]:
        """Those that are known by now."""
        self._want(_NODES)
        return self._nodes

    def seen(self) -> list[Seen]:
        """Topics and services that are known by now."""
        self._want(_SEEN)
        return self._seen

    def readers(self, topic: str) -> int | None:
        """How many nodes read a topic, as far as known; None: nobody says."""
        self._want(topic)
        return None if topic in self._failed else self._readers.get(topic, 0)

    def serves(self, service: str) -> bool | None:
        """Whether a service is there, or was when that was last asked; None: nobody says."""
        if service in self._services:
            return True
        self._want(_SERVICES)
        return None if _SERVICES in self._failed else False

    def forget(self) -> None:
        """Another server may be there now."""
        self._nodes, self._seen, self._services = [], [], []
        self._readers.clear()
        self._types.clear()
        self._failed.clear()

    def _want(self, what: str) -> None:
        if time.monotonic() - self._failed.get(what, -LATER) >= LATER:
            self._wanted.add(what)
            self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            wanted, self._wanted = self._wanted, set()
            for what in wanted:
                try:
                    async with asyncio.timeout(WITHIN):
                        await self._look(what)
                    self._failed.pop(what, None)
                except (BridgeError, TimeoutError):
                    self._failed[what] = time.monotonic()
            await asyncio.sleep(AGAIN)

    async def _look(self, what: str) -> None:
        if what == _NODES:
            self._nodes = await self._names("/rosapi/nodes", {}, "nodes")
        elif what == _SERVICES:
            self._services = await self._names("/rosapi/services", {}, "services")
        elif what != _SEEN:
            self._readers[what] = len(await self._names("/rosapi/subscribers", {"topic": what}, "subscribers"))
        else:
            told = await self._ask("/rosapi/topics", {})
            names, types = _list(told, "topics"), _list(told, "types")
            found = [Seen(*each, "topic", None, None) for each in zip(names, types, strict=False) if is_name(each[0])]
            await self._look(_SERVICES)
            for name in self._services:
                if name not in self._types:
                    told = await self._ask("/rosapi/service_type", {"service": name})
                    self._types[name] = str(told.get("type", ""))[:200]
                found.append(Seen(name, self._types[name], "service", None, None))
            self._seen = sorted(found, key=lambda each: (each.name, each.type))

    async def _names(self, service: str, arguments: dict[str, object], key: str) -> list[str]:
        return sorted(filter(is_name, _list(await self._ask(service, arguments), key)))


def _list(told: dict[str, Any], key: str) -> list[str]:
    value = told.get(key)
    return [each for each in value[:MAX_SEEN] if isinstance(each, str)] if isinstance(value, list) else []
