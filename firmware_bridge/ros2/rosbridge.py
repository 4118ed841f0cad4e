"""A graph of ROS by its rosbridge server: JSON over a WebSocket, where no other way reaches, as from another network or ROS.

Source: the rosbridge v2 protocol, https://github.com/RobotWebTools/rosbridge_suite/blob/ros2/ROSBRIDGE_PROTOCOL.md.
The server is the node: ours has no name in the graph. Actions, fragments, PNG and CBOR of it aren't spoken.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from firmware_bridge.errors import BadValue, BridgeError, NoAnswer, Overloaded, RosError
from firmware_bridge.ros2.names import Service, Topic
from firmware_bridge.ros2.rosapi import Rosapi
from firmware_bridge.ros2.rosbridge_json import from_json, to_json
from firmware_bridge.ros2.rosbridge_link import Json, Link
from firmware_bridge.ros2.transport import Closable, Reply, Seen
from firmware_bridge.ros2.types import Types

_log = logging.getLogger(__name__)
MOST_CALLS = 256  # that wait for an answer
MAX_ASKED_SECONDS = 600.0  # until the server gives a call up (its own default is 5); a caller's own deadline is shorter
_LOGGED = 50  # different complaints of the server that are logged
Deliver = Callable[[bytes], None]
Handle = Callable[[bytes, Reply], None]


class Rosbridge:
    """A client of a rosbridge server."""

    kind: ClassVar[str] = "rosbridge"
    acts: ClassVar[bool] = False
    nan: ClassVar[bool] = False

    def __init__(self, types: Types, node: tuple[str, str], domain: int, interface: str | None = None) -> None:
        """interface: the server, as ws://192.168.1.5:9090 or wss://...; None: port 9090 of this machine.

        node and domain are the server's own.
        """
        self.types = types
        self.link = Link(interface, self._take, self._begin, self._lost)
        self._numbers = itertools.count(1)
        self._begun: dict[str, Json] = {}  # by id: what a new connection is told again
        self._readers: dict[str, tuple[Topic, Deliver]] = {}
        self._served: dict[str, tuple[Service, Handle]] = {}
        self._calls: dict[str, asyncio.Future[Any]] = {}
        self._told: set[str] = set()

    async def open(self) -> None:
        """Connects. Raises RosError."""
        await self.link.open()
        self.rosapi = Rosapi(self.ask)

    async def close(self) -> None:
        """Closes the connection, and with it all endpoints."""
        await self.rosapi.close()
        await self.link.close()
        self._lost()

    def advertise(self, topic: Topic) -> _Outlet:
        """Publishes."""
        return _Outlet(self, topic)

    def subscribe(self, topic: Topic, deliver: Deliver) -> _End:
        """Reads a topic; the server leaves out what comes sooner than `qos.every`."""
        number, qos = self.number("subscribe"), topic.qos
        self._readers[number] = (topic, deliver)
        about = {"id": number, "topic": topic.name}
        # Of what is held back for `every`, only the latest is wanted.
        length = 1 if qos.every else qos.depth
        self.begin(
            {"op": "subscribe", "type": topic.type, **about}
            | {"throttle_rate": round(qos.every * 1000), "queue_length": length}
        )
        return _End(self, {"op": "unsubscribe", **about}, lambda: self._readers.pop(number, None))

    def serve(self, service: Service, handle: Handle) -> Closable:
        """Answers a service's requests."""
        _no_action(service)
        self._served[service.name] = (service, handle)
        number = self.number("advertise_service")
        self.begin({"op": "advertise_service", "id": number, "type": service.type, "service": service.name})
        end = {"op": "unadvertise_service", "id": number, "service": service.name}
        return _End(self, end, lambda: self._served.pop(service.name, None))

    def client(self, service: Service) -> _Client:
        """Asks a service."""
        _no_action(service)
        return _Client(self, service)

    def nodes(self) -> Collection[str]:
        """Names of the nodes that rosapi knows."""
        return self.rosapi.nodes()

    def seen(self) -> Collection[Seen]:
        """Topics and services that rosapi knows; how many use them isn't told."""
        return self.rosapi.seen()

    def number(self, what: str) -> str:
        """An id of ours."""
        return f"{what}:{next(self._numbers)}"

    def begin(self, message: Json) -> None:
        """Says what a new connection must be told again."""
        self._begun[message["id"]] = message
        self.tell(message)

    def end(self, message: Json) -> None:
        """Takes that back."""
        self._begun.pop(message["id"], None)
        self.tell(message)

    def tell(self, message: Json) -> None:
        """Sends what may be lost while the connection is broken: it is told again by `_begin`, or ended with it."""
        if self.link.connected:
            self.link.send(message)

    async def ask(self, service: str, arguments: dict[str, object], **more: object) -> Json:
        """The values of a service's reply; whoever calls this sets the deadline. Raises NoAnswer, Overloaded, RosError."""
        if len(self._calls) >= MOST_CALLS:
            raise Overloaded(f"{MOST_CALLS} calls wait for their answer already.")
        number = self.number("call")
        self.link.send(
            {"op": "call_service", "id": number, "service": service, "args": arguments}
            | {"timeout": MAX_ASKED_SECONDS, **more}
        )
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._calls[number] = answered
        try:
            return await answered
        finally:
            self._calls.pop(number, None)

    def _begin(self) -> list[Json]:
        return list(self._begun.values())

    def _lost(self) -> None:
        for call in self._calls.values():
            if not call.done():
                call.set_exception(NoAnswer("The connection to rosbridge broke before the answer came."))
        if hasattr(self, "rosapi"):
            self.rosapi.forget()

    def _take(self, message: Json) -> None:
        """What the server says."""
        op = message["op"]
        if op == "publish":
            for topic, deliver in [each for each in self._readers.values() if each[0].name == message.get("topic")]:
                try:
                    made = from_json(self.types, message.get("msg"), topic.type)
                except BadValue as error:
                    self._say(f"{topic.name}: {error}")
                    made = b""  # no message of any type: whoever reads the topic counts it as unreadable
                deliver(made)
        elif op == "service_response":
            self._answered(message)
        elif op == "call_service":
            self._asked(message)
        elif op == "status":
            self._say(f"rosbridge says ({str(message.get('level', ''))[:20]}): {str(message.get('msg', ''))[:500]}")
        else:
            self._say(f"rosbridge sent '{op[:40]}', which isn't understood here.")

    def _answered(self, message: Json) -> None:
        call = self._calls.get(str(message.get("id")))
        if call is None or call.done():
            return
        values = message.get("values")
        if message.get("result") is True:
            call.set_result(values if isinstance(values, dict) else {})
        else:
            name = str(message.get("service", ""))[:240]
            call.set_exception(NoAnswer(f"{name} isn't served by anybody, or failed: {str(values)[:500]}"))

    def _asked(self, message: Json) -> None:
        """A request for a service of ours."""
        number, name = message.get("id"), message.get("service")
        about: Json = {"op": "service_response", "id": number, "service": name}
        found = self._served.get(str(name))

        def refuse(why: str) -> None:
            with contextlib.suppress(BridgeError):  # the server waits no longer than its own deadline
                self.tell({**about, "values": why, "result": False})

        if found is None:
            return refuse("This service isn't served any more.")
        service, handle = found

        def reply(data: bytes | None) -> None:
            if data is None:
                return refuse("The request wasn't answered.")
            try:
                values = to_json(self.types, data, f"{service.type}_Response")
            except BadValue as error:
                self._say(f"{service.name}: {error}")
                return refuse(str(error))
            self.tell({**about, "values": values, "result": True})

        try:
            data = from_json(self.types, message.get("args") or {}, f"{service.type}_Request")
        except BadValue as error:
            return refuse(str(error))
        handle(data, reply)

    def _say(self, text: str) -> None:
        """Logs a sentence the first time."""
        if text not in self._told and len(self._told) < _LOGGED:
            self._told.add(text)
            _log.warning("%s", text)


