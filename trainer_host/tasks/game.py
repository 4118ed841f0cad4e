"""Task `game`: a state in words gives an action; it is taken in the game, and must be as good as the best.

Which action is best is computed: by breadth-first search in gymnasium's worlds and the rooms of BabyAI, by minimax in
tic-tac-toe, and by a search of five moves in connect four, the only game that isn't searched to its end.
"""

from __future__ import annotations

import random
from typing import Protocol, TypeVar

from edge_runtime.media import reading
from trainer_host.errors import DataError
from trainer_host.media import examples
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, no_options
from trainer_host.tasks.game_boards import ConnectFour, TicTacToe
from trainer_host.tasks.game_rooms import BabyAi
from trainer_host.tasks.game_worlds import FrozenLake, Taxi

State = TypeVar("State")
LEGAL_SCORE = 0.25  # an action that the rules allow and that isn't a best one
MAX_TEXT = 600
_TRIES = 50  # states where anything goes teach nothing; so many are passed over at most


class Game(Protocol[State]):
    """The rules of one game. judged: what makes an action a best one, in words."""

    name: str
    rules: str
    actions: tuple[str, ...]
    judged: str

    def sample(self, rng: random.Random) -> Json:
        """A state that a play from the start comes to, as JSON."""

    def read(self, state: object) -> State:
        """The state of that JSON; raises `Rejected` where no play leads there."""

    def text(self, state: State) -> str:
        """What a player is told."""

    def legal(self, state: State) -> tuple[str, ...]:
        """Actions that the rules allow and that change something; never empty."""

    def optimal(self, state: State) -> tuple[str, ...]:
        """The best of them, in the order of `actions`; never empty."""

    def refuses(self, state: State, action: str) -> str | None:
        """Take a legal action; None where it is a best one, else what is wrong with it."""

    def effort(self, state: State) -> float:
        """How hard it is, 0 to 1."""

    def code(self, state: State) -> str:
        """One word that is equal for equal states."""


GAMES: dict[str, Game] = {game.name: game for game in (FrozenLake(), Taxi(), TicTacToe(), ConnectFour(), BabyAi())}
# What is taught where nothing else is chosen: the rooms of BabyAI need a package more.
USUAL = ("frozen_lake", "taxi", "tic_tac_toe", "connect_four")


def spec(options: Json) -> TaskSpec:
    """options: "games", which of `GAMES` to draw from (default: `USUAL`).

    Raises `DataError` for others, and where the package of a game is missing.
    """
    no_options("game", {name: value for name, value in options.items() if name != "games"})
    names = options.get("games", list(USUAL))
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"game.games must be words from {', '.join(GAMES)}.")
    if extra := [name for name in names if name not in GAMES]:
        raise DataError(f"There is no game '{extra[0][:40]}'; the games are {', '.join(GAMES)}.")
    examples.needs("gymnasium", "Games")
    if "babyai" in names:
        examples.needs("minigrid", "Rooms of BabyAI", "babyai")
    return GameTask(tuple(name for name in GAMES if name in names))


