"""ROS 2's graph, typed: publish, subscribe, serve and call, the same over CycloneDDS, zenoh, rclpy and rosbridge.

    async with await RosGraph.open("bridge") as graph:
        scans = graph.subscribe("/scan", "sensor_msgs/msg/LaserScan", SENSORS)
        wheels = graph.advertise("/cmd_vel", "geometry_msgs/msg/Twist")
        scan = await scans.next(1)
        wheels.publish(linear={"x": 0.2 if min(scan.ranges) > 0.5 else 0.0})

Every wait has a deadline, every queue a bound. A message that can't be read is counted and left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import math
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from firmware_bridge.errors import BadValue, BridgeError, NoAnswer, RosError
from firmware_bridge.ros2.definitions import MAX_BYTES
from firmware_bridge.ros2.names import DEFAULT, WAYS, Distro, Qos, Service, Topic, check_name, check_node, domain
from firmware_bridge.ros2.transport import Caller, Closable, Outlet, Reply, Seen, Transport, until
from firmware_bridge.ros2.types import Types

_log = logging.getLogger(__name__)
MAX_ENDPOINTS = 500
AT_ONCE = 16  # requests that one service works on at the same time
_EARLY = 0.9  # of `Qos.every`: a server that holds back keeps no exact time
Answer = Callable[[Any], Awaitable[Any]]


class RosGraph:
    """One node in the graph. Use `open`; leaves the graph at the end of `async with`."""

    def __init__(self, transport: Transport, types: Types) -> None:
        self.transport, self.types = transport, types
        self._ends: list[Closable] = []
        self.closed = False

    @classmethod
    async def open(
        cls,
        node: str = "enigma_bridge",
        *,
        over: str = "auto",
        number: int | None = None,
        interface: str | None = None,
        distro: Distro = Distro.JAZZY,
        folders: Iterable[Path] = (),
    ) -> RosGraph:
        """Join the graph as `node` (with its namespace: /robot1/bridge). Raises RosError.

        over: "cyclone", "zenoh", "rclpy", "rosbridge", or "auto": ENIGMA_ROS_OVER, else the first of rclpy, cyclone, zenoh
        that is here. number: the domain, else ROS_DOMAIN_ID, else 0. interface: else ENIGMA_ROS_INTERFACE, else this machine
        only, see `Cyclone`, `Zenoh`, `Rosbridge`.
        folders: of packages of your own types.
        """
        types = Types(distro, folders)
        over = os.environ.get("ENIGMA_ROS_OVER", over) if over == "auto" else over
        interface = interface if interface is not None else os.environ.get("ENIGMA_ROS_INTERFACE")
        transport = _transport(over, types, check_node(node), domain(number), interface)
        await transport.open()
        return cls(transport, types)

    async def __aenter__(self) -> RosGraph:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the graph; what waits for a message ends with NoAnswer."""
        if self.closed:
            return
        self.closed = True
        for end in reversed(self._ends):
            with contextlib.suppress(BridgeError):
                end.close()
        self._ends.clear()
        await self.transport.close()

    def advertise(self, topic: str, type_: str, qos: Qos = DEFAULT) -> Publisher:
        """Begin to publish on a topic. Raises RosError."""
        made = self._topic(topic, type_, qos)
        return self._keep(Publisher(self.transport.advertise(made), made, self.types))

    def subscribe(self, topic: str, type_: str, qos: Qos = DEFAULT) -> Subscription:
        """Begin to read a topic; the latest `qos.depth` messages wait. Raises RosError."""
        return self._keep(Subscription(self.transport, self._topic(topic, type_, qos), self.types))

    def serve(self, service: str, type_: str, answer: Answer, seconds: float = 30.0) -> Closable:
        """Answer a service's requests by an async function of the request that returns a reply or its fields.

        One that fails or takes longer than `seconds` isn't answered, as in ROS; the reason is logged.
        """
        made = Service(check_name(service, "service"), self._service(type_), self._hash(type_))
        return self._keep(_Served(self.transport, made, self.types, answer, seconds))

    def client(self, service: str, type_: str) -> Client:
        """Begin to use a service. Raises RosError."""
        made = Service(check_name(service, "service"), self._service(type_), self._hash(type_))
        return self._keep(Client(self.transport.client(made), made, self.types))

    def nodes(self) -> Collection[str]:
        """Full names of the nodes that are known by now; others are found within seconds of joining."""
        return self.transport.nodes()

    def seen(self) -> Collection[Seen]:
        """Topics and services that are known by now."""
        return self.transport.seen()

    def _keep(self, end: Any) -> Any:
        self._ends = [each for each in self._ends if not getattr(each, "closed", False)]
        if self.closed or len(self._ends) >= MAX_ENDPOINTS:
            end.close()
            raise RosError(f"{MAX_ENDPOINTS} topics and services are open already, or the graph is closed.")
        self._ends.append(end)
        return end

    def _topic(self, topic: str, type_: str, qos: Qos) -> Topic:
        full = self.types.check(type_)
        return Topic(check_name(topic), full, self._hash(full), qos)

    def _service(self, type_: str) -> str:
        self.types.check(f"{type_}_Request")
        return type_

    def _hash(self, type_: str) -> str:
        return self.types.hash(type_) if self.types.distro.hashes else ""


