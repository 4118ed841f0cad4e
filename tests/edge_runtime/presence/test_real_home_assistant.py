"""A real Home Assistant finds a real daemon and a simulated robot over a real broker, and moves it. `make test-homeassistant`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from edge_runtime.events import EventHub
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.home_assistant import HomeAssistantCalls
from edge_runtime.pipelines.items import Captured, Item
from tests import mosquitto
from tests.edge_runtime.conftest import RunningDevice
from tests.mosquitto import HOST

HASS = os.environ.get("ENIGMA_HASS", "")
pytestmark = [
    pytest.mark.skipif(not HASS, reason="needs a Home Assistant: make test-homeassistant"),
    pytest.mark.timeout(900),
]
START, WAIT = 400.0, 90.0
CLIENT = "http://127.0.0.1/"
ACL = f"pattern write homeassistant/+/%u/#\npattern readwrite enigma/%u/home/#\nuser {HOST}\ntopic readwrite homeassistant/#\n"


@dataclass
class Hass:
    """Its REST API, as its owner."""

    session: aiohttp.ClientSession
    url: str
    token: str = ""

    async def ask(self, path: str, data: object = None, form: bool = False) -> object:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"data": data} if form else {"json": data}
        how = (
            self.session.get(self.url + path, headers=headers)
            if data is None
            else self.session.post(self.url + path, headers=headers, **body)
        )  # type: ignore[arg-type]
        async with how as answer:
            assert answer.status < 300, (path, answer.status, await answer.text())
            return await answer.json()

    async def states(self) -> dict[str, dict[str, object]]:
        states = await self.ask("/api/states")
        assert isinstance(states, list)
        return {each["entity_id"]: each for each in states}

    async def call(self, domain: str, service: str, **data: object) -> None:
        await self.ask(f"/api/services/{domain}/{service}", data)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "out").open("wb") as log:
        return subprocess.Popen([HASS, "-c", folder, "--skip-pip"], stdout=log, stderr=log)


@contextlib.asynccontextmanager
async def home_assistant(folder: Path, broker_port: int) -> AsyncIterator[Hass]:
    port = free_port()
    folder.mkdir()
    names = ("api", "config", "onboarding", "websocket_api", "auth")
    lines = ["http:", "  server_host: 127.0.0.1", f"  server_port: {port}", *(f"{name}:" for name in names)]
    (folder / "configuration.yaml").write_text("\n".join(lines) + "\n")
    process = started(folder)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            hass = Hass(session, f"http://127.0.0.1:{port}")
            async with asyncio.timeout(START):
                while True:
                    assert process.poll() is None, (folder / "out").read_text()[-3000:]
                    with contextlib.suppress(aiohttp.ClientError, AssertionError):
                        await hass.ask("/api/onboarding")
                        break
                    await asyncio.sleep(0.5)
            owner = {"client_id": CLIENT, "name": "o", "username": "o", "password": "secret", "language": "en"}
            code = await hass.ask("/api/onboarding/users", owner)
            grant = {"grant_type": "authorization_code", "code": code["auth_code"], "client_id": CLIENT}  # type: ignore[index]
            hass.token = (await hass.ask("/auth/token", grant, form=True))["access_token"]  # type: ignore[index]
            flow = await hass.ask("/api/config/config_entries/flow", {"handler": "mqtt"})
            broker = {"broker": "127.0.0.1", "port": broker_port, "username": HOST, "password": "h"}
            made = await hass.ask(f"/api/config/config_entries/flow/{flow['flow_id']}", broker)  # type: ignore[index]
            assert made["type"] == "create_entry", made  # type: ignore[index]
            yield hass
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    try:
        async with asyncio.timeout(WAIT):
            while not await condition():  # noqa: ASYNC110  # another process, which tells nobody
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise AssertionError(f"it didn't come to that: {what}") from None


async def test_home_assistant_finds_the_device_and_its_robot_and_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("shapely")
    from tests.simulated_robot import SimulatedRobot

    monkeypatch.setattr(mosquitto, "ACL", mosquitto.ACL + ACL)
    state = tmp_path / "device"
    state.mkdir()
    key = device_key(IdentityFolder(state))
    robot = SimulatedRobot(tmp_path / "robot")
    try:
        with mosquitto.running(tmp_path / "broker", {key.id: "k", HOST: "h"}) as broker:
            (state / "password").write_text("k")
            (state / "config.toml").write_text(
                f'[device]\nname = "rover"\n[presence]\nbroker = "mqtt://127.0.0.1:{broker.port}"\nuser = "{key.id}"\n'
                f'password_file = "{state / "password"}"\nhome_assistant = "homeassistant"\nhome_assistant_acts = true\n'
                f'[robot]\nsocket = "{robot.socket}"\ntoken_file = "{robot.token_file}"\n'
            )
            async with home_assistant(tmp_path / "hass", broker.port) as hass:
                device = RunningDevice(state)
                await scenario(hass, robot, device, tmp_path)
            log = (tmp_path / "hass" / "home-assistant.log").read_text()
            complaints = [
                line for line in log.splitlines() if "mqtt" in line.lower() and ("ERROR" in line or "WARNING" in line)
            ]
            assert not [line for line in complaints if "ERROR" in line]
    finally:
        robot.end()


async def understood(hass: Hass, folder: Path, call: dict[str, object]) -> None:
    """A pipeline's sink, by the REST API."""
    (folder / "token").write_text(hass.token)
    (folder / "token").chmod(0o600)
    allowed = declare.HomeAssistant(hass.url, folder / "token", ("switch.rover_*",), 30.0, 30.0)
    home = HomeAssistantCalls(allowed, "ear", EventHub())
    try:
        assert await home.deliver(Item({}, Captured.now(), 0.0, answer={"calls": [call], "unsure": False}))
    finally:
        await home.close()


