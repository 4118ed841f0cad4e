"""Who gets in: paired programs alone, by whatever address, and no web page."""

from __future__ import annotations

import asyncio
import re
import socket

import aiohttp
import pytest

from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.tokens import TokenStore
from tests.trainer_host.server.conftest import Client, paired, serving, token_for
from trainer_host.server import run
from trainer_host.server.access import OPEN
from trainer_host.server.app import make_app
from trainer_host.server.run import folder_of, listening, pairing_code
from trainer_host.workspace import Workspace


def routes(workspace: Workspace) -> list[tuple[str, str]]:
    """Every route of the application, with something in the place of each name."""
    app = make_app(workspace, IdentityFolder(folder_of(workspace)), loopback_only=True)
    found = []
    for route in app.router.routes():
        assert route.resource is not None
        found.append((route.method, re.sub(r"\{[^}]*\}", "x", route.resource.canonical)))
    return found


async def test_every_route_but_three_needs_a_token(client: Client, workspace: Workspace) -> None:
    client.token = None
    known = routes(workspace)
    assert len(known) == 84 and set(known) >= OPEN
    for method, path in known:
        for headers in ({}, {"Authorization": "Bearer enigma_wrong"}, {"Authorization": "Basic eDp5"}):
            answer = await client.call(method, path, {} if method == "POST" else None, **headers)
            if (method, path) in OPEN:
                assert answer.status in (200, 400)
            else:
                assert answer.status == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer" and "enigma serve --pair" in answer.message
    # What there is isn't told either.
    for method, path in (("GET", "/v1/none"), ("PUT", "/v1/keys"), ("HEAD", "/v1/keys"), ("POST", "/healthz")):
        assert (await client.call(method, path)).status == 401


async def test_a_web_page_is_refused_even_with_a_token(client: Client, workspace: Workspace) -> None:
    for method, path in [*routes(workspace), ("OPTIONS", "/v1/keys")]:
        for origin in ("https://evil.example", "null", client.url):
            answer = await client.call(method, path, {} if method == "POST" else None, Origin=origin)
            assert answer.status == 403 and "Web pages" in answer.text, (method, path)
            assert not any(name.startswith("access-control") for name in answer.headers)
    headers = {"Authorization": f"Bearer {client.token}", "Origin": "https://evil.example"}
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await client.session.ws_connect(f"{client.url}/v1/events", headers=headers)


async def test_only_names_of_this_machine_are_taken(client: Client) -> None:
    port = client.url.rpartition(":")[2]
    for name in ("evil.example", "127.0.0.1.evil.example", "192.168.1.20", socket.gethostname() + ".evil", ""):
        for path in ("/healthz", "/v1/keys"):
            assert (await client.call("GET", path, Host=f"{name}:{port}")).status in (400, 403), name
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST."):
        assert (await client.call("GET", "/v1/keys", Host=f"{name}:{port}")).status == 200, name


async def test_on_the_network_addresses_and_own_names_are_taken(workspace: Workspace) -> None:
    async with serving(workspace, "0.0.0.0") as client:
        client.url = client.url.replace("0.0.0.0", "127.0.0.1")
        port = client.url.rpartition(":")[2]
        for name in ("192.168.1.20", socket.gethostname(), "localhost"):
            assert (await client.call("GET", "/v1/tasks", Host=f"{name}:{port}")).status == 200
        assert (await client.call("GET", "/v1/tasks", Host="evil.example")).status == 403
    async with listening(workspace, "127.0.0.1", 0, ["Host.Example"]) as url, aiohttp.ClientSession() as session:
        client = Client(url, token_for(workspace, "another"), session)
        assert (await client.call("GET", "/v1/tasks", Host="host.example")).status == 200


async def test_a_code_gives_one_token_once(client: Client, workspace: Workspace) -> None:
    client.token = None
    code = pairing_code(workspace)
    answer = await paired(client, f"{code[:3]} {code[3:]}", "my phone")
    assert answer.keys() == {"token", "scope", "certificate", "public_key"} and answer["scope"] == "owner"
    client.token = str(answer["token"])
    assert client.token not in "".join(client.heard)
    assert (await client.call("GET", "/v1/tasks")).status == 200
    with pytest.raises(PairingError):
        await paired(client, code)
    files = [path for path in workspace.home.rglob("*") if path.is_file()]
    assert files and not any(client.token.encode() in path.read_bytes() for path in files)
    assert not any(path.stat().st_mode & 0o077 for path in files if "server" in path.parts)


async def test_five_wrong_codes_void_the_right_one_and_malformed_ones_cost_no_try(
    client: Client, workspace: Workspace
) -> None:
    code = pairing_code(workspace)
    for body in ({}, {"share": 5}, {"share": "A" * 33}, {"code": code, "name": "x"}):
        assert (await client.call("POST", "/v1/pair", body)).status == 400
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for words in ("4 more", "3 more", "2 more", "1 more", "last try"):
        with pytest.raises(PairingError, match=words):
            await paired(client, wrong)
    with pytest.raises(PairingError, match="enigma serve --pair"):
        await paired(client, code)


