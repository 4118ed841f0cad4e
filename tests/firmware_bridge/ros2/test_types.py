"""Messages, their bytes beside CycloneDDS' own coding of them, their hashes beside published ones, and what is no message."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import BadValue, RosError
from firmware_bridge.ros2.definitions import ARRAY, BASE, EMPTY, NAME
from firmware_bridge.ros2.names import Distro
from firmware_bridge.ros2.types import COMMANDS, Types
from tests.firmware_bridge.ros2.conftest import need

need("rosbags")
TYPES = Types()
WANTED = [
    "geometry_msgs/msg/Twist",
    "sensor_msgs/msg/LaserScan",
    "nav_msgs/msg/Odometry",
    "sensor_msgs/msg/Imu",
    "sensor_msgs/msg/BatteryState",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/JointState",
    "nav_msgs/msg/OccupancyGrid",
    "geometry_msgs/msg/PoseStamped",
    "std_msgs/msg/String",
]
_NUMBERS = {"byte": "uint8"}


def any_value(desc: Any, chance: random.Random) -> Any:
    """A value that a field may have; texts beyond ASCII, numbers from end to end."""
    node, inner = desc
    if node == NAME:
        fields = TYPES.store.fielddefs[inner][1]
        return {name: 0 if name == EMPTY else any_value(of, chance) for name, of in fields}
    if node == BASE:
        kind, bound = inner
        if kind == "string":
            return "".join(chance.choices("añ☂x ", k=chance.randrange(min(bound or 9, 9) // 3 + 1)))
        if kind == "bool":
            return chance.random() < 0.5
        if kind.startswith("float"):
            return float(np.float32(chance.uniform(-1e6, 1e6)))
        limits = np.iinfo(_NUMBERS.get(kind, kind))
        return chance.randint(limits.min, limits.max)
    of, bound = inner
    length = bound if node == ARRAY else chance.randrange(min(bound or 5, 5) + 1)
    return [any_value(of, chance) for _ in range(length)]


def test_bytes_are_those_of_another_coder_for_every_type() -> None:
    """CycloneDDS' own coding, by its class of the type, for all types of Jazzy with values by chance (seed 7)."""
    need("cyclonedds")
    from firmware_bridge.ros2 import dds

    def theirs(value: Any, desc: Any) -> Any:
        if desc[0] == NAME:
            fields = dict(TYPES.store.fielddefs[desc[1]][1])
            return dds._field(TYPES, desc)(**{name: theirs(value[name], fields[name]) for name in fields})
        return value if desc[0] == BASE else [theirs(each, desc[1][0]) for each in value]

    chance, compared = random.Random(7), 0
    for type_ in TYPES.store.fielddefs:
        if type_.split("/")[1] != "msg":
            continue
        values = any_value((NAME, type_), chance)
        sample = theirs(values, (NAME, type_))
        ours = TYPES.encode(TYPES.make(type_, values), type_)
        assert ours == sample.serialize(), type_
        again = TYPES.make(type_, TYPES.plain(TYPES.decode(ours, type_)))
        assert TYPES.encode(again, type_) == ours, type_
        compared += 1
    assert compared > 150 and set(WANTED) <= set(TYPES.store.fielddefs)


def test_hashes_are_those_that_ros_publishes() -> None:
    """From rmw_zenoh's docs/design.md, rmw_dds_common's users, and tests of other projects."""
    types = Types()
    types.add("example_interfaces/srv/AddTwoInts", "int64 a\nint64 b\n---\nint64 sum\n")
    types.add("example_interfaces/action/Fibonacci", "int32 order\n---\nint32[] sequence\n---\nint32[] sequence\n")
    for type_, digits in {
        "std_msgs/msg/String": "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
        "rmw_dds_common/msg/ParticipantEntitiesInfo": "91a0593bacdcc50ea9bdcf849a938b128412cc1ea821245c663bcd26f83c295e",
        "example_interfaces/srv/AddTwoInts": "e118de6bf5eeb66a2491b5bda11202e7b68f198d6f67922cf30364858239c81a",
        "std_srvs/srv/Trigger": "eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f",
        "example_interfaces/action/Fibonacci_SendGoal": "d1a57fb2a4afe8c21e34fb10db206f16ce6729b28531141472df92277c55b557",
        "example_interfaces/action/Fibonacci_GetResult": "1b0de0d5d29dc955d92f546706568428632771db13ec84c15ec1c1a59f424a57",
    }.items():
        assert types.hash(type_) == f"RIHS01_{digits}"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*WANTED, "action_msgs/msg/GoalStatusArray", "enigma_interfaces/srv/Ask_Response"]), st.data())
