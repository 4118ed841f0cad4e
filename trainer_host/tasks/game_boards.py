"""Two board games for two players, with search: tic-tac-toe to the end, connect four some moves ahead."""

from __future__ import annotations

import functools
import random

from edge_runtime.games import boards, lookahead
from edge_runtime.games.boards import FREE, drawn, drop, free_squares, has_four, has_row, open_columns, put
from trainer_host.tasks import Json


class TicTacToe(boards.TicTacToe):
    """See `boards.TicTacToe`, with positions to ask about and what is best in them."""

    rules = (
        "Tic-tac-toe. Three of your marks in a row, column or diagonal win. Free squares show their number, and the "
        "action is the number of a free square. Win as soon as you can, else don't lose."
    )
    # Minimax sees to the end, so these moves are best for sure.
    judged = "wins as soon as can be, else draws, else holds out longest"

    def sample(self, rng: random.Random) -> Json:
        """A game of 0 to 7 random moves that nobody has won."""
        while True:
            board = FREE * 9
            for _ in range(rng.randint(0, 7)):
                board = put(board, rng.choice(free_squares(board)))
            if not has_row(board) and free_squares(board):
                return {"board": [board[:3], board[3:6], board[6:]]}

    def optimal(self, position: str) -> tuple[str, ...]:
        """The best moves by minimax; see `judged`."""
        worth = {square: -lookahead.minimax(put(position, square)) for square in free_squares(position)}
        return tuple(str(square + 1) for square in lookahead.best(worth))

    def refuses(self, position: str, action: str) -> str | None:
        """Where the move is a plain mistake, what it does."""
        if action in self.optimal(position):
            return None
        after = -lookahead.minimax(put(position, int(action) - 1))
        return "it loses" if after < 0 else "there is a better move"

    def effort(self, position: str) -> float:
        """More free squares are harder."""
        return len(free_squares(position)) / 9


class ConnectFour(boards.ConnectFour):
    """See `boards.ConnectFour`, with positions to ask about and what is best in them."""

    rules = (
        "Connect four, 7 columns and 6 rows. A piece falls to the lowest free place of its column; four of yours in a "
        "row, column or diagonal win. The action is the number of a column, 1 to 7, that isn't full. Win at once where "
        "you can; never let the other win by force."
    )
    judged = "wins soonest, and else isn't lost within the next four moves, if it can be helped"

    def sample(self, rng: random.Random) -> Json:
        """A game of 4 to 24 moves, random but for wins that are taken, which nobody has won."""
        while True:
            mine, filled, moves = 0, 0, rng.randint(4, 24)
            for number in range(moves):
                choices = open_columns(filled)
                winning = [column for column in choices if has_four(mine | drop(filled, column))]
                # Now and then a win is overlooked, as people do, so that positions with a win come up.
                column = rng.choice(winning if winning and number < moves - 2 else choices)
                added = drop(filled, column)
                if has_four(mine | added):
                    break
                mine, filled = filled ^ mine, filled | added
            else:
                return {"board": drawn(mine, filled)}

    def optimal(self, position: tuple[int, int]) -> tuple[str, ...]:
        """The best moves as far as the search sees; see `judged`."""
        return _connect_best(position)

    def refuses(self, position: tuple[int, int], action: str) -> str | None:
        """Where the move is a plain mistake, what it does."""
        if action in self.optimal(position):
            return None
        mine, filled = position
        won = any(has_four(mine | drop(filled, column)) for column in open_columns(filled))
        return "there is a win at once" if won else "the other wins soon, or a win is given away"

    def effort(self, position: tuple[int, int]) -> float:
        """Where few of the moves are right it is harder."""
        return 1 - len(self.optimal(position)) / (len(self.legal(position)) + 1)


AHEAD = 4  # moves after the one that is judged


@functools.lru_cache(maxsize=4096)
def _connect_best(position: tuple[int, int]) -> tuple[str, ...]:
    return tuple(str(column + 1) for column in lookahead.best(lookahead.worths(*position, AHEAD)))
