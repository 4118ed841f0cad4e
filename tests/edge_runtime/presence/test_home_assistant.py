"""Home Assistant finds a device and its robot on a real broker; what it asks for goes through the robot's door, or isn't done."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from edge_runtime import strict_json
from edge_runtime.config import PresenceConfig, RobotConfig
from edge_runtime.errors import EdgeError
from edge_runtime.presence import home_assistant
from edge_runtime.presence.home_assistant import HomeAssistant
from edge_runtime.presence.home_entities import Topics, checked_prefix, updates
from edge_runtime.presence.service import Service
from edge_runtime.robot import RobotDoor
from edge_runtime.update.machine import Release, State, Unit
from edge_runtime.update.report import Report
from tests import mosquitto

from .test_service import DEADLINE, KEY, client_of
from .test_service import broker as broker

Json = dict[str, object]
HOME = f"enigma/{KEY.id}/home"
NEXT = Release("r-1", "models/robot/home-en-1.1.0.enigma", "a" * 64, "b" * 64, version="1.1.0")
ACL = f"pattern write homeassistant/+/%u/#\npattern readwrite enigma/%u/home/#\nuser {mosquitto.HOST}\ntopic readwrite homeassistant/#\n"


class Robot:
    """A robot's socket that keeps what it was asked, and refuses what a robot would."""

    def __init__(self, folder: Path) -> None:
        self.path, self.asked, self.mode, self.going = folder / "robot.sock", list[Json](), "manual", ""
        self.stopped = False

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        async with await asyncio.start_unix_server(self._serve, self.path):
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        writer.close()

    def _answer(self, asked: Json) -> Json:
        if asked.get("op") == "state":
            orders = [{"place": self.going, "state": "going", "why": None}] if self.going else []
            battery = {"charge": 0.9, "sure": 0.84, "asks": "nothing"}
            state = {"mode": self.mode, "stopped": self.stopped, "fault": None, "battery": battery, "orders": orders}
            return {"accepted": True, "state": state}
        if asked.get("op") == "plan":
            places = [{"name": "dock"}, {"name": "kitchen"}, {"name": "hall"}]
            return {"accepted": True, "plan": {"dock": "dock", "places": places}}
        self.asked.append({key: value for key, value in asked.items() if key != "token"})
        if "calls" in asked and self.mode != "autonomous":
            return {"accepted": False, "reason": "The robot is manual, and takes no orders."}
        if asked.get("op") == "stop":
            self.stopped = True
        if asked.get("op") == "mode":
            self.mode = {"automate": "autonomous", "take": "manual"}[str(asked["event"])]
        return {"accepted": True}


class Told:
    """What is retained below the topics of Home Assistant and of the device."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client, self.kept = client, dict[str, bytes]()

    async def until(self, topic: str, wanted: bytes | None = None) -> bytes:
        async with asyncio.timeout(DEADLINE):
            while topic not in self.kept or wanted not in (None, self.kept[topic]):
                message = await anext(aiter(self.client.messages))
                self.kept[str(message.topic)] = bytes(message.payload)  # type: ignore[arg-type]
        return self.kept[topic]


class Device:
    """A device's presence in this process."""

    def __init__(self, broker: mosquitto.Mosquitto, folder: Path, robot: Robot | None, acts: bool) -> None:
        (folder / "password").write_text("k1\n")
        self.checks, self.versions, self.units = 0, {"home-en": "1.0.0"}, {"home-en": Unit(State.STAGED, NEXT)}
        door = RobotDoor(RobotConfig(socket=str(robot.path))) if robot else None
        topics = Topics("homeassistant", "enigma", KEY.id, "rover")
        self.home = HomeAssistant(topics, folder, lambda: self.versions, lambda: self.units, self.check, door, acts)
        config = PresenceConfig(
            broker=f"mqtt://127.0.0.1:{broker.port}", user=KEY.id, password_file=str(folder / "password")
        )
        self.service = Service(config, KEY, lambda: Report(KEY.id, "rover", (), 1.0), self.check, home=self.home)

    async def check(self) -> None:
        self.checks += 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.service.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=DEADLINE)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_assistant, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(mosquitto, "ACL", mosquitto.ACL + ACL)


@contextlib.asynccontextmanager
async def told(broker: mosquitto.Mosquitto) -> AsyncIterator[Told]:
    async with client_of(broker) as client:
        await client.subscribe([("homeassistant/#", 1), (f"{HOME}/#", 1)])
        yield Told(client)


async def until(condition: object) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110  # another task of this loop, which tells nobody
            await asyncio.sleep(0.02)


