"""Looking ahead in board games: to the end in tic-tac-toe, some moves in connect four, or as far as time allows."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence

from edge_runtime.games.boards import (
    FULL,
    drop,
    fourths,
    free_squares,
    has_four,
    has_row,
    landings,
    open_columns,
    put,
)

SURE = 90  # a worth beyond it is a win or a loss that the search has seen
LOSS = -200  # below all others
_MOST_AHEAD = 42  # pieces of connect four
_CLOCK_EVERY = 256  # positions between two looks at the clock, half a millisecond or so


@functools.cache
def minimax(board: str) -> int:
    """Of tic-tac-toe, for the one to move: positive where it wins, more where sooner; at most 5,478 boards."""
    free = free_squares(board)
    if has_row(board):
        return -1 - len(free)
    if not free:
        return 0
    return max(-minimax(put(board, square)) for square in free)


def search(mine: int, filled: int, ahead: int, low: int, high: int, tick: Callable[[], None] | None = None) -> int:
    """Negamax in connect four: positive where the one to move wins, more where sooner; 0 where nobody does within
    `ahead` moves.

    Worth beyond `low` and `high` may be any beyond them. tick: called for each position; what it raises ends the search.
    """
    if not ahead:
        return 0
    free = landings(filled)
    if not free:
        return 0
    if fourths(mine, filled) & free:
        return SURE + ahead
    if ahead == 1:
        return 0
    if tick is not None:
        tick()
    other = filled ^ mine
    threats = fourths(other, filled) & free
    if threats & threats - 1:
        return -SURE - ahead + 1  # only one of them can be stopped
    best = LOSS
    for column in open_columns(filled):
        added = drop(filled, column)
        if threats and added & FULL & threats == 0:
            continue  # it would lose at once, which is as bad as can be
        worth = -search(other, filled | added, ahead - 1, -high, -low, tick)
        best = max(best, worth)
        low = max(low, worth)
        if low >= high:
            break
    return best


def worths(mine: int, filled: int, ahead: int, tick: Callable[[], None] | None = None) -> dict[int, int]:
    """What each open column of connect four is worth to the one to move, with `ahead` moves after it; the left one first.

    100 for a win at once, else as `search` from the other's side.
    """
    found = {}
    for column in sorted(open_columns(filled)):
        added = drop(filled, column)
        won = has_four(mine | added)
        found[column] = 100 if won else -search(filled ^ mine, filled | added, ahead, -100, 100, tick)
    return found


class _TimeUp(Exception):
    """The search has had its milliseconds."""


def deepened(mine: int, filled: int, milliseconds: float, first: int = 2) -> tuple[dict[int, int], int]:
    """`worths` of the deepest search that ends in time, and its `ahead`: one more move at a time, from `first` on.

    The first search always ends, so it may take longer than asked for where the machine is slow.
    """
    until = time.perf_counter() + milliseconds / 1000
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen % _CLOCK_EVERY == 0 and time.perf_counter() >= until:
            raise _TimeUp

    found, ahead = worths(mine, filled, first), first
    left = _MOST_AHEAD - filled.bit_count()
    try:
        while ahead < left and time.perf_counter() < until and _open_question(found):
            found, ahead = worths(mine, filled, ahead + 1, tick), ahead + 1
    except _TimeUp:
        pass
    return found, ahead


def best(found: Mapping[int, int]) -> Sequence[int]:
    """The moves that are worth most."""
    most = max(found.values())
    return [move for move, worth in found.items() if worth == most]


def _open_question(found: Mapping[int, int]) -> bool:
    """Whether looking further can change the choice: no win is seen, and more than one move isn't lost."""
    return max(found.values()) < SURE and sum(worth > -SURE for worth in found.values()) > 1
