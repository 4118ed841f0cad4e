"""The client: deadlines, and the device's errors as its own classes."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from edge_runtime.client import DeviceClient
from edge_runtime.errors import (
    BadRequest,
    DeviceUnreachable,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthorized,
    by_code,
)

from .conftest import RunningDevice


async def test_it_asks_and_is_answered(shared_device: RunningDevice) -> None:
    async with DeviceClient(f"127.0.0.1:{shared_device.port}/") as client:
        assert (await client.health())["status"] == "ok"
        assert await client.ready() is True
        assert [model["name"] for model in await client.models()] == ["tiny"]
        answer = await client.run("tiny", {"text": "turn on the light"})
        assert answer["label"] and answer["ms"]


async def test_refusals_come_as_their_classes(shared_device: RunningDevice) -> None:
    async with DeviceClient(shared_device.url) as client:
        with pytest.raises(BadRequest, match="is empty"):
            await client.run("tiny", {"text": ""})
        with pytest.raises(NotFound, match="it has tiny"):
            await client.run("a/b c", {"text": "x"})
        with pytest.raises(Unauthorized):
            await client.status()
        with pytest.raises(Unauthorized):
            await anext(client.events())
        with pytest.raises(TooLarge):
            await client.run("tiny", {"text": "x" * 2_000_000})
        with pytest.raises(BadRequest, match="can't be written"):
            await client.run("tiny", {"text": object()})


async def _peer(answer: bytes, hold: float = 0.0) -> tuple[asyncio.Server, str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), hold)  # until the client has gone
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


PEERS = {
    "silent": (b"", 120.0),
    "hangs in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", 120.0),
    "closes": (b"", 0.0),
    "not http": (b"SSH-2.0-OpenSSH\r\n", 0.0),
    "html": (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", 0.0),
    "a list": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", 0.0),
    "other json": (b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"models": 5}', 0.0),
    "elsewhere": (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", 0.0),
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5_000_000, 0.0),
}


@pytest.mark.parametrize("peer", PEERS)
async def test_what_is_no_device_is_unreachable_in_time(peer: str) -> None:
    server, url = await _peer(*PEERS[peer])
    started = time.monotonic()
    async with server, DeviceClient(url, timeout=0.3) as client:
        with pytest.raises(DeviceUnreachable, match=r"\.$"):
            await client.models()
    assert time.monotonic() - started < 60


async def test_nobody_there_is_unreachable() -> None:
    for url in ("http://127.0.0.1:1", "http://nobody.invalid:80", "http://[bad", "http://"):
        async with DeviceClient(url, timeout=2.0) as client:
            with pytest.raises(DeviceUnreachable):
                await client.health()


async def test_a_busy_device_says_when_to_come_back() -> None:
    body = b'{"error":{"code":"overloaded","message":"Later."}}'
    head = f"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server, url = await _peer(head + body)
    async with server, DeviceClient(url) as client:
        with pytest.raises(Overloaded, match="Later") as caught:
            await client.models()
        assert caught.value.retry_after == 7
        assert await client.ready() is False


def test_every_code_names_one_class() -> None:
    seen: dict[str, type] = {}
    pending: list[type] = [by_code("error")]
    while pending:
        kind = pending.pop()
        if not kind.__module__.startswith("edge_runtime."):
            continue  # the companion's own, which no device sends
        assert seen.setdefault(kind.code, kind) is kind  # type: ignore[attr-defined]
        pending += kind.__subclasses__()
    assert by_code("from the future") is by_code("error")


@pytest.mark.parametrize("moment", ["X-Captured: 1e300\r\n", "X-Captured: nan\r\n", "X-Captured: -1\r\n", ""])
async def test_a_picture_of_no_moment_is_none(moment: str) -> None:
    """It names the file that the picture goes into."""
    head = f"HTTP/1.1 200 OK\r\n{moment}Content-Length: 1\r\n\r\n"
    server, url = await _peer(head.encode() + b"x")
    async with server, DeviceClient(url) as client:
        with pytest.raises(DeviceUnreachable):
            await client.picture("door")
