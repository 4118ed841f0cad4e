"""What the rooms' tower learns from: every square and facing of the rooms of rows, and of others with other missions.

All states of a room are learnt at once, also those that only a mistake leads to. That is where collecting a student's
own runs and asking an expert about them (DAgger, Ross et al. 2011) comes to in the end. Each counts as often as ways
lead through it: the few beside what is meant end every mission, and would be drowned by all the others.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edge_runtime.games import RULES
from edge_runtime.games.planes import SIDE
from edge_runtime.games.room_planes import ROOM_PLANES, room_cell, room_planes, room_score
from edge_runtime.games.rooms import (
    COLORS,
    FACINGS,
    KINDS,
    MAX_ROOM,
    SIDES,
    WHERE,
    BabyAi,
    Pose,
    Room,
    Stand,
    Thing,
    legal_actions,
    mission_of,
    sides_of,
)
from trainer_host.students.game_data import Asked, Lessons
from trainer_host.tasks.game_rooms import best_actions, distances

CELLS = SIDE * SIDE
ACTIONS = len(BabyAi.actions)
ROOMS = 4000  # learnt from at least, where the rows have fewer
_MOST_THINGS = 9
_COLORLESS, _SIDED, _FETCHED = 0.25, 0.65, 0.5  # shares of missions without a colour, with a side, to pick up


@dataclass(frozen=True)
class RoomLessons(Lessons):
    """planes uint8 [n, planes, 64]; best uint8 [n, actions, facings x 64]; legal and preferred float32 of that shape: how
    much the state counts in which the action is legal, or a best one."""

    def drawn(self, rows: Tensor, shuffle: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those rows as they are: float32 planes [n, planes, 8, 8], best, legal, preferred."""
        planes = self.planes[rows].to(torch.float32).reshape(len(rows), -1, SIDE, SIDE)
        return planes, self.best[rows].to(torch.float32), self.legal[rows], self.preferred[rows]


def room_lessons(rows: Sequence[Asked], heldout: Iterable[Asked], seed: int) -> RoomLessons:
    """The rooms of the rows and, where there are any, `ROOMS` others; without the states that held-out rows show."""
    rng = random.Random(seed)
    hidden: dict[Room, set[Pose]] = {}
    for row in heldout:
        if isinstance(row.position, Stand):
            hidden.setdefault(row.position.room, set()).add(row.position.pose)
    found = dict.fromkeys(row.position.room for row in rows if isinstance(row.position, Stand))
    if found:
        found |= dict.fromkeys(other_rooms(ROOMS - len(found), rng))
    planes = np.zeros((len(found), ROOM_PLANES, CELLS), np.uint8)
    best, legal = np.zeros((2, len(found), ACTIONS * len(FACINGS), CELLS), np.float32)
    for number, room in enumerate(found):
        planes[number] = room_planes(room).reshape(-1, CELLS)
        ways = ways_through(room)
        for pose in ways.keys() - hidden.get(room, set()):
            cell = room_cell(pose)
            legal[number, [room_score(action, pose.facing) for action in legal_actions(room, pose)], cell] = ways[pose]
            best[number, [room_score(action, pose.facing) for action in best_actions(room, pose)], cell] = ways[pose]
    shape = (len(found), ACTIONS, len(FACINGS) * CELLS)
    preferred, allowed = torch.from_numpy(best.reshape(shape)), torch.from_numpy(legal.reshape(shape))
    good = (preferred > 0).to(torch.uint8)
    games = torch.full((len(found),), list(RULES).index(BabyAi.name))
    none = torch.zeros(len(found), dtype=torch.int64)
    return RoomLessons(torch.from_numpy(planes), good, allowed, preferred, games, none, none + 1)


def ways_through(room: Room) -> dict[Pose, float]:
    """How many of the ways that begin once in each pose lead through a pose, if those equally far share them alike."""
    far = distances(room)
    alike = Counter(far.values())
    begun = {steps: sum(count for other, count in alike.items() if other >= steps) for steps in alike}
    return {pose: begun[steps] / alike[steps] for pose, steps in far.items()}


def other_rooms(count: int, rng: random.Random) -> Iterator[Room]:
    """Rooms with things and missions as BabyAI has them; what is meant can be reached from where the player began."""
    made = 0
    while made < count:
        squares = rng.sample([(row, column) for row in range(MAX_ROOM) for column in range(MAX_ROOM)], _MOST_THINGS + 1)
        things = tuple(
            Thing(rng.choice(KINDS), rng.choice(COLORS), row, column)
            for row, column in squares[1 : 1 + min(_MOST_THINGS, rng.randint(1, 2 * _MOST_THINGS))]
        )
        start = Pose(*squares[0], rng.randrange(len(FACINGS)))
        room = Room(mission_of(_mission(rng.choice(things), start, rng)), MAX_ROOM, start, things)
        if start in distances(room):
            made += 1
            yield room


def _mission(thing: Thing, start: Pose, rng: random.Random) -> str:
    words = ["pick up the" if rng.random() < _FETCHED else "go to the"]
    if rng.random() >= _COLORLESS:
        words.append(thing.color)
    words.append(thing.kind)
    if rng.random() < _SIDED:
        lies = dict(zip(SIDES, sides_of(start, thing.row, thing.column), strict=True))
        words.append(rng.choice([said for said, side in WHERE.items() if lies[side]]))
    return " ".join(words)
