"""Two board games for two players, with search: tic-tac-toe to the end, connect four some moves ahead."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable

from edge_runtime.media import reading
from trainer_host.tasks import Json, Rejected

FREE, FIRST, SECOND = ".", "X", "O"
IMPOSSIBLE = "impossible state"
_LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class TicTacToe:
    """State: {"board": ["X.O", "...", "..X"]}; X begins, so the board tells who is to move."""

    name = "tic_tac_toe"
    rules = (
        "Tic-tac-toe. Three of your marks in a row, column or diagonal win. Free squares show their number, and the "
        "action is the number of a free square. Win as soon as you can, else don't lose."
    )
    actions: tuple[str, ...] = tuple("123456789")
    # Minimax sees to the end, so these moves are best for sure.
    judged = "wins as soon as can be, else draws, else holds out longest"

    def sample(self, rng: random.Random) -> Json:
        """A game of 0 to 7 random moves that nobody has won."""
        while True:
            board = FREE * 9
            for _ in range(rng.randint(0, 7)):
                board = _put(board, rng.choice(_free(board)))
            if not _won(board) and _free(board):
                return {"board": [board[:3], board[3:6], board[6:]]}

    def read(self, state: object) -> str:
        """The nine squares; raises `Rejected` where no game leads there."""
        rows = _rows(state, 3, 3)
        board = "".join(rows)
        if not 0 <= board.count(FIRST) - board.count(SECOND) <= 1 or _won(board) or not _free(board):
            raise Rejected(IMPOSSIBLE, "The board isn't one of a game that still goes on.")
        return board

    def text(self, position: str) -> str:
        """What a player is told."""
        shown = [str(square + 1) if mark == FREE else mark for square, mark in enumerate(position)]
        rows = "\n".join(" ".join(shown[row : row + 3]) for row in (0, 3, 6))
        return f"Tic-tac-toe. You are {_to_move(position)} and it is your move.\n{rows}"

    def legal(self, position: str) -> tuple[str, ...]:
        """Numbers of free squares."""
        return tuple(str(square + 1) for square in _free(position))

    def optimal(self, position: str) -> tuple[str, ...]:
        """The best moves by minimax; see `judged`."""
        values = {square: -_minimax(_put(position, square)) for square in _free(position)}
        best = max(values.values())
        return tuple(str(square + 1) for square, worth in values.items() if worth == best)

    def refuses(self, position: str, action: str) -> str | None:
        """Where the move is a plain mistake, what it does."""
        if action in self.optimal(position):
            return None
        after = -_minimax(_put(position, int(action) - 1))
        return "it loses" if after < 0 else "there is a better move"

    def effort(self, position: str) -> float:
        """More free squares are harder."""
        return len(_free(position)) / 9

    def code(self, position: str) -> str:
        """One word for the position."""
        return position.replace(FREE, "_")


class ConnectFour:
    """State: {"board": [six rows of seven, the top one first]}; X begins."""

    name = "connect_four"
    rules = (
        "Connect four, 7 columns and 6 rows. A piece falls to the lowest free place of its column; four of yours in a "
        "row, column or diagonal win. The action is the number of a column, 1 to 7, that isn't full. Win at once where "
        "you can; never let the other win by force."
    )
    actions: tuple[str, ...] = tuple("1234567")
    judged = "wins soonest, and else isn't lost within the next four moves, if it can be helped"

    def sample(self, rng: random.Random) -> Json:
        """A game of 4 to 24 moves, random but for wins that are taken, which nobody has won."""
        while True:
            mine, filled, moves = 0, 0, rng.randint(4, 24)
            for number in range(moves):
                choices = _open(filled)
                winning = [column for column in choices if _four(mine | _drop(filled, column))]
                # Now and then a win is overlooked, as people do, so that positions with a win come up.
                column = rng.choice(winning if winning and number < moves - 2 else choices)
                added = _drop(filled, column)
                if _four(mine | added):
                    break
                mine, filled = filled ^ mine, filled | added
            else:
                return {"board": _drawn(mine, filled)}

    def read(self, state: object) -> tuple[int, int]:
        """(pieces of the one to move, all pieces) as bits, seven for each column; raises `Rejected`."""
        rows = _rows(state, 6, 7)
        pieces = {FIRST: 0, SECOND: 0}
        for column in range(7):
            falling = [row[column] for row in reversed(rows)]
            height = next((n for n, mark in enumerate(falling) if mark == FREE), 6)
            if any(mark != FREE for mark in falling[height:]):
                raise Rejected(IMPOSSIBLE, "A piece hangs in the air.")
            for n in range(height):
                pieces[falling[n]] |= 1 << (7 * column + n)
        first, second = pieces[FIRST], pieces[SECOND]
        ahead = first.bit_count() - second.bit_count()
        if ahead not in (0, 1) or _four(first) or _four(second) or not _open(first | second):
            raise Rejected(IMPOSSIBLE, "The board isn't one of a game that still goes on.")
        return (second if ahead else first), first | second

    def text(self, position: tuple[int, int]) -> str:
        """What a player is told."""
        rows = "\n".join(" ".join(row) for row in _drawn(*position))
        return f"Connect four. You are {_player(position[1])} and it is your move.\n{rows}\n1 2 3 4 5 6 7"

    def legal(self, position: tuple[int, int]) -> tuple[str, ...]:
        """Columns that aren't full."""
        return tuple(str(column + 1) for column in sorted(_open(position[1])))

    def optimal(self, position: tuple[int, int]) -> tuple[str, ...]:
        """The best moves as far as the search sees; see `judged`."""
        return _connect_best(position)

    def refuses(self, position: tuple[int, int], action: str) -> str | None:
        """Where the move is a plain mistake, what it does."""
        if action in self.optimal(position):
            return None
        mine, filled = position
        won = any(_four(mine | _drop(filled, column)) for column in _open(filled))
        return "there is a win at once" if won else "the other wins soon, or a win is given away"

    def effort(self, position: tuple[int, int]) -> float:
        """Where few of the moves are right it is harder."""
        return 1 - len(self.optimal(position)) / (len(self.legal(position)) + 1)

    def code(self, position: tuple[int, int]) -> str:
        """One word for the position."""
        return f"{position[0]:x}_{position[1]:x}"


