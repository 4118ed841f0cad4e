"""Local-only mode: nothing leaves the machine's own networks, whichever library tries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.addresses import is_near
from edge_runtime.client import DeviceClient

from .conftest import ROOT, StartDevice, edge, edge_environment

TRIES = """
import asyncio, json, socket, sys, urllib.request
import aiohttp
from edge_runtime import local_only
local_only.enforce()
def outcome(call):
    try:
        call()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "went out"
async def over_http():
    async with aiohttp.ClientSession() as session:
        await session.get("https://api.openai.com/v1/models")
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53))
print(json.dumps({
    "connect": outcome(lambda: socket.create_connection(("8.8.8.8", 53), 0.2)),
    "ipv6": outcome(lambda: socket.socket(socket.AF_INET6).connect(("2001:4860:4860::8888", 53))),
    "udp": outcome(udp),
    "name": outcome(lambda: socket.getaddrinfo("example.com", 80)),
    "urllib": outcome(lambda: urllib.request.urlopen("http://example.com", timeout=0.2)),
    "aiohttp": outcome(lambda: asyncio.run(over_http())),
}))
socket.getaddrinfo("0.0.0.0", 80)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("224.0.0.251", 5353))
"""


def test_every_way_out_is_closed_and_says_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIES], capture_output=True, text=True, env=edge_environment(), timeout=60, check=True
    )
    said = json.loads(done.stdout)
    assert all("local-only mode is on" in sentence for sentence in said.values()), said


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("192.168.1.20", True),
        ("10.0.0.1", True),
        ("fe80::1%eth0", True),
        ("kitchen-pi.local", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("192.0.2.1", False),  # RFC 5737: nobody's, though Python calls it private
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("api.openai.com", False),
        ("evil.local.example", False),
        ("1" * 300, False),
    ],
)
def test_near_is_this_machine_and_its_private_networks(host: str, near: bool) -> None:
    assert is_near(host) == near


async def test_a_device_serves_as_before_and_connects_to_nobody(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, tmp_path: Path
) -> None:
    # Every connection that the daemon begins is written down by a hook that Python loads before anything of ours.
    seen = tmp_path / "seen"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        f"file = open({str(seen)!r}, 'a', buffering=1)\n"
        "watched = ('socket.connect', 'socket.sendto', 'socket.sendmsg', 'socket.getaddrinfo', 'socket.gethostbyname')\n"
        "def write(event, what):\n"
        "    if event in watched:\n"
        "        print(event, what[1] if event in watched[:3] else what[0], file=file)\n"
        "sys.addaudithook(write)\n"
    )
    state.joinpath("config.toml").write_text("[device]\nlocal_only = true\n")
    device = start_device(PYTHONPATH=f"{tmp_path}:{ROOT}")
    code = edge("pair", "--scope", "owner", "--state", state).stdout.strip()
    async with DeviceClient(device.url) as client:
        await client.pair(code, "laptop")
        await client.push(bundles["v1"])
        assert "label" in await client.run("tiny", {"text": "hi"})
        assert (await client.status())["local_only"] is True
    device.stop()
    for line in seen.read_text().splitlines():
        assert "127.0.0.1" in line, line


def test_the_environment_turns_it_on_for_every_command(state: Path) -> None:
    program = "import sys; from edge_runtime.cli import main; main(['config']); from edge_runtime import local_only as l; print(l.is_on())"
    for value, on in (("1", "True"), ("0", "False")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=edge_environment(ENIGMA_LOCAL_ONLY=value),
            timeout=60,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == on
