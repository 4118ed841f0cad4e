"""Metadata over HTTP from servers that send without an end, too slowly, not at all, or elsewhere."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge_runtime.update.places import Refused, Unreachable
from edge_runtime.update.tuf import transport as transport_module
from edge_runtime.update.tuf.client import NotReached, UpdateClient
from edge_runtime.update.tuf.metadata import NotTrusted
from edge_runtime.update.tuf.transport import HttpTransport
from tests.edge_runtime.update.servers import Fault, FileServer, answer, dripping, endless, silent, with_headers
from tests.edge_runtime.update.tuf.making import BUNDLE, DESIRED, NOW, Made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def _client(made: Made, folder: Path, *transport: HttpTransport) -> UpdateClient:
    return UpdateClient(made.begin(folder), transport[0], lambda: NOW)


async def test_a_repository_is_followed_over_http(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    made = Made()
    async with FileServer(made.served()) as server:
        client = _client(made, tmp_path, HttpTransport(session, server.url))
        await client.refresh()
        found = await client.target(BUNDLE, "models/router")
        assert found is not None
        assert await client.read(found[0], 100) == b"a bundle"
        assert await client.target(DESIRED, "fleet") is not None


async def test_role_names_are_quoted_whole_and_target_names_by_part(session: aiohttp.ClientSession) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(body=b"x")

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server:
        transport = HttpTransport(session, str(server.make_url("/repo/")))
        await transport.fetch("metadata/1.models%2Frouter.json", 10)
        await transport.fetch("targets/models/a b?#%2F.bin", 10)
        await HttpTransport.apart(session, str(server.make_url("/m")), str(server.make_url("/t"))).fetch(
            "targets/a", 10
        )
    assert asked == ["/repo/metadata/1.models%2Frouter.json", "/repo/targets/models/a%20b%3F%23%252F.bin", "/t/a"]


async def test_data_without_an_end_is_cut_off_at_what_may_come(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    made = Made()
    async with FileServer(made.served(), script=[None, endless]) as server:
        client = _client(made, tmp_path, HttpTransport(session, server.url))
        with pytest.raises(NotTrusted, match="more than the 16,384 bytes"):
            await client.refresh()
        assert server.sent < 16 * 2**20  # what the two sockets hold, and no more


async def test_a_file_that_says_to_be_too_long_is_not_read(session: aiohttp.ClientSession) -> None:
    async with FileServer({"metadata/2.root.json": bytes(1000)}, script=[dripping(1, 0)]) as server:
        with pytest.raises(NotTrusted, match="more than the 999 bytes"):
            await HttpTransport(session, server.url).fetch("metadata/2.root.json", 999)


async def test_a_compressed_answer_is_refused_before_anything_is_unpacked(session: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(bytes(2**24))
    script = [with_headers(content_encoding="gzip"), with_headers(content_encoding="deflate")]
    async with FileServer({"metadata/timestamp.json": bomb}, script=script) as server:
        for _ in script:
            with pytest.raises(Refused, match="compressed"):
                await HttpTransport(session, server.url).fetch("metadata/timestamp.json", 2**25)


@pytest.mark.parametrize("fault", [dripping(50, 0.02), silent], ids=["slow loris", "silent"])
async def test_who_sends_too_slowly_is_left(
    session: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(transport_module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(transport_module, "LEAST_BYTES_PER_SECOND", 200_000)
    made = Made()
    async with FileServer(made.served(), script=[None, fault]) as server:
        client = _client(made, tmp_path, HttpTransport(session, server.url))
        with pytest.raises(NotReached, match="sends fewer than 200,000 bytes a second"):
            await client.refresh()


async def test_the_next_server_is_asked_where_the_first_can_not_be_reached(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    made = Made()
    async with FileServer(made.served(), script=[answer(503)] * 9) as broken, FileServer(made.served()) as sound:
        client = _client(made, tmp_path, HttpTransport(session, "http://127.0.0.1:9", broken.url, sound.url))
        assert await client.refresh()
    with pytest.raises(Unreachable):
        await HttpTransport(session).fetch("metadata/timestamp.json", 10)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 301, 307])
async def test_a_refusal_means_that_there_is_no_newer_root_and_no_redirect_is_followed(
    session: aiohttp.ClientSession, tmp_path: Path, status: int
) -> None:
    made = Made()
    made.files["metadata/2.root.json"] = b"never read"
    async with FileServer(made.served(), script=[answer(status, location="http://127.0.0.1:9/")]) as server:
        await _client(made, tmp_path, HttpTransport(session, server.url)).refresh()
        with pytest.raises(Refused):
            await HttpTransport(session, server.url).fetch("metadata/3.root.json", 10)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_server_in_trouble_is_no_sign_that_there_is_no_newer_root(
    session: aiohttp.ClientSession, tmp_path: Path, status: int
) -> None:
    made = Made()
    made.publish("root")
    async with FileServer(made.served(), script=[answer(status)]) as server:
        with pytest.raises(NotReached):
            await _client(made, tmp_path, HttpTransport(session, server.url)).refresh()


async def test_an_unchanged_timestamp_is_not_sent_again(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Real static files of a real server, which knows their tags: two requests, 304 and 404, under 500 bytes of answers."""
    made = Made()
    made.write(tmp_path / "repo")
    sent = []
    app = web.Application()
    app.router.add_static("/", tmp_path / "repo")

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        head = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
        sent.append((response.status, 40 + head + (response.content_length or 0 if response.status != 304 else 0)))

    app.on_response_prepare.append(count)
    async with TestServer(app) as server:
        client = _client(made, tmp_path / "trust", HttpTransport(session, str(server.make_url("/"))))
        await client.refresh()
        sent.clear()
        assert not await client.refresh()
        assert [status for status, _ in sent] == [404, 304]
        assert sum(count for _, count in sent) < 500
        made.publish("timestamp")
        made.write(tmp_path / "repo")
        assert await client.refresh()
        assert client.trusted.timestamp is not None
        assert client.trusted.timestamp.version == 2


async def test_a_server_that_says_unchanged_without_having_sent_anything_is_refused(
    session: aiohttp.ClientSession,
) -> None:
    async with FileServer({"metadata/timestamp.json": b"{}"}, script=[answer(304)]) as server:
        with pytest.raises(Refused):
            await HttpTransport(session, server.url).fetch("metadata/timestamp.json", 10)
