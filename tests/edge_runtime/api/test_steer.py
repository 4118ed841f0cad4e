"""Steering from afar: switching versions, samples, the log, restarts, and commands that are done once."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.client import BadRequest, DeviceClient, Forbidden, Interrupted, NotFound
from edge_runtime.config import Config, UpdateConfig
from edge_runtime.device import Device
from edge_runtime.identity.grants import Grant

from ..conftest import RunningDevice, StartDevice, edge


@pytest.fixture
def device(start_device: StartDevice, two_versions: Path) -> RunningDevice:
    """A daemon that has two versions, of which the second serves."""
    return start_device()


async def test_one_of_the_versions_on_the_device_is_switched_to_and_twice_is_as_once(device: RunningDevice) -> None:
    async with DeviceClient(device.url, device.token) as client:
        lying = (await client.versions())["specialists"]["tiny"]
        assert [(one["version"], one["active"]) for one in lying] == [("2.0.0", True), ("1.0.0", False)]
        done = await client.switch("tiny", lying[1]["bundle"])
        assert (done["version"], done["changed"]) == ("1.0.0", True)
        done = await client.switch("tiny", lying[1]["bundle"])
        assert (done["version"], done["changed"]) == ("1.0.0", False)
        for name, bundle in (("tiny", "sha256:" + "0" * 64), ("none", lying[0]["bundle"])):
            with pytest.raises(NotFound, match="push it again"):
                await client.switch(name, bundle)
        assert device.version() == "1.0.0"
        samples = (await client.samples("tiny"))["samples"]
        answer = await client.run("tiny", samples[0]["request"])
        assert 1 <= len(samples) <= 5 and answer["label"] == samples[0]["response"]["label"]
        assert any("listens on" in line["text"] for line in (await client.log())["log"])
        assert (await client.requests())["requests"][0]["path"] == "/v1/log"


async def test_a_command_is_done_once_however_often_it_is_sent_also_over_a_power_cut(
    device: RunningDevice, start_device: StartDevice, state: Path
) -> None:
    async with DeviceClient(device.url, device.token) as client:
        first = await client.roll_back("tiny", key="one")
        assert await client.roll_back("tiny", key="one") == first
        assert device.version() == "1.0.0"
        with pytest.raises(BadRequest, match="another command"):
            await client.restart(key="one")
        with pytest.raises(BadRequest, match="UUID"):
            await client.roll_back("tiny", key="two words")
        with pytest.raises(NotFound):  # refused, so the key is free for another try
            await client.roll_back("none", key="two")
        await client.roll_back("tiny", key="two")
    device.kill()
    kept = state / "commands.json"
    told = json.loads(kept.read_text())
    begun = next(iter(told["commands"].values()))
    begun["answer"] = None  # as if the power had gone in the middle of it
    kept.write_text(json.dumps(told))
    device = start_device()
    # The token of the state folder's owner is another one now, and still the same caller.
    async with DeviceClient(device.url, device.token) as client:
        with pytest.raises(Interrupted, match="look how it stands"):
            await client.roll_back("tiny", key="one")
        await client.roll_back("tiny", key="two")
        assert device.version() == "2.0.0"
        kept.write_text("{")  # what can't be read is as nothing
    device.kill()
    device = start_device()
    async with DeviceClient(device.url, device.token) as client:
        await client.roll_back("tiny", key="two")
    assert device.version() == "1.0.0"


async def test_the_daemon_starts_again_in_its_own_process_where_its_owner_asks(
    device: RunningDevice, state: Path
) -> None:
    async with DeviceClient(device.url, device.token) as client:
        before = (await client.status())["started"]
        with pytest.raises(BadRequest, match="daemon"):
            await client.restart("toaster")
        with pytest.raises(Exception, match="hook 'reboot'"):
            await client.restart("machine")
        assert await client.restart(key="one") == {"restarting": "daemon"}
        # The token is the running daemon's; the port is another one, as it was asked for port 0.
        ends = time.monotonic() + 60
        while True:
            told = json.loads((state / "daemon.json").read_text()) if (state / "daemon.json").exists() else {}
            if told and told["token"] != client.token:
                break
            assert time.monotonic() < ends, device.log
            await asyncio.sleep(0.02)
        assert told["pid"] == device.process.pid
    async with DeviceClient(told["url"], told["token"]) as client:
        assert await client.restart(key="one") == {"restarting": "daemon"}  # it was, and isn't again
        after = (await client.status())["started"]
        assert after > before
        code = edge("pair", "--scope", "releaser", "--state", state).stdout.strip()
        await client.pair(code, "phone")
        with pytest.raises(Forbidden, match="owner"):
            await client.restart()
        assert (await client.status())["started"] == after


async def test_the_machine_is_rebooted_by_its_owners_hook_alone(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o700)
    hook = folder / "reboot"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o700)
    device = Device(tmp_path / "state", Config(update=UpdateConfig(hooks=str(folder))))
    token = device.tokens.add("owner", Grant("owner"))
    app = make_app(device, Access(device.tokens, open_on_loopback=True))
    async with TestClient(TestServer(app)) as client:

        async def reboot(key: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            response = await client.post("/v1/restart", json={"what": "machine"}, headers=headers)
            return response.status

        assert await reboot("one") == 200 and (folder / "ran").exists()
        (folder / "ran").unlink()
        assert await reboot("one") == 200 and not (folder / "ran").exists()  # it was, and isn't again
        first, second = await asyncio.gather(reboot("two"), reboot("two"))  # at the same time
        assert (first, second) == (200, 200)
        hook.write_text("#!/bin/sh\necho not now\nexit 1\n")
        assert await reboot("three") == 501
        hook.chmod(0o722)  # others could change it
        assert await reboot("four") != 200
