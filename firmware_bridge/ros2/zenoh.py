"""ROS 2 by zenoh: keys, attachments and liveliness tokens as rmw_zenoh has them (Jazzy; its docs/design.md)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from firmware_bridge.errors import NoAnswer, RosError
from firmware_bridge.ros2 import names
from firmware_bridge.ros2.definitions import MAX_BYTES
from firmware_bridge.ros2.names import Service, Topic
from firmware_bridge.ros2.transport import MAX_SEEN, Closable, Inbox, Reply, Seen, hand, seen_of
from firmware_bridge.ros2.types import Types

ROUTER = "tcp/127.0.0.1:7447"  # where rmw_zenohd listens
MAX_ASKED_SECONDS = 600.0  # rmw_zenoh asks without end; a caller's own deadline is shorter
_REQUESTS = 64  # that wait
_ATTACHMENT = struct.Struct("<qqB16s")  # number, nanoseconds since 1970, length of the id, id
_ENDPOINT = re.compile(r"(tcp|tls|udp|quic|ws|unixsock-stream)/[^\s\"\\]{1,200}")


class Zenoh:
    """A session of zenoh with one node."""

    kind: ClassVar[str] = "zenoh"
    acts: ClassVar[bool] = True
    nan: ClassVar[bool] = True

    def __init__(self, types: Types, node: tuple[str, str], domain: int, interface: str | None = None) -> None:
        """interface: the router, as tcp/192.168.1.5:7447; None: the one of this machine, where one runs.

        "listen tcp/127.0.0.1:7500" needs no router: it waits there for others, whose interface it is.
        """
        if not types.distro.hashes:
            raise RosError("rmw_zenoh needs ROS 2 Jazzy or later: choose --distro jazzy.")
        self._node, self._domain = node, domain
        self._numbers = itertools.count(1)
        self._listen, self._connect = _endpoints(interface)
        self._known: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._open = False

    async def open(self) -> None:
        """Opens the session. Raises RosError."""
        zenoh = _zenoh()
        config = zenoh.Config()
        for key, value in {
            "mode": "peer",
            "listen/endpoints": self._listen,
            "connect/endpoints": self._connect,
            "connect/exit_on_failure": False,
            "scouting/multicast/enabled": False,
            "scouting/gossip/enabled": True,
            "timestamping/enabled": True,  # what is kept for those who come later has an order by it
            "transport/link/rx/max_message_size": MAX_BYTES + 65536,
        }.items():
            config.insert_json5(key, json.dumps(value))
        try:
            self._session = await asyncio.to_thread(zenoh.open, config)
        except zenoh.ZError as error:
            raise RosError(f"zenoh can't be used: {error}") from error
        self._open = True
        self._id = str(self._session.zid())
        self._own = self._session.liveliness().declare_token(self._token(0, "NN", None))
        self._living = self._session.liveliness().declare_subscriber(
            f"@ros2_lv/{self._domain}/**", self._learn, history=True
        )

    async def close(self) -> None:
        """Closes the session, and with it all endpoints."""
        self._open = False
        await asyncio.to_thread(self._session.close)

    def advertise(self, topic: Topic) -> _Outlet:
        """Publishes; latched topics keep their latest messages for those who come later."""
        return _Outlet(self, topic)

    def subscribe(self, topic: Topic, deliver: Callable[[bytes], None]) -> _End:
        """Reads a topic."""
        zenoh, ext = _zenoh(), _ext()
        inbox = Inbox(topic.qos.depth, deliver)
        key = self.key(topic)
        if topic.qos.latched:
            end = ext.declare_advanced_subscriber(
                self._session,
                key,
                lambda sample: inbox.put(bytes(sample.payload)),
                history=ext.HistoryConfig(detect_late_publishers=True, max_samples=topic.qos.depth),
            )
        else:
            end = self._session.declare_subscriber(key, lambda sample: inbox.put(bytes(sample.payload)))
        return _End(self, [end, self.declare("MS", topic)], inbox, zenoh.ZError)

    def serve(self, service: Service, handle: Callable[[bytes, Reply], None]) -> Closable:
        """Answers the queries of a service's key."""
        zenoh = _zenoh()
        key = self.key(service)

        def take(query: Any) -> None:
            asked = bytes(query.attachment) if query.attachment is not None else b""

            def answer(data: bytes | None) -> None:
                if data is not None:
                    query.reply(key, data, attachment=asked)
                query.drop()

            handle(bytes(query.payload) if query.payload is not None else b"", answer)

        inbox = Inbox(_REQUESTS, take)
        end = self._session.declare_queryable(key, inbox.put, complete=True)
        return _End(self, [end, self.declare("SS", service)], inbox, zenoh.ZError)

    def client(self, service: Service) -> _Client:
        """Asks a service's key."""
        return _Client(self, service)

    def nodes(self) -> Collection[str]:
        """Names of the nodes whose tokens are there."""
        found = {f"{parts[7].replace('%', '/').rstrip('/')}/{parts[8]}" for parts in self._tokens() if parts[5] == "NN"}
        return sorted(filter(names.is_name, found))

    def seen(self) -> Collection[Seen]:
        """Topics and services whose tokens are there."""
        found: dict[tuple[str, str, str], list[int]] = {}
        for parts in self._tokens():
            if len(parts) < 13 or (type_ := names.ros_type(parts[10])) is None:
                continue
            kind, column = {"MP": ("topic", 0), "MS": ("topic", 1), "SS": ("service", 0)}.get(parts[5], ("service", 1))
            found.setdefault((parts[9].replace("%", "/"), type_, kind), [0, 0])[column] += 1
        return seen_of(found)

    def key(self, of: Topic | Service) -> str:
        """The key of a topic or service."""
        return names.zenoh_key(self._domain, of.name, of.type, of.hash)

    def declare(self, kind: str, of: Topic | Service) -> Any:
        """A liveliness token, by which others know of an endpoint."""
        return self._session.liveliness().declare_token(self._token(next(self._numbers), kind, of))

    def count(self, kind: str, of: Topic | Service) -> int:
        """How many endpoints of a kind there are."""
        name, type_ = of.name.replace("/", "%"), names.dds_type(of.type)
        return sum(parts[5] == kind and parts[9:12] == [name, type_, of.hash] for parts in self._tokens())

    def _token(self, number: int, kind: str, of: Topic | Service | None) -> str:
        return names.zenoh_token(self._domain, self._id, number, kind, self._node, of)

    def _tokens(self) -> list[list[str]]:
        with self._lock:
            return list(self._known.values())

    def _learn(self, sample: Any) -> None:
        """Takes a token that came or went; in a thread of zenoh."""
        token = str(sample.key_expr)
        parts = token.split("/")
        with self._lock:
            if str(sample.kind).endswith("DELETE"):
                self._known.pop(token, None)
            elif len(self._known) < MAX_SEEN and len(parts) >= 9:
                self._known[token] = parts


