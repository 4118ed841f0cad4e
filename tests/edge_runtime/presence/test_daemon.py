"""The daemon on a broker: a power cut is told by the last will, a stop by the device itself."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.presence.messages import Presence
from tests import mosquitto
from tests.edge_runtime.conftest import StartDevice, edge
from tests.mosquitto import HOST

from .test_service import TOLD, client_of, next_presence, next_report


def configured(state: Path, broker: mosquitto.Mosquitto, user: str, password: str) -> None:
    """Let the device of a state folder be on a broker."""
    (state / "broker-password").write_text(password)
    (state / "config.toml").write_text(
        f'[device]\nname = "kitchen"\n[presence]\nbroker = "mqtt://127.0.0.1:{broker.port}"\nuser = "{user}"\n'
        f'password_file = "{state / "broker-password"}"\n'
    )


async def test_the_last_will_tells_of_a_power_cut_and_the_device_of_a_stop(
    tmp_path: Path, state: Path, start_device: StartDevice
) -> None:
    key = device_key(IdentityFolder(state))
    with mosquitto.running(tmp_path / "broker", {key.id: "k", HOST: "h"}) as broker:
        configured(state, broker, key.id, "k")
        device = start_device()
        async with client_of(broker) as client:
            await client.subscribe(TOLD)
            came = await next_presence(client, True)
            report = await next_report(client)
            assert (report.device, report.name, report.agent) == (key.id, "kitchen", "off")
            device.kill()
            assert await next_presence(client, False) == Presence(key.id, False, came.at)  # signed when it came
            again = start_device()
            came = await next_presence(client, True)
            again.stop()
            assert (await next_presence(client, False)).at > came.at


def test_a_mistake_in_the_configuration_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[presence]\nbroker = "broker.example"\n')
    failed = edge("run", "--state", tmp_path, "--listen", "127.0.0.1:0")
    assert failed.returncode == 1
    assert failed.stderr.strip().splitlines()[-1] == (
        "enigma-edge: 'broker.example' isn't the address of an MQTT broker; write it as in mqtts://broker.example:8883."
    )
