"""Looking ahead in board games: to the end in tic-tac-toe, some moves in connect four, or as far as time allows.

In connect four the end of what is looked at is either left open, or judged by the pieces and threats that stand there.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence

from edge_runtime.games.boards import (
    BOTTOM,
    FULL,
    HEIGHT,
    WIDTH,
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
_STANDING = 80  # the most that a judged position is worth
# A free square that makes four is worth most in a row that its player comes to fill when all else is full: the odd rows,
# from 1, for the one who began, and the even rows for the other (Allis 1988, "A knowledge-based approach of connect-four").
_THREAT, _OTHER_THREAT = 16, 2
_ODD_ROWS = BOTTOM | BOTTOM << 2 | BOTTOM << 4
Judge = Callable[[int, int], int]


@functools.cache
def minimax(board: str, ahead: int = 9) -> int:
    """Of tic-tac-toe, for the one to move: positive where it wins within `ahead` moves, more where sooner; at most 5,478
    boards for each `ahead`."""
    free = free_squares(board)
    if has_row(board):
        return -1 - len(free)
    if not free or not ahead:
        return 0
    return max(-minimax(put(board, square), ahead - 1) for square in free)


def _cells_in_lines() -> tuple[int, ...]:
    """Of the numbers of lines of four that the squares lie in, 3 to 13, the bits: a mask of squares for each."""
    lines = [0] * (7 * WIDTH)
    for column in range(WIDTH):
        for row in range(HEIGHT):
            for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
                if column + 3 * right < WIDTH and 0 <= row + 3 * up < HEIGHT:
                    for n in range(4):
                        lines[7 * (column + n * right) + row + n * up] += 1
    return tuple(sum((count >> bit & 1) << cell for cell, count in enumerate(lines)) for bit in range(4))


_IN_LINES = _cells_in_lines()


def standing(mine: int, filled: int) -> int:
    """What a position of connect four that is still open is worth to the one to move, -80 to 80, without looking ahead.

    The lines of four that each one's pieces lie in, and the squares that would make four.
    """
    other = filled ^ mine
    own, others = fourths(mine, filled), fourths(other, filled)
    good = _ODD_ROWS << 1 if filled.bit_count() & 1 else _ODD_ROWS  # rows, for the one to move
    worth = _THREAT * ((own & good).bit_count() - (others & ~good).bit_count())
    worth += _OTHER_THREAT * ((own & ~good).bit_count() - (others & good).bit_count())
    for bit, cells in enumerate(_IN_LINES):
        worth += (mine & cells).bit_count() - (other & cells).bit_count() << bit
    return max(-_STANDING, min(_STANDING, worth))


def search(
    mine: int,
    filled: int,
    ahead: int,
    low: int,
    high: int,
    tick: Callable[[], None] | None = None,
    judge: Judge | None = None,
) -> int:
    """Negamax in connect four: beyond `SURE` where the one to move wins, more where sooner; where nobody does within
    `ahead` moves, what `judge` makes of the position there, as `standing` does, or 0 without one.

    Worth beyond `low` and `high` may be any beyond them. tick: called for each position; what it raises ends the search.
    """
    if not ahead and judge is None:
        return 0
    free = landings(filled)
    if not free:
        return 0
    if fourths(mine, filled) & free:
        return SURE + ahead
    if judge is None:
        if ahead == 1:
            return 0
    elif not ahead:
        return judge(mine, filled)
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
        worth = -search(other, filled | added, ahead - 1, -high, -low, tick, judge)
        best = max(best, worth)
        low = max(low, worth)
        if low >= high:
            break
    return best


def worths(
    mine: int, filled: int, ahead: int, tick: Callable[[], None] | None = None, judge: Judge | None = None
) -> dict[int, int]:
    """What each open column of connect four is worth to the one to move, with `ahead` moves after it; the left one first.

    100 for a win at once, else as `search` from the other's side.
    """
    found = {}
    for column in sorted(open_columns(filled)):
        added = drop(filled, column)
        won = has_four(mine | added)
        found[column] = 100 if won else -search(filled ^ mine, filled | added, ahead, -100, 100, tick, judge)
    return found


class _TimeUp(Exception):
    """The search has had its milliseconds."""


def deepened(mine: int, filled: int, milliseconds: float, first: int = 2) -> tuple[dict[int, int], int]:
    """`worths`, judged, of the deepest search that ends in time, and its `ahead`: one more move at a time, from `first`.

    The first search always ends, so it may take longer than asked for where the machine is slow.
    """
    until = time.perf_counter() + milliseconds / 1000
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen % _CLOCK_EVERY == 0 and time.perf_counter() >= until:
            raise _TimeUp

    found, ahead = worths(mine, filled, first, judge=standing), first
    left = _MOST_AHEAD - filled.bit_count()
    try:
        while ahead < left and time.perf_counter() < until and _open_question(found):
            found, ahead = worths(mine, filled, ahead + 1, tick, standing), ahead + 1
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
