"""What is rosbridge's own: what it writes, what comes back after a break, what it is too slow for, and what is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from firmware_bridge.errors import BadValue, NoAnswer, Overloaded, RosError
from firmware_bridge.ros2 import rosbridge_link
from firmware_bridge.ros2.actions import ActionServer
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import LATCHED, Qos, Service
from firmware_bridge.ros2.rosbridge import Rosbridge
from firmware_bridge.ros2.rosbridge_json import from_json, to_json
from firmware_bridge.ros2.rosbridge_link import address
from firmware_bridge.ros2.transport import until
from firmware_bridge.ros2.types import Types
from tests.firmware_bridge.ros2.conftest import need
from tests.firmware_bridge.ros2.rosbridge_server import RosbridgeServer

TWIST, INT, TRIGGER = "geometry_msgs/msg/Twist", "std_msgs/msg/Int32", "std_srvs/srv/Trigger"
SECONDS = 120.0


@pytest.fixture
async def server() -> AsyncIterator[RosbridgeServer]:
    need("rosbags", "aiohttp")
    async with RosbridgeServer() as made:
        yield made


@pytest.fixture
async def graph(server: RosbridgeServer) -> AsyncIterator[RosGraph]:
    async with await RosGraph.open(over="rosbridge", interface=server.url) as made:
        yield made


async def patiently(true: Any) -> None:
    async with asyncio.timeout(SECONDS):
        await until(true)


def test_messages_look_as_the_specification_has_them() -> None:
    need("rosbags")
    types = Types()
    picture = types.make("sensor_msgs/msg/Image", width=2, height=1, encoding="mono8", step=2, data=[1, 255])
    told = to_json(types, types.encode(picture, "sensor_msgs/msg/Image"), "sensor_msgs/msg/Image")
    assert told["data"] == "Af8=" and told["header"] == {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    json.dumps(told, allow_nan=False)
    for data in ("Af8=", [1, 255]):  # "as either a base64 string or a JSON list of numbers"
        back = types.decode(from_json(types, {**told, "data": data}, "sensor_msgs/msg/Image"), "sensor_msgs/msg/Image")
        assert back.data.tolist() == [1, 255]
    scan = types.decode(
        from_json(types, {"ranges": [1, None, 2.5]}, "sensor_msgs/msg/LaserScan"), "sensor_msgs/msg/LaserScan"
    )
    assert scan.ranges[0] == 1 and math.isnan(scan.ranges[1]) and scan.ranges[2] == 2.5  # null: NaN or infinite
    scan = types.make("sensor_msgs/msg/LaserScan", ranges=[1.0, np.inf])
    with pytest.raises(BadValue, match="ranges holds a number that JSON hasn't"):
        to_json(types, types.encode(scan, "sensor_msgs/msg/LaserScan"), "sensor_msgs/msg/LaserScan")
    for values, why in (
        ({"linear": {"x": None}}, "is nan"),
        ({"linear": {"x": "1"}}, "must be a number"),
        ({"linear": {"x": 10**400}}, "beyond float64"),
        ({"linear": [0, 0, 0]}, "must be an object"),
        ({"speed": 1}, "has no speed"),
        ([], "must be an object"),
    ):
        with pytest.raises(BadValue, match=why):
            from_json(types, values, TWIST)
    with pytest.raises(BadValue, match="beyond float32"):
        from_json(types, {"ranges": [1, 10**400]}, "sensor_msgs/msg/LaserScan")
    with pytest.raises(BadValue, match="no base64"):
        from_json(types, {"data": "!"}, "sensor_msgs/msg/Image")


async def test_it_says_what_the_specification_names(server: RosbridgeServer, graph: RosGraph) -> None:
    reader = graph.subscribe("/cmd_vel", TWIST, Qos(3, every=0.5))
    writer = graph.advertise("/map", "std_msgs/msg/String", LATCHED)
    writer.publish(data="here")
    with pytest.raises(NoAnswer, match="isn't served by anybody within"):
        await graph.client("/go", TRIGGER).call(seconds=0.05)
    with pytest.raises(NoAnswer, match="isn't served by anybody, or failed: Service /go does not exist"):
        await graph.transport.client(Service("/go", TRIGGER, "")).call(b"\0\1\0\0\0")
    reader.close()
    writer.close()
    await patiently(lambda: server.of("unadvertise"))
    subscribe, advertise, publish = (server.of(op)[0] for op in ("subscribe", "advertise", "publish"))
    assert (subscribe["type"], subscribe["throttle_rate"], subscribe["queue_length"]) == (TWIST, 500, 1)
    assert (advertise["type"], advertise["latch"]) == ("std_msgs/msg/String", True)
    assert publish == {"op": "publish", "topic": "/map", "msg": {"data": "here"}}
    assert server.of("unsubscribe") == [{"op": "unsubscribe", "topic": "/cmd_vel", "id": subscribe["id"]}]
    assert server.of("call_service")[-1]["args"] == {}


async def test_it_comes_back_after_a_break_and_sends_no_old_command(
    server: RosbridgeServer, graph: RosGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rosbridge_link, "_SOONEST", 0.02)

    async def answer(request: Any) -> dict[str, object]:
        if waits:
            await asyncio.sleep(3600)
        return {"success": True}

    waits = False
    reader, writer = graph.subscribe("/count", INT), graph.advertise("/count", INT)
    graph.serve("/go", TRIGGER, answer)
    client = graph.client("/go", TRIGGER)
    assert await writer.matched(SECONDS) and (await client.call(seconds=SECONDS)).success
    waits = True
    call = asyncio.create_task(client.call(seconds=SECONDS))
    await patiently(lambda: len(server.asked) == 1)
    await server.stop()
    with pytest.raises(NoAnswer, match="broke before the answer came"):
        await call
    transport = graph.transport
    assert isinstance(transport, Rosbridge)
    await patiently(lambda: not transport.link.connected)
    with pytest.raises(RosError, match="is being made again"):
        writer.publish(data=1)
    assert not await writer.arrived(SECONDS)
    waits = False
    server.said.clear()
    await server.start()
    await patiently(lambda: len(server.said) >= 3)
    assert await writer.matched(SECONDS) and not server.of("publish")
    writer.publish(data=2)
    assert (await reader.next(SECONDS)).data == 2 and (await client.call(seconds=SECONDS)).success


async def test_the_environment_says_which_way(server: RosbridgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENIGMA_ROS_OVER", "rosbridge")
    monkeypatch.setenv("ENIGMA_ROS_INTERFACE", server.url)
    async with await RosGraph.open() as graph:
        assert graph.transport.kind == "rosbridge" and len(server.clients) == 1
    with pytest.raises(RosError, match="No rosbridge answers"):
        await RosGraph.open(interface="ws://127.0.0.1:1")
    monkeypatch.setenv("ENIGMA_ROS_OVER", "pigeon")
    with pytest.raises(RosError, match="'pigeon' is no way to ROS 2"):
        await RosGraph.open()


_PEER = """
import base64, sys, threading, roslibpy
ros = roslibpy.Ros("127.0.0.1", int(sys.argv[1]))
ros.run()
came = threading.Event()
roslibpy.Topic(ros, "/to_peer", "geometry_msgs/msg/Twist").subscribe(lambda told: (print(told["linear"]["x"]), came.set()))
def answer(request, response):
    response.update(success=request["data"], message="from roslibpy")
    return True
