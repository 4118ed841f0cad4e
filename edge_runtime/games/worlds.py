"""Two worlds for one player, without chance: a frozen lake and a taxi. The same as gymnasium's, which tests compare."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from edge_runtime.media import Json, Rejected, reading

IMPOSSIBLE = "impossible state"
MIN_SIDE, MAX_SIDE = 4, 8
SPOTS = ("red", "green", "yellow", "blue")  # gymnasium's Taxi: 0 to 3; 4 is inside the taxi
SPOT_AT = {"red": (1, 1), "green": (1, 5), "yellow": (5, 1), "blue": (5, 4)}
TAXI_MAP = ("|R: | : :G|", "| : | : : |", "| : : : : |", "| | : | : |", "|Y| : |B: |")
TAXI_SIDE = 5
_LAKE_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # of left, down, right, up: rows, columns


@dataclass(frozen=True)
class Place:
    """A state of a world. map: the rows of a lake, empty for the taxi. number: as gymnasium counts states."""

    map: tuple[str, ...]
    number: int


class FrozenLake:
    """FrozenLake-v1, not slippery. State: {"map": ["SFFF", ...], "row": 1, "column": 1}, counted from 1."""

    name = "frozen_lake"
    actions: tuple[str, ...] = ("left", "down", "right", "up")

    def read(self, state: object) -> Place:
        """Raises `Rejected` where the lake has no way to the goal, or the player can't stand there."""
        found = reading.fields(state, "state", ("map", "row", "column"))
        rows = reading.items(
            found["map"], "map", lambda row, where: reading.text(row, where, MAX_SIDE), MAX_SIDE, MIN_SIDE
        )
        side = len(rows)
        row = reading.integer(found["row"], "row", 1, side)
        column = reading.integer(found["column"], "column", 1, side)
        letters = "".join(rows)
        if any(len(one) != side for one in rows) or not set(letters) <= set("SFHG"):
            raise Rejected(IMPOSSIBLE, "The map must be a square of the letters S, F, H and G.")
        if letters.count("S") != 1 or letters.count("G") != 1:
            raise Rejected(IMPOSSIBLE, "The map must have one start and one goal.")
        place = Place(rows, (row - 1) * side + column - 1)
        reached = _reached(rows)
        if letters[place.number] in "HG" or place.number not in reached:
            raise Rejected(IMPOSSIBLE, "The player can't stand there.")
        if letters.index("G") not in reached:
            raise Rejected(IMPOSSIBLE, "No way leads to the goal.")
        return place

    def parse(self, text: str) -> Json | None:
        """See `Rules`."""
        found = _TOLD_LAKE.fullmatch(text.strip())
        if found is None:
            return None
        return {"map": list(found[1].strip().split("\n")), "row": int(found[2]), "column": int(found[3])}

    def text(self, place: Place) -> str:
        """What a player is told."""
        side = len(place.map)
        where = f"You are in row {place.number // side + 1}, column {place.number % side + 1}."
        return f"Frozen lake, {side} by {side}.\n" + "\n".join(place.map) + f"\n{where}"

    def legal(self, place: Place) -> tuple[str, ...]:
        """Steps that don't run into the edge."""
        side = len(place.map)
        row, column = divmod(place.number, side)
        return tuple(
            action
            for action, (down, right) in zip(self.actions, _LAKE_STEPS, strict=True)
            if 0 <= row + down < side and 0 <= column + right < side
        )

    def code(self, place: Place) -> str:
        """One word for the state."""
        return f"{'_'.join(place.map)}_{place.number}"


