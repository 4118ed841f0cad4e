"""ROS 2 by CycloneDDS from PyPI: topics, services and names as rmw_cyclonedds has them on the wire."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from firmware_bridge.errors import BadValue, Overloaded, RosError
from firmware_bridge.ros2 import names
from firmware_bridge.ros2.definitions import MAX_BYTES
from firmware_bridge.ros2.discovery import Directory
from firmware_bridge.ros2.names import Qos, Service, Topic
from firmware_bridge.ros2.transport import MAX_SEEN, Closable, Inbox, Reply, Seen, seen_of
from firmware_bridge.ros2.types import Types

_log = logging.getLogger(__name__)
_AT_ONCE = 32  # messages taken of a reader in one go; what is left wakes the thread again
_BLOCKED_NS = 100_000_000  # that a writer waits for slow readers, as in ROS
_SERVICE = Qos(64)  # requests that wait
_HEADER = struct.Struct("<Qq")  # client and number before a service's data (rmw_cyclonedds, cdds_request_header_t)
_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_LOOPBACK = """<CycloneDDS><Domain><General><Interfaces><NetworkInterface name="{lo}" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General><Discovery><ParticipantIndex>auto</ParticipantIndex>
<MaxAutoParticipantIndex>32</MaxAutoParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery>
<Internal><MaxSampleSize>{bytes} B</MaxSampleSize></Internal></Domain></CycloneDDS>"""
_OTHER = """<CycloneDDS><Domain><General><Interfaces><NetworkInterface {which}="{value}"/></Interfaces></General>
<Internal><MaxSampleSize>{bytes} B</MaxSampleSize></Internal></Domain></CycloneDDS>"""
_domains: dict[int, tuple[Any, str | None, int]] = {}  # number -> the domain of this process, its settings, its users


class Cyclone:
    """A participant on DDS with one node."""

    kind: ClassVar[str] = "cyclone"
    acts: ClassVar[bool] = True
    nan: ClassVar[bool] = True

    def __init__(self, types: Types, node: tuple[str, str], domain: int, interface: str | None = None) -> None:
        """interface: "lo" and None: only this machine; a network's name or address; "environment": by CYCLONEDDS_URI."""
        self._types, self._domain, self._settings = types, domain, settings(interface)
        self._directory = Directory(types, node)
        self._topics: dict[str, tuple[str, Any]] = {}
        self._readers: list[_Reader] = []
        self._lock = threading.Lock()  # the readers, between the loop and the thread that waits for them
        self._stopping = False
        self._due: asyncio.Handle | None = None

    async def open(self) -> None:
        """Joins the domain. Raises RosError where the package is missing or the network can't be used."""
        dds = _dds()
        _enter(self._domain, self._settings)
        try:
            user = dds.Qos(dds.Policy.Userdata(b"enclave=/;"))
            self._participant = dds.DomainParticipant(self._domain, qos=user)
        except dds.DDSException as error:
            _leave(self._domain)
            raise RosError(
                f"DDS can't be used in domain {self._domain}: {error} Is the network there, and is it the right --interface?"
            ) from error
        self._waiting = dds.WaitSet(self._participant)
        self._stop = dds.GuardCondition(self._participant)
        self._waiting.attach(self._stop)
        self._people = dds.BuiltinDataReader(self._participant, dds.BuiltinTopicDcpsParticipant)
        self._publications = dds.BuiltinDataReader(self._participant, dds.BuiltinTopicDcpsPublication)
        self._subscriptions = dds.BuiltinDataReader(self._participant, dds.BuiltinTopicDcpsSubscription)
        topic = self._directory.topic()
        self._listing = self._reader(topic.name, topic.type, Qos(100, latched=True), self._directory.learn, topic.hash)
        self._telling = self._writer(topic.name, topic.type, topic.qos, topic.hash)
        self._thread = threading.Thread(target=self._wait, name="ros2-dds", daemon=True)
        self._thread.start()
        self._tell()

    async def close(self) -> None:
        """Leaves the domain; the thread ends, and so do all endpoints."""
        self._stopping = True
        if self._due is not None:
            self._due.cancel()
        self._stop.set(True)
        await asyncio.to_thread(self._thread.join, 5)
        for reader in list(self._readers):
            reader.close()
        self._waiting.__del__()
        self._participant.__del__()  # and with it all that it made
        _leave(self._domain)

    def advertise(self, topic: Topic) -> _Writer:
        """Publishes rt/<topic>."""
        return self._writer(names.dds_topic(topic.name), topic.type, topic.qos, topic.hash)

    def subscribe(self, topic: Topic, deliver: Callable[[bytes], None]) -> _Reader:
        """Reads rt/<topic>."""
        return self._reader(names.dds_topic(topic.name), topic.type, topic.qos, deliver, topic.hash)

    def serve(self, service: Service, handle: Callable[[bytes, Reply], None]) -> Closable:
        """Reads rq/<service>Request and answers on rr/<service>Reply."""
        requests, replies = names.dds_service(service.name)
        user = f"serviceid={_id()};"
        writer = self._writer(replies, f"{service.type}_Response", _SERVICE, service.hash, user)

        def take(data: bytes) -> None:
            def answer(reply: bytes | None) -> None:
                if reply is not None:
                    writer.send(_wrap(reply, _header(data)))

            if len(data) >= 20:
                handle(data[:4] + data[20:], answer)

        return _Pair(self._reader(requests, f"{service.type}_Request", _SERVICE, take, service.hash, user), writer)

    def client(self, service: Service) -> _Client:
        """Asks on rq/<service>Request."""
        return _Client(self, service)

    def nodes(self) -> Collection[str]:
        """Names of the nodes of all participants that are alive."""
        return self._directory.names(each.key.bytes for each in self._alive(self._people))

    def seen(self) -> Collection[Seen]:
        """Topics and services of the domain that are ROS's."""
        found: dict[tuple[str, str, str], list[int]] = {}
        for column, reader in enumerate((self._publications, self._subscriptions)):
            for each in self._alive(reader):
                type_ = names.ros_type(each.type_name)
                if type_ is None or each.topic_name is None:
                    continue
                if (topic := names.ros_topic(each.topic_name)) is not None:
                    found.setdefault((topic, type_, "topic"), [0, 0])[column] += 1
                elif (service := names.ros_service(each.topic_name)) is not None:
                    key = (service, type_.removesuffix("_Request"), "service")
                    found.setdefault(key, [0, 0])[1 - column] += 1  # who reads requests serves
        return seen_of(found)

    def _alive(self, reader: Any) -> list[Any]:
        dds = _dds()
        found = reader.read(N=MAX_SEEN)
        return [each for each in found if each.sample_info.instance_state == dds.InstanceState.Alive]

    def _writer(self, topic: str, type_: str, qos: Qos, hash_: str, user: str = "") -> _Writer:
        writer = _Writer(self, self._topic(topic, type_), self._qos(qos, hash_, user, writes=True))
        self._directory.writers.append(writer.gid)
        self._change()
        return writer

    def _reader(
        self, topic: str, type_: str, qos: Qos, deliver: Callable[[bytes], None], hash_: str, user: str = ""
    ) -> _Reader:
        reader = _Reader(self, self._topic(topic, type_), self._qos(qos, hash_, user, writes=False), qos.depth, deliver)
        with self._lock:
            self._readers.append(reader)
        self._waiting.attach(reader.condition)
        self._directory.readers.append(reader.gid)
        self._change()
        return reader

    def _topic(self, name: str, type_: str) -> Any:
        dds = _dds()
        made = self._topics.get(name)
        if made is None:
            kind = dds.idl_class(self._types, type_)
            self._topics[name] = made = (type_, dds.Topic(self._participant, name, kind))
        if made[0] != type_:
            raise RosError(f"{name[2:]} is used as {made[0]} already, and can't be {type_} too.")
        return made[1]

    def _qos(self, qos: Qos, hash_: str, user: str, *, writes: bool) -> Any:
        dds = _dds()
        policy = dds.Policy
        if self._types.distro.hashes:
            user += f"typehash={hash_};"
        policies = [
            policy.Reliability.Reliable(_BLOCKED_NS) if qos.reliable else policy.Reliability.BestEffort,
            policy.Durability.TransientLocal if qos.latched else policy.Durability.Volatile,
            policy.History.KeepLast(qos.depth),
            policy.DataRepresentation(use_cdrv0_representation=True),
            policy.Userdata(user.encode()),
        ]
        if writes:
            policies.append(policy.WriterDataLifecycle(autodispose=False))
        return dds.Qos(*policies)

    def _change(self) -> None:
        """Tells the others of new endpoints, once for all that are made in one go."""
        if self._due is None and hasattr(self, "_thread"):
            self._due = asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._due = None
        self._telling.send(self._directory.encode(self._participant.guid.bytes))

    def _wait(self) -> None:
        while True:
            self._waiting.wait(3_600_000_000_000)
            if self._stopping:
                return
            with self._lock:
                for reader in self._readers:
                    reader.drain()

    def forget(self, reader: _Reader) -> None:
        """Reads no more of it."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._waiting.detach(reader.condition)
        if reader.gid in self._directory.readers and not self._stopping:
            self._directory.readers.remove(reader.gid)
            self._change()

    def silence(self, writer: _Writer) -> None:
        """Tells the others that a writer is gone."""
        if writer.gid in self._directory.writers and not self._stopping:
            self._directory.writers.remove(writer.gid)
            self._change()


class _Writer:
    def __init__(self, graph: Cyclone, topic: Any, qos: Any) -> None:
        dds = _dds()
        self._graph, self._writer = graph, dds.DataWriter(graph._participant, topic, qos=qos)
        self._kind, self._error = topic.data_type, dds.DDSException
        self.gid: bytes = self._writer.guid.bytes

    def send(self, data: bytes) -> None:
        try:
            self._writer.write(self._kind.raw(data))
        except self._error as error:
            if error.code == self._error.DDS_RETCODE_TIMEOUT:
                raise Overloaded("A reader of this topic is too slow; the message wasn't sent.") from error
            if error.code == self._error.DDS_RETCODE_BAD_PARAMETER:
                raise BadValue("The bytes aren't a message of this topic's type.") from error
            raise RosError(f"DDS couldn't send: {error}") from error

    def matched(self) -> int:
        return len(self._writer.get_matched_subscriptions())

    async def arrived(self, seconds: float) -> bool:
        return bool(await asyncio.to_thread(self._writer.wait_for_acks, int(max(seconds, 0.0) * 1e9)))

    def close(self) -> None:
        self._graph.silence(self)
        self._writer.__del__()


class _Reader:
    def __init__(self, graph: Cyclone, topic: Any, qos: Any, depth: int, deliver: Callable[[bytes], None]) -> None:
        dds = _dds()
        self._graph, self._reader = graph, dds.DataReader(graph._participant, topic, qos=qos)
        every = dds.SampleState.Any | dds.ViewState.Any | dds.InstanceState.Any
        self.condition = dds.ReadCondition(self._reader, every)
        self.inbox: Inbox[bytes] = Inbox(depth, deliver)
        self._topic, self._error, self._failed = topic.name, dds.DDSException, False
        self.gid: bytes = self._reader.guid.bytes

    def drain(self) -> None:
        """Takes what is there, some at a time; in the thread that waits."""
        try:
            taken = self._reader.take(_AT_ONCE)
        except self._error as error:
            if not self._failed:
                _log.warning("DDS couldn't take messages of %s: %s", self._topic, error)
            self._failed = True
            time.sleep(0.05)  # what can't be taken wakes the thread at once again
            return
        for each in taken:
            if each.sample_info.valid_data:
                self.inbox.put(each.data)

    def matched(self) -> int:
        return len(self._reader.get_matched_publications())

    def dropped(self) -> int:
        return self.inbox.dropped

    def close(self) -> None:
        self._graph.forget(self)
        self.inbox.close()
        self.condition.__del__()
        self._reader.__del__()


class _Pair:
    def __init__(self, reader: _Reader, writer: _Writer) -> None:
        self._reader, self._writer = reader, writer

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class _Client:
    def __init__(self, graph: Cyclone, service: Service) -> None:
        requests, replies = names.dds_service(service.name)
        user = f"clientid={_id()};"
        self._own, self._numbers = int.from_bytes(os.urandom(8), "little"), itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._reader = graph._reader(replies, f"{service.type}_Response", _SERVICE, self._take, service.hash, user)
        self._writer = graph._writer(requests, f"{service.type}_Request", _SERVICE, service.hash, user)

    def ready(self) -> bool:
        return self._writer.matched() > 0 and self._reader.matched() > 0

    async def call(self, data: bytes) -> bytes:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.send(_wrap(data, (self._own, number)))
            return await future
        finally:
            del self._waiting[number]

    def close(self) -> None:
        for future in self._waiting.values():
            future.cancel()
        self._reader.close()
        self._writer.close()

    def _take(self, data: bytes) -> None:
        if len(data) < 20:
            return
        own, number = _header(data)
        future = self._waiting.get(number) if own == self._own else None
        if future is not None and not future.done():
            future.set_result(data[:4] + data[20:])


def settings(interface: str | None) -> str | None:
    """CycloneDDS' settings for an interface. Raises RosError."""
    if interface == "environment":
        return None
    if interface in (None, "lo", "localhost", "127.0.0.1"):
        return _LOOPBACK.format(lo=_loopback(), bytes=MAX_BYTES)
    assert interface is not None
    if not _INTERFACE.fullmatch(interface):
        raise RosError(f"'{interface}' is no network: name one, as eth0, or its address.")
    which = "address" if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*", interface) else "name"
    return _OTHER.format(which=which, value=interface, bytes=MAX_BYTES)


