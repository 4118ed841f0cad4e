"""A real device's specialists in a graph, its topics in its pipelines, and the commands from process to process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.engines import available_runtimes
from firmware_bridge.cli import main
from firmware_bridge.errors import BadValue, NoAnswer, Refused, RosError
from firmware_bridge.ros2.actions import ActionClient
from firmware_bridge.ros2.device import LocalDevice
from firmware_bridge.ros2.names import SENSORS
from firmware_bridge.ros2.node import PICTURE, Feed, Node
from firmware_bridge.ros2.pictures import jpeg, pixels
from firmware_bridge.ros2.types import Types
from tests.edge_runtime.conftest import RunningDevice, bundles, trust
from tests.firmware_bridge.ros2 import colours
from tests.firmware_bridge.ros2.conftest import DOMAIN, Opens, free_port, need

__all__ = ["bundles"]  # a fixture
STRING, SCAN, ASK = "std_msgs/msg/String", "sensor_msgs/msg/LaserScan", "enigma_interfaces/srv/Ask"
SECONDS = 60.0
PIPELINE = """[source]
kind = "topic"
topic = "ros/scan"

[[sinks]]
kind = "event"
"""


@pytest.fixture
def over() -> str:
    """One back end is enough here."""
    need("rosbags", "zenoh")
    return "zenoh"


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[RunningDevice]:
    """A daemon that serves `tiny`, with a pipeline that reads a topic."""
    state = tmp_path_factory.mktemp("ros") / "device"
    trust(state)
    (state / "pipelines").mkdir(parents=True)
    (state / "pipelines" / "scans.toml").write_text(PIPELINE)
    running = RunningDevice(state)
    assert running.push(bundles["v1"]).status == 200
    if "onnxruntime" in available_runtimes():
        pushed = running.push(colours.make_bundle(state.parent / "colours.enigma"))
        assert pushed.status == 200, pushed.body
    yield running
    running.stop()


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


async def test_a_device_in_the_graph(device: RunningDevice, opens: Opens, tmp_path: Path) -> None:
    graph, asks = await opens("/enigma"), await opens("asks")
    token = private(tmp_path / "token", device.token)
    async with LocalDevice(device.url, token) as local:
        node = Node(graph, local, "/enigma", [Feed("/scan", SCAN, every=0)], events=True)
        running = asyncio.create_task(node.run())

        client = asks.client("/enigma/tiny/ask", ASK)
        reply = await client.call(request='{"text": "the parcel is late"}', seconds=SECONDS)
        assert reply.ok and "label" in json.loads(reply.answer)
        wrong = await client.call(request='{"picture": 1}', seconds=SECONDS)
        assert not wrong.ok and wrong.answer == "" and "text" in wrong.error

        action = ActionClient(asks, "/enigma/tiny/work", "enigma_interfaces/action/Ask")
        done = await action.run({"request": "the parcel is late"}, SECONDS)  # what is no JSON is a text
        assert json.loads(done.answer)["label"] == json.loads(reply.answer)["label"]

        answers, requests = (
            asks.subscribe("/enigma/tiny/answer", STRING),
            asks.advertise("/enigma/tiny/request", STRING),
        )
        assert await requests.matched(SECONDS)
        requests.publish(data="the parcel is late")
        assert json.loads((await answers.next(SECONDS)).data)["label"] == json.loads(reply.answer)["label"]

        events, scans = asks.subscribe("/enigma/events", STRING), asks.advertise("/scan", SCAN)
        assert await scans.matched(SECONDS)

        async def found() -> dict[str, Any]:
            async for event in events.each(SECONDS):
                if (made := json.loads(event.data)).get("event") == "pipeline" or "scans" in event.data:
                    return dict(made)
            raise AssertionError("no event of the pipeline")

        told = asyncio.create_task(found())
        async with asyncio.timeout(SECONDS):
            while not told.done():
                scans.publish(ranges=[1.5, float("inf")], angle_increment=0.25)
                await asyncio.sleep(0.1)
        assert '"ranges": [1.5, null]' in json.dumps(told.result())
        assert node.counts["failed"] == 1 and node.counts["fed"] >= 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(NoAnswer):
            await client.call(request="{}", seconds=0.3)


async def test_a_camera_is_shown_to_a_specialist(device: RunningDevice, opens: Opens) -> None:
    need("onnxruntime")
    graph, camera = await opens("/enigma"), await opens("/camera")
    async with LocalDevice(device.url) as local:
        running = asyncio.create_task(Node(graph, local, "/enigma", [Feed("/image", PICTURE, "colours", 0)]).run())
        seen, pictures = camera.subscribe("/enigma/colours/seen", STRING), camera.advertise("/image", PICTURE, SENSORS)
        assert await pictures.matched(SECONDS)
        for colour, encoding in (("red", "rgb8"), ("blue", "bgr8")):
            data = colours.plain(colour)[:, :, :: 1 if encoding == "rgb8" else -1].tobytes()
            async with asyncio.timeout(SECONDS):
                while True:  # sensors' quality lets one be lost
                    pictures.publish(width=16, height=12, encoding=encoding, step=48, data=data)
                    with contextlib.suppress(NoAnswer):
                        if json.loads((await seen.next(0.5)).data)["label"] == colour:
                            break
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_what_cannot_be_asked_is_one_sentence(device: RunningDevice, tmp_path: Path) -> None:
    for address in ("http://192.168.1.4:8765", "https://127.0.0.1:8765", "http://example.org"):
        with pytest.raises(RosError, match="on its own machine"):
            LocalDevice(address)
    with pytest.raises(RosError, match="can't be read as a token"):
        LocalDevice(token_file=tmp_path / "none")
    readable = tmp_path / "readable"
    readable.write_text("enigma_x")
    readable.chmod(0o644)
    with pytest.raises(RosError, match="chmod 600"):
        LocalDevice(token_file=readable)
    async with LocalDevice(device.url) as local:
        with pytest.raises(Refused, match="nothing-here"):
            await local.run("nothing-here", b"{}")
        with pytest.raises(Refused, match="--token-file"):
            async for _ in local.events():
                pass
    async with LocalDevice(f"http://127.0.0.1:{free_port()}") as nobody:
        with pytest.raises(NoAnswer, match="start it with enigma-edge run"):
            await nobody.specialists()


def test_pictures_become_jpeg_whatever_their_channels() -> None:
    from PIL import Image

    types, kind = Types(), "sensor_msgs/msg/Image"
    red = {"rgb8": (255, 0, 0), "bgr8": (0, 0, 255), "rgba8": (255, 0, 0, 9), "bgra8": (0, 0, 255, 9)}
    for encoding, pixel in red.items():
        rows = bytes(pixel) * 4 + b"pad"
        picture = types.make(kind, encoding=encoding, width=4, height=2, step=len(rows), data=rows * 2)
        assert np.array_equal(pixels(picture), np.full((2, 4, 3), (255, 0, 0), np.uint8)), encoding
    large = types.make(kind, encoding="mono8", width=640, height=480, step=640, data=bytes(640 * 480))
    with Image.open(io.BytesIO(jpeg(large, 320))) as opened:
        assert opened.size == (320, 240)
    for wrong in ({"encoding": "bayer_rggb8"}, {"height": 3}, {"step": 8}, {"width": 0}, {"height": 2**31}):
        fields = {"encoding": "rgb8", "width": 4, "height": 2, "step": 12, "data": bytes(24), **wrong}
        with pytest.raises(BadValue, match="can't"):
            pixels(types.make(kind, fields))


@pytest.mark.parametrize("way", ["cyclone", "zenoh"])
def test_two_processes_on_loopback(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command `echo` in a process of its own hears `pub` in this one, over the wire."""
    need("rosbags", {"cyclone": "cyclonedds"}.get(way, way))
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    where = [["--interface", f"listen {endpoint}"], ["--interface", endpoint]] if way == "zenoh" else [[], []]
    common = ["--over", way, "--domain", str(DOMAIN)]
    program = "import sys; from firmware_bridge.cli import main; sys.exit(main(sys.argv[1:]))"
    echo = ["ros", "echo", "/cmd_vel", "geometry_msgs/Twist", "--count", "2", "--qos", "default"]
    echo += [*common, *where[0], "--node", "listener"]
    with subprocess.Popen([sys.executable, "-c", program, *echo], stdout=subprocess.PIPE, text=True) as listener:
        try:
            pub = [
                "/cmd_vel",
                "geometry_msgs/Twist",
                '{"linear": {"x": 0.25}}',
                *common,
                *where[1],
                "--wait",
                str(SECONDS),
            ]
            assert main(["ros", "pub", *pub]) == 0
            assert "Nobody reads" not in capsys.readouterr().out
            until = time.monotonic() + SECONDS
            while "/listener\n" not in capsys.readouterr().out and time.monotonic() < until:
                assert main(["ros", "nodes", *common, *where[1], "--wait", "0.3"]) == 0
            assert main(["ros", "pub", *pub]) == 0
            heard, _ = listener.communicate(timeout=SECONDS)
        finally:
            listener.kill()
    assert [json.loads(line)["linear"] for line in heard.splitlines()] == [{"x": 0.25, "y": 0.0, "z": 0.0}] * 2
    assert time.monotonic() < until, "its name wasn't seen"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pub", "/cmd_vel", "geometry_msgs/Twist", '{"linear": {"x": NaN}}'], "linear.x is nan"),
        (["pub", "/cmd_vel", "geometry_msgs/Twist", "0.5"], "A message is an object"),
        (["pub", "/cmd_vel", "geometry_msgs/Twist", "{"], "That isn't JSON"),
        (["pub", "/cmd_vel", "geometry_msgs/Twist", "[" * 100_000], "That isn't JSON"),
        (["pub", "/cmd vel", "geometry_msgs/Twist", "{}"], "can't be the name of a topic"),
        (["echo", "/nothing", "--wait", "0.1"], "write its type behind it"),
        (["nodes", "--domain", "233"], "from 0 to 232"),
        (["nodes", "--interface", "<x>"], "is no endpoint of zenoh"),
        (["nodes", "--over", "cyclone", "--interface", "<x>"], "is no network"),
        (["nodes", "--packages", "/nowhere"], "no folder of ROS packages"),
        (["record", "out", "/nothing", "--wait", "0"], "Nobody publishes /nothing"),
        (["replay", "/nowhere"], "no recording of ROS 2"),
        (["serve", "--feed", "/scan"], "Write a feed as"),
        (["nodes", "--over", "rclpy"], "source ROS 2 first"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    need("rosbags", "zenoh", "cyclonedds")
    way = [] if "--over" in arguments else ["--over", "zenoh"]
    assert main(["ros", *arguments, *way]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("enigma-bridge: ") and sentence in said.err and len(said.err.splitlines()) == 1
