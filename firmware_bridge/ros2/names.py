"""Names of ROS 2 and how they look on the wire, and the qualities of service.

Sources: design.ros2.org/articles/topic_and_service_names.html, rmw_cyclonedds' rmw_node.cpp, rmw_zenoh's docs/design.md.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum

from firmware_bridge.errors import RosError

WAYS = ("auto", "cyclone", "zenoh", "rclpy", "rosbridge")  # to a graph
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPE = re.compile(r"[a-z][a-z0-9_]*/(msg|srv|action)/[A-Za-z][A-Za-z0-9_]*")
_DDS_TYPE = re.compile(r"([a-z][a-z0-9_]*)::(msg|srv|action)::dds_::([A-Za-z][A-Za-z0-9_]*)_")
_LONGEST = 240  # DDS allows 256 bytes; prefixes and suffixes need some
MAX_DOMAIN = 232  # above it the ports of DDS leave 65535 (RTPS 2.5, 9.6.2)


class Distro(Enum):
    """The release of ROS 2 that the peers run: types differ between them, and whether they have hashes."""

    HUMBLE = "humble"
    IRON = "iron"
    JAZZY = "jazzy"
    KILTED = "kilted"
    LYRICAL = "lyrical"

    @property
    def gid_bytes(self) -> int:
        """Length of `rmw_dds_common/msg/Gid`: 24 in Humble, 16 since Iron (rmw_dds_common, change 68)."""
        return 24 if self is Distro.HUMBLE else 16

    @property
    def hashes(self) -> bool:
        """Whether endpoints tell the hash of their type (REP 2016; since Iron)."""
        return self is not Distro.HUMBLE


@dataclass(frozen=True)
class Qos:
    """What a topic promises: `depth` messages are kept; `latched` ones are for those who come later, too.

    every: seconds from one message that is read to the next; what comes between is left out, over rosbridge by the server.
    """

    depth: int = 10
    reliable: bool = True
    latched: bool = False
    every: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.every <= 3600:
            raise RosError("Between two messages there are 0 to 3600 seconds.")
        if not 1 <= self.depth <= 1000:
            raise RosError("A topic keeps 1 to 1000 messages.")


DEFAULT = Qos()  # rmw_qos_profile_default
SENSORS = Qos(5, reliable=False)  # rmw_qos_profile_sensor_data
LATCHED = Qos(1, latched=True)  # as maps are published
STATUS = Qos(1, latched=True)  # rcl_action_qos_profile_status_default
QUALITIES = {"default": DEFAULT, "sensors": SENSORS, "latched": LATCHED}


@dataclass(frozen=True)
class Topic:
    """A topic: its full name, as in /cmd_vel, its type, as in geometry_msgs/msg/Twist, and that type's hash."""

    name: str
    type: str
    hash: str
    qos: Qos = DEFAULT


@dataclass(frozen=True)
class Service:
    """A service: its full name, its type, as in std_srvs/srv/Trigger, and that type's hash."""

    name: str
    type: str
    hash: str


def is_name(full: str) -> bool:
    """Whether a full name is one: what others tell may be anything, control characters too."""
    return full.startswith("/") and len(full) <= _LONGEST and all(map(_TOKEN.fullmatch, full[1:].split("/")))


def check_name(name: str, what: str = "topic") -> str:
    """The full name of a topic, service or namespace, with its leading slash. Raises RosError."""
    full = name if name.startswith("/") else f"/{name}"
    if not is_name(full):
        raise RosError(
            f"'{name}' can't be the name of a {what}: letters, digits and _ between slashes, no digit first, as /arm/joint_states."
        )
    return full


def check_node(name: str) -> tuple[str, str]:
    """(namespace, name) of a node, as ("/", "bridge") or ("/robot1", "bridge"). Raises RosError."""
    space, _, own = check_name(name, "node").rpartition("/")
    return space or "/", own


def check_type(type_: str) -> str:
    """A type's name, as std_msgs/msg/String; std_msgs/String means the same. Raises RosError."""
    parts = type_.split("/")
    full = f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else type_
    if not _TYPE.fullmatch(full):
        raise RosError(f"'{type_}' isn't the name of a type: write it as geometry_msgs/msg/Twist.")
    return full


def token(name: str) -> str:
    """A name as a part of a ROS name: home-en becomes home_en."""
    made = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return made if _TOKEN.fullmatch(made) else f"_{made}"


def domain(number: int | None) -> int:
    """The domain: as given, else ROS_DOMAIN_ID, else 0. Raises RosError."""
    text = os.environ.get("ROS_DOMAIN_ID", "") if number is None else str(number)
    if text and not (text.isdecimal() and int(text) <= MAX_DOMAIN):
        raise RosError(f"The domain must be a number from 0 to {MAX_DOMAIN}, not '{text}' (--domain, ROS_DOMAIN_ID).")
    return int(text or 0)


# On DDS: rt/ before topics, rq/ and rr/ before the two topics of a service.


def dds_topic(name: str) -> str:
    """/cmd_vel is rt/cmd_vel."""
    return f"rt{name}"


def dds_service(name: str) -> tuple[str, str]:
    """The topics of a service's requests and replies."""
    return f"rq{name}Request", f"rr{name}Reply"


def dds_type(type_: str) -> str:
    """geometry_msgs/msg/Twist is geometry_msgs::msg::dds_::Twist_."""
    package, kind, name = type_.split("/")
    return f"{package}::{kind}::dds_::{name}_"


def ros_type(name: str) -> str | None:
    """The type of ROS that a type's name on the wire means; None for one of something else."""
    found = _DDS_TYPE.fullmatch(name)
    return "/".join(found.groups()) if found else None


def ros_topic(name: str) -> str | None:
    """The topic of ROS that a topic of DDS is; None for services and what isn't ROS's."""
    return name[2:] if name.startswith("rt/") else None


def ros_service(name: str) -> str | None:
    """The service whose requests a topic of DDS carries, else None."""
    return name[2:].removesuffix("Request") if name.startswith("rq/") and name.endswith("Request") else None


# On zenoh: no name may hold a slash within a part of a liveliness token.


def zenoh_key(number: int, name: str, type_: str, hash_: str) -> str:
    """The key of a topic or service in a domain: 0/cmd_vel/geometry_msgs::msg::dds_::Twist_/RIHS01_..."""
    return f"{number}/{name[1:]}/{dds_type(type_)}/{hash_}"


def zenoh_qos(qos: Qos) -> str:
    """A quality of service in a liveliness token: only what differs from rmw_zenoh's default (reliable, volatile, last 42)."""
    reliability = "" if qos.reliable else "2"
    durability = "1" if qos.latched else ""
    return f"{reliability}:{durability}:,{qos.depth}:,:,:,,"


def zenoh_token(
    number: int, session: str, entity: int, kind: str, node: tuple[str, str], of: Topic | Service | None = None
) -> str:
    """The liveliness token of a node (kind NN), a publisher (MP), a subscription (MS), a service (SS) or a client (SC)."""
    space, own = node
    parts = ["@ros2_lv", str(number), session, "0", str(entity), kind, "%", space.replace("/", "%"), own]
    if of is not None:
        qos = of.qos if isinstance(of, Topic) else DEFAULT
        parts += [of.name.replace("/", "%"), dds_type(of.type), of.hash, zenoh_qos(qos)]
    return "/".join(parts)
