"""Who may call what: loopback, tokens, roles, browsers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.client import DeviceClient
from edge_runtime.errors import Forbidden, PairingError, Unauthorized

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


async def test_the_network_needs_a_token_and_pairing_gives_one(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    device = start_device(listen="0.0.0.0:0")
    address = _own_address()
    assert device.request("GET", "/healthz", host=address).status == 200
    assert device.request("GET", "/v1/models", host=address).status == 401
    code = edge("pair", "--state", state).stdout.strip()
    async with DeviceClient(f"http://{address}:{device.port}") as client:
        with pytest.raises(Unauthorized):
            await client.models()
        token = await client.pair(code.lower().replace("-", " "), "laptop", public_key_of(tiny.OTHER_KEY))
        assert client.device["id"]
        assert await client.models() == []
        pushed = await client.push(bundles["foreign"])  # signed by the key that came with the pairing
        assert pushed["changed"] is True
        with pytest.raises(PairingError):
            await client.pair(code, "again")
    listed = edge("paired", "--state", state).stdout.split()
    assert listed[1] == "host"
    assert token not in (state / "identity" / "tokens.json").read_text()
    edge("paired", "remove", listed[0], "--state", state)
    async with DeviceClient(f"http://{address}:{device.port}", token) as client:
        with pytest.raises(Unauthorized):
            await client.models()


async def test_a_companion_may_watch_but_not_push(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    device = start_device()
    code = edge("pair", "--role", "companion", "--state", state).stdout.strip()
    async with DeviceClient(device.url) as client:
        await client.pair(code, "phone", public_key_of(tiny.OTHER_KEY))
        status = await client.status()
        assert [paired["name"] for paired in status["paired"]] == ["phone"]
        assert len(status["signers"]) == 1  # a companion's key isn't trusted
        with pytest.raises(Forbidden):
            await client.push(bundles["v1"])


def test_five_wrong_codes_void_the_right_one(start_device: StartDevice, state: Path) -> None:
    device = start_device()
    code = edge("pair", "--state", state).stdout.strip()
    for left in (4, 3, 2, 1, 0):
        wrong = device.request("POST", "/v1/pair", {"code": "0000-0000", "name": "x"})
        assert wrong.status == 403
        assert (f"{left} more" in wrong.message) == bool(left)
    assert device.request("POST", "/v1/pair", {"code": code, "name": "x"}).status == 403


def test_a_malformed_pairing_costs_no_try(start_device: StartDevice, state: Path) -> None:
    device = start_device()
    code = edge("pair", "--state", state).stdout.strip()
    for body in (
        {},
        {"code": 5, "name": "x"},
        {"code": "A" * 33, "name": "x"},
        {"code": "AAAA-AAAA", "name": ""},
        {"code": "AAAA-AAAA", "name": "a\nb"},
        {"code": "AAAA-AAAA", "name": "x", "signer": "short"},
        {"code": "AAAA-AAAA", "name": "x", "signer": 7},
    ):
        assert device.request("POST", "/v1/pair", body).status == 400, body
    assert '"tries":5' in (state / "identity" / "pairing.json").read_text()
    assert device.request("POST", "/v1/pair", {"code": code, "name": "x"}).status == 200


def _own_address() -> str:
    """An address of this machine that isn't loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks the routing table
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])
