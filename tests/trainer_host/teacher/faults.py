"""What a fake provider does instead of an answer, and scripts that say when."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import time

from aiohttp import web

from tests.trainer_host.teacher.fake_api import Asked, FakeApi, Fault, Script, refusal
from trainer_host.teacher.protocol import Json


def status(code: int, message: str = "the server had a bad day", headers: dict[str, str] | None = None) -> Fault:
    """An error of any status."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return refusal(code, message, asked.wire, headers)

    return fault


def throttle(retry_after: float | None = None, form: str = "seconds") -> Fault:
    """429. form: how Retry-After is written, "seconds", "ms" or "date"; without a figure it isn't."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        headers: dict[str, str] = {}
        if retry_after is not None and form == "seconds":
            headers["Retry-After"] = f"{retry_after:g}"
        elif retry_after is not None and form == "ms":
            headers["retry-after-ms"] = f"{retry_after * 1000:.0f}"
        elif retry_after is not None:
            headers["Retry-After"] = email.utils.formatdate(time.time() + retry_after, usegmt=True)
        return refusal(429, "slow down", asked.wire, headers)

    return fault


def page(code: int = 200) -> Fault:
    """A web page."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=code, text="<!DOCTYPE html><html><title>Welcome</title></html>", content_type="text/html"
        )

    return fault


def raw(body: bytes, code: int = 200, content_type: str = "application/json") -> Fault:
    """Any bytes."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, body=body, content_type=content_type)

    return fault


def echo_key(code: int = 401) -> Fault:
    """An error that repeats the key, as some gateways do."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return refusal(code, f"Incorrect API key provided: {asked.key}. Headers: {dict(request.headers)}", asked.wire)

    return fault


def said(answer: Json | str) -> Fault:
    """A billed reply with this answer: one that breaks the schema, or that others got already."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return web.json_response(api.reply(asked, answer))

    return fault


def truncated() -> Fault:
    """A reply whose JSON ends in the middle, with the length that was promised."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        body = json.dumps(api.reply(asked)).encode()
        return web.Response(body=body[: len(body) // 2], content_type="application/json")

    return fault


def cut(after: int = 20) -> Fault:
    """A reply that ends before the length that was promised: the connection breaks."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        body = json.dumps(api.reply(asked)).encode()
        response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(body[:after])
        assert request.transport is not None
        request.transport.abort()
        return response

    return fault


def hang(seconds: float = 3600.0) -> Fault:
    """Silence."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse | None:
        await asyncio.sleep(seconds)
        return None

    return fault


def slow_loris(every: float = 0.05) -> Fault:
    """A reply that comes one byte at a time, and never ends."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(every)

    return fault


def too_long(size: int = 64 * 2**20) -> Fault:
    """A body without end, or nearly."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(0, size, 2**16):
                await response.write(b" " * 2**16)
        return response

    return fault


def redirect(to: str) -> Fault:
    """307 to another address."""

    async def fault(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": to})

    return fault


# Scripts.


def at(faults: dict[int, Fault]) -> Script:
    """Faults by the number of the request."""
    return lambda asked: faults.get(asked.number)


def first(count: int, fault: Fault) -> Script:
    """The first requests meet the fault."""
    return lambda asked: fault if asked.number <= count else None


def always(fault: Fault) -> Script:
    """All requests meet the fault."""
    return lambda asked: fault


def every(count: int, fault: Fault) -> Script:
    """Each request whose number is a multiple of `count` meets the fault."""
    return lambda asked: None if asked.number % count else fault


def for_key(faults: dict[str, Fault]) -> Script:
    """Faults by key."""
    return lambda asked: faults.get(asked.key)


def in_turn(*scripts: Script) -> Script:
    """The fault of the first script that has one."""

    def script(asked: Asked) -> Fault | None:
        return next((fault for one in scripts if (fault := one(asked)) is not None), None)

    return script
