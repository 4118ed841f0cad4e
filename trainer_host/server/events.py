"""GET /v1/events: a WebSocket that tells how lessons and jobs stand, at most five times a second each.

A listener that is slow misses standings in between, never the last one: of each only the newest waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable

from aiohttp import WSCloseCode, web

from edge_runtime.errors import BadRequest, EdgeError, NotFound, Overloaded
from trainer_host.server.access import Guard
from trainer_host.server.fields import Json

MAX_LISTENERS = 32
EVERY_SECONDS = 0.2
SEND_SECONDS = 10.0  # a listener that takes no event for so long is gone
HEARTBEAT_SECONDS = 20.0


class Listener:
    """What one listener hasn't been told yet: the ids of lessons, as many as there are at most."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._closed = False
        self._news = asyncio.Event()

    def put(self, id_: str) -> None:
        """This lesson changed."""
        self._changed[id_] = None
        self._news.set()

    def close(self) -> None:
        """Let `changed` return None once nothing is left to tell."""
        self._closed = True
        self._news.set()

    async def changed(self) -> list[str] | None:
        """The lessons that changed, the first one first; waits for one."""
        while not self._changed:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        found = list(self._changed)
        self._changed.clear()
        return found


class Hub:
    """All listeners. Every method belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def changed(self, id_: str) -> None:
        """Tell everyone that a lesson changed."""
        for listener in self._listeners:
            listener.put(id_)

    def listen(self) -> Listener:
        """One more listener; raises `Overloaded`."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise Overloaded(f"The host has {MAX_LISTENERS} listeners already; close one and try again.")
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Let every listener end."""
        for listener in self._listeners:
            listener.close()


class EventRoutes:
    """See the module."""

    def __init__(self, hub: Hub, guard: Guard, ids: Callable[[], list[str]], plain: Callable[[str], Json]) -> None:
        """ids: all lessons. plain: how one stands now."""
        self._hub = hub
        self._guard = guard
        self._ids = ids
        self._plain = plain

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        """All lessons as they stand, then every change; what the client sends is ignored."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=4096)
        if not socket.can_prepare(request).ok:
            raise BadRequest("Events come over a WebSocket; connect with a WebSocket client.")
        listener = self._hub.listen()
        for id_ in self._ids():
            listener.put(id_)
        try:
            await socket.prepare(request)
            sending = asyncio.create_task(self._send(request, socket, listener))
            try:
                async for _ in socket:
                    continue
            finally:
                sending.cancel()
                await asyncio.wait([sending])
        finally:
            self._hub.leave(listener)
        return socket

    async def _send(self, request: web.Request, socket: web.WebSocketResponse, listener: Listener) -> None:
        code, why = WSCloseCode.TRY_AGAIN_LATER, b""
        # A client that went away or takes nothing ends its own stream, nothing else.
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            code, why = await self._tell(request, socket, listener)
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            async with asyncio.timeout(SEND_SECONDS):
                await socket.close(code=code, message=why)

    async def _tell(
        self, request: web.Request, socket: web.WebSocketResponse, listener: Listener
    ) -> tuple[WSCloseCode, bytes]:
        while (changed := await listener.changed()) is not None:
            try:
                self._guard.paired(request)
            except EdgeError:
                return WSCloseCode.POLICY_VIOLATION, b"the pairing was ended"
            for id_ in changed:
                try:
                    told = {"type": "lesson", **self._plain(id_)}
                except NotFound:  # an old job, forgotten since
                    continue
                async with asyncio.timeout(SEND_SECONDS):
                    await socket.send_str(json.dumps(told, ensure_ascii=False))
            await asyncio.sleep(EVERY_SECONDS)
        return WSCloseCode.GOING_AWAY, b"the host stops"
