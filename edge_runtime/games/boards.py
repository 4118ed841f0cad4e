"""Two board games for two players: tic-tac-toe, and connect four in bits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edge_runtime.media import Json, Rejected, reading

FREE, FIRST, SECOND = ".", "X", "O"
IMPOSSIBLE = "impossible state"
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
WIDTH, HEIGHT = 7, 6  # of connect four
_ORDER = (3, 2, 4, 1, 5, 0, 6)  # the middle first, where the best moves are: a search cuts off more
_COLUMN = 0b111111
# A column has seven bits, so that no line runs from the top of one into the next; the seventh is never set.
BOTTOM = sum(1 << 7 * column for column in range(WIDTH))
FULL = BOTTOM * _COLUMN


class TicTacToe:
    """State: {"board": ["X.O", "...", "..X"]}; X begins, so the board tells who is to move. Read: its nine squares."""

    name = "tic_tac_toe"
    actions: tuple[str, ...] = tuple("123456789")

    def read(self, state: object) -> str:
        """The nine squares; raises `Rejected` where no game leads there."""
        board = "".join(_rows(state, 3, 3))
        if not 0 <= board.count(FIRST) - board.count(SECOND) <= 1 or has_row(board) or not free_squares(board):
            raise Rejected(IMPOSSIBLE, "The board isn't one of a game that still goes on.")
        return board

    def parse(self, text: str) -> Json | None:
        """See `Rules`."""
        found = _TOLD_TIC_TAC_TOE.fullmatch(text.strip())
        return None if found is None else {"board": _drawn_rows(found[1], "123456789")}

    def text(self, position: str) -> str:
        """What a player is told."""
        shown = [str(square + 1) if mark == FREE else mark for square, mark in enumerate(position)]
        rows = "\n".join(" ".join(shown[row : row + 3]) for row in (0, 3, 6))
        return f"Tic-tac-toe. You are {to_move(position)} and it is your move.\n{rows}"

    def legal(self, position: str) -> tuple[str, ...]:
        """Numbers of free squares."""
        return tuple(str(square + 1) for square in free_squares(position))

    def code(self, position: str) -> str:
        """One word for the position."""
        return position.replace(FREE, "_")


class ConnectFour:
    """State: {"board": [six rows of seven, the top one first]}; X begins.

    Read: (pieces of the one to move, all pieces) as bits, seven for each column, the lowest for the bottom.
    """

    name = "connect_four"
    actions: tuple[str, ...] = tuple("1234567")

    def read(self, state: object) -> tuple[int, int]:
        """Raises `Rejected` where no game leads there."""
        rows = _rows(state, HEIGHT, WIDTH)
        pieces = {FIRST: 0, SECOND: 0}
        for column in range(WIDTH):
            falling = [row[column] for row in reversed(rows)]
            height = next((n for n, mark in enumerate(falling) if mark == FREE), HEIGHT)
            if any(mark != FREE for mark in falling[height:]):
                raise Rejected(IMPOSSIBLE, "A piece hangs in the air.")
            for n in range(height):
                pieces[falling[n]] |= 1 << (7 * column + n)
        first, second = pieces[FIRST], pieces[SECOND]
        ahead = first.bit_count() - second.bit_count()
        if ahead not in (0, 1) or has_four(first) or has_four(second) or first | second == FULL:
            raise Rejected(IMPOSSIBLE, "The board isn't one of a game that still goes on.")
        return (second if ahead else first), first | second

    def parse(self, text: str) -> Json | None:
        """See `Rules`."""
        found = _TOLD_CONNECT_FOUR.fullmatch(text.strip())
        return None if found is None else {"board": _drawn_rows(found[1], "")}

    def text(self, position: tuple[int, int]) -> str:
        """What a player is told."""
        rows = "\n".join(" ".join(row) for row in drawn(*position))
        return f"Connect four. You are {player(position[1])} and it is your move.\n{rows}\n1 2 3 4 5 6 7"

    def legal(self, position: tuple[int, int]) -> tuple[str, ...]:
        """Columns that aren't full."""
        return tuple(str(column + 1) for column in sorted(open_columns(position[1])))

    def code(self, position: tuple[int, int]) -> str:
        """One word for the position."""
        return f"{position[0]:x}_{position[1]:x}"