def _loopback() -> str:
    import socket

    known = [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []
    return "lo0" if "lo0" in known else "lo"


def _enter(number: int, how: str | None) -> None:
    domain, before, users = _domains.get(number, (None, how, 0))
    if before != how:
        raise RosError(f"Domain {number} is open in this program with other settings of the network.")
    if not users:
        dds = _dds()
        try:
            domain = dds.Domain(number, how) if how is not None else None
        except dds.DDSException as error:
            raise RosError(f"DDS can't be used with this network: {error}") from error
    _domains[number] = (domain, how, users + 1)


def _leave(number: int) -> None:
    domain, how, users = _domains.pop(number)
    if users > 1:
        _domains[number] = (domain, how, users - 1)
    elif domain is not None:
        domain.__del__()


def _wrap(data: bytes, header: tuple[int, int]) -> bytes:
    return data[:4] + _HEADER.pack(*header) + data[4:]


def _header(data: bytes) -> tuple[int, int]:
    found = struct.unpack_from("<Qq" if data[1] & 1 else ">Qq", data, 4)
    return found[0], found[1]


def _id() -> str:
    return ".".join(f"{each:x}" for each in os.urandom(16))


def _dds() -> Any:
    """What is used of the package, imported when the first graph opens."""
    try:
        from firmware_bridge.ros2 import dds
    except ImportError as error:
        raise RosError(
            "ROS 2 over DDS needs cyclonedds: pip install 'enigma[ros2]'. Where it has no wheel (Linux on ARM), use zenoh."
        ) from error
    return dds