class Taxi:
    """Taxi-v4, dry and with steady passengers. State: {"row", "column", "passenger", "destination"}, from 1."""

    name = "taxi"
    actions: tuple[str, ...] = ("south", "north", "east", "west", "pickup", "dropoff")

    def read(self, state: object) -> Place:
        """Raises `Rejected` for states that no ride comes to."""
        found = reading.fields(state, "state", ("row", "column", "passenger", "destination"))
        row = reading.integer(found["row"], "row", 1, TAXI_SIDE)
        column = reading.integer(found["column"], "column", 1, TAXI_SIDE)
        passenger = reading.choice(found["passenger"], "passenger", (*SPOTS, "taxi"))
        destination = reading.choice(found["destination"], "destination", SPOTS)
        if passenger == destination:
            raise Rejected(IMPOSSIBLE, "The passenger is there already.")
        waits = (*SPOTS, "taxi").index(passenger)
        return Place((), (((row - 1) * TAXI_SIDE + column - 1) * 5 + waits) * 4 + SPOTS.index(destination))

    def parse(self, text: str) -> Json | None:
        """See `Rules`."""
        found = _TOLD_TAXI.fullmatch(text.strip())
        if found is None:
            return None
        return {"row": int(found[1]), "column": int(found[2]), "passenger": found[3] or "taxi", "destination": found[4]}

    def text(self, place: Place) -> str:
        """What a player is told."""
        row, column, passenger, destination = taxi_parts(place.number)
        if passenger == "taxi":
            who = "The passenger sits in the taxi"
        else:
            who = f"The passenger waits at the {passenger} stop (row {SPOT_AT[passenger][0]}, column {SPOT_AT[passenger][1]})"
        to = f"the {destination} stop (row {SPOT_AT[destination][0]}, column {SPOT_AT[destination][1]})"
        return f"Taxi. The taxi is in row {row}, column {column}.\n{who} and wants to go to {to}."

    def legal(self, place: Place) -> tuple[str, ...]:
        """What gymnasium's action mask allows: what changes something."""
        row, column, passenger, _ = taxi_parts(place.number)
        allowed = (
            row < TAXI_SIDE,
            row > 1,
            TAXI_MAP[row - 1][2 * column] == ":",
            TAXI_MAP[row - 1][2 * column - 2] == ":",
            passenger != "taxi" and SPOT_AT[passenger] == (row, column),
            passenger == "taxi" and (row, column) in SPOT_AT.values(),
        )
        return tuple(action for action, may in zip(self.actions, allowed, strict=True) if may)

    def code(self, place: Place) -> str:
        """One word for the state."""
        return f"taxi_{place.number}"


_TOLD_LAKE = re.compile(r"Frozen lake, \d by \d\.\n((?:[SFHG]{4,8}\n){4,8})You are in row (\d), column (\d)\.")
_STOP = r"(red|green|yellow|blue) stop \(row \d, column \d\)"
_TOLD_TAXI = re.compile(
    r"Taxi\. The taxi is in row (\d), column (\d)\.\nThe passenger (?:sits in the taxi|waits at the "
    + _STOP
    + r") and wants to go to the "
    + _STOP
    + r"\."
)


def taxi_parts(number: int) -> tuple[int, int, str, str]:
    """(row, column, passenger, destination) of a state, as `Taxi.read` takes them."""
    number, destination = divmod(number, 4)
    number, passenger = divmod(number, 5)
    row, column = divmod(number, TAXI_SIDE)
    return row + 1, column + 1, (*SPOTS, "taxi")[passenger], SPOTS[destination]


@functools.lru_cache(maxsize=64)
def _reached(rows: tuple[str, ...]) -> frozenset[int]:
    """The squares that a walk from a lake's start comes to, the goal with them."""
    side, letters = len(rows), "".join(rows)
    found, waiting = {letters.index("S")}, [letters.index("S")]
    while waiting:
        row, column = divmod(waiting.pop(), side)
        for down, right in _LAKE_STEPS:
            after = (row + down) * side + column + right
            inside = 0 <= row + down < side and 0 <= column + right < side
            if inside and after not in found and letters[after] != "H":
                found.add(after)
                if letters[after] != "G":
                    waiting.append(after)
    return frozenset(found)
