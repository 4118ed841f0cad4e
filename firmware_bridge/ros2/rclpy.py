"""ROS 2 by its own Python library, where it is sourced: rclpy isn't on PyPI. Bytes in CDR go in and out of it as they are."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import logging
import os
import threading
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from firmware_bridge.errors import NoAnswer, RosError
from firmware_bridge.ros2.names import Qos, Service, Topic
from firmware_bridge.ros2.transport import Closable, Inbox, Reply, Seen, hand
from firmware_bridge.ros2.types import Types

_log = logging.getLogger(__name__)
_THREADS = 24  # a request of a service of ours keeps one until it is answered, goals of actions too
_ANSWER_SECONDS = 660.0  # longer than any service of ours may take (the result of an action)
_REQUESTS = 64  # that wait
# What keeps to this machine: since Iron, and before.
_LOOPBACK = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_LOCALHOST_ONLY": "1"}


class Rclpy:
    """A node of rclpy with an executor in a thread of its own."""

    kind: ClassVar[str] = "rclpy"
    acts: ClassVar[bool] = True
    nan: ClassVar[bool] = True

    def __init__(self, types: Types, node: tuple[str, str], domain: int, interface: str | None = None) -> None:
        """interface: None for this machine only, where the environment doesn't say otherwise; "environment"."""
        if interface not in (None, "lo", "environment"):
            raise RosError(
                "rclpy takes its network from the environment: --interface environment, and ROS 2's own variables."
            )
        self._types, self._node_name, self._domain = types, node, domain
        self._loopback = interface != "environment"

    async def open(self) -> None:
        """Starts the node. Raises RosError."""
        rclpy = _load("rclpy")
        if self._loopback and not _LOOPBACK.keys() & os.environ.keys():
            os.environ.update(_LOOPBACK)
        space, name = self._node_name
        try:
            self._context = rclpy.Context()
            rclpy.init(context=self._context, domain_id=self._domain)
            self._node = rclpy.create_node(name, namespace=space, context=self._context)
        except (RuntimeError, ValueError) as error:  # RCLError is a RuntimeError
            raise RosError(f"rclpy can't start: {error}") from error
        self._group = _load("rclpy.callback_groups").ReentrantCallbackGroup()
        self._executor = _load("rclpy.executors").MultiThreadedExecutor(num_threads=_THREADS, context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name="ros2-rclpy", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Ends the node and its thread."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._executor.shutdown(timeout_sec=5)
        self._thread.join(5)
        self._node.destroy_node()
        _load("rclpy").shutdown(context=self._context)

    def advertise(self, topic: Topic) -> _Outlet:
        """Publishes bytes."""
        publisher = self._node.create_publisher(_message(topic.type), topic.name, _qos(topic.qos))
        return _Outlet(self._node, publisher)

    def subscribe(self, topic: Topic, deliver: Callable[[bytes], None]) -> _End:
        """Reads bytes."""
        inbox = Inbox(topic.qos.depth, deliver)
        reader = self._node.create_subscription(
            _message(topic.type),
            topic.name,
            lambda data: inbox.put(bytes(data)),
            _qos(topic.qos),
            callback_group=self._group,
            raw=True,
        )
        return _End(inbox, lambda: self._node.destroy_subscription(reader))

    def serve(self, service: Service, handle: Callable[[bytes, Reply], None]) -> Closable:
        """Serves; what isn't answered gets an empty reply: rclpy has no way to give none."""
        kind, bytes_of = _service(service.type), _load("rclpy.serialization")
        inbox: Inbox[tuple[bytes, Reply]] = Inbox(_REQUESTS, lambda asked: handle(*asked))

        def answer(request: Any, response: Any) -> Any:  # in a thread of the executor
            done: concurrent.futures.Future[bytes | None] = concurrent.futures.Future()
            inbox.put((bytes(bytes_of.serialize_message(request)), done.set_result))
            try:
                reply = done.result(_ANSWER_SECONDS)
            except concurrent.futures.TimeoutError:
                reply = None
            return response if reply is None else bytes_of.deserialize_message(reply, kind.Response)

        made = self._node.create_service(kind, service.name, answer, callback_group=self._group)
        return _End(inbox, lambda: self._node.destroy_service(made))

    def client(self, service: Service) -> _Client:
        """Asks."""
        kind = _service(service.type)
        return _Client(self._node, self._node.create_client(kind, service.name, callback_group=self._group), kind)

    def nodes(self) -> Collection[str]:
        """Names of the nodes of the graph."""
        return sorted(f"{space.rstrip('/')}/{name}" for name, space in self._node.get_node_names_and_namespaces())

    def seen(self) -> Collection[Seen]:
        """Topics and services of the graph."""
        node = self._node
        found = [
            Seen(name, type_, "topic", node.count_publishers(name), node.count_subscribers(name))
            for name, types in node.get_topic_names_and_types()
            for type_ in types
        ]
        for name, types in node.get_service_names_and_types():
            found += [Seen(name, type_, "service", 1, 0) for type_ in types]  # how many use it isn't told everywhere
        return sorted(found, key=lambda each: (each.name, each.type))


class _Outlet:
    def __init__(self, node: Any, publisher: Any) -> None:
        self._node, self._publisher = node, publisher

    def send(self, data: bytes) -> None:
        self._publisher.publish(bytes(data))

    def matched(self) -> int:
        return int(self._publisher.get_subscription_count())

    async def arrived(self, seconds: float) -> bool:
        until = _load("rclpy.duration").Duration(seconds=max(seconds, 0.0))
        try:
            return bool(await asyncio.to_thread(self._publisher.wait_for_all_acked, until))
        except RuntimeError as error:  # rclpy's own errors are of it: not every RMW can tell
            _log.debug("rclpy can't tell what has arrived: %s", error)
            return True

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)


