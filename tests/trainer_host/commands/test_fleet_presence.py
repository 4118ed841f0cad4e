"""`enigma fleet refresh`, `check` and `listen`, as a person at a terminal uses them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiomqtt
import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.presence import messages
from edge_runtime.update.report import Report
from tests import mosquitto
from tests.mosquitto import HOST
from trainer_host.cli import main
from trainer_host.fleet.database import open_store
from trainer_host.fleet.records import Device
from trainer_host.workspace import Workspace

KEY = DeviceKey(b"\1" * 32, public_key_of(b"\1" * 32))


def test_listening_keeps_what_devices_tell_until_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, told = tmp_path / "home", messages.signed_report(Report(KEY.id, "kitchen", (), 10.0), KEY)

    async def tell(port: int) -> None:
        async with aiomqtt.Client("127.0.0.1", port, username=HOST, password="h") as client:
            await client.publish(f"enigma/{KEY.id}/report", told, qos=1, retain=True)

    with mosquitto.running(tmp_path / "broker", {HOST: "h"}) as broker:
        (tmp_path / "password").write_text("h\n")
        at = [
            "--mqtt",
            f"mqtt://127.0.0.1:{broker.port}",
            "--user",
            HOST,
            "--password-file",
            str(tmp_path / "password"),
        ]
        asyncio.run(tell(broker.port))
        command = [sys.executable, "-m", "trainer_host.cli", "fleet", "listen", *at, "--strangers", "--home", str(home)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listening:
            assert listening.stdout is not None
            try:
                assert listening.stdout.readline() == f"Listening on mqtt://127.0.0.1:{broker.port}; Ctrl-C stops.\n"
                ends = time.monotonic() + 60
                found: list[Device] = []
                with open_store(Workspace(home)) as store:
                    while not found and time.monotonic() < ends:
                        time.sleep(0.05)
                        with store.reading() as session:
                            found = session.devices()
            finally:
                listening.send_signal(signal.SIGTERM)
            assert listening.communicate(timeout=60)[0] == "1 reports, 0 times a device went, 0 messages refused.\n"
        assert listening.returncode == 0
        assert [device.name for device in found] == ["kitchen"]
        assert main(["fleet", "check", "kitchen", *at, "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith("Asked 1 over the broker")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["refresh"], "No device is paired"),
        (["check", "--mqtt", "mqtt://127.0.0.1:1"], "No device is known"),
        (["listen", "--mqtt", "broker"], "isn't the address of an MQTT broker"),
        (["listen", "--mqtt", "mqtts://127.0.0.1:1", "--ca", "none.pem"], "can't be read from none.pem"),
        (["listen", "--mqtt", "mqtt://127.0.0.1:1", "--topic", "a b"], "A prefix of topics"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", *arguments, "--home", str(tmp_path)]) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
