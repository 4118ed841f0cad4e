"""Games: their rules, what a player is told, and what a network is shown. Who knows what is best is the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from edge_runtime.games.boards import ConnectFour, TicTacToe
from edge_runtime.games.rooms import BabyAi
from edge_runtime.games.worlds import FrozenLake, Taxi
from edge_runtime.media import Json

State = TypeVar("State")
MAX_TEXT = 600


class Rules(Protocol[State]):
    """The rules of one game, as a player needs them."""

    name: str
    actions: tuple[str, ...]

    def read(self, state: object) -> State:
        """The state of that JSON; raises `Rejected` where no play leads there, or the game is over."""

    def parse(self, text: str) -> Json | None:
        """The JSON of what `text` tells; None for a text of another form. `read` checks what it says."""

    def text(self, state: State) -> str:
        """What a player is told."""

    def legal(self, state: State) -> tuple[str, ...]:
        """Actions that the rules allow and that change something, in the order of `actions`; never empty."""

    def code(self, state: State) -> str:
        """One word that is equal for equal states."""


RULES: Mapping[str, Rules] = {game.name: game for game in (FrozenLake(), Taxi(), TicTacToe(), ConnectFour(), BabyAi())}
