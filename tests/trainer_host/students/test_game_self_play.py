from __future__ import annotations

import random

import torch

from edge_runtime.games.boards import FREE
from trainer_host.students import game_self_play
from trainer_host.students.game import _learn
from trainer_host.students.game_data import Asked, board_lessons
from trainer_host.students.game_matches import Board, opening, played, random_player, start_of, tower_player
from trainer_host.students.game_model import BoardTower
from trainer_host.students.game_self_play import Node, ValueHead, improve
from trainer_host.tasks.game import GAMES
from trainer_host.training.determinism import prepare


def rows(count: int) -> list[Asked]:
    rng, game = random.Random(1), GAMES["tic_tac_toe"]
    boards = [game.read(game.sample(rng)) for _ in range(count)]
    return [Asked(game.name, board, game.optimal(board), {}) for board in boards]


def lost(tower: BoardTower, games: int) -> int:
    rng = random.Random(3)
    one, other = tower_player(tower), random_player(rng)
    starts = [start_of("tic_tac_toe")] * games
    ends = played("tic_tac_toe", one, other, starts) + [-end for end in played("tic_tac_toe", other, one, starts)]
    return ends.count(-1)


def test_a_player_of_few_rows_loses_less_after_games_with_itself() -> None:
    prepare(1)
    tower = BoardTower(16, 1)
    lessons = board_lessons(rows(6), [], 1)
    _learn(tower, lessons, "board", 30, 1, lambda share, values: None)
    before = lost(tower, 100)
    figures = improve(tower, lessons, 400, 1, lambda share, values: None)
    after = lost(tower, 100)
    assert figures["tic_tac_toe_kept"] == 1 and figures["tic_tac_toe_against_before"] >= 0.5
    assert after <= before // 3 and before >= 8


def test_what_is_worse_than_before_is_not_kept(monkeypatch: object) -> None:
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(game_self_play, "points", lambda *players: 0.4)
        patch.setattr(game_self_play, "AT_ONCE", 5)
        prepare(1)
        tower = BoardTower(8, 1)
        state = {name: value.clone() for name, value in tower.state_dict().items()}
        figures = improve(tower, board_lessons(rows(4), [], 1), 5, 1, lambda share, values: None)
    assert figures["tic_tac_toe_kept"] == 0
    assert all(torch.equal(value, state[name]) for name, value in tower.state_dict().items())


def test_the_worth_of_all_games_ends_is_that_of_minimax_where_all_positions_were_met() -> None:
    prepare(1)
    tower, value = BoardTower(8, 1), ValueHead(8)
    start: Board = "X...O...X"
    graph: dict[Board, Node] = {}
    waiting: list[Board] = [start]
    while waiting:
        found = game_self_play._nodes(
            "tic_tac_toe", [b for b in dict.fromkeys(waiting) if b not in graph], tower, value, {}
        )
        graph |= found
        waiting = [after for node in found.values() for after in node.after if after is not None]
    for node in graph.values():
        node.results.append(0)
    carried = game_self_play._carried_back([graph])
    for board, node in carried.items():
        assert isinstance(board, str)
        best = {action for action, worth in zip(node.actions, node.worths, strict=True) if worth == max(node.worths)}
        assert set(GAMES["tic_tac_toe"].optimal(board)) <= best
    assert len(carried) > 20


def test_a_round_gives_each_position_its_results_from_the_side_of_the_one_to_move() -> None:
    prepare(1)
    graph = game_self_play._round("tic_tac_toe", BoardTower(8, 1), ValueHead(8), random.Random(1))
    assert sum(len(node.results) for node in graph.values()) > 300
    for board, node in graph.items():
        assert set(node.results) <= {-1, 0, 1}
        if all(known == 1.0 for known in node.known):
            assert set(node.results) == {1}
        assert all(not isinstance(after, str) or after.count(FREE) == board.count(FREE) - 1 for after in node.after)  # type: ignore[union-attr]
    assert opening("tic_tac_toe", 0, random.Random(1)) == start_of("tic_tac_toe")
