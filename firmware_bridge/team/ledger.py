"""What a team has agreed on: every robot's way, every task, and where robots that were lost may stand; and it as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_bridge.errors import BridgeError
from firmware_bridge.team.schedule import Cell

MOST_CELLS, MOST_TASKS = 5000, 500
NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class TeamError(BridgeError):
    """A team, a task or a message of it can't be used; the text says what to change."""


@dataclass(frozen=True)
class Way:
    """cells: one after the other; the first one has the number `first`. Numbers go on for as long as the team runs, and what was
    granted of a way never changes, so a number means one cell for ever."""

    first: int
    cells: tuple[Cell, ...]

    def after(self, number: int) -> tuple[Cell, ...]:
        """The cells from that number on."""
        return self.cells[max(0, number - self.first) :]

    @property
    def last(self) -> int:
        """The number of its last cell."""
        return self.first + len(self.cells) - 1


@dataclass(frozen=True)
class Task:
    """Somewhere to be. robot: who does it, empty: nobody yet."""

    cell: Cell
    priority: int = 0
    robot: str = ""
    done: bool = False


@dataclass(frozen=True)
class Ledger:
    """epoch: of the leader that wrote it; version: grows with each change. wrecks: where lost robots may stand."""

    epoch: int = 0
    version: int = 0
    ways: dict[str, Way] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    wrecks: dict[str, tuple[Cell, ...]] = field(default_factory=dict)

    @property
    def stamp(self) -> tuple[int, int]:
        """The newer of two ledgers has the larger one."""
        return self.epoch, self.version

    def task_of(self, robot: str) -> tuple[str, Task] | None:
        """What a robot has to do."""
        return next(((name, task) for name, task in self.tasks.items() if task.robot == robot and not task.done), None)

    def changed(self, epoch: int, **fields: Any) -> Ledger:
        """The next version."""
        return replace(self, epoch=epoch, version=self.version + 1, **fields)

    def plain(self) -> dict[str, object]:
        """As JSON."""
        return {
            "epoch": self.epoch,
            "version": self.version,
            "ways": {name: [way.first, [list(cell) for cell in way.cells]] for name, way in self.ways.items()},
            "tasks": {
                name: [list(task.cell), task.priority, task.robot, task.done] for name, task in self.tasks.items()
            },
            "wrecks": {name: [list(cell) for cell in cells] for name, cells in self.wrecks.items()},
        }


def read(raw: object) -> Ledger:
    """A ledger of JSON. Raises TeamError."""
    try:
        assert isinstance(raw, dict)
        ways = {_name(name): Way(_whole(first), _cells(cells)) for name, (first, cells) in raw["ways"].items()}
        tasks = {
            _name(name): Task(_cell(cell), _whole(priority, -1000), _name(robot) if robot else "", done is True)
            for name, (cell, priority, robot, done) in raw["tasks"].items()
        }
        wrecks = {_name(name): _cells(cells) for name, cells in raw["wrecks"].items()}
        if len(tasks) > MOST_TASKS or any(not way.cells for way in ways.values()):
            raise ValueError
        return Ledger(_whole(raw["epoch"]), _whole(raw["version"]), ways, tasks, wrecks)
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError):
        raise TeamError("What a team has agreed on can't be read.") from None


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError
    return value


def _whole(value: object, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= 1 << 53:
        raise ValueError
    return value


def _cell(value: object) -> Cell:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError
    return _whole(value[0], -10_000), _whole(value[1], -10_000)


def _cells(value: object) -> tuple[Cell, ...]:
    if not isinstance(value, list) or len(value) > MOST_CELLS:
        raise ValueError
    return tuple(_cell(each) for each in value)