async def test_it_finds_battery_stop_vacuum_switch_place_and_update_and_its_commands_arrive(
    broker: mosquitto.Mosquitto, tmp_path: Path
) -> None:
    robot = Robot(tmp_path)
    device = Device(broker, tmp_path, robot, acts=True)
    async with client_of(broker) as client:  # kept by the broker from some day on: no command
        await client.publish(f"{HOME}/emergency_stop/set", "PRESS", qos=1, retain=True)
    async with robot.served(), device.running(), told(broker) as seen:
        await seen.until(f"{HOME}/place", b"None")
        configs = {
            topic: json.loads(raw) for topic, raw in seen.kept.items() if topic.startswith("homeassistant/") and raw
        }
        assert {tuple(topic.split("/")[1::2]) for topic in configs} == {
            ("update", "home_en"), ("sensor", "battery"), ("sensor", "mode"), ("binary_sensor", "problem"),
            ("button", "emergency_stop"), ("vacuum", "vacuum"), ("switch", "autonomous"), ("select", "place"),
        }  # fmt: skip
        assert len({each["unique_id"] for each in configs.values()}) == 8
        for each in configs.values():
            assert each["device"]["identifiers"] == [f"enigma_{KEY.id}"] and each["origin"]["name"] == "enigma"
            assert each["availability"][0]["topic"] == f"enigma/{KEY.id}/presence"
        assert await seen.until(f"{HOME}/battery") == b"84"
        state = json.loads(await seen.until(f"{HOME}/home_en"))
        assert (state["installed_version"], state["latest_version"], state["in_progress"]) == ("1.0.0", "1.1.0", False)
        assert configs[f"homeassistant/select/{KEY.id}/place/config"]["options"] == ["dock", "kitchen", "hall"]

        async def say(name: str, payload: str) -> None:
            await seen.client.publish(f"{HOME}/{name}/set", payload, qos=1)

        await say("place", "kitchen")  # the robot is a person's: it refuses
        await until(lambda: "takes no orders" in device.home.refused)
        await say("autonomous", "ON")
        await seen.until(f"{HOME}/autonomous", b"ON")
        robot.asked.clear()
        for name, payload in (
            ("place", "kitchen"),
            ("vacuum", "start"),
            ("vacuum", "return_to_base"),
            ("vacuum", "stop"),
        ):
            await say(name, payload)
            await until(lambda: len(robot.asked) == 1)
            (asked,) = robot.asked
            calls = [(call["name"], *call.get("targets", ())) for call in asked["calls"]]  # type: ignore[attr-defined]
            assert calls == {
                "kitchen": [("stop",), ("go_to", "kitchen")], "start": [("go_to", "kitchen"), ("go_to", "hall"), ("dock",)],
                "return_to_base": [("stop",), ("dock",)], "stop": [("stop",)],
            }[payload]  # fmt: skip
            robot.asked.clear()
        robot.going = "kitchen"
        await seen.until(f"{HOME}/place", b"kitchen")
        assert json.loads(await seen.until(f"{HOME}/vacuum")) == {"state": "cleaning"}
        await say("home_en", "install")
        await until(lambda: device.checks == 1)
        # What is no command is passed over.
        ignored = device.service.ignored
        wrong = (
            ("place", "attic"),
            ("vacuum", "explode"),
            ("nothing", "x"),
            ("release", "PRESS"),
            ("place", "x" * 300),
        )
        for name, payload in wrong:
            await say(name, payload)
        await until(lambda: device.service.ignored == ignored + len(wrong))
        assert robot.asked == [] and not robot.stopped
        await say("emergency_stop", "PRESS")
        await until(lambda: robot.stopped)
        await seen.until(f"{HOME}/problem", b"ON")
        await seen.until(f"{HOME}/vacuum", strict_json.dumps({"state": "error"}))


async def test_without_leave_it_may_only_stop_the_robot_and_what_is_gone_is_taken_back(
    broker: mosquitto.Mosquitto, tmp_path: Path
) -> None:
    robot = Robot(tmp_path)
    device = Device(broker, tmp_path, robot, acts=False)
    async with robot.served(), told(broker) as seen:
        async with device.running():
            await seen.until(f"{HOME}/battery", b"84")
            assert not any("/vacuum/" in topic or "/switch/" in topic or "/select/" in topic for topic in seen.kept)
            for name, payload in (("place", "kitchen"), ("autonomous", "ON"), ("vacuum", "start")):
                await seen.client.publish(f"{HOME}/{name}/set", payload, qos=1)
            await until(lambda: device.service.ignored >= 3)
            assert robot.asked == []
            await seen.client.publish(f"{HOME}/emergency_stop/set", "PRESS", qos=1)
            await until(lambda: robot.stopped)
            config = f"homeassistant/update/{KEY.id}/home_en/config"
            await seen.until(config)
        device = Device(broker, tmp_path, robot, acts=False)  # started again, and the specialist was removed meanwhile
        device.versions, device.units = {}, {}
        async with device.running():
            await seen.until(config, b"")


async def test_a_robot_that_does_not_answer_is_unknown_and_the_rest_goes_on(
    broker: mosquitto.Mosquitto, tmp_path: Path
) -> None:
    device = Device(broker, tmp_path, Robot(tmp_path), acts=True)
    async with device.running(), told(broker) as seen:
        assert await seen.until(f"{HOME}/battery") == b"None"
        assert json.loads(await seen.until(f"{HOME}/vacuum")) == {"state": "error"}
        await seen.client.publish(f"{HOME}/emergency_stop/set", "PRESS", qos=1)
        await until(lambda: "can't be asked" in device.home.refused)


def test_an_update_under_way_is_told_and_a_prefix_is_checked() -> None:
    (fetching,) = updates({"home-en": "1.0.0"}, {"home-en": Unit(State.FETCHING, NEXT)})
    (settled,) = updates({"home-en": "1.1.0"}, {"home-en": Unit(State.COMMITTED, NEXT)})
    assert isinstance(fetching.state, dict) and isinstance(settled.state, dict)
    assert (fetching.state["latest_version"], fetching.state["in_progress"]) == ("1.1.0", True)
    assert (settled.state["latest_version"], settled.state["in_progress"]) == ("1.1.0", False)
    for prefix in ("", "home/assistant", "#"):
        with pytest.raises(EdgeError):
            checked_prefix(prefix)
