"""Recordings: what went in comes out, by another reader of MCAP too; played again it is published again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.errors import RosError
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import DEFAULT, LATCHED
from firmware_bridge.ros2.recording import Recorded, Recorder, contents, record, replay
from firmware_bridge.ros2.types import Types
from tests.firmware_bridge.ros2.conftest import DOMAIN, Opens, free_port, need

TWIST, GRID = "geometry_msgs/msg/Twist", "nav_msgs/msg/OccupancyGrid"


@pytest.fixture
def over() -> str:
    """One back end is enough here."""
    need("rosbags", "zenoh")
    return "zenoh"


def write(folder: Path, count: int = 50) -> tuple[list[bytes], int]:
    """A recording of one map and some commands, 10 ms apart; the commands, and the bytes of all."""
    types = Types()
    sent = [types.encode(types.make(TWIST, linear={"x": number / 100}), TWIST) for number in range(count)]
    with Recorder(folder, types) as recorder:
        recorder.write(
            "/map", GRID, types.encode(types.make(GRID, data=[0, 100]), GRID), LATCHED, 1_700_000_000_000_000_000
        )
        for number, data in enumerate(sent):
            recorder.write("/cmd_vel", TWIST, data, DEFAULT, 1_700_000_000_000_000_000 + number * 10_000_000)
    return sent, recorder.bytes


def test_another_reader_reads_it_with_its_definitions(tmp_path: Path) -> None:
    need("mcap")
    from mcap.reader import make_reader

    sent, _ = write(tmp_path / "drive")
    with (tmp_path / "drive" / "drive.mcap").open("rb") as file:
        reader = make_reader(file)
        rows = list(reader.iter_messages())
        summary = reader.get_summary()
    assert [message.data for schema, channel, message in rows if channel.topic == "/cmd_vel"] == sent
    assert {schema.name for schema in summary.schemas.values()} == {TWIST, GRID}
    assert all(schema.encoding == "ros2msg" and b"float64 x" in schema.data for schema in summary.schemas.values())
    assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}
    assert rows[1][2].log_time == 1_700_000_000_000_000_000
    for path in (tmp_path / "drive", tmp_path / "drive" / "drive.mcap"):
        assert sorted(contents(path), key=str) == sorted(
            [Recorded("/map", GRID, 1), Recorded("/cmd_vel", TWIST, 50)], key=str
        )


async def test_what_is_played_again_is_recorded_again(tmp_path: Path, opens: Opens) -> None:
    _, most = write(tmp_path / "first", 20)
    plays, listens = await opens("plays"), await opens("listens")
    listening = asyncio.create_task(
        record(listens, tmp_path / "second", [("/cmd_vel", TWIST), ("/map", GRID)], DEFAULT, 30, most)
    )
    await asyncio.sleep(0)
    assert await replay(plays, tmp_path / "first", rate=4.0, wait=30) == 21
    done = await listening
    assert done.messages == 21
    assert {(each.topic, each.messages) for each in contents(tmp_path / "second")} == {("/cmd_vel", 20), ("/map", 1)}
    with pytest.raises(RosError, match="holds none of these topics; it has"):
        await replay(plays, tmp_path / "first", only=["/odom"])


def test_what_is_no_recording_or_damaged_is_said(tmp_path: Path) -> None:
    write(tmp_path / "drive", 5)
    with pytest.raises(RosError, match="isn't there yet"):
        Recorder(tmp_path / "drive", Types())
    file = tmp_path / "drive" / "drive.mcap"
    whole = file.read_bytes()
    for content in (b"", whole[:100], whole[:-40], b"\0" * 200):
        file.write_bytes(content)
        with pytest.raises(RosError, match="no recording of ROS 2"):
            contents(file)
    with pytest.raises(RosError, match="no recording of ROS 2"):
        contents(tmp_path / "nowhere")


async def test_a_command_that_is_no_number_is_not_played(tmp_path: Path, opens: Opens) -> None:
    types = Types()
    with Recorder(tmp_path / "bad", types) as recorder:
        good = types.encode(types.make(TWIST), TWIST)
        recorder.write("/cmd_vel", TWIST, good[:4] + b"\xff" * 48, DEFAULT)
        recorder.write("/cmd_vel", TWIST, good, DEFAULT)
    assert await replay(await opens("one"), tmp_path / "bad", rate=0, wait=0) == 1


async def test_a_recording_that_is_told_to_end_can_be_opened(tmp_path: Path, over: str) -> None:
    """SIGTERM, as a service's stop is: the index is written."""
    port = f"tcp/127.0.0.1:{free_port()}"
    program = "import sys; from firmware_bridge.cli import main; sys.exit(main(sys.argv[1:]))"
    how = ["--over", "zenoh", "--domain", str(DOMAIN), "--interface", f"listen {port}"]
    command = ["-c", program, "ros", "record", str(tmp_path / "drive"), f"/cmd_vel:{TWIST}", *how]
    recorder = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=subprocess.PIPE)
    try:
        async with await RosGraph.open("drives", over=over, number=DOMAIN, interface=port) as graph:
            wheels = graph.advertise("/cmd_vel", TWIST)
            assert await wheels.matched(60)
            for _ in range(100):
                wheels.publish()
                await asyncio.sleep(0.01)
        recorder.terminate()
        said, _ = await asyncio.wait_for(recorder.communicate(), 60)
    finally:
        if recorder.returncode is None:
            recorder.kill()
    assert recorder.returncode == 0 and b"Recording /cmd_vel" in said
    ((topic, count),) = [(each.topic, each.messages) for each in contents(tmp_path / "drive")]
    assert topic == "/cmd_vel" and 1 <= count <= 100