roslibpy.Service(ros, "/peer", "std_srvs/srv/SetBool").advertise(answer)
camera = roslibpy.Topic(ros, "/camera", "sensor_msgs/msg/Image", queue_size=1, latch=True)
camera.advertise()
camera.publish({"width": 2, "height": 1, "encoding": "mono8", "step": 2, "data": base64.b64encode(bytes([1, 255])).decode()})
print("ready", flush=True)
assert came.wait(60)
print(roslibpy.Service(ros, "/ours", "std_srvs/srv/Trigger").call({}, timeout=60)["message"], flush=True)
ros.terminate()
"""


@pytest.mark.skipif(find_spec("roslibpy") is None, reason="another maker's client: pip install roslibpy")
async def test_roslibpy_and_ours_understand_each_other(server: RosbridgeServer, graph: RosGraph) -> None:
    async def answer(request: Any) -> dict[str, object]:
        return {"success": True, "message": "from ours"}

    graph.serve("/ours", TRIGGER, answer)
    peer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PEER, str(server.port), stdout=asyncio.subprocess.PIPE
    )
    assert peer.stdout is not None
    async with asyncio.timeout(SECONDS):
        assert await peer.stdout.readline() == b"ready\n"
        pictures = graph.subscribe("/camera", "sensor_msgs/msg/Image", LATCHED)
        assert (await pictures.next(SECONDS)).data.tolist() == [1, 255]
        reply = await graph.client("/peer", "std_srvs/srv/SetBool").call(data=True, seconds=SECONDS)
        assert (reply.success, reply.message) == (True, "from roslibpy")
        wheels = graph.advertise("/to_peer", TWIST)
        assert await wheels.matched(SECONDS)
        wheels.publish(linear={"x": 0.5})
        assert (await peer.stdout.read()).decode().split() == ["0.5", "from", "ours"]


async def test_every_leaves_out_what_comes_between(server: RosbridgeServer, graph: RosGraph) -> None:
    slow, all_, writer = graph.subscribe("/a", INT, Qos(50, every=0.2)), graph.subscribe("/b", INT, Qos(50)), []
    for topic in ("/a", "/b"):
        writer.append(graph.advertise(topic, INT))
        assert await writer[-1].matched(SECONDS)
    for number in range(20):
        for each in writer:
            each.publish(data=number)
    for number in range(20):
        assert (await all_.next(SECONDS)).data == number
    came: list[int] = []
    while 19 not in came:  # the latest comes, whatever was left out
        came.append((await slow.next(SECONDS)).data)
    assert came[0] == 0 and len(came) < 10


async def test_what_the_server_complains_of_is_logged_once_and_nonsense_is_counted(
    server: RosbridgeServer, graph: RosGraph, caplog: pytest.LogCaptureFixture
) -> None:
    reader = graph.subscribe("/a", INT)
    await patiently(lambda: server.of("subscribe"))
    client = server.clients[0]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await client.say({"op": "status", "level": "error", "msg": "no such topic", "id": "subscribe:1"})
        for text in ("{", "[]", '{"op": 1}', "[" * 100_000):
            await client.socket.send_str(text)
        for message in (None, {"data": "x"}, {"data": 2**40}, {}):
            await client.say({"op": "publish", "topic": "/a", "msg": message})
        await client.say({"op": "publish", "topic": ["/a"], "msg": {}})
        await client.say({"op": "service_response", "id": {"a": 1}, "result": True})
        await client.say({"op": "call_service", "id": "x", "service": "/none", "args": [1]})
        await client.say({"op": "fragment", "id": "1", "data": "", "num": 0, "total": 1})
        assert (await reader.next(SECONDS)).data == 0 and reader.unreadable == 3
        await patiently(lambda: server.of("service_response") and "'fragment'" in caplog.text)
    transport = graph.transport
    assert isinstance(transport, Rosbridge) and transport.link.unreadable == 4
    assert caplog.text.count("no such topic") == 1 and not server.of("service_response")[0]["result"]


async def test_without_rosapi_nobody_says_who_reads_and_actions_are_refused() -> None:
    need("rosbags", "aiohttp")
    async with (
        RosbridgeServer(rosapi=False) as server,
        await RosGraph.open(over="rosbridge", interface=server.url) as graph,
    ):
        writer = graph.advertise("/a", INT)
        assert await writer.matched(SECONDS) and not graph.seen() and not graph.nodes()
        with pytest.raises(RosError, match="Actions aren't spoken over rosbridge"):
            ActionServer(graph, "/a", "enigma_interfaces/action/Ask", None, None)  # type: ignore[arg-type]


async def test_a_server_that_reads_nothing_is_said_and_one_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("rosbags", "aiohttp")
    monkeypatch.setattr(rosbridge_link, "MOST_MESSAGES", 8)
    async with RosbridgeServer() as server:
        async with await RosGraph.open(over="rosbridge", interface=server.url) as graph:
            writer = graph.advertise("/a", INT)
            with pytest.raises(Overloaded, match="too slowly"):
                for number in range(20):  # nothing goes out before this lets go
                    writer.publish(data=number)
        url = server.url
    with pytest.raises(RosError, match="No rosbridge answers at"):
        await RosGraph.open(over="rosbridge", interface=url)
    for wrong in ("http://a:1", "ws://", "ws://u:p@a", "ws://a:99999", "ws://a b", "ws://a\n", "eth0"):
        with pytest.raises(RosError, match="no address of a rosbridge"):
            address(wrong)
    assert address(None) == "ws://127.0.0.1:9090" and address("wss://robot.example/ros") == "wss://robot.example/ros"
