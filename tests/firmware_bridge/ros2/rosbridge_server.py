"""NOT rosbridge_suite, which needs ROS: a small server of the rosbridge v2 protocol, written from its specification.

It hands JSON on between its clients, knows no types, and answers as rosapi does. It shows that our client says what the
specification names. It proves nothing about a real rosbridge; docs/ros2.md says so.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]
FIELDS = {
    "advertise": ("topic", "type"),
    "unadvertise": ("topic",),
    "publish": ("topic", "msg"),
    "subscribe": ("topic",),
    "unsubscribe": ("topic",),
    "advertise_service": ("type", "service"),
    "unadvertise_service": ("service",),
    "call_service": ("service",),
    "service_response": ("service", "result"),
}


class Client:
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.advertised: dict[str, set[Any]] = {}
        self.readers: dict[str, dict[Any, Json]] = {}  # by topic and id
        self.due: dict[str, float] = {}
        self.held: dict[str, deque[Json]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def say(self, message: Json) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps(message))

    async def give(self, topic: str, message: Any) -> None:
        """By `throttle_rate` and `queue_length` of its subscriptions: the lowest rate, the longest queue."""
        asked = self.readers[topic].values()
        every = min(each.get("throttle_rate", 0) for each in asked) / 1000
        length = max(each.get("queue_length", 0) for each in asked)
        made = {"op": "publish", "topic": topic, "msg": message}
        if not every:
            return await self.say(made)
        now = time.monotonic()
        if now >= self.due.get(topic, 0) and not self.held.get(topic):
            self.due[topic] = now + every
            return await self.say(made)
        if not length:
            return
        held = self.held.setdefault(topic, deque(maxlen=length))
        if not held:
            self.tasks.add(asyncio.create_task(self._later(topic, every)))
        held.append(made)

    async def _later(self, topic: str, every: float) -> None:
        while held := self.held.get(topic):
            await asyncio.sleep(max(0.0, self.due.get(topic, 0) - time.monotonic()))
            self.due[topic] = time.monotonic() + every
            await self.say(held.popleft())


class RosbridgeServer:
    """On a free port of this machine, as an async context manager. said: all that clients sent."""

    def __init__(self, rosapi: bool = True) -> None:
        self.rosapi = rosapi
        self.said: list[Json] = []
        self.clients: list[Client] = []
        self.types: dict[str, str] = {}
        self.latched: dict[str, Any] = {}
        self.services: dict[str, tuple[str, Client]] = {}
        self.asked: dict[str, tuple[Client, Any]] = {}
        self._numbers = itertools.count(1)
        self.port = 0

    async def __aenter__(self) -> RosbridgeServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends all connections, and takes no new ones until `start`."""
        for client in list(self.clients):
            for task in client.tasks:
                task.cancel()
            await client.socket.close()
        await self._runner.cleanup()

    def of(self, op: str) -> list[Json]:
        return [each for each in self.said if each["op"] == op]

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=2**26, timeout=1.0)
        await socket.prepare(request)
        client = Client(socket)
        self.clients.append(client)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(client, message.data)
        finally:
            self.clients.remove(client)
            self.services = {name: each for name, each in self.services.items() if each[1] is not client}
        return socket

    async def _take(self, client: Client, text: str) -> None:
        message = json.loads(text, parse_constant=_none)
        self.said.append(message)
        op = message.get("op")
        if op not in FIELDS or any(field not in message for field in FIELDS[op]):
            return await self._status(client, message, f"Unknown operation or a field is missing: {op}")
        await getattr(self, f"_{op}")(client, message)

    async def _status(self, client: Client, message: Json, text: str) -> None:
        about = {"id": message["id"]} if "id" in message else {}
        await client.say({"op": "status", "level": "error", "msg": text, **about})

    async def _advertise(self, client: Client, message: Json) -> None:
        topic, type_ = message["topic"], message["type"]
        if self.types.setdefault(topic, type_) != type_:
            return await self._status(client, message, f"{topic} is {self.types[topic]}")
        client.advertised.setdefault(topic, set()).add(message.get("id"))
        if message.get("latch"):
            self.latched.setdefault(topic, None)

    async def _unadvertise(self, client: Client, message: Json) -> None:
        ids = client.advertised.get(message["topic"], set())
        ids.discard(message.get("id"))
        if not ids:
            client.advertised.pop(message["topic"], None)

    async def _publish(self, client: Client, message: Json) -> None:
        topic = message["topic"]
        if topic not in client.advertised:
            return await self._status(client, message, f"{topic} isn't advertised")
        if topic in self.latched:
            self.latched[topic] = message["msg"]
        for other in list(self.clients):
            if other.readers.get(topic):
                await other.give(topic, message["msg"])

    async def _subscribe(self, client: Client, message: Json) -> None:
        topic = message["topic"]
        type_ = self.types.setdefault(topic, message.get("type", ""))
        if message.get("type") not in (None, type_):
            return await self._status(client, message, f"{topic} is {type_}")
        client.readers.setdefault(topic, {})[message.get("id")] = message
        if self.latched.get(topic) is not None:
            await client.say({"op": "publish", "topic": topic, "msg": self.latched[topic]})

    async def _unsubscribe(self, client: Client, message: Json) -> None:
        readers = client.readers.get(message["topic"], {})
        if "id" in message:
            readers.pop(message["id"], None)
        else:
            readers.clear()

    async def _advertise_service(self, client: Client, message: Json) -> None:
        self.services[message["service"]] = (message["type"], client)

    async def _unadvertise_service(self, client: Client, message: Json) -> None:
        self.services.pop(message["service"], None)

    async def _call_service(self, client: Client, message: Json) -> None:
        name, arguments = message["service"], message.get("args", {})
        about = {"id": message["id"]} if "id" in message else {}
        answer: Json = {"op": "service_response", "service": name, **about}
        if self.rosapi and name.startswith("/rosapi/"):
            return await client.say({**answer, "values": self._tell(name[8:], arguments), "result": True})
        if name not in self.services:
            return await client.say({**answer, "values": f"Service {name} does not exist", "result": False})
        number = f"service_request:{name}:{next(self._numbers)}"
        self.asked[number] = (client, message.get("id"))
        await self.services[name][1].say({"op": "call_service", "id": number, "service": name, "args": arguments})

    async def _service_response(self, client: Client, message: Json) -> None:
        asker, number = self.asked.pop(message["id"])
        about = {"id": number} if number is not None else {}
        await asker.say({**message, "id": None, **about})

    def _tell(self, what: str, arguments: Json) -> Json:
        if what == "nodes":
            return {"nodes": ["/rosbridge_websocket", "/rosapi"]}
        if what == "topics":
            return {"topics": list(self.types), "types": list(self.types.values())}
        if what == "services":
            return {"services": list(self.services)}
        if what == "service_type":
            return {"type": self.services[arguments["service"]][0]}
        topic = arguments["topic"]
        return {"subscribers": ["/rosbridge_websocket"] * any(each.readers.get(topic) for each in self.clients)}


def _none(name: str) -> float:
    raise ValueError(f"{name} isn't JSON")