class _End:
    def __init__(self, inbox: Inbox[Any], end: Callable[[], object]) -> None:
        self._inbox, self._end = inbox, end

    def dropped(self) -> int:
        return self._inbox.dropped

    def close(self) -> None:
        self._inbox.close()
        self._end()


class _Client:
    def __init__(self, node: Any, client: Any, kind: Any) -> None:
        self._node, self._client, self._kind = node, client, kind

    def ready(self) -> bool:
        return bool(self._client.service_is_ready())

    async def call(self, data: bytes) -> bytes:
        loop, bytes_of = asyncio.get_running_loop(), _load("rclpy.serialization")
        future: asyncio.Future[bytes] = loop.create_future()

        def settle(reply: bytes | None) -> None:
            if not future.done():
                if reply is None:
                    future.set_exception(NoAnswer("The service's node ended before it answered."))
                else:
                    future.set_result(reply)

        def done(asked: Any) -> None:  # in a thread of the executor
            response = asked.result() if asked.exception() is None else None
            reply = bytes(bytes_of.serialize_message(response)) if response is not None else None
            hand(loop, settle, reply)

        asked = self._client.call_async(bytes_of.deserialize_message(data, self._kind.Request))
        asked.add_done_callback(done)
        try:
            return await future
        finally:
            if not asked.done():
                self._client.remove_pending_request(asked)

    def close(self) -> None:
        self._node.destroy_client(self._client)


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RosError(
            "rclpy isn't here: source ROS 2 first (. /opt/ros/jazzy/setup.sh), or use cyclone or zenoh."
        ) from error


def _message(type_: str) -> Any:
    return _found("get_message", type_)


def _service(type_: str) -> Any:
    return _found("get_service", type_)


def _found(function: str, type_: str) -> Any:
    try:
        return getattr(_load("rosidl_runtime_py.utilities"), function)(type_)
    except (AttributeError, ModuleNotFoundError, ValueError) as error:
        raise RosError(f"ROS 2 here doesn't know {type_}: build and source its package.") from error


def _qos(qos: Qos) -> Any:
    of = _load("rclpy.qos")
    return of.QoSProfile(
        depth=qos.depth,
        reliability=of.ReliabilityPolicy.RELIABLE if qos.reliable else of.ReliabilityPolicy.BEST_EFFORT,
        durability=of.DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else of.DurabilityPolicy.VOLATILE,
    )
