"""Members beside robots, over UDP on this machine: signed messages, cells as orders, a task of a person; the files of a team."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from firmware_bridge.cli import main
from firmware_bridge.robot.config import Robot, parse
from firmware_bridge.team.config import Team, floor_of, load
from firmware_bridge.team.ledger import TeamError
from firmware_bridge.team.member import Member
from firmware_bridge.team.run import Runner, seal, unseal

PATIENT = 60.0
KEY = bytes(range(32))
ROBOT = """
fence = [[0, 0], [3, 0], [3, 2.4], [0, 2.4]]
[body]
radius = 0.15
track = 0.25
wheel_speed = 0.8
counts_per_metre = 1000
[[zones]]
name = "hole"
corners = [[1.3, 0.8], [1.6, 0.8], [1.6, 1.0], [1.3, 1.0]]
[[places]]
name = "table"
at = [2.7, 2.1, 0]
"""


def robot() -> Robot:
    import tomllib

    return parse(tomllib.loads(ROBOT))


def ports(count: int) -> list[int]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in made:
        each.bind(("127.0.0.1", 0))
    numbers = [each.getsockname()[1] for each in made]
    for each in made:
        each.close()
    return numbers


class Body:
    """A robot's socket: it is where it is told to be at the second look."""

    def __init__(self) -> None:
        self.orders: list[dict[str, object]] = []
        self.been: list[tuple[float, float]] = []
        self._looks = 0

    async def ask(self, asked: dict[str, object]) -> dict[str, object]:
        if "calls" in asked:
            (call,) = asked["calls"]  # type: ignore[misc]
            if call["name"] == "go_to":
                self._looks = 0
                self.orders.append({"place": call["arguments"], "state": "going"})
            return {}
        self._looks += 1
        if self.orders and self._looks >= 2 and self.orders[-1]["state"] == "going":
            self.orders[-1]["state"] = "done"
            place = self.orders[-1]["place"]
            self.been.append((place["x"], place["y"]))  # type: ignore[index]
        return {"state": {"orders": self.orders}}


async def test_three_members_over_udp_take_the_tasks_that_a_person_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shapely")
    names = ["a", "b", "c"]
    addresses = dict(zip(names, ports(3), strict=True))
    (tmp_path / "team.key").write_bytes(KEY)
    (tmp_path / "team.key").chmod(0o600)
    lines = [f'[[members]]\nname = "{name}"\naddress = "127.0.0.1:{port}"\n' for name, port in addresses.items()]
    (tmp_path / "team.toml").write_text('cell = 0.6\nkey_file = "team.key"\n' + "".join(lines))
    (tmp_path / "robot.toml").write_text(ROBOT)
    files = ["--team", str(tmp_path / "team.toml"), "--robot", str(tmp_path / "robot.toml")]
    assert main(["team", "check", *files]) == 0
    assert "table: the cell round 2.70, 2.10" in capsys.readouterr().out
    team, floor = load(tmp_path / "team.toml"), floor_of(robot(), 0.6)
    bodies = {name: Body() for name in names}
    members = {name: Member(name, names, floor, (at, 0)) for at, name in enumerate(names)}
    async with AsyncExitStack() as stack:
        runners = [await stack.enter_async_context(Runner(team, members[name], bodies[name].ask)) for name in names]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (
                b"",
                b"x" * 70,
                seal(b"?" * 32, {"task": "evil", "at": [2.7, 2.1], "priority": 9}),
                seal(KEY, {}),
            ):
                stranger.sendto(data, ("127.0.0.1", addresses["a"]))
        assert await asyncio.to_thread(main, ["team", "task", *files, "table", "--priority", "2"]) == 0
        assert await asyncio.to_thread(main, ["team", "task", *files, "0.3,2.1"]) == 0
        async with asyncio.timeout(PATIENT):
            while sum(len(member.done) for member in members.values()) < 2:  # noqa: ASYNC110  # other tasks of this loop
                await asyncio.sleep(0.05)
        assert runners[0].passed_over >= 4
    been = {place for body in bodies.values() for place in body.been}
    assert {(2.7, 2.1), (0.3, 2.1)} <= {(round(x, 3), round(y, 3)) for x, y in been}
    assert len({task for member in members.values() for task in member.done}) == 2
    assert main(["team", "task", *files, "1.5,0.9"]) == 1
    assert "No cell of the floor has room" in capsys.readouterr().err


def test_the_floor_has_no_way_where_the_robot_has_no_room() -> None:
    pytest.importorskip("shapely")
    floor = floor_of(robot(), 0.6)
    assert (len(floor.cells), (2, 1) in floor.cells) == (19, False)
    assert all(a in floor.cells and b in floor.cells for a, b in floor.walls)
    with pytest.raises(TeamError, match=r"need 0\.40"):
        floor_of(robot(), 0.3)


def test_what_another_key_signed_or_a_bomb_is_no_message() -> None:
    assert unseal(KEY, seal(KEY, {"a": 1})) == {"a": 1}
    for data in (b"", seal(b"x" * 32, {"a": 1}), seal(KEY, {"a": 1})[:-1], seal(KEY, {"a": "0" * (1 << 21)})):
        with pytest.raises(TeamError):
            unseal(KEY, data)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("cell = 0.5", "cell = 50", "cell in .* must be metres"),
        ("127.0.0.1:7000", "127.0.0.1", "must be as 192.168.1.11:7410"),
        ('name = "a"', 'name = "a b"', "up to 32 letters"),
        ("key_file", "key", "must hold cell, key_file"),
        ('"team.key"', '"other.key"', "can't be read"),
    ],
)
def test_a_team_toml_with_a_mistake_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    text = 'cell = 0.5\nkey_file = "team.key"\n[[members]]\nname = "a"\naddress = "127.0.0.1:7000"\n'
    assert old in text
    (tmp_path / "team.toml").write_text(text.replace(old, new))
    (tmp_path / "team.key").write_bytes(KEY)
    (tmp_path / "team.key").chmod(0o600)
    with pytest.raises(TeamError, match=why):
        load(tmp_path / "team.toml")
    (tmp_path / "team.toml").write_text(text)
    assert load(tmp_path / "team.toml") == Team({"a": ("127.0.0.1", 7000)}, KEY, 0.5)
    (tmp_path / "team.key").chmod(0o644)
    with pytest.raises(TeamError, match="chmod 600"):
        load(tmp_path / "team.toml")
