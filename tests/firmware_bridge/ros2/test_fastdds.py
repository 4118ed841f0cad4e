"""A peer of another maker: Fast DDS in C++ reads what we publish, and we read what it does; `make test-fastdds` builds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from firmware_bridge.errors import NoAnswer
from firmware_bridge.ros2.graph import RosGraph
from tests.firmware_bridge.ros2.conftest import DOMAIN, need

PEER = os.environ.get("ENIGMA_FASTDDS_PEER", "")
pytestmark = pytest.mark.skipif(not PEER, reason="the peer on Fast DDS is built by `make test-fastdds`")
SECONDS, ROUNDS = 60.0, 200


@pytest.fixture
def peer() -> Iterator[None]:
    """The peer in a process of its own."""
    need("rosbags", "cyclonedds")
    with subprocess.Popen([PEER, str(DOMAIN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stdout.readline() == "ready\n"
        yield
        running.kill()


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    ("topic", "type_", "sent", "back"),
    [
        (
            "/scan",
            "sensor_msgs/msg/LaserScan",
            {
                "header": {"frame_id": "laser"},
                "ranges": [float(each) for each in range(360)],
                "angle_increment": 0.0174,
            },
            lambda message: (
                message.header.frame_id == "laser_back" and message.ranges.tolist() == list(range(359, -1, -1))
            ),
        ),
        (
            "/cmd_vel",
            "geometry_msgs/msg/Twist",
            {"linear": {"x": 0.5}, "angular": {"z": 2.0}},
            lambda message: (message.linear.x, message.angular.z) == (-0.5, 2.0),
        ),
        ("/chatter", "std_msgs/msg/String", {"data": "hello"}, lambda message: message.data == "HELLO"),
    ],
)
async def test_messages_go_to_fast_dds_and_back(topic: str, type_: str, sent: dict[str, Any], back: Any) -> None:
    async with await RosGraph.open("tester", over="cyclone", number=DOMAIN) as graph:
        reader, writer = graph.subscribe(f"{topic}_back", type_), graph.advertise(topic, type_)
        assert await writer.matched(SECONDS)
        first = None
        async with asyncio.timeout(SECONDS):  # until its writer has found our reader too
            while first is None:
                writer.publish(sent)
                with contextlib.suppress(NoAnswer):
                    first = await reader.next(0.2)
        for _ in range(ROUNDS):
            writer.publish(sent)
            assert back(await reader.next(SECONDS))
        assert {(each.name, each.publishers) for each in graph.seen()} >= {(f"{topic}_back", 1), (topic, 1)}


@pytest.mark.usefixtures("peer")
async def test_a_service_as_rmw_cyclonedds_has_it_is_answered() -> None:
    """The layout is rmw_cyclonedds', the peer's coding Fast DDS'; rmw_fastrtps itself has another layout."""
    async with await RosGraph.open("tester", over="cyclone", number=DOMAIN) as graph:
        client = graph.client("/set", "std_srvs/srv/SetBool")
        for turn in range(ROUNDS):
            reply = await client.call(data=turn % 2 == 0, seconds=SECONDS)
            assert (reply.success, reply.message) == ((True, "on") if turn % 2 == 0 else (False, "off"))
