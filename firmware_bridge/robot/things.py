"""The things and people that a robot knows by name, where each should be, and where a detector saw it last.

Names come from the `inventory.json` beside robot.toml, the one that the robot specialist is asked with: areas are places of
robot.toml. Sightings come from a detector, as a camera's pipeline, through the robot's socket; where things were put down is
kept in `robot.things.json`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.robot.config import FAR, MOST_BYTES, RobotError
from firmware_bridge.robot.tokens import write_private

INVENTORY, KEPT = "inventory.json", "robot.things.json"
MOST = 2000
TOLD = 1.0  # seconds that a sighting of somebody counts who may walk
STILL, NEWEST = 0.1, 0.3  # metres within which a thing wasn't moved, and the share of its latest look
ALIVE = 3.0  # seconds since a detector's last report after which there is none


@dataclass(frozen=True)
class Thing:
    """id: what orders call it. area: the place where it should be, "": nobody knows."""

    id: str
    name: str
    area: str = ""
    person: bool = False


@dataclass(frozen=True)
class Sighting:
    """Where something was seen: metres on the map, and when (-inf: before this program began)."""

    x: float
    y: float
    at: float


class Things:
    """What is known; areas: the places where things may be, in the inventory's order."""

    def __init__(
        self, known: Sequence[Thing] = (), areas: Mapping[str, str] | None = None, kept: Path | None = None
    ) -> None:
        self.known, self.areas = {each.id: each for each in known}, dict(areas or {})
        self._kept = kept
        self._sightings: dict[str, Sighting] = _read(kept) if kept is not None else {}
        self._reported = -math.inf

    def thing(self, name: object) -> Thing:
        """By its id or its name, in any case. Raises RobotError."""
        wanted = _plain(name) if isinstance(name, str) else ""
        for each in self.known.values():
            if wanted in (_plain(each.id), _plain(each.name)):
                return each
        if not self.known:
            raise RobotError(f"This robot knows no things: {INVENTORY} beside its robot.toml names them.")
        raise RobotError(f"There is no {str(name)[:64]!r} in this robot's {INVENTORY}.")

    def knows(self, name: str) -> bool:
        """Whether there is a thing of that id or name."""
        return any(_plain(name) in (_plain(each.id), _plain(each.name)) for each in self.known.values())

    def detects(self, now: float) -> bool:
        """Whether a detector looks, also where it sees nothing."""
        return now - self._reported <= ALIVE

    def report(self, now: float, seen: Sequence[tuple[str, float, float]], held: Thing | None = None) -> None:
        """What a detector sees now: names or ids, and where on the map; what the gripper holds lies nowhere.

        Raises RobotError: then none of it counts.
        """
        made = {}
        for name, x, y in seen:
            if not (abs(x) <= FAR and abs(y) <= FAR):
                raise RobotError(f"{name[:64]!r} was seen at no place: x and y are metres on the map.")
            if (thing := self.thing(name)) != held:
                made[thing.id] = self._steadied(thing, x, y, now)
        self._reported = now
        self._sightings |= made

    def _steadied(self, thing: Thing, x: float, y: float, now: float) -> Sighting:
        """What lies still is seen a little elsewhere each time: the mean of the last looks, the newest counting most."""
        before = self._sightings.get(thing.id)
        if thing.person or before is None or now - before.at > TOLD or math.dist((before.x, before.y), (x, y)) > STILL:
            return Sighting(x, y, now)
        return Sighting(before.x + NEWEST * (x - before.x), before.y + NEWEST * (y - before.y), now)

    def where(self, thing: Thing) -> Sighting | None:
        """Where it was seen last."""
        return self._sightings.get(thing.id)

    def anew(self, thing: Thing) -> None:
        """The next look counts by itself: those before were from elsewhere."""
        before = self._sightings.get(thing.id)
        if before is not None:
            self._sightings[thing.id] = Sighting(before.x, before.y, -math.inf)

    def lost(self, thing: Thing) -> None:
        """It isn't where it was seen any more."""
        self._sightings.pop(thing.id, None)

    def put(self, thing: Thing, x: float, y: float) -> None:
        """The robot put it down there. That is kept."""
        self._sightings[thing.id] = Sighting(x, y, -math.inf)
        if self._kept is not None:
            plain = {name: [round(each.x, 3), round(each.y, 3)] for name, each in self._sightings.items()}
            with contextlib.suppress(RobotError):  # a full disk: known until the program ends
                write_private(self._kept, json.dumps(plain) + "\n")


def load(toml: Path) -> Things:
    """What lies beside a robot.toml; without an inventory nothing is known. Raises RobotError."""
    path = toml.resolve().with_name(INVENTORY)
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Things()
    except OSError as error:
        raise RobotError(f"{path} can't be read: {error.strerror}.") from None
    try:
        if len(text) > MOST_BYTES:
            raise ValueError("it is too large")
        raw = json.loads(text)
        areas = {str(each["id"]): str(each.get("name") or each["id"]) for each in raw["areas"]}
        known = [
            Thing(
                str(each["id"]),
                str(each.get("name") or each["id"]),
                str(each.get("area") or ""),
                each.get("domain") == "person",
            )
            for each in raw["entities"]
        ]
        if len(known) > MOST:
            raise ValueError(f"up to {MOST} entities are read")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RobotError(f"{path} is no inventory ({error}): see docs/robot-specialist.md.") from None
    return Things(known, areas, path.with_name(KEPT))


def _read(path: Path) -> dict[str, Sighting]:
    """What was put down before; a file that is none of ours is left aside."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        raw = json.loads(path.read_bytes()[:MOST_BYTES])
        made = {str(name): Sighting(float(x), float(y), -math.inf) for name, (x, y) in raw.items()}
        return {name: each for name, each in made.items() if abs(each.x) <= FAR and abs(each.y) <= FAR}
    return {}


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
