"""Rooms of BabyAI: one room with balls, boxes and keys, a mission in words, and a player who turns and steps.

The whole room is the state, as minigrid's FullyObsWrapper shows it. What a player must remember is where it began, as
"on your left" and the like are meant from there; it is part of the state.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from edge_runtime.media import Json, Rejected, reading

IMPOSSIBLE = "impossible state"
MIN_ROOM, MAX_ROOM = 2, 6  # squares per side, without the walls
MAX_THINGS = 12
MAX_MISSION = 80
KINDS = ("ball", "box", "key")
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
SIDES = ("left", "right", "front", "behind")  # of the player where it began
FACINGS = ("east", "south", "west", "north")  # as minigrid counts directions: each is a turn right of the one before
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # of each facing: rows, columns
LEFT, RIGHT, FORWARD, PICKUP, DONE = range(5)
WHERE = {"on your left": "left", "on your right": "right", "in front of you": "front", "behind you": "behind"}
_MISSION = re.compile(
    rf"(go to|pick up) (?:the|a) (?:({'|'.join(COLORS)}) )?({'|'.join(KINDS)})(?: ({'|'.join(WHERE)}))?"
)


@dataclass(frozen=True)
class Mission:
    """What a mission says. color and side: None where it names none."""

    words: str
    fetch: bool
    kind: str
    color: str | None
    side: str | None


@dataclass(frozen=True)
class Pose:
    """Where a player stands. row and column from 0; facing: its place in `FACINGS`."""

    row: int
    column: int
    facing: int

    @property
    def ahead(self) -> tuple[int, int]:
        """The square in front."""
        down, right = STEPS[self.facing]
        return self.row + down, self.column + right


@dataclass(frozen=True)
class Thing:
    """Something that lies in a room."""

    kind: str
    color: str
    row: int
    column: int


@dataclass(frozen=True)
class Room:
    """What stays as it is while a mission is on. side: squares per side. start: where the player began."""

    mission: Mission
    side: int
    start: Pose
    things: tuple[Thing, ...]

    @functools.cached_property
    def taken(self) -> frozenset[tuple[int, int]]:
        """The squares where something lies."""
        return frozenset((thing.row, thing.column) for thing in self.things)

    def free(self, square: tuple[int, int]) -> bool:
        """Whether a player can stand there."""
        return 0 <= square[0] < self.side and 0 <= square[1] < self.side and square not in self.taken


@dataclass(frozen=True)
class Stand:
    """A state: a room, and where the player stands in it."""

    room: Room
    pose: Pose


class BabyAi:
    """BabyAI's levels of one room: GoToRedBall, GoToObj, GoToLocal, PickupLoc.

    State: {"mission": "pick up the red ball on your left", "side": 6, "row": 2, "column": 3, "facing": "north", "start":
    {"row", "column", "facing"}, "things": [{"kind": "ball", "color": "red", "row": 1, "column": 1}, ...]}; rows and
    columns from 1, row 1 in the north. "done" says that the thing to go to is straight ahead.
    """

    name = "babyai"
    actions: tuple[str, ...] = ("left", "right", "forward", "pickup", "done")

    def read(self, state: object) -> Stand:
        """Raises `Rejected` for another mission than BabyAI's, and where the player or a thing can't be."""
        found = reading.fields(state, "state", ("mission", "side", "row", "column", "facing", "start", "things"))
        mission = mission_of(reading.text(found["mission"], "mission", MAX_MISSION))
        side = reading.integer(found["side"], "side", MIN_ROOM, MAX_ROOM)
        start = _pose(reading.fields(found["start"], "start", ("row", "column", "facing")), side)
        things = reading.items(found["things"], "things", lambda one, where: _thing(one, where, side), MAX_THINGS, 1)
        room = Room(mission, side, start, things)
        pose = _pose(found, side)
        if len(room.taken) < len(things):
            raise Rejected(IMPOSSIBLE, "Two things lie on the same square.")
        if {(pose.row, pose.column), (start.row, start.column)} & room.taken:
            raise Rejected(IMPOSSIBLE, "The player stands where something lies.")
        return Stand(room, pose)

    def parse(self, text: str) -> Json | None:
        """See `Rules`."""
        found = _TOLD.fullmatch(text.strip())
        if found is None:
            return None
        side, mission, row, column, facing, *start, things = found.groups()
        return {
            "mission": mission,
            "side": int(side),
            "row": int(row),
            "column": int(column),
            "facing": facing,
            "start": {"row": int(start[0]), "column": int(start[1]), "facing": start[2]},
            "things": [
                {"kind": kind, "color": color, "row": int(row), "column": int(column)}
                for color, kind, row, column in _TOLD_THING.findall(things)
            ],
        }

    def text(self, stand: Stand) -> str:
        """What a player is told."""
        room, pose, start = stand.room, stand.pose, stand.room.start
        things = "; ".join(
            f"{one.color} {one.kind} in row {one.row + 1}, column {one.column + 1}" for one in room.things
        )
        return (
            f"Room, {room.side} by {room.side}. Mission: {room.mission.words}.\n"
            f"You are in row {pose.row + 1}, column {pose.column + 1} and face {FACINGS[pose.facing]}; you began in row "
            f"{start.row + 1}, column {start.column + 1} and faced {FACINGS[start.facing]}.\nThings: {things}."
        )

    def legal(self, stand: Stand) -> tuple[str, ...]:
        """Turns, a step onto a free square, and what can be done with a thing that is straight ahead."""
        return tuple(self.actions[action] for action in legal_actions(stand.room, stand.pose))

    def code(self, stand: Stand) -> str:
        """One word for the state."""
        room, poses = stand.room, (stand.pose, stand.room.start)
        where = "_".join(f"{pose.row}{pose.column}{FACINGS[pose.facing][0]}" for pose in poses)
        things = "_".join(f"{one.color}{one.kind}{one.row}{one.column}" for one in room.things)
        return f"{room.mission.words.replace(' ', '_')}_{room.side}_{where}_{things}"


def mission_of(words: str) -> Mission:
    """What a mission in BabyAI's words says; raises `Rejected`."""
    plain = words.strip().rstrip(".").lower()
    found = _MISSION.fullmatch(plain)
    if found is None:
        raise Rejected(
            "unknown mission",
            'The mission must be as in "go to the red ball" or "pick up a key on your left" (a ball, box or key; '
            "in front of you, behind you, on your left or on your right).",
        )
    verb, color, kind, where = found.groups()
    return Mission(plain, verb == "pick up", kind, color, WHERE.get(where))


