"""Names on the wire beside those that ROS 2's own documents show."""

from __future__ import annotations

import pytest

from firmware_bridge.errors import RosError
from firmware_bridge.ros2 import names
from firmware_bridge.ros2.cyclone import settings
from firmware_bridge.ros2.names import Qos, Service, Topic
from tests.firmware_bridge.ros2.conftest import need

STRING = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
ADD = "RIHS01_e118de6bf5eeb66a2491b5bda11202e7b68f198d6f67922cf30364858239c81a"


def test_keys_and_tokens_of_zenoh_are_those_of_its_design() -> None:
    """The examples of rmw_zenoh's docs/design.md; its default depth is 42."""
    assert names.zenoh_key(0, "/robot1/chatter", "std_msgs/msg/String", STRING) == (
        f"0/robot1/chatter/std_msgs::msg::dds_::String_/{STRING}"
    )
    assert names.zenoh_key(2, "/add_two_ints", "example_interfaces/srv/AddTwoInts", ADD) == (
        f"2/add_two_ints/example_interfaces::srv::dds_::AddTwoInts_/{ADD}"
    )
    zid = "aac3178e146ba6f1fc6e6a4085e77f21"
    assert names.zenoh_token(2, zid, 0, "NN", ("/", "listener")) == f"@ros2_lv/2/{zid}/0/0/NN/%/%/listener"
    chatter = Topic("/chatter", "std_msgs/msg/String", STRING, Qos(10))
    assert names.zenoh_token(2, zid, 10, "MS", ("/", "listener"), chatter) == (
        f"@ros2_lv/2/{zid}/0/10/MS/%/%/listener/%chatter/std_msgs::msg::dds_::String_/{STRING}/::,10:,:,:,,"
    )
    add = Service("/add_two_ints", "example_interfaces/srv/AddTwoInts", ADD)
    assert names.zenoh_token(2, zid, 10, "SS", ("/", "add_two_ints_server"), add).endswith(
        f"/SS/%/%/add_two_ints_server/%add_two_ints/example_interfaces::srv::dds_::AddTwoInts_/{ADD}/::,10:,:,:,,"
    )


def test_names_on_dds_lead_there_and_back() -> None:
    assert (
        names.dds_topic("/robot/cmd_vel") == "rt/robot/cmd_vel"
        and names.ros_topic("rt/robot/cmd_vel") == "/robot/cmd_vel"
    )
    assert names.dds_type("geometry_msgs/msg/Twist") == "geometry_msgs::msg::dds_::Twist_"
    assert names.ros_type("geometry_msgs::msg::dds_::Twist_") == "geometry_msgs/msg/Twist"
    assert names.dds_service("/go") == ("rq/goRequest", "rr/goReply") and names.ros_service("rq/goRequest") == "/go"
    assert names.ros_type("HelloWorld") is names.ros_topic("HelloWorld") is names.ros_service("rt/x") is None


def test_what_others_tell_is_no_way_to_write_to_a_terminal() -> None:
    need("rosbags")
    from firmware_bridge.ros2.discovery import Directory
    from firmware_bridge.ros2.transport import seen_of
    from firmware_bridge.ros2.types import Types

    types = Types()
    other = Directory(types, ("/", "evil\x1b[2J"), writers=[bytes(16)])
    ours = Directory(types, ("/", "own"))
    ours.learn(other.encode(b"a" * 16))
    ours.learn(Directory(types, ("/robot", "arm")).encode(b"b" * 16))
    ours.learn(b"nonsense")
    assert ours.names([b"a" * 16, b"b" * 16]) == ["/robot/arm"]
    assert ours.names([b"a" * 16]) == [] == ours.names([b"b" * 16])  # who has gone is forgotten
    assert seen_of({("/a\x07", "t", "topic"): [1, 0]}) == []


def test_only_names_that_ros_takes_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names.check_name("a/b_2") == "/a/b_2" and names.check_node("/robot/arm") == ("/robot", "arm")
    assert (
        names.check_node("arm") == ("/", "arm") and names.token("home-en") == "home_en" and names.token("3d") == "_3d"
    )
    for wrong in ("", "/", "/a/", "a b", "/a//b", "/2a", "/a-b", "/ä", "/" + "a" * 300):
        with pytest.raises(RosError, match="can't be the name"):
            names.check_name(wrong)
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert names.domain(None) == 7 and names.domain(3) == 3
    monkeypatch.setenv("ROS_DOMAIN_ID", "many")
    with pytest.raises(RosError, match="ROS_DOMAIN_ID"):
        names.domain(None)


def test_nothing_but_this_machine_unless_it_is_asked_for() -> None:
    for usual in (None, "lo"):
        made = settings(usual)
        assert made is not None and "<AllowMulticast>false" in made and made.count("<NetworkInterface") == 1
        assert 'address="127.0.0.1"' in made
    assert 'name="eth0"' in str(settings("eth0")) and 'address="192.168.1.5"' in str(settings("192.168.1.5"))
    assert settings("environment") is None
    with pytest.raises(RosError, match="is no network"):
        settings('x"/><Evil/>')
