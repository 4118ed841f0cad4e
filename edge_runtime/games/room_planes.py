"""What a network is shown of a room and its mission: planes of 8 x 8, and where the scores of the actions lie."""

from __future__ import annotations

import functools

import numpy as np

from edge_runtime.games.planes import SIDE
from edge_runtime.games.rooms import COLORS, FACINGS, KINDS, SIDES, BabyAi, Pose, Room, sides_of

# The words of missions that say something; a plane of each is full where the mission has the word.
WORDS = ("go", "pick", *COLORS, *KINDS, *SIDES)
_SHOWN = ("inside", *KINDS, *COLORS, *SIDES)
ROOM_PLANES = len(_SHOWN) + len(WORDS)
ROOM_SCORES = len(BabyAi.actions) * len(FACINGS)


@functools.lru_cache(maxsize=64)
def room_planes(room: Room) -> np.ndarray:
    """float32 [planes, row, column]: squares, kinds, colours, sides of where the player began, and the mission's words.

    Where the player stands isn't among them: the scores tell of every square and facing.
    """
    planes = np.zeros((ROOM_PLANES, SIDE, SIDE), np.float32)
    inside = slice(0, room.side)
    planes[0, inside, inside] = 1
    for one in room.things:
        planes[_SHOWN.index(one.kind), one.row, one.column] = 1
        planes[_SHOWN.index(one.color), one.row, one.column] = 1
        first = _SHOWN.index(SIDES[0])
        planes[first : first + len(SIDES), one.row, one.column] = sides_of(room.start, one.row, one.column)
    said = room.mission.words.split()
    for number, word in enumerate(WORDS):
        planes[len(_SHOWN) + number, inside, inside] = word in said
    return planes


def room_score(action: int, facing: int) -> int:
    """Which of the `ROOM_SCORES` maps tells of an action for a player who faces there."""
    return action * len(FACINGS) + facing


def room_cell(pose: Pose) -> int:
    """The cell of such a map where the player stands."""
    return SIDE * pose.row + pose.column
