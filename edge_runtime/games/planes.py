"""What a network is shown of a game: planes of 8 x 8, and where in its answer the scores of the actions lie."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from edge_runtime.games.boards import FREE, FULL, LINES, WIDTH, fourths, landings, to_move
from edge_runtime.games.worlds import SPOT_AT, TAXI_MAP, TAXI_SIDE, Place, taxi_parts

SIDE = 8
BOARD_PLANES = ("inside", "mine", "theirs", "landing", "my last", "their last", "connect four")
WORLD_PLANES = ("open", "target", "wall at the right", "wall at the left", "taxi", "riding")
WORLD_ACTIONS = 6  # of the taxi, the first four those of a lake

Position = tuple[int, int]


def squares(board: str) -> Position:
    """(pieces of the one to move, all pieces) of tic-tac-toe as bits: 7 * column + row."""
    me = to_move(board)
    mine = sum(1 << 7 * (square % 3) + square // 3 for square, mark in enumerate(board) if mark == me)
    filled = sum(1 << 7 * (square % 3) + square // 3 for square, mark in enumerate(board) if mark != FREE)
    return mine, filled


def board_planes(game: str, positions: Sequence[Position]) -> np.ndarray:
    """float32 [positions, planes, column, row (connect four: height)] of a board game, each plane 0 or 1."""
    connect = game == "connect_four"
    masks: list[int] = []
    for mine, filled in positions:
        other = filled ^ mine
        if connect:
            lines = fourths(mine, filled), fourths(other, filled)
            masks += (FULL, mine, other, landings(filled), *lines, FULL)
        else:
            masks += (_NINE, mine, other, _NINE ^ filled, _thirds(mine, filled), _thirds(other, filled), 0)
    raw = np.frombuffer(b"".join(mask.to_bytes(7, "little") for mask in masks), np.uint8)
    bits = np.unpackbits(raw, bitorder="little").reshape(len(positions), len(BOARD_PLANES), SIDE, 7)
    planes = np.zeros((len(positions), len(BOARD_PLANES), SIDE, SIDE), np.float32)
    planes[..., :7] = bits
    return planes


def board_cells(game: str, filled: int) -> dict[str, int]:
    """Each action that is possible -> the cell of [8 x 8] that a piece comes to."""
    if game == "connect_four":
        stacks = ((column, landings(filled) >> 7 * column & 0b111111) for column in range(WIDTH))
        return {str(column + 1): SIDE * column + bit.bit_length() - 1 for column, bit in stacks if bit}
    return {str(s + 1): SIDE * (s % 3) + s // 3 for s in range(9) if not filled >> 7 * (s % 3) + s // 3 & 1}


_NINE = sum(1 << 7 * column + row for column in range(3) for row in range(3))
_THREES = tuple(sum(1 << 7 * (square % 3) + square // 3 for square in line) for line in LINES)


def _thirds(pieces: int, filled: int) -> int:
    """The free squares that would make three in a line."""
    found = 0
    for line in _THREES:
        left = line & ~pieces
        if left & left - 1 == 0:
            found |= left & ~filled
    return found


def world_planes(place: Place) -> np.ndarray:
    """float32 [planes, row, column]: the world and what to go to. Where the player stands isn't among them."""
    if place.map:
        return _lake(place.map)
    _, _, passenger, destination = taxi_parts(place.number)
    return _taxi(destination if passenger == "taxi" else passenger, passenger == "taxi")


def world_cell(place: Place) -> int:
    """The cell of [8 x 8] where the player stands, whose scores count."""
    if place.map:
        row, column = divmod(place.number, len(place.map))
        return SIDE * row + column
    row, column, _, _ = taxi_parts(place.number)
    return SIDE * (row - 1) + column - 1


@functools.lru_cache(maxsize=64)
def _lake(rows: tuple[str, ...]) -> np.ndarray:
    planes = np.zeros((len(WORLD_PLANES), SIDE, SIDE), np.float32)
    letters = np.array([list(row) for row in rows])
    planes[0, : len(rows), : len(rows)] = letters != "H"
    planes[1, : len(rows), : len(rows)] = letters == "G"
    return planes


@functools.lru_cache(maxsize=16)
def _taxi(stop: str, riding: bool) -> np.ndarray:
    planes = np.zeros((len(WORLD_PLANES), SIDE, SIDE), np.float32)
    inside = slice(0, TAXI_SIDE)
    planes[0, inside, inside] = planes[4, inside, inside] = 1
    planes[5, inside, inside] = riding
    row, column = SPOT_AT[stop]
    planes[1, row - 1, column - 1] = 1
    for number, line in enumerate(TAXI_MAP):
        planes[2, number, inside] = [line[2 * (c + 1)] == "|" for c in range(TAXI_SIDE)]
        planes[3, number, inside] = [line[2 * c] == "|" for c in range(TAXI_SIDE)]
    return planes
