"""Recordings: a folder as rosbag2 has it, with an MCAP file in it that Foxglove opens, and playing one again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firmware_bridge.errors import NoAnswer, RosError
from firmware_bridge.ros2.definitions import MAX_BYTES
from firmware_bridge.ros2.graph import RosGraph, Subscription
from firmware_bridge.ros2.names import Qos, check_name
from firmware_bridge.ros2.types import Types

MAX_TOPICS = 100
_LONGEST_PAUSE = 3600.0
_DEPTH = 200  # messages of a topic that wait to be written


@dataclass(frozen=True)
class Recorded:
    """What a recording holds of a topic."""

    topic: str
    type: str
    messages: int


class Recorder:
    """Writes messages as they come, CDR and all; use it with `with`."""

    def __init__(self, folder: Path, types: Types) -> None:
        """Raises RosError where the folder is there already, or can't be made."""
        rosbag2 = _rosbag2()
        self._types, self._topics = types, dict[tuple[str, str], Any]()
        try:
            self._writer = rosbag2.Writer(folder, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
            self._writer.open()
        except (rosbag2.WriterError, OSError) as error:
            raise RosError(f"{folder} can't be recorded to: name a folder that isn't there yet.") from error
        self.folder, self.messages, self.bytes, self.dropped = folder, 0, 0, 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, topic: str, type_: str, data: bytes, qos: Qos, nanoseconds: int | None = None) -> None:
        """One message, of now or of a moment (nanoseconds since 1970). Raises RosError where the disk is full."""
        connection = self._topics.get((topic, type_))
        if connection is None:
            if len(self._topics) >= MAX_TOPICS:
                raise RosError(f"A recording may hold {MAX_TOPICS} topics.")
            connection = self._topics[topic, type_] = self._writer.add_connection(
                topic,
                type_,
                msgdef=self._types.definition(type_),
                rihs01=self._types.hash(type_),
                offered_qos_profiles=[_offered(qos)],
            )
        try:
            self._writer.write(connection, time.time_ns() if nanoseconds is None else nanoseconds, data)
        except OSError as error:
            raise RosError(f"{self.folder} can't be written: {error.strerror}.") from error
        self.messages, self.bytes = self.messages + 1, self.bytes + len(data)

    def close(self) -> None:
        """Writes what is left and the index; without that a file can't be opened."""
        try:
            self._writer.close()
        except OSError as error:
            raise RosError(f"{self.folder} can't be written: {error.strerror}.") from error


async def record(
    graph: RosGraph, folder: Path, topics: Collection[tuple[str, str]], qos: Qos, seconds: float, most: int
) -> Recorder:
    """Records topics, each with its type, for so long or until `most` bytes. Raises RosError."""
    with Recorder(folder, graph.types) as recorder:
        ends = [graph.subscribe(topic, type_, replace(qos, depth=_DEPTH)) for topic, type_ in topics]
        until = time.monotonic() + seconds

        async def take(end: Subscription) -> None:
            while (left := until - time.monotonic()) > 0 and recorder.bytes < most:
                with contextlib.suppress(NoAnswer):
                    data = await end.raw(min(left, 1.0))
                    recorder.write(end.topic.name, end.topic.type, data, end.topic.qos)

        try:
            async with asyncio.TaskGroup() as group:
                for end in ends:
                    group.create_task(take(end))
        except* RosError as errors:
            raise errors.exceptions[0] from None
        finally:
            recorder.dropped = sum(end.dropped for end in ends)
            for end in ends:
                end.close()
    return recorder


def contents(path: Path) -> list[Recorded]:
    """The topics of a recording, a folder or an .mcap file. Raises RosError."""
    with _opened(path) as reader:
        return [Recorded(each.topic, each.msgtype, each.msgcount) for each in reader.connections]


async def replay(
    graph: RosGraph,
    path: Path,
    rate: float = 1.0,
    only: Collection[str] = (),
    wait: float = 2.0,
    told: Callable[[str, int], None] = lambda topic, nanoseconds: None,
) -> int:
    """Publishes a recording's messages again, with its pauses divided by `rate` (0: none); returns how many.

    First it waits up to `wait` seconds until somebody reads each topic.

    Commands that hold a number that is none are left out. Raises RosError for what is no recording.
    """
    from firmware_bridge.errors import BadValue

    wanted = {check_name(each) for each in only}
    sent, begun, first = 0, time.monotonic(), None
    with _opened(path) as reader:
        chosen = [each for each in reader.connections if not wanted or each.topic in wanted]
        if not chosen:
            raise RosError(
                f"{path} holds none of these topics; it has {', '.join(c.topic for c in reader.connections)}."
            )
        outlets = {each.id: graph.advertise(each.topic, each.msgtype, _qos_of(each)) for each in chosen}
        try:
            for each in outlets.values():
                await each.matched(wait)
            begun = time.monotonic()
            for connection, nanoseconds, data in _messages(reader, chosen, path):
                first = nanoseconds if first is None else first
                if rate > 0:
                    due = begun + (nanoseconds - first) / 1e9 / rate
                    await asyncio.sleep(min(max(due - time.monotonic(), 0.0), _LONGEST_PAUSE))
                else:
                    await asyncio.sleep(0)
                with contextlib.suppress(BadValue):
                    outlets[connection.id].send(_checked(graph.types, bytes(data), connection.msgtype))
                    sent += 1
                    told(connection.topic, nanoseconds)
            for each in outlets.values():
                await each.arrived()
        finally:
            for each in outlets.values():
                each.close()
    return sent


def _checked(types: Types, data: bytes, type_: str) -> bytes:
    if len(data) <= MAX_BYTES:
        types.decode(data, type_)
    return data


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    rosbag2 = _rosbag2()
    try:
        reader = rosbag2.Reader(path)
        reader.open()
    except Exception as error:  # rosbags' reader lets errors of parsing, of its own and of the system through
        raise RosError(
            f"{path} is no recording of ROS 2 that can be opened: {error or type(error).__name__}"
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def _messages(reader: Any, chosen: list[Any], path: Path) -> Iterator[tuple[Any, int, bytes]]:
    try:
        yield from reader.messages(chosen)
    except (OSError, ValueError, KeyError, IndexError, EOFError, AssertionError, _rosbag2().ReaderError) as error:
        raise RosError(f"{path} is damaged: {error or type(error).__name__}") from error


def _rosbag2() -> Any:
    try:
        from rosbags import rosbag2
    except ImportError as error:
        raise RosError("Recordings need rosbags: pip install 'enigma[ros2]'.") from error
    return rosbag2


def _offered(qos: Qos) -> Any:
    from rosbags import interfaces as of

    never = of.QosTime(2147483647, 4294967295)
    return of.Qos(
        of.QosHistory.KEEP_LAST,
        qos.depth,
        of.QosReliability.RELIABLE if qos.reliable else of.QosReliability.BEST_EFFORT,
        of.QosDurability.TRANSIENT_LOCAL if qos.latched else of.QosDurability.VOLATILE,
        never,
        never,
        of.QosLiveliness.AUTOMATIC,
        never,
        avoid_ros_namespace_conventions=False,
    )


def _qos_of(connection: Any) -> Qos:
    offered = list(connection.ext.offered_qos_profiles)
    if not offered:
        return Qos()
    first = offered[0]
    return Qos(
        min(max(first.depth, 1), 1000),
        reliable=first.reliability.name != "BEST_EFFORT",
        latched=first.durability.name == "TRANSIENT_LOCAL",
    )
