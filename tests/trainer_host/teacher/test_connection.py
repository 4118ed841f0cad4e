"""One exchange: bounded in time and length, whatever the other side does, and through a proxy where one is set."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from trainer_host.teacher.connection import Answered, Connection, Deadlines, Kind, Trouble

BOMB = gzip.compress(bytes(50 * 2**20), 1)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def bomb(request: web.Request) -> web.StreamResponse:
        return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read(), headers={"X-Path": request.path})

    async def silence(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(600)
        return web.Response()

    async def moved(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/echo", "Set-Cookie": "a=b"})

    app = web.Application()
    app.add_routes(
        [
            web.post("/echo", echo),
            web.get("/bomb", bomb),
            web.get("/silence", silence),
            web.post("/moved", moved),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    made = Connection(Deadlines(60, 60), max_body=2**20)
    yield made
    await made.close()


@pytest.fixture
async def impatient() -> AsyncIterator[Connection]:
    """For what never answers."""
    made = Connection(Deadlines(0.4, 0.4))
    yield made
    await made.close()


async def test_what_is_sent_and_what_comes_back_are_bytes(server: str, connection: Connection) -> None:
    answered = await connection.post(f"{server}/echo", {"X-A": "b"}, b"\x00\xff body")
    assert isinstance(answered, Answered)
    assert (answered.status, answered.body, answered.headers["x-path"]) == (200, b"\x00\xff body", "/echo")


async def test_a_small_body_that_unpacks_to_a_large_one_is_cut(server: str) -> None:
    connection = Connection(max_body=2**20)
    trouble = await connection.get(f"{server}/bomb", {})
    await connection.close()
    assert len(BOMB) < 2**20
    assert isinstance(trouble, Trouble) and trouble.kind is Kind.TOO_LONG


async def test_silence_ends_with_the_deadline(server: str, impatient: Connection) -> None:
    began = time.monotonic()
    trouble = await impatient.get(f"{server}/silence", {})
    assert isinstance(trouble, Trouble) and trouble.kind is Kind.TIMED_OUT
    assert 0.7 <= trouble.seconds <= time.monotonic() - began < 60


async def test_redirects_are_not_followed_and_cookies_not_kept(server: str, connection: Connection) -> None:
    for _ in range(2):
        answered = await connection.post(f"{server}/moved", {}, b"secret")
        assert isinstance(answered, Answered) and answered.status == 302


async def test_a_port_that_is_closed_and_a_host_that_is_not_there_are_not_reached(connection: Connection) -> None:
    for url in ("http://127.0.0.1:9/", "http://no-such-host.invalid/"):
        trouble = await connection.get(url, {})
        assert isinstance(trouble, Trouble) and trouble.kind is Kind.NOT_REACHED and trouble.detail


async def test_a_host_that_does_not_answer_the_handshake_is_not_reached_in_time(impatient: Connection) -> None:
    """A listener whose queue is full drops what comes, as a firewall does."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        held = []
        for _ in range(3):
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(listener.getsockname())
        trouble = await impatient.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", {})
        for other in held:
            other.close()
    assert isinstance(trouble, Trouble) and trouble.kind in (Kind.NOT_REACHED, Kind.TIMED_OUT)


async def test_what_speaks_no_http_breaks_the_connection(connection: Connection) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    trouble = await connection.post(f"http://127.0.0.1:{port}/", {}, b"x")
    other.close()
    assert isinstance(trouble, Trouble) and trouble.kind is Kind.BROKEN


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    """Of a server that signed it itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    connection: Connection, own_certificate: ssl.SSLContext
) -> None:
    other = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=own_certificate)
    port = other.sockets[0].getsockname()[1]
    trouble = await connection.post(f"https://localhost:{port}/", {"Authorization": "secret"}, b"x")
    other.close()
    assert isinstance(trouble, Trouble) and trouble.kind is Kind.UNTRUSTED


async def test_a_proxy_of_the_environment_is_used_but_never_for_this_machine(
    server: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    trouble = await connection.post("https://api.example.invalid/v1", {"Authorization": "Bearer key"}, b"x")
    assert isinstance(trouble, Trouble) and trouble.kind is Kind.NOT_REACHED
    assert trouble.detail == "the proxy answered 407"
    assert asked == [b"CONNECT api.example.invalid:443 HTTP/1.1\r\n"]
    assert isinstance(await connection.post(f"{server}/echo", {}, b"x"), Answered)
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    trouble = await connection.post("https://api.example.invalid/v1", {}, b"x")
    assert isinstance(trouble, Trouble) and len(asked) == 1
    other.close()