async def scenario(hass: Hass, robot: object, device: RunningDevice, folder: Path) -> None:
    found = {
        "sensor.rover_battery", "sensor.rover_mode", "binary_sensor.rover_problem", "button.rover_emergency_stop",
        "vacuum.rover_vacuum", "switch.rover_autonomous", "select.rover_place",
    }  # fmt: skip

    async def is_state(entity: str, *wanted: str) -> bool:
        return (await hass.states()).get(entity, {}).get("state") in wanted

    async def all_there() -> bool:
        states = await hass.states()
        return found <= states.keys() and all(states[name]["state"] != "unavailable" for name in found)

    await until(all_there, f"entities {found}")
    states = await hass.states()
    assert {name for name in states if ".rover_" in name} == found
    assert states["sensor.rover_mode"]["state"] == "manual"
    assert float(str(states["sensor.rover_battery"]["state"])) > 0
    places = states["select.rover_place"]["attributes"]["options"]  # type: ignore[index]
    await understood(hass, folder, {"name": "HassTurnOn", "arguments": {}, "targets": ["switch.rover_autonomous"]})
    await until(
        lambda: is_state("sensor.rover_mode", "autonomous"), "it drives by itself, as a home specialist understood"
    )
    place = next(name for name in places if name != "dock")
    await hass.call("select", "select_option", entity_id="select.rover_place", option=place)
    await until(lambda: is_state("vacuum.rover_vacuum", "cleaning"), "it goes")
    await hass.call("button", "press", entity_id="button.rover_emergency_stop")
    await until(lambda: is_state("binary_sensor.rover_problem", "on"), "it stopped")
    assert robot.state["stopped"] is True  # type: ignore[attr-defined]
    robot.fresh()  # type: ignore[attr-defined]  # a person at the robot
    await until(lambda: is_state("binary_sensor.rover_problem", "off"), "a person released it")
    await hass.call("switch", "turn_on", entity_id="switch.rover_autonomous")
    await until(lambda: is_state("switch.rover_autonomous", "on"), "it drives by itself again")
    await hass.call("vacuum", "return_to_base", entity_id="vacuum.rover_vacuum")
    await until(lambda: is_state("vacuum.rover_vacuum", "returning", "docked"), "it goes home")
    device.kill()  # a power cut: the last will
    await until(lambda: is_state("sensor.rover_mode", "unavailable"), "its last will is known")