def test_what_is_no_message_is_one_kind_of_error(type_: str, data: st.DataObject) -> None:
    """Bytes by chance, and a message with some bytes changed or cut: decoded, or BadValue."""
    whole = TYPES.encode(TYPES.make(type_), type_)
    edited = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if edited:
            edited[data.draw(st.integers(0, len(edited) - 1))] = data.draw(st.integers(0, 255))
    for raw in (bytes(edited), b"\0\1\0\0" + data.draw(st.binary(max_size=200)), b"\0\0\0\0" + bytes(edited)[4:]):
        try:
            TYPES.plain(TYPES.decode(raw, type_))
        except BadValue as error:
            assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("type_", "fields", "why"),
    [
        ("geometry_msgs/msg/Twist", {"linear": {"x": float("inf")}}, r"linear\.x is inf"),
        ("geometry_msgs/msg/PoseStamped", {"pose": {"position": {"y": float("nan")}}}, r"position\.y is nan"),
        (
            "trajectory_msgs/msg/JointTrajectory",
            {"points": [{"positions": [0.1]}, {"positions": [0.1, float("nan")]}]},
            r"points\[1\]\.positions holds what is no number",
        ),
        ("geometry_msgs/msg/Twist", {"linear": {"x": "fast"}}, "must be a number"),
        ("geometry_msgs/msg/Twist", {"linear": 1}, "must be an object"),
        ("geometry_msgs/msg/Twist", {"liner": {}}, "has no liner; it has linear, angular"),
        ("sensor_msgs/msg/Image", {"width": -1}, "from 0 to 4294967295"),
        ("sensor_msgs/msg/Image", {"data": [1, 256]}, "doesn't fit uint8"),
        ("sensor_msgs/msg/Image", {"data": "text"}, "must be a list"),
        ("sensor_msgs/msg/Imu", {"orientation_covariance": [1.0]}, "must have 9 values, not 1"),
        ("sensor_msgs/msg/LaserScan", {"ranges": [1.0, "far"]}, "must be a list of numbers"),
        ("std_msgs/msg/String", {"data": 5}, "must be a text"),
        ("sensor_msgs/msg/JointState", {"name": ["a", 1]}, r"name\[1\] must be a text"),
    ],
)
def test_a_value_that_cannot_be_is_named(type_: str, fields: dict[str, object], why: str) -> None:
    with pytest.raises(BadValue, match=why):
        TYPES.make(type_, fields)
    assert "PoseStamped" in " ".join(COMMANDS)


def test_what_is_not_given_is_zero_and_a_pose_does_not_turn() -> None:
    pose = TYPES.make("geometry_msgs/msg/PoseStamped")
    assert (pose.pose.orientation.w, pose.pose.orientation.z) == (1.0, 0.0)
    scan = TYPES.make("sensor_msgs/msg/LaserScan", ranges=np.array([1.0, np.inf], np.float32))
    assert TYPES.plain(scan)["ranges"] == [1.0, None]  # JSON has no infinity


def test_types_of_an_own_package_are_read_and_differences_told(tmp_path: Path) -> None:
    folder = tmp_path / "arm" / "msg"
    folder.mkdir(parents=True)
    (folder / "Grip.msg").write_text("std_msgs/Header header\nfloat32<=3 force # N\n".replace("<=3", ""))
    types = Types(folders=[tmp_path])
    message = types.make("arm/msg/Grip", force=1.5)
    assert types.plain(types.decode(types.encode(message, "arm/msg/Grip"), "arm/msg/Grip"))["force"] == 1.5
    with pytest.raises(RosError, match="another definition"):
        types.add("arm/msg/Grip", "float64 force\n")
    with pytest.raises(RosError, match="can't be read"):
        types.add("arm/msg/Bad", "float32 [ x\n")
    with pytest.raises(RosError, match="must have 2 part"):
        types.add("arm/srv/Bad", "float32 x\n")
    with pytest.raises(RosError, match="wstring"):
        types.add("arm/msg/Wide", "wstring x\n")
    types.add("arm/msg/Hand", "arm/Finger[] fingers\n")
    with pytest.raises(RosError, match="arm/msg/Finger, which arm/msg/Hand needs, isn't known"):
        types.make("arm/msg/Hand")
    types.add("arm/msg/Loop", "arm/Loop[] loops\n")
    with pytest.raises(RosError, match="holds itself"):
        types.make("arm/msg/Loop")
    with pytest.raises(RosError, match="no folder"):
        types.load(tmp_path / "nowhere")


def test_ids_are_longer_in_humble() -> None:
    assert [each.gid_bytes for each in (Distro.HUMBLE, Distro.IRON)] == [24, 16]
    gid = Types(Distro.HUMBLE).make("rmw_dds_common/msg/Gid")
    assert len(gid.data) == 24
