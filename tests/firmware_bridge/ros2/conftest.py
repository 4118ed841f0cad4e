"""Two nodes in one graph, over each back end; a domain and a port of their own, so that other tests aren't heard."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from firmware_bridge.ros2.graph import RosGraph
from tests.firmware_bridge.ros2 import rclpy_stand_in
from tests.firmware_bridge.ros2.rosbridge_server import RosbridgeServer

DOMAIN = 2 + os.getpid() % 98  # above 101 the ports of DDS are among those that any program may be given
Opens = Callable[..., Awaitable[RosGraph]]


def need(*packages: str) -> None:
    """Skips where a package isn't here."""
    for each in packages:
        if importlib.util.find_spec(each) is None:
            pytest.skip(f"{each} isn't installed: pip install 'enigma[ros2]'")


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@pytest.fixture(params=["cyclone", "zenoh", "rclpy-stand-in", "rclpy", "rosbridge"])
def over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A back end: the real rclpy where ROS 2 is sourced, and a stand-in of it, see there, where it isn't."""
    need("rosbags")
    if request.param == "rclpy" and importlib.util.find_spec("rclpy") is None:
        pytest.skip("ROS 2 isn't sourced: rclpy isn't on PyPI")
    if request.param == "rclpy-stand-in":
        rclpy_stand_in.install(monkeypatch)
        return "rclpy"
    need({"cyclone": "cyclonedds", "rosbridge": "aiohttp"}.get(request.param, request.param))
    return str(request.param)


@pytest.fixture
async def opens(over: str) -> AsyncIterator[Opens]:
    """Opens a node; the first one is where the others of zenoh connect to."""
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    opened: list[RosGraph] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RosbridgeServer()) if over == "rosbridge" else None

        async def one(name: str, **more: object) -> RosGraph:
            where = ("listen " * (not opened) + endpoint) if over == "zenoh" else server and server.url
            graph = await RosGraph.open(name, over=over, number=DOMAIN, interface=where, **more)  # type: ignore[arg-type]
            opened.append(await stack.enter_async_context(graph))
            return graph

        yield one


@pytest.fixture
async def pair(opens: Opens) -> tuple[RosGraph, RosGraph]:
    """Two nodes."""
    return await opens("one"), await opens("/robot/two")
