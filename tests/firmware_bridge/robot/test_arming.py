"""Real motors turn only for a while that a person named, and not where what keeps them safe is in doubt."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_bridge.board import Condition
from firmware_bridge.cli import main
from firmware_bridge.messages import Dictionary, Layout
from firmware_bridge.robot import room
from firmware_bridge.robot.arming import BOARD, LOG, LONGEST, Arming
from firmware_bridge.robot.config import RobotError, load
from firmware_bridge.robot.drawn import NAME
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.envelope import Why
from firmware_bridge.robot.shown import state
from firmware_bridge.robot.simulator import SimulatedBoard, World

from .test_serve import TOML, until

LAYOUTS = (Layout(1, "c", "drive", ()),)


def board(**more: Any) -> Any:
    """What is asked of a board."""
    made = {"condition": Condition.CONNECTED, "why": None, "dictionary": Dictionary(1, "avr", "1.0", LAYOUTS)}
    return SimpleNamespace(**{**made, "welcome": SimpleNamespace(board=7), **more})


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    file = tmp_path / "robot.toml"
    file.write_text(TOML)
    return file


def test_it_ends_by_itself_and_by_a_restart_and_all_of_it_is_written_down(toml: Path) -> None:
    arming, robot = Arming(toml, board()), load(toml)
    assert not arming.look(0.0) and arming.left(0.0) == 0
    arming.arm(100.0, 2.0, "owner", robot)
    assert arming.look(219.9) and arming.left(210.0) == 10
    assert not arming.look(220.0) and not arming.look(0.0)
    arming.arm(300.0, 1.0, "owner", robot)
    arming.disarm("by owner")
    assert not arming.look(301.0)
    assert not Arming(toml, board()).look(301.0)
    written = (toml.parent / LOG).read_text().splitlines()
    assert [line.partition(" ")[2] for line in written] == [
        "armed for 2 minutes by owner",
        "not armed any more: its time is over",
        "armed for 1 minutes by owner",
        "not armed any more: by owner",
    ]
    assert (toml.parent / LOG).stat().st_mode & 0o777 == (toml.parent / BOARD).stat().st_mode & 0o777 == 0o600
    for minutes in (0, -1, float("nan"), LONGEST + 1):
        with pytest.raises(RobotError, match="up to 480 minutes"):
            arming.arm(0.0, minutes, "owner", robot)


def test_zones_that_cannot_be_read_or_were_changed_keep_it_from_being_armed(toml: Path) -> None:
    arming, robot = Arming(toml, board()), load(toml)
    drawn = toml.parent / NAME
    drawn.write_text('{"revision": 1, "zones": [')
    with pytest.raises(RobotError, match="Nothing moves until it is right"):
        arming.arm(0.0, 1.0, "owner", robot)
    drawn.unlink()
    toml.write_text(TOML.replace("[1.6, 0.5], [1.2, 0.5]", "[1.2, 0.5], [1.6, 0.5]"))
    with pytest.raises(RobotError, match="'stairs' can't be used"):
        arming.arm(0.0, 1.0, "owner", robot)
    toml.write_text(TOML.replace("[1.2, 0.0]", "[1.1, 0.0]"))
    with pytest.raises(RobotError, match="were changed: enigma-bridge robot reload"):
        arming.arm(0.0, 1.0, "owner", robot)
    toml.unlink()
    with pytest.raises(RobotError, match="can't be read"):
        arming.arm(0.0, 1.0, "owner", robot)
    assert not arming.look(0.1)


def test_another_board_or_firmware_needs_a_person_who_says_so(toml: Path) -> None:
    there, robot = board(), load(toml)
    arming = Arming(toml, there)
    arming.arm(0.0, 1.0, "owner", robot)
    there.dictionary = replace(there.dictionary)  # it was connected anew, and announced the same
    assert arming.look(1.0)
    there.condition = Condition.LOOKING
    assert arming.look(1.5)  # the cable: motors stand by the firmware's deadman, and it may come back
    there.condition, there.dictionary = Condition.CONNECTED, replace(there.dictionary, layouts=())
    assert not arming.look(2.0)
    for other in (
        there,
        board(welcome=SimpleNamespace(board=8)),
        board(dictionary=replace(there.dictionary, firmware="2")),
    ):
        again = Arming(toml, other)
        with pytest.raises(RobotError, match="arm it with --new-board"):
            again.arm(3.0, 1.0, "owner", robot)
    again.arm(3.0, 1.0, "owner", robot, accept=True)
    assert again.look(4.0)
    with pytest.raises(RobotError, match=r"isn't connected: It speaks version 9"):
        Arming(toml, board(condition=Condition.LOOKING, why="It speaks version 9.")).arm(0.0, 1.0, "owner", robot)
    (toml.parent / BOARD).write_text("{")
    with pytest.raises(RobotError, match="remove it, and arm with --new-board"):
        again.arm(5.0, 1.0, "owner", robot)


async def test_a_robot_that_is_not_armed_stands_whatever_it_is_told(
    toml: Path, caplog: pytest.LogCaptureFixture
) -> None:
    robot = load(toml)
    world = World(robot, room.around(robot, toml), 0.5, 0.5, 0.0)
    async with (
        SimulatedBoard(world) as there,
        Driver(robot, there, (0.5, 0.5, 0.0), arming=Arming(toml, board())) as driver,
    ):
        await until(lambda: driver.envelope.why & Why.UNARMED)
        assert state(driver, 0.0)["armed_seconds"] == 0
        with pytest.raises(RobotError, match="isn't armed, and stands"):
            driver.twist(0.2, 0.0)
        with pytest.raises(RobotError, match="isn't armed, and stands"):
            await driver.call([{"name": "go_to", "targets": ["table"]}])
        driver.envelope.ask(asyncio.get_running_loop().time(), 0.2, 0.0)  # by whatever way
        await asyncio.sleep(0.15)
        assert world.trail == [(0.5, 0.5)]
        with caplog.at_level(logging.WARNING):
            driver.arm(5.0, "owner")
        assert "armed for" in caplog.text

        def moved() -> bool:
            if driver.envelope.armed:
                driver.twist(0.2, 0.0)
            return world.speed[0] > 0.02

        await until(moved)
        assert driver.arming is not None
        driver.arming._until = asyncio.get_running_loop().time()  # its time is over
        await until(lambda: not driver.envelope.armed and driver.envelope.v == 0)


def test_simulation_is_what_serve_does_and_hardware_one_switch(toml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robot", "serve", "--robot", str(toml), "--on", "hardware", "--port", str(toml.parent / "none")]) == 1
    assert "none" in capsys.readouterr().err
    robot = load(toml)
    made = room.around(robot, toml)
    assert len(made.walls) == 4 and made.gap(1.0, 1.0) == 1.0
    (toml.parent / "walls.toml").write_text("walls = [[0, 0, 1, 0]]")
    assert len(room.around(robot, toml).walls) == 1
