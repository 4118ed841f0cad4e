"""The address that clients see: OpenAI's routes in front of llama.cpp's server in the same process.

It lets in only who may ask, only so much at a time and in one request, and hands schemas over in the way that holds
(see `constrain`). Everything else is llama.cpp's answer, byte for byte, streams included.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from edge_runtime.api.access import refuse_browsers
from edge_runtime.errors import Forbidden
from trainer_host.teacher.local.constrain import constrained
from trainer_host.teacher.protocol import Json, Secret

MAX_BODY = 4 * 1024 * 1024  # the longest context of today's models is about as many characters
MAX_WAITING = 256  # requests in work and waiting; the rest is told to come back
ANSWER_SECONDS = 3600.0  # a thousand tokens at one in three seconds: slower is broken
RETRY_SECONDS = 5
END_SECONDS = 1.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Upstream:
    """llama.cpp's server: its address, the key that only this process has, and how many requests it works on."""

    url: str
    key: Secret
    parallel: int


class Gateway:
    """Counts the requests that are open, and passes them on."""

    def __init__(self, upstream: Upstream, token: Secret | None) -> None:
        self._upstream = upstream
        self._token = token
        self._open = 0
        self._session: aiohttp.ClientSession | None = None
        self._models = b""

    def app(self) -> web.Application:
        """The application to serve."""
        made = web.Application(client_max_size=MAX_BODY, middlewares=[self._guard])
        made.router.add_get("/health", self._health)
        made.router.add_get("/v1/models", self._list_models)
        made.router.add_post("/v1/chat/completions", self._chat)
        made.cleanup_ctx.append(self._connected)
        return made

    async def _connected(self, app: web.Application):  # type: ignore[no-untyped-def]  # aiohttp's own form
        # What is more waits here, where a client that goes away costs nothing.
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._upstream.key.reveal()}"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            connector=aiohttp.TCPConnector(limit=self._upstream.parallel + 1),
        )
        async with self._session.get(f"{self._upstream.url}/v1/models") as answer:
            self._models = await answer.read()  # it never changes, and must be had while all slots are busy
        yield
        await self._session.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != "/health":
            if self._token is None:
                try:
                    refuse_browsers(request)
                except Forbidden:
                    return _error(
                        403, "Without a token, only programs on this machine are answered.", "permission_error"
                    )
            elif not self._knows_token(request):
                return _error(
                    401, "The token is missing or wrong; it is in the server's token file.", "authentication_error"
                )
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"The request has more than {MAX_BODY:,} bytes.")
        except web.HTTPMethodNotAllowed as cause:
            return _error(405, f"{request.path} takes {', '.join(sorted(cause.allowed_methods))}.")
        except web.HTTPNotFound:
            return _error(404, f"There is no {request.path[:100]} here; there are /v1/models and /v1/chat/completions.")

    def _knows_token(self, request: web.Request) -> bool:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        known = self._token.reveal() if self._token else ""
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), known.encode())

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _list_models(self, request: web.Request) -> web.Response:
        return web.Response(body=self._models, content_type="application/json")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError) as cause:
            return _error(400, f"The request isn't JSON: {str(cause)[:200]}.")
        if not isinstance(body, dict):
            return _error(400, "The request must be a JSON object.")
        if self._open >= MAX_WAITING:
            answer = _error(503, f"{MAX_WAITING} requests are waiting; ask again later.", "overloaded_error")
            answer.headers["Retry-After"] = str(RETRY_SECONDS)
            return answer
        self._open += 1
        try:
            return await self._passed_on(request, constrained(body))
        finally:
            self._open -= 1

    async def _passed_on(self, request: web.Request, body: Json) -> web.StreamResponse:
        """llama.cpp's answer, in the pieces in which it comes; where the client goes away, it stops computing."""
        assert self._session is not None
        try:
            async with self._session.post(f"{self._upstream.url}/v1/chat/completions", json=body) as answer:
                passed = web.StreamResponse(
                    status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
                )
                await passed.prepare(request)
                async for piece in answer.content.iter_any():
                    await passed.write(piece)
                await passed.write_eof()
                return passed
        except TimeoutError:
            return _error(504, f"There is no answer after {ANSWER_SECONDS:.0f} seconds.", "server_error")


async def serve_on(
    listener: socket.socket, upstream: Upstream, token: Secret | None, ready: Callable[[], None]
) -> None:
    """Serve on a bound socket until cancelled. ready: called once requests are taken."""
    gateway = Gateway(upstream, token)
    runner = web.AppRunner(gateway.app(), access_log=None, handler_cancellation=True, shutdown_timeout=END_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    ready()
    await asyncio.Event().wait()


def _error(status: int, message: str, kind: str = "invalid_request_error") -> web.Response:
    """An error in the form that OpenAI's clients read."""
    return web.json_response({"error": {"message": message, "type": kind, "code": status}}, status=status)