class _Outlet:
    def __init__(self, graph: Zenoh, topic: Topic) -> None:
        zenoh, ext = _zenoh(), _ext()
        self._graph, self._topic, self._error = graph, topic, zenoh.ZError
        control = zenoh.CongestionControl.DROP
        if topic.qos.latched:
            cache = ext.CacheConfig(topic.qos.depth)
            self._end = ext.declare_advanced_publisher(
                graph._session, graph.key(topic), congestion_control=control, cache=cache, publisher_detection=True
            )
        else:
            self._end = graph._session.declare_publisher(graph.key(topic), congestion_control=control)
        self._token = graph.declare("MP", topic)
        self._id, self._numbers = os.urandom(16), itertools.count(1)

    def send(self, data: bytes) -> None:
        try:
            self._end.put(data, attachment=_attachment(next(self._numbers), self._id))
        except self._error as error:
            raise RosError(f"zenoh couldn't send: {error}") from error

    def matched(self) -> int:
        return self._graph.count("MS", self._topic)

    async def arrived(self, seconds: float) -> bool:
        return True  # a session that closes writes out what waits

    def close(self) -> None:
        _undeclare(self._graph, [self._end, self._token], self._error)


class _End:
    def __init__(self, graph: Zenoh, ends: list[Any], inbox: Inbox[Any], error: type[Exception]) -> None:
        self._graph, self._ends, self._inbox, self._error = graph, ends, inbox, error

    def dropped(self) -> int:
        return self._inbox.dropped

    def close(self) -> None:
        self._inbox.close()
        _undeclare(self._graph, self._ends, self._error)


class _Client:
    def __init__(self, graph: Zenoh, service: Service) -> None:
        self._graph, self._service, self._error = graph, service, _zenoh().ZError
        self._token = graph.declare("SC", service)
        self._id, self._numbers = os.urandom(16), itertools.count(1)

    def ready(self) -> bool:
        return self._graph.count("SS", self._service) > 0

    async def call(self, data: bytes) -> bytes:
        zenoh, loop = _zenoh(), asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        cancelled = zenoh.CancellationToken()

        def settle(reply: bytes | None) -> None:
            if not future.done():
                if reply is None:
                    future.set_exception(NoAnswer(f"{self._service.name} refused the request."))
                else:
                    future.set_result(reply)

        def take(reply: Any) -> None:  # in a thread of zenoh
            hand(loop, settle, bytes(reply.ok.payload) if reply.ok is not None else None)

        self._graph._session.get(
            self._graph.key(self._service),
            take,
            target=zenoh.QueryTarget.ALL_COMPLETE,
            consolidation=zenoh.ConsolidationMode.NONE,
            timeout=MAX_ASKED_SECONDS,
            payload=data,
            attachment=_attachment(next(self._numbers), self._id),
            cancellation_token=cancelled,
        )
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                await asyncio.to_thread(cancelled.cancel)

    def close(self) -> None:
        _undeclare(self._graph, [self._token], self._error)


def _attachment(number: int, own: bytes) -> bytes:
    return _ATTACHMENT.pack(number, time.time_ns(), 16, own)


def _undeclare(graph: Zenoh, ends: list[Any], error: type[Exception]) -> None:
    if graph._open:
        for end in ends:
            with contextlib.suppress(error):  # the session may have ended, and the endpoint with it
                end.undeclare()


def _endpoints(interface: str | None) -> tuple[list[str], list[str]]:
    """Where to listen and where to connect to. Raises RosError."""
    if interface is None or interface == "lo":
        return ["tcp/127.0.0.1:0"], [ROUTER]
    words = interface.split()
    listens = words[0] == "listen" and len(words) == 2
    if not _ENDPOINT.fullmatch(words[-1]) or not (listens or len(words) == 1):
        raise RosError(f"'{interface}' is no endpoint of zenoh: write it as tcp/192.168.1.5:7447.")
    return ([words[1]], []) if listens else (["tcp/127.0.0.1:0"], [words[0]])


def _zenoh() -> Any:
    try:
        import zenoh
    except ImportError as error:
        raise RosError("ROS 2 over zenoh needs eclipse-zenoh: pip install 'enigma[ros2]'.") from error
    return zenoh


def _ext() -> Any:
    _zenoh()
    import zenoh.ext

    return zenoh.ext