AHEAD = 4  # moves after the one that is judged; each more costs five times the time
_ORDER = (3, 2, 4, 1, 5, 0, 6)  # the middle first, where the best moves are: more is cut off
_COLUMN = 0b111111


@functools.lru_cache(maxsize=4096)
def _connect_best(position: tuple[int, int]) -> tuple[str, ...]:
    mine, filled = position
    values = {}
    for column in sorted(_open(filled)):
        added = _drop(filled, column)
        values[column] = 100 if _four(mine | added) else -_search(filled ^ mine, filled | added, AHEAD, -100, 100)
    best = max(values.values())
    return tuple(str(column + 1) for column, worth in values.items() if worth == best)


def _search(mine: int, filled: int, ahead: int, low: int, high: int) -> int:
    """Negamax: positive where the one to move wins, more where sooner; 0 where nobody does within `ahead` moves."""
    if not ahead:
        return 0
    choices = _open(filled)
    if not choices:
        return 0
    best = -100
    for column in choices:
        added = _drop(filled, column)
        if _four(mine | added):
            return 90 + ahead
    for column in choices:
        worth = -_search(filled ^ mine, filled | _drop(filled, column), ahead - 1, -high, -low)
        best = max(best, worth)
        low = max(low, worth)
        if low >= high:
            break
    return best


def _open(filled: int) -> list[int]:
    return [column for column in _ORDER if not filled >> (7 * column + 5) & 1]


def _drop(filled: int, column: int) -> int:
    """The bit where a piece lands."""
    stack = filled >> (7 * column) & _COLUMN
    return (stack + 1) << (7 * column)


def _four(pieces: int) -> bool:
    for step in (1, 7, 6, 8):  # up, across, and the two diagonals; the seventh bit of a column is never set
        pairs = pieces & pieces >> step
        if pairs & pairs >> 2 * step:
            return True
    return False


def _drawn(mine: int, filled: int) -> list[str]:
    me = _player(filled)
    other = SECOND if me == FIRST else FIRST

    def mark(column: int, height: int) -> str:
        bit = 1 << (7 * column + height)
        return FREE if not filled & bit else me if mine & bit else other

    return ["".join(mark(column, height) for column in range(7)) for height in reversed(range(6))]


def _player(filled: int) -> str:
    return SECOND if filled.bit_count() % 2 else FIRST


@functools.cache
def _minimax(board: str) -> int:
    """For the one to move: positive where it wins, more where sooner; at most 5,478 boards."""
    free = _free(board)
    if _won(board):
        return -1 - len(free)
    if not free:
        return 0
    return max(-_minimax(_put(board, square)) for square in free)


def _won(board: str) -> bool:
    return any(board[a] != FREE and board[a] == board[b] == board[c] for a, b, c in _LINES)


def _free(board: str) -> list[int]:
    return [square for square, mark in enumerate(board) if mark == FREE]


def _put(board: str, square: int) -> str:
    return f"{board[:square]}{_to_move(board)}{board[square + 1 :]}"


def _to_move(board: str) -> str:
    return FIRST if board.count(FIRST) == board.count(SECOND) else SECOND


def _rows(state: object, height: int, width: int) -> tuple[str, ...]:
    board = reading.fields(state, "state", ("board",))["board"]
    rows = reading.items(board, "board", lambda row, where: reading.text(row, where, width), height, height)
    if any(len(row) != width or not _only(row, (FREE, FIRST, SECOND)) for row in rows):
        raise Rejected(IMPOSSIBLE, f"The board must have {height} rows of {width} characters '.', 'X' or 'O'.")
    return rows


def _only(row: str, marks: Iterable[str]) -> bool:
    return set(row) <= set(marks)
