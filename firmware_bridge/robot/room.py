"""A room that isn't there: its walls, what a scanner sees of them, and the map that a walk through it would give."""

from __future__ import annotations

import math
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firmware_bridge.robot.config import FAR, Robot, RobotError
from firmware_bridge.robot.grid import Grid
from firmware_bridge.robot.slam import points_of
from firmware_bridge.robot.things import INVENTORY

ROOMS = Path(__file__).parent / "rooms"
MOST_WALLS, MOST_THINGS = 5000, 200
BESIDE = (INVENTORY, "arm.toml", "arm.urdf")  # a room's robot.toml, and copied with it
REACH = 8.0  # metres of the scanner
RAYS = 180
FIRST, STEP = -math.pi, 2 * math.pi / RAYS
_SQUARE = ((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0))
EVERY = 0.8  # metres between the places from which the map is drawn


@dataclass(frozen=True)
class Room:
    """walls: float64 [S, 2, 2], the ends of segments, metres. things: where each lies. people: the ways that each walks."""

    walls: np.ndarray
    things: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    people: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    def scan(self, x: float, y: float, heading: float) -> np.ndarray:
        """Metres to the nearest wall, float64 [RAYS], from FIRST on in steps of STEP; inf beyond REACH."""
        return cast(self.walls, (x, y, heading), FIRST + STEP * np.arange(RAYS), REACH)

    def gap(self, x: float, y: float) -> float:
        """Metres from a point to the nearest wall."""
        a, along = self.walls[:, 0], self.walls[:, 1] - self.walls[:, 0]
        to = np.array([x, y]) - a
        part = np.clip((to * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-12), 0, 1)
        return float(np.hypot(*(to - part[:, None] * along).T).min())

    def map(self, radius: float) -> Grid:
        """What a robot of that radius, which may stand anywhere where it fits, would draw."""
        return Grid.of(
            ((x, y, 0.0), points_of(FIRST, STEP, self.scan(x, y, 0.0)))
            for x, y in self._lattice()
            if self.gap(x, y) > radius
        )

    def _lattice(self) -> Iterator[tuple[float, float]]:
        west, south = self.walls.reshape(-1, 2).min(axis=0)
        east, north = self.walls.reshape(-1, 2).max(axis=0)
        for x in np.arange(west + EVERY / 2, east, EVERY):
            for y in np.arange(south + EVERY / 2, north, EVERY):
                yield float(x), float(y)


def around(robot: Robot, toml: Path) -> Room:
    """The room of a robot.toml: the walls.toml beside it, else walls along its fence, else a square. Raises RobotError."""
    if (toml.resolve().parent / "walls.toml").exists():
        return load(str(toml.resolve().parent), toml)
    corners = np.array(robot.fence or _SQUARE, dtype=np.float64)
    return Room(np.stack([corners, np.roll(corners, -1, axis=0)], axis=1))


def names() -> list[str]:
    """The rooms that come with the bridge."""
    return sorted(each.name for each in ROOMS.iterdir() if (each / "walls.toml").exists())


def load(room: str, toml: Path) -> Room:
    """A room that comes with the bridge, or a folder with robot.toml and walls.toml; a missing `toml` is copied out of it.

    Raises RobotError.
    """
    folder = ROOMS / room if room in names() else Path(room)
    try:
        raw = tomllib.loads((folder / "walls.toml").read_text(encoding="utf-8"))
        if not toml.exists():
            shutil.copyfile(folder / "robot.toml", toml)
            for name in BESIDE:
                if (folder / name).exists() and not toml.with_name(name).exists():
                    shutil.copyfile(folder / name, toml.with_name(name))
    except OSError as error:
        raise RobotError(
            f"There is no room {room!r}: {', '.join(names())}, or a folder with walls.toml and robot.toml ({error.strerror})."
        ) from None
    except ValueError as error:
        raise RobotError(f"{folder / 'walls.toml'} isn't TOML: {error}.") from None
    walls = raw.get("walls")
    if not isinstance(walls, list) or not 0 < len(walls) <= MOST_WALLS or not all(_wall(each) for each in walls):
        raise RobotError(f"walls in {folder / 'walls.toml'} must be a list of [x, y, x, y] in metres.")
    things, people = raw.get("things", {}), raw.get("people", {})
    if not isinstance(things, dict) or len(things) > MOST_THINGS or not all(_point(each) for each in things.values()):
        raise RobotError(
            f"things in {folder / 'walls.toml'} must be up to {MOST_THINGS} names, each with [x, y] in metres."
        )
    if (
        not isinstance(people, dict)
        or len(people) > MOST_THINGS
        or not all(isinstance(way, list) and way and all(map(_point, way)) for way in people.values())
    ):
        raise RobotError(
            f"people in {folder / 'walls.toml'} must be names, each with a list of [x, y] that they walk along."
        )
    return Room(
        np.array(walls, dtype=np.float64).reshape(-1, 2, 2),
        {name: (float(x), float(y)) for name, (x, y) in things.items()},
        {name: tuple((float(x), float(y)) for x, y in way) for name, way in people.items()},
    )


def cast(walls: np.ndarray, pose: tuple[float, float, float], angles: np.ndarray, farthest: float) -> np.ndarray:
    """Metres to the nearest wall in each direction; inf beyond `farthest`."""
    a, b = walls[:, 0] - np.array(pose[:2]), walls[:, 1] - walls[:, 0]
    ray = np.stack([np.cos(pose[2] + angles), np.sin(pose[2] + angles)], axis=-1)[:, None]
    cross = ray[..., 0] * b[:, 1] - ray[..., 1] * b[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        away = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / cross
        part = (a[:, 0] * ray[..., 1] - a[:, 1] * ray[..., 0]) / cross
    good = (away > 0) & (part >= 0) & (part <= 1) & (np.abs(cross) > 1e-12)
    nearest = np.where(good, away, np.inf).min(axis=1)
    return np.where(nearest <= farthest, nearest, np.inf)


def _wall(value: object, parts: int = 4) -> bool:
    return (
        isinstance(value, list)
        and len(value) == parts
        and all(isinstance(part, int | float) and not isinstance(part, bool) and abs(part) <= FAR for part in value)
    )


def _point(value: object) -> bool:
    return _wall(value, 2)
