"""Zones and places that people drew, in a file beside robot.toml, which nobody's program changes.

What is drawn is checked with robot.toml as a whole before it takes the place of what was drawn before. A file that can't be
read lets nothing move, as a robot.toml that can't.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.robot import config
from firmware_bridge.robot.config import Place, Robot, RobotError, Zone
from firmware_bridge.robot.tokens import write_private

NAME = "robot.drawn.json"
_EMPTY: dict[str, object] = {"revision": 0, "zones": [], "places": []}


@dataclass(frozen=True)
class Drawn:
    """revision: counts the changes, so that nobody overwrites what somebody else drew meanwhile."""

    revision: int = 0
    zones: tuple[Zone, ...] = ()
    places: tuple[Place, ...] = ()

    def over(self, robot: Robot) -> Robot:
        """robot.toml with it. Raises RobotError where both don't agree, as on a name."""
        merged = replace(robot, zones=(*robot.zones, *self.zones), places=(*robot.places, *self.places))
        config.agree(merged)
        return merged


def read(toml: Path) -> Drawn:
    """What was drawn beside a robot.toml. Raises RobotError."""
    path = toml.resolve().with_name(NAME)
    try:
        with path.open("rb") as file:
            text = file.read(config.MOST_BYTES + 1)
        raw = json.loads(text) if len(text) <= config.MOST_BYTES else None
    except FileNotFoundError:
        return Drawn()
    except (OSError, ValueError, RecursionError) as error:
        raise RobotError(f"{path} can't be used: {error}. Nothing moves until it is right or removed.") from None
    if not isinstance(raw, dict):
        raise RobotError(f"{path} isn't what was drawn: remove it, and draw again.")
    try:
        return parse(raw)
    except RobotError as error:
        raise RobotError(f"{path}: {error}") from None


def parse(raw: Mapping[str, object]) -> Drawn:
    """The same of JSON: {"revision", "zones": [{"name", "corners"}], "places": [{"name", "at"}]}. Raises RobotError."""
    for key in raw:
        if key not in _EMPTY:
            raise RobotError(f"{key} isn't a key of what is drawn.")
    rest = {**_EMPTY, **raw}
    revision = rest.pop("revision")
    if isinstance(revision, bool) or not isinstance(revision, int) or revision < 0:
        raise RobotError("revision must be a whole number.")
    return Drawn(revision, config.zones_of(rest), config.places_of(rest))


def write(toml: Path, drawn: Drawn) -> None:
    """Whole or not at all. Raises RobotError."""
    plain = {
        "revision": drawn.revision,
        "zones": [{"name": zone.name, "corners": zone.corners} for zone in drawn.zones],
        "places": [
            {"name": place.name, "at": [place.x, place.y, math.degrees(place.heading)]} for place in drawn.places
        ],
    }
    write_private(toml.resolve().with_name(NAME), json.dumps(plain, indent=1) + "\n")


def load(toml: Path) -> Robot:
    """robot.toml with what was drawn beside it. Raises RobotError."""
    return read(toml).over(config.load(toml))
