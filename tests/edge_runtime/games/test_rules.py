from __future__ import annotations

import random
import time
from collections import Counter
from typing import cast

import numpy as np
import pytest

from edge_runtime.games import RULES, boards, lookahead
from edge_runtime.games.planes import BOARD_PLANES, SIDE, board_cells, board_planes, squares, world_cell, world_planes
from edge_runtime.games.worlds import Place
from edge_runtime.media import Json, Rejected
from trainer_host.tasks.game import GAMES, USUAL


@pytest.mark.parametrize("name", USUAL)
def test_a_text_is_read_back_as_the_state_that_it_tells(name: str) -> None:
    rng = random.Random(1)
    for _ in range(60):
        state = GAMES[name].sample(rng)
        told = RULES[name].text(RULES[name].read(state))
        assert RULES[name].parse(f"{told}\n") == state
        assert all(rules.parse(told) is None for other, rules in RULES.items() if other != name)


@pytest.mark.parametrize("told", ["", "Taxi.", "Frozen lake, 4 by 4.\nSFFF", "x" * 10**6, "Connect four. " * 50])
def test_a_text_of_no_game_is_none(told: str) -> None:
    assert all(rules.parse(told) is None for rules in RULES.values())


def test_a_text_may_tell_an_impossible_state_which_reading_refuses() -> None:
    rules = RULES["tic_tac_toe"]
    state = rules.parse("Tic-tac-toe. You are X and it is your move.\nX X 3\n4 5 6\n7 8 9")
    with pytest.raises(Rejected):
        rules.read(state)


def states_shown(name: str, shown: np.ndarray) -> Json:
    """What pettingzoo shows the player to move, bool [row, column, mine and theirs], as a state. It counts the squares of
    tic-tac-toe down the columns."""
    mine, theirs = (shown[:, :, 0].astype(bool), shown[:, :, 1].astype(bool))
    if name == "tic_tac_toe":
        mine, theirs = mine.T, theirs.T
    me, other = ("X", "O") if mine.sum() == theirs.sum() else ("O", "X")
    return {"board": ["".join(row) for row in np.where(mine, me, np.where(theirs, other, "."))]}


