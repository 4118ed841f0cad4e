"""What a robot's orders come to: the places that it drives to one after the other, and where things are in the end.

The same rule says which places the bridge is sent to and, where a dataset is made, which end a sentence must have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_runtime.errors import BadRequest
from edge_runtime.home.inventory import Home
from edge_runtime.home.resolve import Call

DOCK = "dock"


@dataclass
class World:
    """at: the place where the robot is; things: where each is, None: nobody knows; visits: the places it drove to, in order."""

    at: str
    speaker: str
    things: dict[str, str | None]
    visits: list[str] = field(default_factory=list)
    speed: str = "normal"
    follows: str | None = None
    found: list[str] = field(default_factory=list)
    holds: str | None = None

    def end(self) -> dict[str, object]:
        """What is compared: where it went and ended, and what it left behind."""
        return {
            "at": self.at, "visits": list(self.visits), "things": dict(self.things), "speed": self.speed,
            "follows": self.follows, "found": list(self.found), "holds": self.holds,
        }  # fmt: skip


def world(home: Home, at: str, speaker: str | None) -> World:
    """A world in which everything is where the inventory says."""
    return World(at, speaker or at, {entity.id: entity.area for entity in home.entities})


def execute(calls: Sequence[Call], begun: World, home: Home) -> None:
    """Carry out orders in a world, which changes. Raises `BadRequest` for one that can't be."""
    for call in calls:
        if speed := call.arguments.get("speed"):
            begun.speed = str(speed)
        thing = call.targets[0] if call.targets else None
        match call.name:
            case "go_to":
                _drive(begun, str(thing))
            case "dock":
                _drive(begun, DOCK)
            case "patrol":
                for place in call.targets:
                    _drive(begun, place)
            case "follow":
                begun.follows = thing or "speaker"
            case "find":
                assert thing is not None
                _search(begun, home, thing, call.arguments.get("in"))
            case "fetch":
                assert thing is not None
                begun_at = begun.at
                where = call.arguments.get("from") or begun.things.get(thing)
                if begun.holds != thing:
                    _search(begun, home, thing, where)
                _drive(begun, str(call.arguments.get("to") or begun_at))
                begun.things[thing], begun.holds = begun.at, None
            case "place":
                assert thing is not None
                if begun.holds != thing and begun.things.get(thing) != begun.at:
                    _search(begun, home, thing, begun.things.get(thing))
                _drive(begun, str(call.arguments.get("to") or begun.at))
                begun.things[thing], begun.holds = begun.at, None
            case "stop":
                begun.follows = None
            case "set_speed":
                pass
            case _:
                raise BadRequest(f"A robot has no order {call.name[:40]!r}.")


def _drive(begun: World, place: str) -> None:
    if place != begun.at:
        begun.visits.append(place)
    begun.at = place


def _search(begun: World, home: Home, thing: str, where: object) -> None:
    """Drive to where a thing is or may be: the place that was said, else its own, else all of them, one after the other."""
    known = where or begun.things.get(thing)
    for place in [str(known)] if known else [area.id for area in home.areas]:
        _drive(begun, place)
    begun.found.append(thing)
