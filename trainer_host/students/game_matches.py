"""Games between players of board games, many at once: each player chooses for all its positions together."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from edge_runtime.games import RULES, lookahead
from edge_runtime.games.boards import FREE, FULL, drop, free_squares, has_four, has_row, put
from edge_runtime.games.planes import Position, board_cells, board_planes, squares
from edge_runtime.tasks import Specialist
from trainer_host.students.game_model import BoardTower

Board = str | Position  # of tic-tac-toe, of connect four
Player = Callable[[str, Sequence[Board]], list[str]]  # the game and positions -> an action for each


@dataclass(frozen=True)
class After:
    """What a move leads to. position: None where the game is over; won: by the one who moved."""

    position: Board | None
    won: bool = False


def start_of(game: str) -> Board:
    """The empty board."""
    return FREE * 9 if game == "tic_tac_toe" else (0, 0)


def moved(board: Board, action: str) -> After:
    """The position after a legal move."""
    number = int(action) - 1
    if isinstance(board, str):
        after = put(board, number)
        won = has_row(after)
        return After(None if won or not free_squares(after) else after, won)
    mine, filled = board
    added = drop(filled, number)
    won = has_four(mine | added)
    return After(None if won or filled | added == FULL else (filled ^ mine, filled | added), won)


def bits_of(board: Board) -> Position:
    """(pieces of the one to move, all pieces)."""
    return squares(board) if isinstance(board, str) else board


def opening(game: str, moves: int, rng: random.Random) -> Board:
    """A position that so many random moves come to, in which the game still goes on."""
    while True:
        board: Board | None = start_of(game)
        for _ in range(moves):
            if board is not None:
                board = moved(board, rng.choice(RULES[game].legal(board))).position
        if board is not None:
            return board


def played(game: str, first: Player, second: Player, starts: Sequence[Board]) -> list[int]:
    """Play from each start to the end; 1 where `first`, who is to move there, wins, -1 where it loses, else 0."""
    results = [0] * len(starts)
    active: list[tuple[int, Board]] = list(enumerate(starts))
    sign = 1
    while active:
        player = first if sign > 0 else second
        left: list[tuple[int, Board]] = []
        chosen = player(game, [board for _, board in active])
        for (number, board), action in zip(active, chosen, strict=True):
            after = moved(board, action)
            if after.won:
                results[number] = sign
            elif after.position is not None:
                left.append((number, after.position))
        active, sign = left, -sign
    return results


def random_player(rng: random.Random) -> Player:
    """Any legal move."""
    return lambda game, boards: [rng.choice(RULES[game].legal(board)) for board in boards]


def searching_player(rng: random.Random, moves: int = 3, judge: lookahead.Judge | None = None) -> Player:
    """In connect four any of the moves that a search of so many moves finds best; see `lookahead.search`."""

    def choose(game: str, boards: Sequence[Board]) -> list[str]:
        found = [lookahead.worths(*board, moves - 1, judge=judge) for board in boards if not isinstance(board, str)]
        return [str(rng.choice(lookahead.best(worths)) + 1) for worths in found]

    return choose


def asking_player(specialist: Specialist, milliseconds: int | None = None) -> Player:
    """What a loaded player answers to what it is told in words. milliseconds: to look ahead."""
    more: dict[str, object] = {} if milliseconds is None else {"milliseconds": milliseconds}

    def choose(game: str, boards: Sequence[Board]) -> list[str]:
        rules = RULES[game]
        return [str(specialist.run({"text": rules.text(board), **more})["action"]) for board in boards]

    return choose


def tower_player(tower: BoardTower) -> Player:
    """The move with the highest score."""

    def choose(game: str, boards: Sequence[Board]) -> list[str]:
        tower.eval()
        planes = board_planes(game, [bits_of(board) for board in boards])
        with torch.inference_mode():
            scores = tower(torch.from_numpy(planes)).numpy()
        chosen = []
        for row, board in zip(scores, boards, strict=True):
            cells = board_cells(game, bits_of(board)[1])
            chosen.append(max(cells, key=lambda action: float(row[cells[action]])))
        return chosen

    return choose


def points(game: str, one: Player, other: Player, starts: Sequence[Board]) -> float:
    """The share of points of `one` against `other`, who begin from each start in turn; a draw is half a point."""
    results = played(game, one, other, starts) + [-result for result in played(game, other, one, starts)]
    return sum(result + 1 for result in results) / 2 / len(results)