async def test_a_token_reaches_as_far_as_its_scope(client: Client, workspace: Workspace) -> None:
    whole = client.token
    tokens = [str((await paired(client, pairing_code(workspace, scope)))["token"]) for scope in ("viewer", "operator")]
    for method, path, least in (
        ("GET", "/v1/keys", 0),
        ("POST", "/v1/estimates", 1),
        ("POST", "/v1/lessons", 1),
        ("GET", "/v1/trainings", 0),
        ("POST", "/v1/trainings", 1),
        ("POST", "/v1/runs/none/undo", 1),
        ("POST", "/v1/comparisons", 1),
        ("POST", "/v1/examinations", 1),
        ("GET", "/v1/examinations/none", 0),
        ("POST", "/v1/examinations/none/cancel", 1),
        ("GET", "/v1/tunings", 0),
        ("POST", "/v1/tunings", 1),
        ("GET", "/v1/datasets", 0),
        ("GET", "/v1/datasets/none/rows", 1),
        ("POST", "/v1/datasets/none/edits", 1),
        ("GET", "/v1/fleet", 0),
        ("POST", "/v1/fleet/tags", 2),
        ("GET", "/v1/rollouts", 0),
        ("GET", "/v1/bundles", 0),
        ("GET", "/v1/bundles/none", 1),
        ("GET", "/v1/exports", 0),
        ("GET", "/v1/exports/none", 1),
        ("POST", "/v1/releases", 2),
        ("POST", "/v1/rollouts", 2),
        ("POST", "/v1/keys", 2),
        ("DELETE", "/v1/keys/openai/none", 2),
        ("POST", "/v1/keys/export", 2),
        ("GET", "/v1/certificate", 0),
        ("POST", "/v1/certificate", 2),
    ):
        for reach, token in enumerate((*tokens, whole)):
            client.token = token
            refused = await client.call(method, path, {})
            assert (refused.status == 403) == (reach < least), (path, reach)


async def test_on_the_network_it_is_encrypted_and_pairing_finds_out_who_stands_in_between(workspace: Workspace) -> None:
    async with serving(workspace, "0.0.0.0") as client:
        assert client.url.startswith("https://")
        client.url = client.url.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(PairingError, match="stands between"):
            await paired(client, pairing_code(workspace))  # as if no certificate had been seen
    async with listening(workspace, "0.0.0.0", 0, tls="never") as url:
        assert url.startswith("http://")


async def test_a_token_that_is_revoked_ends_at_once_its_events_too(client: Client, workspace: Workspace) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket_:
        tokens = TokenStore(IdentityFolder(folder_of(workspace)))
        tokens.remove(tokens.paired()[0].id)
        assert (await client.call("GET", "/v1/tasks")).status == 401
        client.token = token_for(workspace, "new")
        body = {"tasks": ["avatar"], "examples_per_task": 10, "provider": "built-in"}
        begun = await client.call("POST", "/v1/lessons", body)
        assert begun.status == 202
        closed = await socket_.receive(timeout=60)
        assert closed.type is aiohttp.WSMsgType.CLOSE and closed.data == aiohttp.WSCloseCode.POLICY_VIOLATION
        await client.call("POST", f"/v1/lessons/{begun.json['id']}/cancel")


async def test_addresses_and_methods_that_are_not_there_say_so(client: Client) -> None:
    missing = await client.call("GET", "/v1/none")
    assert missing.status == 404 and "docs/host-api.md" in missing.message
    wrong = await client.call("PUT", "/v1/keys", {})
    assert wrong.status == 405 and "GET, POST" in wrong.message
    assert (await client.call("GET", "/v1/events")).status == 400
    assert (await client.call("GET", "/v1/tasks")).headers["cache-control"] == "no-store"


async def test_a_connection_that_asks_nothing_is_closed_and_too_many_are_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(run, "MAX_CONNECTIONS", 3)
    async with serving(workspace) as client:
        host, port = client.url.removeprefix("http://").split(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        idle[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")  # and no more
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(), 60) == b""
        for reader, _ in idle:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        assert (await client.call("GET", "/v1/tasks")).status == 200
        for _, writer in idle:
            writer.close()


async def test_a_body_that_never_arrives_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.api.wire.BODY_SECONDS", 0.2)
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 60)
    assert b"400 Bad Request" in answer and b"didn't arrive" in answer
    writer.close()


async def test_a_home_has_one_server(client: Client, workspace: Workspace) -> None:
    with pytest.raises(Exception, match="Another 'enigma serve' has"):
        async with listening(workspace, "127.0.0.1", 0):
            pass
    assert run.running(workspace)
    assert client.url


async def test_an_address_that_is_taken_is_one_sentence(
    client: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Workspace(tmp_path_factory.mktemp("other"))
    port = int(client.url.rpartition(":")[2])
    with pytest.raises(Exception, match="choose another --listen"):
        async with listening(other, "127.0.0.1", port):
            pass
    assert not run.running(other)
