"""Who may call what: loopback, tokens, roles, browsers."""

from __future__ import annotations

import asyncio
import http.client
import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge_runtime.api import observe
from edge_runtime.api.access import Access, Need
from edge_runtime.api.app import _guard, make_app
from edge_runtime.bundle import public_key_of
from edge_runtime.client import DeviceClient
from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, DeviceUnreachable, Forbidden, PairingError, TooMany, Unauthorized
from edge_runtime.identity.grants import SCOPES, Grant
from edge_runtime.update.source import Source

from .. import tiny
from ..conftest import RunningDevice, StartDevice, edge

GUARDED = [
    ("GET", "/v1/models"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/v1/run/tiny"),
    ("GET", "/v1/status"),
    ("GET", "/v1/events"),
    ("POST", "/v1/bundles"),
    ("POST", "/v1/rollback/tiny"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_what_comes_through_a_proxy_needs_a_token(shared_device: RunningDevice, method: str, path: str) -> None:
    reply = shared_device.request(method, path, {"text": "hi"}, {"X-Forwarded-For": "192.0.2.1"})
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [*GUARDED[4:]])
def test_on_loopback_only_asking_is_open(shared_device: RunningDevice, method: str, path: str) -> None:
    assert shared_device.request(method, path, b"").status == 401


def test_a_wrong_token_is_refused_even_where_none_is_needed(shared_device: RunningDevice) -> None:
    assert shared_device.get("/v1/models", Authorization="Bearer enigma_wrong").status == 401
    assert shared_device.get("/v1/models", Authorization="Basic eDp5").status == 401
    assert shared_device.get("/v1/models", Authorization="Bearer \xff\xfe").status == 401


def test_a_page_that_rebinds_its_name_to_loopback_is_refused(shared_device: RunningDevice) -> None:
    assert shared_device.get("/v1/models", Host="evil.example").status == 403
    assert shared_device.get("/v1/models", Host="127.0.0.1.evil.example:80").status == 403
    assert shared_device.get("/v1/models", Host=f"localhost:{shared_device.port}").status == 200
    assert shared_device.get("/v1/models", Host=f"[::1]:{shared_device.port}").status == 200


def test_a_page_of_another_origin_is_refused(shared_device: RunningDevice) -> None:
    assert shared_device.get("/v1/models", Origin="https://evil.example").status == 403
    assert shared_device.get("/v1/models", Origin="null").status == 403
    assert "access-control-allow-origin" not in shared_device.get("/v1/models").headers
    simple = shared_device.request("POST", "/v1/run/tiny", b'{"text": "hi"}', {"Content-Type": "text/plain"})
    assert simple.status == 400
    assert "application/json" in simple.message


async def test_the_network_needs_encryption_and_a_token_and_pairing_gives_one(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    device = start_device(listen="0.0.0.0:0")
    address = f"{own_address()}:{device.port}"
    plain = http.client.HTTPConnection("127.0.0.1", device.port, timeout=60)
    plain.request("GET", "/healthz")
    with pytest.raises((http.client.HTTPException, ConnectionError)):  # nothing is said in the clear
        plain.getresponse()
    plain.close()
    code = edge("pair", "--state", state).stdout.strip()
    async with DeviceClient(address) as client:
        assert client.base_url == f"https://{address}"
        with pytest.raises(DeviceUnreachable, match="certificate"):
            await client.models()
        token = await client.pair(f"{code[:3]}-{code[3:]}", "laptop", public_key_of(tiny.OTHER_KEY))
        assert client.device["id"]
        assert await client.models() == []
        pushed = await client.push(bundles["foreign"])  # signed by the key that came with the pairing
        assert pushed["changed"] is True
        certificate = client.certificate
        assert certificate is not None and certificate.endswith(".0")  # it was never renewed
        with pytest.raises(PairingError):
            await client.pair(code, "again")
    async with DeviceClient(address, certificate=certificate) as client:
        with pytest.raises(Unauthorized):
            await client.models()
    async with DeviceClient(address, token, certificate="00" * 32) as client:
        with pytest.raises(DeviceUnreachable, match="stands in between"):
            await client.models()
    async with DeviceClient(f"http://{address}", token) as client:
        with pytest.raises(DeviceUnreachable, match="https://"):
            await client.models()
    listed = edge("paired", "--state", state).stdout.split()
    assert listed[1] == "releaser"
    assert token not in (state / "identity" / "tokens.json").read_text()
    edge("paired", "remove", listed[0], "--state", state)
    async with DeviceClient(address, token, certificate=certificate) as client:
        with pytest.raises(Unauthorized):
            await client.models()
    assert edge("status", "--state", state).returncode == 0  # the device's own commands know its certificate


async def test_an_operator_may_ask_and_watch_but_not_push(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    device = start_device()
    code = edge("pair", "--scope", "operator", "--state", state).stdout.strip()
    async with DeviceClient(device.url) as client:
        await client.pair(code, "phone", public_key_of(tiny.OTHER_KEY))
        status = await client.status()
        assert [(paired["name"], paired["scope"]) for paired in status["paired"]] == [("phone", "operator")]
        assert len(status["signers"]) == 1  # an operator's key isn't trusted
        with pytest.raises(Forbidden, match="--scope releaser"):
            await client.push(bundles["v1"])


# Every route of the device and the least scope for it; None: open to all.
MATRIX = {
    ("GET", "/healthz"): None,
    ("GET", "/v2/health/live"): None,
    ("POST", "/v1/pair"): None,
    ("POST", "/v1/pair/finish"): None,
    ("GET", "/openapi.json"): "viewer",
    ("GET", "/readyz"): "viewer",
    ("GET", "/metrics"): "viewer",
    ("GET", "/v1/models"): "viewer",
    ("GET", "/v1/models/{specialist}"): "viewer",
    ("GET", "/v1/status"): "viewer",
    ("GET", "/v1/events"): "viewer",
    ("GET", "/v2"): "viewer",
    ("GET", "/v2/health/ready"): "viewer",
    ("GET", "/v2/models/{specialist}"): "viewer",
    ("GET", "/v2/models/{specialist}/ready"): "viewer",
    ("GET", "/v2/models/{specialist}/versions/{version}"): "viewer",
    ("GET", "/v2/models/{specialist}/versions/{version}/ready"): "viewer",
    ("POST", "/v1/run/{specialist}"): "operator",
    ("POST", "/v1/listen/{specialist}"): "operator",
    ("POST", "/v1/ask"): "operator",
    ("POST", "/v1/chat/completions"): "operator",
    ("POST", "/v1/completions"): "operator",
    ("POST", "/v1/embeddings"): "operator",
    ("POST", "/v1/audio/speech"): "operator",
    ("POST", "/v1/audio/transcriptions"): "operator",
    ("POST", "/v2/models/{specialist}/infer"): "operator",
    ("POST", "/v2/models/{specialist}/versions/{version}/infer"): "operator",
    ("GET", "/v1/certificate"): "viewer",
    ("POST", "/v1/certificate"): "owner",
    ("POST", "/v1/bundles"): "releaser",
    ("GET", "/v1/documents"): "owner",
    ("PUT", "/v1/documents/{document}"): "owner",
    ("DELETE", "/v1/documents/{document}"): "owner",
    ("POST", "/v1/documents/search"): "operator",
    ("POST", "/v1/documents/ask"): "operator",
    ("GET", "/v1/plan"): "viewer",
    ("PUT", "/v1/plan"): "releaser",
    ("GET", "/v1/pipelines"): "viewer",
    ("GET", "/v1/pipelines/{pipeline}/picture"): "operator",
    ("GET", "/v1/pipelines/{pipeline}/sound"): "operator",
    ("POST", "/v1/pipelines/{pipeline}/start"): "releaser",
    ("POST", "/v1/pipelines/{pipeline}/stop"): "releaser",
    ("POST", "/v1/topics"): "operator",
    ("GET", "/v1/robot"): "viewer",
    ("GET", "/v1/robot/watch"): "viewer",
    ("GET", "/v1/robot/map"): "viewer",
    ("POST", "/v1/robot/stop"): "operator",
    ("POST", "/v1/robot/arm"): "owner",
    ("POST", "/v1/robot/disarm"): "operator",
    ("POST", "/v1/robot/mode"): "operator",
    ("POST", "/v1/robot/limit"): "operator",
    ("POST", "/v1/robot/orders"): "operator",
    ("POST", "/v1/robot/release"): "releaser",
    ("POST", "/v1/robot/clear"): "releaser",
    ("PUT", "/v1/robot/drawn"): "releaser",
    ("GET", "/v1/updates"): "viewer",
    ("GET", "/v1/updates/journal"): "viewer",
    ("POST", "/v1/updates/check"): "releaser",
    ("POST", "/v1/updates/apply"): "owner",
    ("PUT", "/v1/updates/source"): "owner",
    ("DELETE", "/v1/updates/source"): "owner",
    ("GET", "/v1/versions"): "viewer",
    ("POST", "/v1/switch/{specialist}"): "releaser",
    ("GET", "/v1/samples/{specialist}"): "operator",
    ("GET", "/v1/log"): "owner",
    ("POST", "/v1/restart"): "owner",
    ("POST", "/v1/rollback/{specialist}"): "releaser",
    ("POST", "/v1/remove/{specialist}"): "releaser",
    ("GET", "/v1/requests"): "owner",
    ("GET", "/v1/unsure/{specialist}"): "owner",
    ("DELETE", "/v1/unsure/{specialist}"): "owner",
    ("GET", "/v1/tokens"): "owner",
    ("POST", "/v1/tokens"): "owner",
    ("DELETE", "/v1/tokens/{id}"): "owner",
}

# Where a device takes signed releases alone, these choose what serves beside them, and need more.
SIGNED_ONLY = {
    ("POST", "/v1/rollback/{specialist}"): "owner",
    ("POST", "/v1/switch/{specialist}"): "owner",
    ("POST", "/v1/remove/{specialist}"): "owner",
}

# Of what an operator may, what one that is bound to a specialist may: ask that one, and stop the robot.
BOUND = {
    "/v1/run/{specialist}",
    "/v1/listen/{specialist}",
    "/v1/samples/{specialist}",
    "/v2/models/{specialist}/infer",
    "/v2/models/{specialist}/versions/{version}/infer",
    "/v1/robot/stop",
    # bodies name the specialist; see the test below
    "/v1/ask",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
}


@pytest.mark.parametrize("direct", [True, False], ids=["pushed to", "signed releases alone"])
async def test_every_route_is_open_to_its_scopes_and_to_no_other(
    tmp_path: Path, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not direct:
        signed = Source(("https://updates.example",), "00" * 32, False, 0.0)
        monkeypatch.setattr("edge_runtime.update.source.source_of", lambda state: signed)
    matrix = {**MATRIX, **({} if direct else SIGNED_ONLY)}
    device = Device(tmp_path / "state", Config())
    app = make_app(device, Access(device.tokens, open_on_loopback=True))

    async def added(request: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/v1/added", added)  # a route that nobody thought about
    child = device.tokens.add("child", Grant("operator", ("none",)))
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert routes - {("GET", "/v1/added")} == MATRIX.keys()
    tokens = {scope: device.tokens.add(scope, Grant(scope)) for scope in SCOPES}
    told = {
        f"/v1/robot/{way}": {field: 1} for way, field in (("mode", "event"), ("limit", "speed"), ("orders", "calls"))
    }
    filled = {"{specialist}": "none", "{version}": "1", "{id}": "none", "{pipeline}": "none", "{document}": "none"}
    async with TestClient(TestServer(app)) as client:
        for method, path in sorted(routes):
            where = path
            for field, value in filled.items():
                where = where.replace(field, value)
            for scope, token in tokens.items():
                response = await client.request(method, where, headers={"Authorization": f"Bearer {token}"})
                least = matrix.get((method, path), "nobody")
                allowed = least is None or (least != "nobody" and SCOPES.index(scope) >= SCOPES.index(least))
                assert (response.status == 403) != allowed, (method, path, scope)
            body = told.get(path)
            response = await client.request(method, where, json=body, headers={"Authorization": f"Bearer {child}"})
            allowed = least in (None, "viewer") or (least == "operator" and path in BOUND)
            assert (response.status == 403) != allowed, (method, path, "child")
            response = await client.request(method, where, headers={"Authorization": "Bearer enigma_wrong"})
            assert response.status == (403 if path == "/v1/added" else 401) or MATRIX[method, path] is None


async def test_a_new_way_to_ask_is_closed_to_who_is_bound_until_it_looks_itself(tmp_path: Path) -> None:
    device = Device(tmp_path / "state", Config())
    needs = {("POST", "/v1/added"): Need.ASK, ("POST", "/v1/moved"): Need.ACT}
    access = Access(device.tokens, open_on_loopback=True)

    async def answered(request: web.Request) -> web.Response:
        try:
            _guard(request, access, needs)
        except Forbidden as error:
            return web.Response(status=403, text=str(error))
        return web.Response()

    app = web.Application()
    for _, path in needs:
        app.router.add_post(path, answered)
    tokens = {only: device.tokens.add("t", Grant("operator", only)) for only in ((), ("mail",))}
    async with TestClient(TestServer(app)) as client:
        for _, path in needs:
            for only, token in tokens.items():
                response = await client.post(path, headers={"Authorization": f"Bearer {token}"})
                assert response.status == (403 if only else 200), (path, only)
        assert await response.text() == "This token is good for mail and no more."


async def test_tokens_are_given_and_taken_by_an_owner_within_what_was_granted(shared_device: RunningDevice) -> None:
    device = shared_device
    owner = {"Authorization": f"Bearer {device.token}"}
    wanted = {"name": "screen", "scope": "operator", "only": ["other"], "days": 1}
    for wrong in (
        {"name": ""},
        {"scope": "king"},
        {"only": "x"},
        {"days": "x"},
        {"days": -1},
        {"days": 10**400},
        {"per_minute": 1.5},
        {"until": 10**400},
    ):
        assert device.request("POST", "/v1/tokens", {**wanted, **wrong}, owner).status == 400, wrong
    made = device.request("POST", "/v1/tokens", wanted, owner).json
    bound = {"Authorization": f"Bearer {made['token']}"}
    for path, body in (
        ("/v1/run/tiny", {"text": "hi"}),
        ("/v2/models/tiny/infer", {}),
        ("/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/completions", {"model": "tiny", "prompt": "hi"}),
        ("/v1/embeddings", {"model": "tiny", "input": "hi"}),
        ("/v1/audio/speech", {"model": "tiny", "input": "hi"}),
    ):
        refused = device.request("POST", path, body, bound)
        assert refused.status == 403 and "good for other" in refused.body.decode(), path
    every = device.request("GET", "/v1/tokens", headers=owner).json["tokens"]
    listed = [one for one in every if one["only"]]
    assert [(one["name"], one["only"]) for one in listed] == [("screen", ["other"])]
    assert made["token"] not in str(listed) and "hash" not in listed[0]
    assert device.request("DELETE", f"/v1/tokens/{listed[0]['id']}", headers=owner).status == 200
    assert device.request("GET", "/v1/models", headers=bound).status == 401
    assert device.request("DELETE", "/v1/tokens/none", headers=owner).status == 404


async def test_a_token_sends_so_many_requests_a_minute(shared_device: RunningDevice) -> None:
    device, state = shared_device, shared_device.state
    code = edge("pair", "--scope", "viewer", "--per-minute", "3", "--days", "0.5", "--state", state).stdout.strip()
    async with DeviceClient(device.url) as client:
        await client.pair(code, "screen")
        for _ in range(3):
            await client.models()
        with pytest.raises(TooMany, match="3 requests a minute") as refused:
            await client.models()
        assert 1 <= refused.value.retry_after <= 20
    assert "(3 requests a minute, until" in edge("paired", "--state", state).stdout


async def test_events_end_soon_after_their_token(shared_device: RunningDevice) -> None:
    device, state = shared_device, shared_device.state
    code = edge("pair", "--scope", "viewer", "--state", state).stdout.strip()
    async with DeviceClient(device.url) as client:
        await client.pair(code, "watcher")
        events = client.events()
        while (await anext(events))["type"] != "paired":  # what was before comes first
            pass
        lines = edge("paired", "--state", state).stdout.splitlines()
        (mine,) = [line.split()[0] for line in lines if "watcher" in line]
        edge("paired", "remove", mine, "--state", state)
        assert observe.RECHECK_SECONDS <= 0.5
        async with asyncio.timeout(60):
            with pytest.raises((DeviceUnreachable, StopAsyncIteration)):
                while await anext(events):
                    pass


async def test_five_wrong_codes_void_the_right_one(shared_device: RunningDevice) -> None:
    device, state = shared_device, shared_device.state
    code = edge("pair", "--state", state).stdout.strip()
    wrong = f"{(int(code) + 1) % 10**6:06}"
    async with DeviceClient(device.url) as client:
        for words in ("4 more", "3 more", "2 more", "1 more", "last try"):
            with pytest.raises(PairingError, match=words):
                await client.pair(wrong, "x")
        with pytest.raises(PairingError, match="no valid"):
            await client.pair(code, "x")


def test_a_malformed_pairing_costs_no_try(shared_device: RunningDevice) -> None:
    device, state = shared_device, shared_device.state
    edge("pair", "--state", state)
    for body in ({}, {"share": 5}, {"share": "A" * 33}, {"share": "AAAA"}, {"code": "123456", "name": "x"}):
        assert device.request("POST", "/v1/pair", body).status == 400, body
    assert '"tries":5' in (state / "identity" / "pairing.json").read_text()


async def test_a_name_that_can_not_be_shown_is_refused(shared_device: RunningDevice) -> None:
    device, state = shared_device, shared_device.state
    before = edge("paired", "--state", state).stdout
    async with DeviceClient(device.url) as client:
        for name in ("", "a\nb", "x" * 65):
            with pytest.raises(BadRequest, match="name"):
                await client.pair(edge("pair", "--state", state).stdout.strip(), name)
        with pytest.raises(BadRequest, match="32 bytes"):
            await client.pair(edge("pair", "--state", state).stdout.strip(), "x", "short")
    assert edge("paired", "--state", state).stdout == before


def own_address() -> str:
    """An address of this machine that isn't loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks the routing table
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])
