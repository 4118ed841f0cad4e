from __future__ import annotations

import random

import pytest

from edge_runtime.games import RULES
from edge_runtime.games.room_planes import WORDS, room_cell, room_planes, room_score
from edge_runtime.games.rooms import (
    COLORS,
    DONE,
    FACINGS,
    FORWARD,
    KINDS,
    LEFT,
    PICKUP,
    RIGHT,
    WHERE,
    BabyAi,
    Pose,
    Stand,
    legal_actions,
    mission_of,
    sides_of,
)
from edge_runtime.media import Rejected
from trainer_host.students.game_rooms import other_rooms

ROOMS = list(other_rooms(40, random.Random(1)))


def stands(count: int) -> list[Stand]:
    rng = random.Random(2)
    return [Stand(room, room.start) for room in ROOMS] + [
        Stand(room, Pose(row, column, rng.randrange(4)))
        for room in ROOMS[:count]
        for row in range(6)
        for column in range(6)
        if room.free((row, column))
    ]


def test_a_text_is_read_back_as_the_state_that_it_tells() -> None:
    rules = BabyAi()
    for stand in stands(5):
        told = rules.text(stand)
        assert len(told) <= 600
        state = rules.parse(f"{told}\n")
        assert state is not None and rules.read(state) == stand
        assert all(other.parse(told) is None for other in RULES.values() if other.name != "babyai")


def test_every_mission_of_the_grammar_is_read_and_says_its_words() -> None:
    for verb in ("go to", "pick up"):
        for color in (None, *COLORS):
            for kind in KINDS:
                for where in (None, *WHERE):
                    words = " ".join(filter(None, (verb, "the", color, kind, where)))
                    mission = mission_of(words)
                    assert (mission.fetch, mission.color, mission.kind) == (verb == "pick up", color, kind)
                    assert mission.side == (WHERE[where] if where else None)
                    told = {word for word in words.split() if word in WORDS}
                    assert told == {verb.split()[0], kind} | ({color} - {None}) | ({mission.side} - {None})


@pytest.mark.parametrize(
    "words", ["", "open the door", "go to the red", "go to red ball", "pick up the ball twice", "x" * 79]
)
def test_another_mission_is_one_sentence(words: str) -> None:
    with pytest.raises(Rejected, match="must be as in"):
        mission_of(words)


def test_the_sides_are_those_of_who_looks_that_way() -> None:
    # row 1 is in the north: who faces east has the north on the left
    assert sides_of(Pose(2, 2, FACINGS.index("east")), 1, 4) == (True, False, True, False)
    assert sides_of(Pose(2, 2, FACINGS.index("west")), 1, 4) == (False, True, False, True)
    assert sides_of(Pose(2, 2, FACINGS.index("south")), 2, 4) == (True, False, False, False)
    assert sides_of(Pose(2, 2, FACINGS.index("north")), 1, 2) == (False, False, True, False)


def test_what_is_legal_follows_from_what_is_straight_ahead() -> None:
    for stand in stands(5):
        row, column = stand.pose.ahead
        wall = not (0 <= row < 6 and 0 <= column < 6)
        thing = any((one.row, one.column) == (row, column) for one in stand.room.things)
        more = {PICKUP, DONE} if thing else set() if wall else {FORWARD}
        assert set(legal_actions(stand.room, stand.pose)) == {LEFT, RIGHT} | more


def test_the_planes_show_things_sides_and_words_and_not_the_player() -> None:
    for room in ROOMS:
        planes = room_planes(room)
        assert planes[0].sum() == 36 and planes[1:4].sum() == planes[4:10].sum() == len(room.things)
        said = {word for word, plane in zip(WORDS, planes[14:], strict=True) if plane.any()}
        assert said == set(room.mission.words.split()) & set(WORDS)
    assert room_cell(Pose(2, 3, 0)) == 19
    assert sorted(room_score(a, f) for a in range(5) for f in range(4)) == list(range(20))
