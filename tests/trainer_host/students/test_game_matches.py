from __future__ import annotations

import random
from collections.abc import Sequence

from edge_runtime.games import RULES, lookahead
from trainer_host.students.game_matches import Board, moved, opening, played, points, random_player, start_of
from trainer_host.tasks.game import GAMES


def perfect(game: str, boards: Sequence[Board]) -> list[str]:
    return [GAMES[game].optimal(board)[0] for board in boards]


def first_legal(game: str, boards: Sequence[Board]) -> list[str]:
    return [RULES[game].legal(board)[0] for board in boards]


def test_a_game_goes_on_until_somebody_wins_or_the_board_is_full() -> None:
    # 1 for X, 2 for O, 3, 4, 5, 6, 7: X has the diagonal 3, 5, 7.
    assert played("tic_tac_toe", first_legal, first_legal, [start_of("tic_tac_toe")]) == [1]
    assert played("connect_four", first_legal, first_legal, [start_of("connect_four")]) in ([1], [-1], [0])
    assert moved("XX.OO....", "3").won and moved("XX.OO....", "3").position is None
    assert moved("XOXXOOO.X", "8").position is None and not moved("XOXXOOO.X", "8").won


def test_two_perfect_players_draw_and_random_play_never_beats_one() -> None:
    start = [start_of("tic_tac_toe")] * 30
    assert set(played("tic_tac_toe", perfect, perfect, start)) == {0}
    random_ = random_player(random.Random(1))
    assert (
        min(played("tic_tac_toe", perfect, random_, start)) >= 0 >= max(played("tic_tac_toe", random_, perfect, start))
    )
    assert points("tic_tac_toe", perfect, random_, start) > 0.8


def test_an_opening_goes_on_and_has_its_moves() -> None:
    rng = random.Random(2)
    for moves in range(7):
        board = opening("connect_four", moves, rng)
        assert isinstance(board, tuple) and board[1].bit_count() == moves
        assert lookahead.worths(board[0], board[1], 0)