@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four"])
def test_another_referee_sees_the_same_legal_moves_and_the_same_winners(name: str) -> None:
    classic = pytest.importorskip("pettingzoo.classic", reason="pettingzoo isn't installed")
    env = (classic.tictactoe_v3 if name == "tic_tac_toe" else classic.connect_four_v3).env()
    rng, rules, ends = random.Random(4), RULES[name], Counter[str]()
    for _ in range(60):
        env.reset()
        while not env.terminations[env.agent_selection]:
            seen = env.observe(env.agent_selection)
            position = rules.read(states_shown(name, seen["observation"]))
            # Its squares go down the columns.
            free = [3 * (n % 3) + n // 3 if name == "tic_tac_toe" else n for n in np.flatnonzero(seen["action_mask"])]
            assert sorted(rules.legal(position)) == sorted(str(n + 1) for n in free)
            move = int(rng.choice(rules.legal(position))) - 1
            over = ended(name, position, move)
            mover = env.agent_selection
            env.step(3 * (move % 3) + move // 3 if name == "tic_tac_toe" else move)
            assert env.terminations[mover] == (over != "goes on")
        assert env.rewards[mover] == (over == "won")
        ends[over] += 1
    assert set(ends) == {"won", "drawn"} or (name == "connect_four" and ends["won"] == 60)


def ended(name: str, position: object, move: int) -> str:
    """How a game stands after a move, by the rules here."""
    if name == "tic_tac_toe":
        board = boards.put(str(position), move)
        return "won" if boards.has_row(board) else "goes on" if boards.free_squares(board) else "drawn"
    mine, filled = cast(tuple[int, int], position)
    bit = boards.drop(filled, move)
    return "won" if boards.has_four(mine | bit) else "goes on" if filled | bit != boards.FULL else "drawn"


def finishing(mine: int, filled: int) -> int:
    """The free squares that make four, by trying each."""
    free = [1 << 7 * column + height for column in range(7) for height in range(6)]
    return sum(bit for bit in free if not filled & bit and boards.has_four(mine | bit))


def test_the_squares_that_make_four_are_those_found_by_trying_each() -> None:
    rng = random.Random(2)
    for _ in range(200):
        mine, filled = GAMES["connect_four"].read(GAMES["connect_four"].sample(rng))
        for pieces in (mine, filled ^ mine):
            assert boards.fourths(pieces, filled) == finishing(pieces, filled)
        falls = sum(boards.drop(filled, column) for column in boards.open_columns(filled))
        assert boards.landings(filled) == falls


def test_the_planes_of_a_board_show_its_pieces_and_what_wins() -> None:
    position = RULES["tic_tac_toe"].read({"board": ["XX.", "OO.", "X.."]})
    shown = dict(zip(BOARD_PLANES, board_planes("tic_tac_toe", [squares(position)])[0], strict=True))

    def cells(name: str) -> set[tuple[int, int]]:  # row, column, from 1, as a person counts
        return {(int(row) + 1, int(column) + 1) for column, row in zip(*shown[name].nonzero(), strict=True)}

    assert cells("mine") == {(2, 1), (2, 2)}
    assert cells("theirs") == {(1, 1), (1, 2), (3, 1)}
    assert cells("landing") == {(1, 3), (2, 3), (3, 2), (3, 3)}
    assert cells("my last") == {(2, 3)}
    assert cells("their last") == {(1, 3)}
    assert shown["connect four"].sum() == 0 and shown["inside"].sum() == 9


@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four"])
def test_each_legal_move_has_the_cell_of_its_landing(name: str) -> None:
    rng = random.Random(3)
    for _ in range(50):
        position = GAMES[name].read(GAMES[name].sample(rng))
        bits = squares(position) if name == "tic_tac_toe" else position
        found = board_cells(name, bits[1])
        assert tuple(found) == RULES[name].legal(position)
        landing = board_planes(name, [bits])[0][3].reshape(SIDE * SIDE)
        assert set(found.values()) == set(landing.nonzero()[0].tolist())


def test_the_planes_of_a_world_hold_the_way_and_not_the_player() -> None:
    lake = RULES["frozen_lake"].read({"map": ["SFFF", "FHFH", "FFFH", "HFFG"], "row": 3, "column": 2})
    planes = world_planes(lake)
    assert planes[0].sum() == 12 and planes[1, 3, 3] == 1 and planes[1:].sum() == 1
    assert world_cell(lake) == 2 * SIDE + 1
    waits = RULES["taxi"].read({"row": 1, "column": 1, "passenger": "red", "destination": "blue"})
    rides = RULES["taxi"].read({"row": 1, "column": 1, "passenger": "taxi", "destination": "blue"})
    assert world_planes(waits)[1, 0, 0] == 1 and world_planes(rides)[1, 4, 3] == 1
    assert not world_planes(waits)[5].any() and world_planes(rides)[5].sum() == 25


def test_legal_steps_are_those_of_gymnasiums_table() -> None:
    from trainer_host.tasks import game_worlds

    places = [Place((), number) for number in range(500)]
    rng = random.Random(4)
    places += [GAMES["frozen_lake"].read(GAMES["frozen_lake"].sample(rng)) for _ in range(20)]
    for place in places:
        game = GAMES["frozen_lake" if place.map else "taxi"]
        moves = game_worlds._edges(place.map)[place.number]
        assert game.legal(place) == tuple(
            game.actions[action] for action, (after, _, ended) in moves.items() if ended or after != place.number
        )


def test_looking_ahead_ends_in_time_and_sees_a_forced_win() -> None:
    began = time.process_time()
    found, ahead = lookahead.deepened(0, 0, 50)
    assert time.process_time() - began < 0.05 * 4
    assert ahead >= 3 and set(found) == set(range(7))
    rows = [".......", ".......", ".......", ".......", "..OO...", "..XX..."]
    mine, filled = RULES["connect_four"].read({"board": rows})
    found, ahead = lookahead.deepened(mine, filled, 200)
    assert ahead >= 2 and set(lookahead.best(found)) <= {1, 4}  # three with both ends free
    assert found[1] > lookahead.SURE > found[6]