class Publisher:
    """Where messages of a topic go out."""

    def __init__(self, outlet: Outlet, topic: Topic, types: Types) -> None:
        self._outlet, self.topic, self._types = outlet, topic, types
        self.closed = False

    def publish(self, message: Any = None, /, **fields: object) -> None:
        """Publish a message, or one of the fields that are given. Raises BadValue, Overloaded, RosError."""
        if not hasattr(message, "__msgtype__"):
            message = self._types.make(self.topic.type, message, **fields)
        elif fields:
            raise BadValue("Give a message or fields, not both.")
        self.send(self._types.encode(message, self.topic.type))

    def send(self, data: bytes) -> None:
        """Publish a message that is CDR already. Raises BadValue, Overloaded, RosError."""
        if self.closed:
            raise RosError(f"{self.topic.name} is closed.")
        if not 4 <= len(data) <= MAX_BYTES:
            raise BadValue(f"A message on {self.topic.name} has {len(data)} bytes; up to {MAX_BYTES} can be sent.")
        self._outlet.send(data)

    async def matched(self, seconds: float = 10.0) -> bool:
        """Waits until somebody reads it; False after `seconds`. True at once where that can't be known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until(lambda: self._outlet.matched() != 0)
                return True
        return False

    async def arrived(self, seconds: float = 10.0) -> bool:
        """Waits until all reliable readers have what was sent; False after `seconds`. Who closes before may lose it.

        Over DDS and rclpy they confirm it; zenoh and rosbridge write it out, over TCP. Readers of sensors' quality confirm nothing.
        """
        return await self._outlet.arrived(seconds)

    def close(self) -> None:
        """Publish no more."""
        if not self.closed:
            self.closed = True
            self._outlet.close()


class Subscription:
    """The latest messages of a topic; dropped and unreadable ones are counted."""

    def __init__(self, transport: Transport, topic: Topic, types: Types) -> None:
        self.topic, self._types = topic, types
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self.closed, self._gone, self.unreadable = False, 0, 0
        self._due = -math.inf
        self._held: bytes | None = None  # what came too soon
        self._later: asyncio.TimerHandle | None = None
        self._end = transport.subscribe(topic, self._take)

    @property
    def dropped(self) -> int:
        """How many went because nobody took them in time."""
        return self._gone + self._end.dropped()

    async def next(self, seconds: float = 5.0) -> Any:
        """The next message. Raises NoAnswer where none came within `seconds`."""
        until = time.monotonic() + seconds
        while True:
            message = self._read(await self.raw(until - time.monotonic(), seconds))
            if message is not None:
                return message

    async def raw(self, seconds: float = 5.0, said: float | None = None) -> bytes:
        """The next message as it came, in CDR, not looked into. Raises NoAnswer, which says `said` seconds."""
        if not self._waiting and not self.closed:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        if self._waiting:
            return self._waiting.popleft()
        if self.closed:
            raise NoAnswer(f"{self.topic.name} was closed.")
        waited = f"{seconds if said is None else said:g} s"
        raise NoAnswer(f"Nothing came on {self.topic.name} within {waited}: does somebody publish {self.topic.type}?")

    async def each(self, seconds: float | None = None) -> AsyncIterator[Any]:
        """Messages as they come, until none came for `seconds`, or until it is closed."""
        while True:
            try:
                yield await self.next(seconds if seconds is not None else 3600.0)
            except NoAnswer:
                if seconds is not None or self.closed:
                    return

    def close(self) -> None:
        """Read no more."""
        if not self.closed:
            self.closed = True
            self._end.close()
            self._waiting.clear()
            self._held = None
            if self._later is not None:
                self._later.cancel()
            self._news.set()

    def _read(self, data: bytes) -> Any:
        """A message, or None for what is none."""
        try:
            return self._types.decode(data, self.topic.type)
        except BadValue as error:
            self.unreadable += 1
            if self.unreadable == 1:
                _log.warning("%s: %s More of them are only counted.", self.topic.name, error)
            return None

    def _take(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            self.unreadable += 1
            return
        if self.topic.qos.every:
            self._held = None  # this one is newer
            if (now := time.monotonic()) < self._due:
                self._held = data
                if self._later is None:
                    self._later = asyncio.get_running_loop().call_later(self._due - now, self._late)
                return
            self._due = now + self.topic.qos.every * _EARLY
        self._keep(data)

    def _late(self) -> None:
        """What came too soon is read when it is due, if nothing newer came: the latest is never left out."""
        self._later, data, self._held = None, self._held, None
        if data is not None and not self.closed:
            self._due = time.monotonic() + self.topic.qos.every * _EARLY
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        if len(self._waiting) >= self.topic.qos.depth:
            self._waiting.popleft()
            self._gone += 1
        self._waiting.append(data)
        self._news.set()


class Client:
    """Asks a service."""

    def __init__(self, caller: Caller, service: Service, types: Types) -> None:
        self._caller, self.service, self._types = caller, service, types
        self.closed = False

    async def call(self, fields: Mapping[str, object] | None = None, /, seconds: float = 10.0, **more: object) -> Any:
        """The reply to a request of these fields. Raises NoAnswer, BadValue, RosError."""
        if self.closed:
            raise RosError(f"{self.service.name} is closed.")
        request = f"{self.service.type}_Request"
        data = self._types.encode(self._types.make(request, fields, **more), request)
        try:
            async with asyncio.timeout(seconds):
                await until(self._caller.ready)
                reply = await self._caller.call(data)
        except TimeoutError:
            there = "doesn't answer" if self._caller.ready() else "isn't served by anybody"
            raise NoAnswer(f"{self.service.name} {there} within {seconds:g} s.") from None
        return self._types.decode(reply, f"{self.service.type}_Response")

    def close(self) -> None:
        """Ask no more."""
        if not self.closed:
            self.closed = True
            self._caller.close()


class _Served:
    """A service of ours: a task for each request, at most AT_ONCE of them."""

    def __init__(self, transport: Transport, service: Service, types: Types, answer: Answer, seconds: float) -> None:
        self._service, self._types, self._answer, self._seconds = service, types, answer, seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self._end = transport.serve(service, self._handle)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for task in self._tasks:
                task.cancel()
            self._end.close()

    def _handle(self, data: bytes, reply: Reply) -> None:
        if len(self._tasks) >= AT_ONCE:
            _log.warning("%s has %d requests already; one more was dropped.", self._service.name, AT_ONCE)
            reply(None)
            return
        task = asyncio.get_running_loop().create_task(self._work(data, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, data: bytes, reply: Reply) -> None:
        made: bytes | None = None
        try:
            request = self._types.decode(data, f"{self._service.type}_Request")
            async with asyncio.timeout(self._seconds):
                made = self._encode(await self._answer(request))
        except TimeoutError:
            _log.warning("%s: no answer within %g s.", self._service.name, self._seconds)
        except BridgeError as error:
            _log.warning("%s: a request wasn't answered: %s", self._service.name, error)
        except Exception:  # the function that answers is somebody else's, and the service must go on
            _log.exception("%s: a request wasn't answered.", self._service.name)
        finally:
            with contextlib.suppress(BridgeError):  # the graph may be closing
                reply(made)

    def _encode(self, made: Any) -> bytes:
        type_ = f"{self._service.type}_Response"
        return self._types.encode(made if hasattr(made, "__msgtype__") else self._types.make(type_, made), type_)


def _transport(over: str, types: Types, node: tuple[str, str], number: int, interface: str | None) -> Transport:
    if over == "auto":
        over = next((each for each in ("rclpy", "cyclonedds", "zenoh") if importlib.util.find_spec(each)), "cyclone")
    if over in ("cyclone", "cyclonedds"):
        from firmware_bridge.ros2.cyclone import Cyclone

        return Cyclone(types, node, number, interface)
    if over == "zenoh":
        from firmware_bridge.ros2.zenoh import Zenoh

        return Zenoh(types, node, number, interface)
    if over == "rclpy":
        from firmware_bridge.ros2.rclpy import Rclpy

        return Rclpy(types, node, number, interface)
    if over == "rosbridge":
        from firmware_bridge.ros2.rosbridge import Rosbridge

        return Rosbridge(types, node, number, interface)
    raise RosError(f"'{over}' is no way to ROS 2: choose auto, {', '.join(WAYS[1:])}.")
