"""NOT rclpy: a thin stand-in of the few calls that the back end makes, since rclpy can't be installed from a registry.

It shows that our side calls what rclpy's documentation names, off the event loop's thread. It proves nothing about a real node.
"""

from __future__ import annotations

import sys
import threading
import types
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import pytest

from firmware_bridge.ros2.types import Types

_TYPES = lru_cache(Types)
_bus: dict[int, _Bus] = defaultdict(lambda: _Bus())


class _Bus:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.latched: dict[str, bytes] = {}


class Context:
    domain: int = 0


class Node:
    def __init__(self, name: str, namespace: str, context: Context) -> None:
        self.name, self.namespace, self.bus = name, namespace, _bus[context.domain]
        self.publishers: list[Any] = []
        self.readers: list[Any] = []
        self.services: dict[str, tuple[Any, Any]] = {}
        self.pool: ThreadPoolExecutor | None = None
        self.bus.nodes.append(self)

    def create_publisher(self, kind: Any, topic: str, qos: Any) -> Any:
        node = self

        class Publisher:
            name, type = topic, kind.type

            def publish(self, data: bytes) -> None:
                assert isinstance(data, bytes)
                if qos.durability == "transient_local":
                    node.bus.latched[topic] = data
                for other in node.bus.nodes:
                    for reader in other.readers:
                        if reader.name == topic and other.pool is not None:
                            other.pool.submit(reader.callback, data)

            def get_subscription_count(self) -> int:
                return node.count_subscribers(topic)

            def wait_for_all_acked(self, timeout: Any) -> bool:
                return bool(timeout.seconds >= 0)

        self.publishers.append(Publisher())
        return self.publishers[-1]

    def create_subscription(
        self, kind: Any, topic: str, callback: Any, qos: Any, *, callback_group: Any, raw: bool
    ) -> Any:
        assert raw
        reader = types.SimpleNamespace(name=topic, type=kind.type, callback=callback)
        self.readers.append(reader)
        if qos.durability == "transient_local" and topic in self.bus.latched:
            assert self.pool is not None
            self.pool.submit(callback, self.bus.latched[topic])
        return reader

    def create_service(self, kind: Any, name: str, callback: Any, *, callback_group: Any) -> str:
        self.services[name] = (kind, callback)
        return name

    def create_client(self, kind: Any, name: str, *, callback_group: Any) -> Any:
        node = self

        def served() -> tuple[Node, Any] | None:
            return next(((each, each.services[name][1]) for each in node.bus.nodes if name in each.services), None)

        class Client:
            def service_is_ready(self) -> bool:
                return served() is not None

            def call_async(self, request: Any) -> Future[Any]:
                found = served()
                assert found is not None and found[0].pool is not None
                return found[0].pool.submit(found[1], request, kind.Response())

            def remove_pending_request(self, future: Any) -> None:
                future.cancel()

        return Client()

    def destroy_publisher(self, each: Any) -> None:
        self.publishers.remove(each)

    def destroy_subscription(self, each: Any) -> None:
        self.readers.remove(each)

    def destroy_service(self, each: str) -> None:
        del self.services[each]

    def destroy_client(self, each: Any) -> None: ...

    def destroy_node(self) -> None:
        self.bus.nodes.remove(self)

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return [(each.name, each.namespace) for each in self.bus.nodes]

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        ends = [end for each in self.bus.nodes for end in (*each.publishers, *each.readers)]
        return sorted({end.name: [end.type] for end in ends}.items())

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        return [(name, [kind.type]) for each in self.bus.nodes for name, (kind, _) in each.services.items()]

    def count_publishers(self, topic: str) -> int:
        return sum(end.name == topic for each in self.bus.nodes for end in each.publishers)

    def count_subscribers(self, topic: str) -> int:
        return sum(end.name == topic for each in self.bus.nodes for end in each.readers)


class MultiThreadedExecutor:
    def __init__(self, num_threads: int, context: Context) -> None:
        self.pool, self.ended = ThreadPoolExecutor(num_threads), threading.Event()

    def add_node(self, node: Node) -> None:
        node.pool = self.pool

    def spin(self) -> None:
        self.ended.wait()

    def shutdown(self, timeout_sec: float) -> None:
        self.ended.set()
        self.pool.shutdown(wait=False, cancel_futures=True)


def _message(name: str) -> Any:
    if name not in _TYPES().store.types:
        raise ValueError(name)
    return types.SimpleNamespace(type=name)


def _service(name: str) -> Any:
    made = types.SimpleNamespace(type=name)
    made.Request, made.Response = (
        (lambda suffix: lambda: _TYPES().make(f"{name}_{suffix}"))("Request"),
        lambda: _TYPES().make(f"{name}_Response"),
    )
    made.Request.type, made.Response.type = f"{name}_Request", f"{name}_Response"
    return made


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the stand-in where rclpy would be."""

    def module(name: str, **members: Any) -> types.ModuleType:
        made = types.ModuleType(name)
        made.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    def init(context: Context, domain_id: int) -> None:
        context.domain = domain_id

    module(
        "rclpy",
        Context=Context,
        init=init,
        create_node=lambda name, namespace, context: Node(name, namespace, context),
        shutdown=lambda context: None,
    )
    module("rclpy.duration", Duration=types.SimpleNamespace)
    module("rclpy.callback_groups", ReentrantCallbackGroup=object)
    module("rclpy.executors", MultiThreadedExecutor=MultiThreadedExecutor)
    module(
        "rclpy.serialization",
        serialize_message=lambda message: _TYPES().encode(message, message.__msgtype__),
        deserialize_message=lambda data, kind: _TYPES().decode(data, kind.type),
    )
    module(
        "rclpy.qos",
        QoSProfile=types.SimpleNamespace,
        ReliabilityPolicy=types.SimpleNamespace(RELIABLE="reliable", BEST_EFFORT="best_effort"),
        DurabilityPolicy=types.SimpleNamespace(TRANSIENT_LOCAL="transient_local", VOLATILE="volatile"),
    )
    module("rosidl_runtime_py")
    module("rosidl_runtime_py.utilities", get_message=_message, get_service=_service)
