"""The robot beside a device: a real daemon, a real process with a simulated robot behind its socket, a real client."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.client import BadRequest, DeviceClient, EdgeError, Forbidden, NotFound, Overloaded
from edge_runtime.config import RobotConfig
from edge_runtime.events import EventHub
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.items import SinkError
from edge_runtime.pipelines.sinks import open_sink
from edge_runtime.pipelines.topics import Topics
from edge_runtime.robot_client import RobotWatch

from ..conftest import RunningDevice, edge, edge_environment

pytest.importorskip("shapely")

from tests.simulated_robot import SimulatedRobot  # which needs it

WAIT = 120.0


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedRobot]:
    made = SimulatedRobot(tmp_path_factory.mktemp("robot"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def device(robot: SimulatedRobot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevice]:
    state = tmp_path_factory.mktemp("beside") / "device"
    robot.configure(state, "may_arm = true")
    made = RunningDevice(state)
    yield made
    assert made.stop() == 0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110  # another process, which tells nobody
            await asyncio.sleep(0.03)


def stands(robot: SimulatedRobot) -> bool:
    speed = robot.state["speed"]
    assert isinstance(speed, dict)
    return speed["v"] == 0 and speed["w"] == 0


@contextlib.asynccontextmanager
async def frames(watch: RobotWatch) -> AsyncIterator[Callable[[str], asyncio.Future[dict[str, object]]]]:
    """The next message that has a key; all others are thrown away."""
    said = watch.messages()

    async def following(key: str) -> dict[str, object]:
        async with asyncio.timeout(WAIT):
            async for message in said:
                if key in message:
                    return message
        raise AssertionError(key)

    yield following  # type: ignore[misc]
    await said.aclose()  # type: ignore[attr-defined]


async def test_it_is_watched_driven_and_stopped_over_one_connection(
    device: RunningDevice, robot: SimulatedRobot
) -> None:
    robot.fresh()
    async with DeviceClient(device.url, device.token) as client:
        about = await client.robot.about()
        plan, state = about["plan"], about["state"]
        assert isinstance(plan, dict) and isinstance(state, dict)
        assert plan["simulated"] and state["simulated"] and [zone["name"] for zone in plan["zones"]] == ["stairs"]
        assert (await client.robot.map()).startswith(b"\x89PNG")
        async with client.robot.watch(20) as watch, frames(watch) as following:
            for _ in range(WAIT_FRAMES):
                seen = (await following("frame"))["frame"]
                assert isinstance(seen, dict)
                await watch.drive(0.2, 0.0, seen["t"])
                if seen["speed"]["v"] > 0.05:
                    break
            else:
                raise AssertionError("it doesn't drive")
            await watch.stop(7)
            said = await following("stopped")
            assert said["stopped"] == 7 and said["board"] == "stands" and isinstance(said["ms"], float)
            await until(lambda: stands(robot))
            seen = (await following("frame"))["frame"]
            assert isinstance(seen, dict) and seen["stopped"] and seen["mode"] == "fault"
            await watch.drive(0.2, 0.0, seen["t"])
            assert "fault" in str((await following("refused"))["refused"])
            with pytest.raises(BadRequest, match="release it first"):
                await client.robot.clear()
            await client.robot.release()
            await watch.drive(0.2, 0.0, seen["t"] - 1)
            assert "too long on its way" in str((await following("refused"))["refused"])
            for bad, why in (
                ({"drive": [1], "seen": 1}, "Send"),
                ({"drive": ["a", 1], "seen": 1}, "number"),
                ({}, "number"),
            ):
                await watch._send(bad)
                assert why in str((await following("refused"))["refused"])
        assert "emergency stop of the robot" in device.log and "board stands after" in device.log


WAIT_FRAMES = 200
_DRIVER = """
import asyncio, sys
from edge_runtime.client import DeviceClient
async def main():
    async with DeviceClient(sys.argv[1], sys.argv[2]) as client, client.robot.watch(20) as watch:
        async for message in watch.messages():
            if "frame" in message:
                await watch.drive(0.2, 0.0, message["frame"]["t"])
                if message["frame"]["speed"]["v"] > 0.05:
                    print("drives", flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("who", ["client", "device"])
async def test_whoever_drives_is_killed_or_the_device_is_and_the_robot_stands(
    robot: SimulatedRobot, device: RunningDevice, tmp_path: Path, who: str
) -> None:
    robot.fresh()
    robot.ask(op="locate", x=0.5, y=0.5, degrees=90)
    through = device
    if who == "device":
        robot.configure(tmp_path / "device")
        through = RunningDevice(tmp_path / "device")
    driving = subprocess.Popen(  # noqa: ASYNC220  # what it is told is killed
        [sys.executable, "-c", _DRIVER, through.url, through.token], stdout=subprocess.PIPE, env=edge_environment()
    )
    try:
        assert driving.stdout is not None
        assert await asyncio.to_thread(driving.stdout.readline) == b"drives\n"
        if who == "client":
            driving.kill()
        else:
            through.kill()
        # The reason may come and go while the machine is busy: it is waited for, as the standing is.
        await until(lambda: stands(robot) and (who == "client" or "no order came in time" in str(robot.state["why"])))
        assert not robot.state["stopped"]  # its deadman stops it, and no more than that
    finally:
        driving.kill()
        driving.wait(60)


async def test_scopes_hold_for_sticks_too_and_a_token_for_some_specialists_may_stop_it_and_nothing_else(
    device: RunningDevice, robot: SimulatedRobot
) -> None:
    robot.fresh()

    def token(*options: str) -> str:
        reply = device.request(
            "POST",
            "/v1/tokens",
            {
                "name": "it",
                **dict(zip(options[::2], options[1::2], strict=True)),
                **({"only": ["x"]} if "only" in options else {}),
            },
            {"Authorization": f"Bearer {device.token}"},
        )
        assert reply.status == 200, reply.body
        return str(reply.json["token"])

    async with DeviceClient(device.url, token("scope", "viewer")) as client:
        with pytest.raises(Forbidden, match="operator"):
            await client.robot.stop()
        async with client.robot.watch() as watch, frames(watch) as following:
            seen = (await following("frame"))["frame"]
            assert isinstance(seen, dict)
            for send in (watch.drive(0.1, 0, seen["t"]), watch.stop(1)):
                await send
            assert "scope operator" in str((await following("refused"))["refused"])
        assert not robot.state["stopped"]
    async with DeviceClient(device.url, token("scope", "operator")) as client:
        for refused in (client.robot.release(), client.robot.draw(0, zones=[])):
            with pytest.raises(Forbidden, match="releaser"):
                await refused
        await client.robot.limit(0.3)
        assert robot.state["mode"] == "manual"
        with pytest.raises(BadRequest, match=r"at most 0\.5"):
            await client.robot.limit(3)
        with pytest.raises(BadRequest, match="takes no orders"):
            await client.robot.order([{"name": "go_to", "targets": ["sofa"]}])
        with pytest.raises(Forbidden, match="needs the scope owner"):
            await client.robot.arm(15)
        await client.robot.disarm()
        stopped = await client.robot.stop()
        assert stopped["board"] == "stands"
    robot.fresh()
    async with DeviceClient(device.url, token("scope", "owner")) as client:
        await client.robot.arm(15)  # which this robot, that isn't there, needs not
        assert "is asked to arm for 15 minutes" in device.log
        for bad in (True, "x", 10**400):
            with pytest.raises(BadRequest, match="must be a number"):
                await client.robot.arm(bad)  # type: ignore[arg-type]
    limited = token("scope", "operator", "only", "x")
    async with DeviceClient(device.url, limited) as client:
        with pytest.raises(Forbidden, match="not for the robot"):
            await client.robot.mode("automate")
        await client.robot.stop()
    # A program on the device may stop it without a token, and do nothing else.
    assert device.request("POST", "/v1/robot/stop").status == 200
    assert device.request("POST", "/v1/robot/mode", {"event": "automate"}).status == 401


async def test_zones_drawn_through_the_device_keep_it_out_and_places_are_gone_to(
    device: RunningDevice, robot: SimulatedRobot
) -> None:
    robot.fresh()
    robot.ask(op="locate", x=0.5, y=0.5, degrees=90)
    zone: dict[str, object] = {"name": "rug", "corners": [[0.3, 1.4], [1.4, 1.4], [1.4, 2.2], [0.3, 2.2]]}
    async with DeviceClient(device.url, device.token) as client:
        revision = await client.robot.draw(0, zones=[zone], places=[{"name": "spot", "at": [0.9, 0.6, 0]}])
        with pytest.raises(BadRequest, match="Somebody else drew"):
            await client.robot.draw(0, zones=[])
        await client.robot.mode("automate")
        with pytest.raises(BadRequest, match="zone"):
            await client.robot.order([{"name": "go_to", "arguments": {"x": 0.8, "y": 1.8}}])
        with pytest.raises(BadRequest, match="no place"):
            await client.robot.order([{"name": "go_to", "targets": ["attic"]}])
        assert await client.robot.draw(revision, zones=[]) == revision + 1


async def test_without_a_robot_or_with_one_that_is_gone_a_sentence_says_so(
    device: RunningDevice, robot: SimulatedRobot, shared_device: RunningDevice
) -> None:
    async with DeviceClient(shared_device.url, shared_device.token) as client:
        with pytest.raises(NotFound, match="has no robot"):
            await client.robot.about()
        with pytest.raises(NotFound, match="arms no robot from afar"):
            await client.robot.arm(15)
        with pytest.raises(NotFound):
            async with client.robot.watch():
                pass
    async with DeviceClient(device.url, device.token) as client:
        async with client.robot.watch(20) as watch, frames(watch) as following:
            await following("frame")
            robot.end(hard=True)
            assert "robot" in str((await following("error"))["error"])
        with pytest.raises(Overloaded, match="does enigma-bridge robot serve run"):
            await client.robot.stop()
        robot.again()
        async with client.robot.watch(20) as watch, frames(watch) as following:
            await following("frame")
    assert "Traceback" not in device.log


def test_an_action_of_a_pipeline_goes_to_the_robot_of_the_configuration(robot: SimulatedRobot, tmp_path: Path) -> None:
    robot.fresh()
    robot.ask(op="mode", event="automate")
    state = tmp_path / "device"
    robot.configure(state)
    (state / "pipelines").mkdir()
    (state / "pipelines" / "word.toml").write_text(
        '[source]\nkind = "topic"\ntopic = "go"\n[[sinks]]\nkind = "action"\ncalls = "$item.calls"\nmax_age_ms = 60000\n'
    )
    device = RunningDevice(state)
    try:
        sent = {"topic": "go", "value": {"calls": [{"name": "go_to", "targets": ["sofa"]}]}}
        assert device.request("POST", "/v1/topics", sent).json["readers"] == 1

        async def goes() -> None:
            await until(lambda: "sofa" in str(robot.state["orders"]))

        asyncio.run(goes())
        patrol = {"name": "patrol", "arguments": {"speed": "slow"}, "targets": ["kitchen"]}
        assert device.request("POST", "/v1/topics", {"topic": "go", "value": {"calls": [patrol]}}).json["readers"] == 1

        async def goes_round() -> None:
            await until(lambda: "kitchen" in str(robot.state["orders"]))

        asyncio.run(goes_round())
        robot.ask(op="limit", speed=robot.ask(op="plan")["plan"]["most_speed"])  # type: ignore[index]
        robot.ask(calls=[{"name": "stop"}])
    finally:
        assert device.stop() == 0
    checked = edge("pipelines", "check", state / "pipelines" / "word.toml", "--state", state)
    assert checked.returncode == 0, checked.stderr


def test_an_action_without_a_socket_needs_a_robot_in_the_configuration(tmp_path: Path) -> None:
    sink = declare.Sink("action", declare.Action(None, "$item.calls", 1.0, 1.0), (), declare.When(), 0.0, 8)
    with pytest.raises(SinkError, match=r"section \[robot\]"):
        open_sink(sink, "ear", EventHub(), Topics(), RobotConfig())


async def test_orders_of_a_specialist_are_said_as_the_bridge_takes_them(
    device: RunningDevice, robot: SimulatedRobot
) -> None:
    async def limit() -> float:
        async with (
            DeviceClient(device.url, device.token) as client,
            client.robot.watch(20) as watch,
            frames(watch) as following,
        ):
            seen = (await following("frame"))["frame"]
            assert isinstance(seen, dict)
            return float(seen["limit"])

    robot.fresh()
    robot.ask(op="mode", event="automate")
    key = {"Authorization": f"Bearer {device.token}"}
    calls = [{"name": "patrol", "arguments": {"speed": "slow"}, "targets": ["sofa", "kitchen"]}]
    reply = device.request("POST", "/v1/robot/orders", {"calls": calls}, key)
    assert reply.status == 200, reply.body
    assert "sofa" in str(robot.state["orders"]) and "kitchen" in str(robot.state["orders"])
    most = robot.ask(op="plan")["plan"]["most_speed"]  # type: ignore[index]
    assert await limit() == pytest.approx(0.4 * most)
    fetch = {"name": "fetch", "arguments": {}, "targets": ["unicorn"]}
    reply = device.request("POST", "/v1/robot/orders", {"calls": [{"name": "stop", "targets": []}, fetch]}, key)
    assert reply.status == 400 and "no 'unicorn'" in reply.message
    assert "sofa" in str(robot.state["orders"])  # what is refused stops nothing, either
    normal = {"name": "set_speed", "arguments": {"speed": "normal"}, "targets": []}
    assert device.request("POST", "/v1/robot/orders", {"calls": [normal]}, key).status == 200
    assert await limit() == pytest.approx(most)
    robot.ask(calls=[{"name": "stop"}])


def test_errors_of_the_client_are_the_devices(device: RunningDevice) -> None:
    assert issubclass(Overloaded, EdgeError)
    for path, body in (
        ("/v1/robot/mode", {"event": "fly"}),
        ("/v1/robot/mode", {"wish": "fly"}),
        ("/v1/robot/orders", {"calls": "x"}),
        ("/v1/robot/limit", {"speed": "x"}),
    ):
        reply = device.request("POST", path, body, {"Authorization": f"Bearer {device.token}"})
        assert reply.status == 400 and reply.message.endswith("."), reply.body
    assert device.get("/v1/robot/watch?hz=900", Authorization=f"Bearer {device.token}").status == 400
    assert device.get("/v1/robot/watch", Authorization=f"Bearer {device.token}").status == 400  # no WebSocket