class _Outlet:
    def __init__(self, graph: Rosbridge, topic: Topic) -> None:
        self._graph, self._topic = graph, topic
        self._about = {"id": graph.number("advertise"), "topic": topic.name}
        graph.begin(
            {"op": "advertise", "type": topic.type, **self._about}
            | {"latch": topic.qos.latched, "queue_size": topic.qos.depth}
        )

    def send(self, data: bytes) -> None:
        message = to_json(self._graph.types, data, self._topic.type)
        self._graph.link.send({"op": "publish", "topic": self._topic.name, "msg": message})

    def matched(self) -> int | None:
        return self._graph.rosapi.readers(self._topic.name)

    async def arrived(self, seconds: float) -> bool:
        return await self._graph.link.written(seconds)

    def close(self) -> None:
        self._graph.end({"op": "unadvertise", **self._about})


class _End:
    def __init__(self, graph: Rosbridge, last: Json, forget: Callable[[], object]) -> None:
        self._graph, self._last, self._forget = graph, last, forget

    def dropped(self) -> int:
        return 0  # by the server, which doesn't say

    def close(self) -> None:
        self._forget()
        self._graph.end(self._last)


class _Client:
    def __init__(self, graph: Rosbridge, service: Service) -> None:
        self._graph, self._service = graph, service

    def ready(self) -> bool:
        # Where rosapi doesn't say whether somebody serves it, the answer does.
        return self._graph.link.connected and self._graph.rosapi.serves(self._service.name) is not False

    async def call(self, data: bytes) -> bytes:
        types, type_ = self._graph.types, self._service.type
        request = to_json(types, data, f"{type_}_Request")
        values = await self._graph.ask(self._service.name, request, type=type_)
        return from_json(types, values, f"{type_}_Response")

    def close(self) -> None:
        """Nothing of it is kept."""


def _no_action(service: Service) -> None:
    if "/action/" in service.type:
        raise RosError("Actions aren't spoken over rosbridge: use cyclone, zenoh or rclpy, or a service.")
