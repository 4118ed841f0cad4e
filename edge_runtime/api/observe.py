"""Watching: health, readiness, metrics, status and the stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable

from aiohttp import web
from aiohttp.http import WSCloseCode

from edge_runtime import __version__
from edge_runtime.api.access import caller
from edge_runtime.api.wire import reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, Overloaded
from edge_runtime.events import Listener
from edge_runtime.serving import metrics

SEND_SECONDS = 10.0  # a listener that takes no event for so long is gone
HEARTBEAT_SECONDS = 20.0
RECHECK_SECONDS = 0.5  # until a token that was taken back is noticed on a stream of events


class ObserveRoutes:
    """GET /healthz, /readyz, /metrics, /v1/status, /v1/requests, /v1/unsure and /v1/events."""

    def __init__(self, device: Device, still: Callable[[web.Request], bool]) -> None:
        """still: whether a request that goes on would be let in again."""
        self._device = device
        self._still = still

    async def health(self, request: web.Request) -> web.Response:
        """The process answers."""
        about = self._device.about
        device = {"name": about["name"], "id": about["id"]}
        return reply({"status": "ok", "device": device, "version": __version__})

    async def ready(self, request: web.Request) -> web.Response:
        """200 where all active bundles serve, else 503 with the reason."""
        device = self._device
        if device.ready:
            return reply({"status": "ready"})
        if device.failed:
            name, why = next(iter(device.failed.items()))
            raise Overloaded(f"'{name}' doesn't serve: {why}", 10.0)
        raise Overloaded("The device is stopping." if device.stopping else "The device is starting.")

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format."""
        body = self._device.metrics_text().encode("utf-8")
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def requests(self, request: web.Request) -> web.Response:
        """The latest requests, the newest first."""
        return reply({"requests": self._device.recent.newest_first()})

    async def unsure(self, request: web.Request) -> web.Response:
        """The texts that a specialist was unsure about, the latest first, where the device keeps them."""
        return reply({"unsure": self._device.doubts.of(request.match_info["specialist"])})

    async def forget_unsure(self, request: web.Request) -> web.Response:
        """Drop them, as somebody has them now; how many they were."""
        return reply({"forgotten": self._device.doubts.forget(request.match_info["specialist"])})

    async def status(self, request: web.Request) -> web.Response:
        """All about the device."""
        return reply(self._device.status())

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        """The events over a WebSocket, the remembered ones first; what the client sends is ignored."""
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) <= 15):
            raise BadRequest("'since' must be the id of an event, a whole number.")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=4096)
        if not socket.can_prepare(request).ok:
            raise BadRequest("Events come over a WebSocket; connect with a WebSocket client.")
        who = caller(request)
        listener = self._device.events.listen(int(since), who.may_know, who.id)
        try:
            await socket.prepare(request)
            tasks = [asyncio.create_task(_send(socket, listener)), asyncio.create_task(self._watch(socket, request))]
            try:
                async for _ in socket:
                    continue
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        finally:
            self._device.events.leave(listener)
        return socket

    async def _watch(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        """End the stream when its token does."""
        while self._still(request):  # noqa: ASYNC110 - another process may take a token back, which tells nobody
            await asyncio.sleep(RECHECK_SECONDS)
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the token has ended")


async def _send(socket: web.WebSocketResponse, listener: Listener) -> None:
    # A client that went away or takes nothing ends its own stream, nothing else.
    with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
        while (event := await listener.next()) is not None:
            async with asyncio.timeout(SEND_SECONDS):
                await socket.send_str(json.dumps(event, ensure_ascii=False))
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the device stops")
        return
    with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
