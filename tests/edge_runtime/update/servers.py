"""A web server of targets on loopback that misbehaves on a script, for tests of what fetches from it.

    async with FileServer({"targets/a": content}, script=[answer(503), cut(1000)]) as server:
        place = server.place()
        ...
        server.asked          # what came: path, Range and If-Range of each request

A script is a list: its first fault meets the first request, and so on; None, or the list's end, serves properly.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from edge_runtime.update.places import HttpPlace

Fault = Callable[["FileServer", web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    range: str
    if_range: str
    encoding: str


@dataclass
class FileServer:
    """Serves files by path, with ranges and strong tags unless told otherwise; an async context manager."""

    files: Mapping[str, bytes]
    script: Sequence[Fault | None] = ()
    ranges: bool = True
    tags: bool = True
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0  # bytes of bodies

    async def __aenter__(self) -> FileServer:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def place(self) -> HttpPlace:
        """This server as a place."""
        return HttpPlace(self._session, self.url)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path, headers = request.match_info["path"], request.headers
        self.asked.append(
            Asked(path, headers.get("Range", ""), headers.get("If-Range", ""), headers.get("Accept-Encoding", ""))
        )
        number = len(self.asked) - 1
        content = self.files.get(path)
        if content is None:
            return web.Response(status=404)
        fault = self.script[number] if number < len(self.script) else None
        return await (fault or serve)(self, request, content)

    def head(self, request: web.Request, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a proper answer."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": tag} if self.tags else {}
        asked, unchanged = request.headers.get("Range", ""), request.headers.get("If-Range", tag) == tag
        if not asked or not self.ranges or not unchanged:
            return 200, headers, content
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        if first >= len(content):
            return 416, headers, b""
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return 206, headers, content[first:]


async def serve(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
    """A proper answer."""
    status, headers, body = server.head(request, content)
    server.sent += len(body)
    return web.Response(status=status, headers=headers, body=body)


def answer(status: int, **headers: str) -> Fault:
    """Only a status, with headers (retry_after="3")."""

    async def fault(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return fault


def cut(after: int) -> Fault:
    """The connection breaks after so many bytes of the body."""

    async def fault(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
        status, headers, body = server.head(request, content)
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[:after])
        server.sent += len(body[:after])
        await asyncio.sleep(0.01)
        assert request.transport is not None
        request.transport.close()
        return response

    return fault


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """A proper answer of another content."""

    async def fault(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
        return await serve(server, request, change(content))

    return fault


def with_headers(**more: str) -> Fault:
    """A proper answer with other headers."""

    async def fault(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
        status, headers, body = server.head(request, content)
        server.sent += len(body)
        return web.Response(
            status=status, headers={**headers, **{k.replace("_", "-"): v for k, v in more.items()}}, body=body
        )

    return fault


def dripping(pieces: int, pause: float, piece: bytes = b"x") -> Fault:
    """A slow loris: a head, then a few bytes now and then, and for ever the promise of more."""

    async def fault(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        for i in range(pieces):
            await response.write(content[i * len(piece) : (i + 1) * len(piece)])
            server.sent += len(piece)
            await asyncio.sleep(pause)
        await asyncio.sleep(600)
        return response

    return fault


async def endless(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
    """The content, and then data without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(content)
    while True:
        await response.write(bytes(65536))
        server.sent += 65536


async def silent(server: FileServer, request: web.Request, content: bytes) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.sleep(600)
    return web.Response()