def has_row(board: str) -> bool:
    """Whether somebody has three in a row."""
    return any(board[a] != FREE and board[a] == board[b] == board[c] for a, b, c in LINES)


def free_squares(board: str) -> list[int]:
    """0 to 8."""
    return [square for square, mark in enumerate(board) if mark == FREE]


def put(board: str, square: int) -> str:
    """The board after the move of whose turn it is."""
    return f"{board[:square]}{to_move(board)}{board[square + 1 :]}"


def to_move(board: str) -> str:
    """Whose turn it is."""
    return FIRST if board.count(FIRST) == board.count(SECOND) else SECOND


def open_columns(filled: int) -> list[int]:
    """0 to 6, those that aren't full, the middle first."""
    return [column for column in _ORDER if not filled >> (7 * column + 5) & 1]


def drop(filled: int, column: int) -> int:
    """The bit where a piece lands."""
    stack = filled >> (7 * column) & _COLUMN
    return (stack + 1) << (7 * column)


def landings(filled: int) -> int:
    """The bits where the next piece of each column lands."""
    return filled + BOTTOM & FULL


def has_four(pieces: int) -> bool:
    """Whether four of them are in a line."""
    for step in (1, 7, 6, 8):  # up, across, and the two diagonals
        pairs = pieces & pieces >> step
        if pairs & pairs >> 2 * step:
            return True
    return False


def fourths(pieces: int, filled: int) -> int:
    """The free squares that would make four in a line, those in the air too.

    From the solver of Pascal Pons (blog.gamesolver.org), part 6.
    """
    found = pieces << 1 & pieces << 2 & pieces << 3
    for step in (7, 6, 8):
        pair = pieces << step & pieces << 2 * step
        found |= pair & pieces << 3 * step
        found |= pair & pieces >> step
        pair = pieces >> step & pieces >> 2 * step
        found |= pair & pieces << step
        found |= pair & pieces >> 3 * step
    return found & (FULL ^ filled)


def drawn(mine: int, filled: int) -> list[str]:
    """The six rows."""
    me = player(filled)
    other = SECOND if me == FIRST else FIRST

    def mark(column: int, height: int) -> str:
        bit = 1 << (7 * column + height)
        return FREE if not filled & bit else me if mine & bit else other

    return ["".join(mark(column, height) for column in range(WIDTH)) for height in reversed(range(HEIGHT))]


def player(filled: int) -> str:
    """Whose turn it is."""
    return SECOND if filled.bit_count() % 2 else FIRST


_TOLD_TIC_TAC_TOE = re.compile(
    r"Tic-tac-toe\. You are [XO] and it is your move\.\n((?:[XO.1-9](?: [XO.1-9]){2}\n?){3})"
)
_TOLD_CONNECT_FOUR = re.compile(
    r"Connect four\. You are [XO] and it is your move\.\n((?:[XO.](?: [XO.]){6}\n){6})1 2 3 4 5 6 7"
)


def _drawn_rows(rows: str, numbers: str) -> list[object]:
    return ["".join(FREE if mark in numbers else mark for mark in row.split(" ")) for row in rows.strip().split("\n")]


def _rows(state: object, height: int, width: int) -> Sequence[str]:
    board = reading.fields(state, "state", ("board",))["board"]
    rows = reading.items(board, "board", lambda row, where: reading.text(row, where, width), height, height)
    if any(len(row) != width or not _only(row, (FREE, FIRST, SECOND)) for row in rows):
        raise Rejected(IMPOSSIBLE, f"The board must have {height} rows of {width} characters '.', 'X' or 'O'.")
    return rows


def _only(row: str, marks: Iterable[str]) -> bool:
    return set(row) <= set(marks)