class GameTask(TaskSpec):
    """input: {"game", "state", "text"}; a student reads the text. output: {"action", "optimal", "legal"}.

    optimal and legal: all actions that are best, and that are allowed, for the metric; a student writes `action`.
    """

    name = "game"
    prompt_version = "1"
    metric = f"best actions (an action that is only legal counts {LEGAL_SCORE})"
    answer_schema = reading.strict_object(thinking=reading.STRING, action=reading.STRING)
    example_schema = reading.strict_object(
        input=reading.strict_object(
            game=reading.one_of(*GAMES),
            state={"type": "object"},
            text={"type": "string", "maxLength": MAX_TEXT},
        ),
        output={
            "type": "object",
            "properties": {
                "action": reading.STRING,
                "optimal": {"type": "array", "items": reading.STRING, "minItems": 1, "maxItems": 9},
                "legal": {"type": "array", "items": reading.STRING, "minItems": 1, "maxItems": 9},
            },
            "required": ["action"],
            "additionalProperties": False,
        },
    )
    max_tokens = 400
    temperature = 0.7  # a wrong move is refused anyhow; what varies is the state

    def __init__(self, games: tuple[str, ...] = USUAL) -> None:
        self._games = games
        self._system = (
            "You play games. You are told a game and a state of it, and choose the best action, as JSON.\n"
            "thinking: a few short sentences on what each action leads to. action: one action, spelled as below.\n\n"
            + "\n\n".join(GAMES[name].rules for name in games)
            + '\n\nExample: {"thinking": "The goal is right of me and nothing is between us.", "action": "right"}'
        )

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: a game, and a state of it in which not every action is as good as any other."""
        game = GAMES[rng.choice(self._games)]
        state = game.sample(rng)
        for _ in range(_TRIES):
            position = game.read(state)
            if len(game.optimal(position)) < len(game.legal(position)):
                break
            state = game.sample(rng)
        return {"game": game.name, "state": state}

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        game = GAMES[str(drawn["game"])]
        return Prompt(self._system, f"{game.text(game.read(drawn['state']))}\nActions: {', '.join(game.actions)}.")

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the action must be legal, and is taken; a best one passes."""
        answer = reading.fields(answers[0], "the answer", ("action",), optional=("thinking",))
        game = GAMES[str(drawn["game"])]
        position = game.read(drawn["state"])
        action = _chosen(game, position, answer["action"])
        return _example(game, drawn["state"], action)

    def check(self, example: Example) -> None:
        """See `TaskSpec`: the text must be the state's own, and the action a best one."""
        told = reading.fields(example.input, "input", ("game", "state", "text"))
        game = GAMES[reading.choice(told["game"], "game", tuple(GAMES))]
        position = game.read(told["state"])
        if told["text"] != game.text(position):
            raise Rejected("wrong text", "The text isn't the one that describes this state.")
        output = reading.fields(example.output, "output", ("action",), optional=("optimal", "legal"))
        if _chosen(game, position, output["action"]) != output["action"]:
            raise Rejected("unknown action", f"Write the action as one of {', '.join(game.actions)}.")
        for name, right in (("optimal", game.optimal(position)), ("legal", game.legal(position))):
            if name in output and output[name] != list(right):
                raise Rejected("wrong list", f"The {name} actions are {', '.join(right)}.")

    def key(self, example: Example) -> str:
        """See `TaskSpec`: one word for game and state, as states that look alike may want different actions."""
        game = GAMES[str(example.input["game"])]
        return f"{game.name}_{game.code(game.read(example.input['state']))}"

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: 1 for any best action, `LEGAL_SCORE` for one that is legal, else 0."""
        action = got.get("action")
        if not isinstance(action, str):
            return 0.0
        action = action[:20].strip().lower()
        if action == wanted["action"] or action in _listed(wanted, "optimal"):
            return 1.0
        return LEGAL_SCORE if action in _listed(wanted, "legal") else 0.0

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: a drawn state with the first of its best actions, so that equal states get equal ones."""
        drawn = self.draw(rng)
        game = GAMES[str(drawn["game"])]
        return _example(game, drawn["state"], game.optimal(game.read(drawn["state"]))[0])

    def stratum(self, example: Example) -> str:
        """See `TaskSpec`: the game."""
        return str(example.input["game"])

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: long ways, many free squares and few good moves are harder."""
        game = GAMES[str(example.input["game"])]
        return round(game.effort(game.read(example.input["state"])), 4)


def _chosen(game: Game[State], position: State, action: object) -> str:
    if not isinstance(action, str):
        raise Rejected(reading.WRONG_FORM, "The action must be a text.")
    chosen = action[:40].strip().lower()
    if chosen not in game.actions:
        raise Rejected("unknown action", f"'{chosen}' is no action; the actions are {', '.join(game.actions)}.")
    legal = game.legal(position)
    if chosen not in legal:
        raise Rejected("illegal move", f"'{chosen}' isn't possible here; these are: {', '.join(legal)}.")
    if (why := game.refuses(position, chosen)) is not None:
        raise Rejected("bad move", f"'{chosen}' isn't best: {why}. A best action {game.judged}.")
    return chosen


def _example(game: Game, state: object, action: str) -> Example:
    position = game.read(state)
    told: Json = {"game": game.name, "state": state, "text": game.text(position)}
    return Example(
        told, {"action": action, "optimal": list(game.optimal(position)), "legal": list(game.legal(position))}
    )


def _listed(output: Json, name: str) -> list[object]:
    found = output.get(name)
    return found if isinstance(found, list) else []