def legal_actions(room: Room, pose: Pose) -> tuple[int, ...]:
    """The places in `BabyAi.actions` of those that change something, or end the mission."""
    if room.free(pose.ahead):
        return LEFT, RIGHT, FORWARD
    return (LEFT, RIGHT, PICKUP, DONE) if pose.ahead in room.taken else (LEFT, RIGHT)


def sides_of(start: Pose, row: int, column: int) -> tuple[bool, ...]:
    """Whether a square lies on each of the `SIDES` of a player who stands at `start`."""
    down, right = STEPS[start.facing]
    rows, columns = row - start.row, column - start.column
    front = rows * down + columns * right
    to_right = rows * right - columns * down
    return to_right < 0, to_right > 0, front > 0, front < 0


_AT = r"row (\d), column (\d)"
_FACING = f"({'|'.join(FACINGS)})"
_TOLD = re.compile(
    rf"Room, (\d) by \d\. Mission: ([a-z ]+)\.\nYou are in {_AT} and face {_FACING}; you began in {_AT} and faced "
    rf"{_FACING}\.\nThings: ([a-z0-9 ,;]+)\."
)
_TOLD_THING = re.compile(rf"({'|'.join(COLORS)}) ({'|'.join(KINDS)}) in {_AT}")


def _pose(found: Json, side: int) -> Pose:
    row = reading.integer(found["row"], "row", 1, side)
    column = reading.integer(found["column"], "column", 1, side)
    return Pose(row - 1, column - 1, FACINGS.index(reading.choice(found["facing"], "facing", FACINGS)))


def _thing(value: object, where: str, side: int) -> Thing:
    found = reading.fields(value, where, ("kind", "color", "row", "column"))
    row = reading.integer(found["row"], f"{where}.row", 1, side)
    column = reading.integer(found["column"], f"{where}.column", 1, side)
    kind = reading.choice(found["kind"], f"{where}.kind", KINDS)
    return Thing(kind, reading.choice(found["color"], f"{where}.color", COLORS), row - 1, column - 1)
