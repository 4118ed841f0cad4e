"""Who is in the graph on DDS: nodes tell their names and endpoints on `ros_discovery_info` (rmw_dds_common)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from firmware_bridge.errors import BadValue
from firmware_bridge.ros2.names import Qos, Topic, is_name
from firmware_bridge.ros2.types import Types

TYPE = "rmw_dds_common/msg/ParticipantEntitiesInfo"
TOPIC = "ros_discovery_info"  # without the rt/ of topics of ROS
MAX_PARTICIPANTS = 500


@dataclass
class Directory:
    """The nodes of each participant, by its 16-byte id; and our own node's endpoints."""

    types: Types
    node: tuple[str, str]  # namespace, name
    readers: list[bytes] = field(default_factory=list)
    writers: list[bytes] = field(default_factory=list)
    _told: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    def topic(self) -> Topic:
        """The topic, as our own is published: the latest for whoever comes later."""
        return Topic(TOPIC, TYPE, self.types.hash(TYPE), Qos(1, latched=True))

    def encode(self, participant: bytes) -> bytes:
        """What our participant tells of itself."""
        space, name = self.node
        entities = {
            "node_namespace": space,
            "node_name": name,
            "reader_gid_seq": [self._gid(each) for each in self.readers],
            "writer_gid_seq": [self._gid(each) for each in self.writers],
        }
        message = self.types.make(TYPE, gid=self._gid(participant), node_entities_info_seq=[entities])
        return self.types.encode(message, TYPE)

    def learn(self, data: bytes) -> None:
        """Takes what a participant told; what can't be read is left out."""
        try:
            told = self.types.decode(data, TYPE)
        except BadValue:
            return
        if len(self._told) < MAX_PARTICIPANTS:
            names = [f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in told.node_entities_info_seq]
            self._told[bytes(told.gid.data[:16])] = tuple(name for name in names if is_name(name))

    def names(self, alive: Iterable[bytes]) -> Collection[str]:
        """The nodes of the participants that are there, and forgets the others."""
        there = set(alive)
        self._told = {gid: names for gid, names in self._told.items() if gid in there}
        return sorted({name for names in self._told.values() for name in names})

    def _gid(self, guid: bytes) -> dict[str, list[int]]:
        return {"data": list(guid.ljust(self.types.distro.gid_bytes, b"\0"))}
