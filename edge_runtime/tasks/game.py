"""Task `game`: a state of a game gives the action to take; what the rules don't allow is never chosen."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine, GraphEngine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.games import MAX_TEXT, RULES, Rules, lookahead
from edge_runtime.games.boards import free_squares, put
from edge_runtime.games.planes import (
    BOARD_PLANES,
    SIDE,
    WORLD_ACTIONS,
    WORLD_PLANES,
    Position,
    board_cells,
    board_planes,
    squares,
    world_cell,
    world_planes,
)
from edge_runtime.games.room_planes import ROOM_PLANES, ROOM_SCORES, room_cell, room_planes, room_score
from edge_runtime.games.rooms import Stand
from edge_runtime.games.worlds import Place
from edge_runtime.media import Rejected

NAME = "game"
TOLERANCE = 0.15  # on a score, between int8 runtimes that round differently
MAX_MILLISECONDS = 2000
# Rooms and worlds whose scores are kept. They tell of every place in it, so that a step after the first needs no run.
KEPT = 4
BOARDS = ("tic_tac_toe", "connect_four")
# Moves after its own that a player looks at before each answer: what is then sure to lose isn't chosen. A network this small
# overlooks a few such moves in each game, and int8 others (measured). A third of a millisecond; in tic-tac-toe, where what
# was seen is kept, 20 ms once.
GLANCE = {"tic_tac_toe": 5, "connect_four": 3}
# A graph has a tower for each of the kinds of games that it was taught: see `TOWERS`. Inputs, float32: see
# edge_runtime.games.planes and room_planes. Outputs, float32, logits that an action is a best one: `board_scores` [1,
# cells], `world_scores` [1, actions, cells], `room_scores` [1, actions x facings, cells].
INPUTS = {
    "board": (1, len(BOARD_PLANES), SIDE, SIDE),
    "world": (1, len(WORLD_PLANES), SIDE, SIDE),
    "room": (1, ROOM_PLANES, SIDE, SIDE),
}
OUTPUTS = {
    "board_scores": (1, SIDE * SIDE),
    "world_scores": (1, WORLD_ACTIONS, SIDE * SIDE),
    "room_scores": (1, ROOM_SCORES, SIDE * SIDE),
}
TOWERS = {"tic_tac_toe": "board", "connect_four": "board", "frozen_lake": "world", "taxi": "world", "babyai": "room"}

REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "game": {"type": "string", "enum": list(RULES)},
        "state": {"type": "object"},
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "milliseconds": {"type": "integer", "minimum": 1, "maximum": MAX_MILLISECONDS},
    },
    "anyOf": [{"required": ["game", "state"]}, {"required": ["text"]}],
    "additionalProperties": False,
}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "action": {"type": "string"},
        "confidence": _SHARE,
        "unsure": {"type": "boolean"},
        "scores": {"type": "object", "additionalProperties": _SHARE},
        "ahead": {"type": "integer", "minimum": 0},
    },
    "required": ["action", "confidence", "unsure", "scores"],
}


class Player:
    """A loaded player. scores: for each legal action, how likely it is a best one; the best of them is `action`. In a board
    game a move that a look of `GLANCE` sees to be worse than another one has the score 0, and the only one left 1.

    temperatures: by game that it was taught, what its logits are divided by.
    """

    def __init__(self, unsure: float, temperatures: Mapping[str, float], engine: Engine) -> None:
        self._unsure = unsure
        self._temperatures = temperatures
        self._engine = engine
        # Files of older versions have the towers of boards and worlds, whatever they were taught.
        told = {tensor.name for tensor in engine.inputs} if isinstance(engine, GraphEngine) else None
        self._towers = towers_of(temperatures) if told is None else tuple(name for name in INPUTS if name in told)
        self._empty = {name: np.zeros(INPUTS[name], np.float32) for name in self._towers}
        self._kept = functools.lru_cache(KEPT)(self._scores)  # may be asked by several threads

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Choose an action; with "milliseconds", among the moves that looking so long ahead found best."""
        rules, position = _position(request)
        if rules.name not in self._temperatures:
            raise BadRequest(f"This player was taught {', '.join(self._temperatures)}; {rules.name} isn't among them.")
        legal = rules.legal(position)
        limit = _milliseconds(request, rules.name)
        logits = self._logits(rules.name, position)[: len(legal)]
        shares = 1 / (1 + np.exp(-logits.astype(np.float64) / self._temperatures[rules.name]))
        scores = {action: round(float(share), 4) for action, share in zip(legal, shares, strict=True)}
        if limit is None and rules.name in BOARDS:
            left = _glanced(cast("Position | str", position))
            only = 1.0 if len(left) == 1 else None
            scores = {action: only or score if action in left else 0.0 for action, score in scores.items()}
            logits = np.where([action in left for action in legal], logits, -np.inf)
        # The logits decide, as rounded shares may be equal.
        order = sorted(range(len(legal)), key=lambda number: -logits[number])
        chosen = legal[order[0]]
        if limit is None:
            return self._answer(chosen, scores)
        best, ahead, sure = _looked_ahead(rules.name, position, limit)
        chosen = next(legal[number] for number in order if legal[number] in best)
        answer = self._answer(chosen, scores) | {"ahead": ahead}
        return answer | {"unsure": False} if sure else answer

    def _answer(self, chosen: str, scores: dict[str, float]) -> dict[str, object]:
        return {
            "action": chosen,
            "confidence": scores[chosen],
            "unsure": scores[chosen] < self._unsure and len(scores) > 1,  # who has no choice has no doubt
            "scores": scores,
        }

    def _logits(self, game: str, position: object) -> np.ndarray:
        """float32 [legal actions], in their order."""
        rules = RULES[game]
        legal = [rules.actions.index(action) for action in rules.legal(position)]
        if isinstance(position, Place):
            found = self._kept("world", world_planes(position).tobytes())
            return found[0, legal, world_cell(position)]
        if isinstance(position, Stand):
            found = self._kept("room", room_planes(position.room).tobytes())
            rows = [room_score(action, position.pose.facing) for action in legal]
            return found[0, rows, room_cell(position.pose)]
        bits = squares(position) if isinstance(position, str) else position
        assert isinstance(bits, tuple)
        found = self._run("board", board_planes(game, [bits]))
        return found[0, list(board_cells(game, bits[1]).values())]

    def _scores(self, tower: str, planes: bytes) -> np.ndarray:
        """Of all places of a room or a world. planes: float32, as the tower is shown it."""
        return self._run(tower, np.frombuffer(planes, np.float32).reshape(INPUTS[tower]))

    def _run(self, tower: str, planes: np.ndarray) -> np.ndarray:
        name = f"{tower}_scores"
        found = self._engine.run({**self._empty, tower: planes})[name]
        if found.shape != OUTPUTS[name] or not np.isfinite(found).all():
            raise EngineError(
                f"The player gave {name} of shape {list(found.shape)} instead of {list(OUTPUTS[name])}, or not "
                "numbers; build the bundle again."
            )
        return found


def towers_of(games: Collection[str]) -> tuple[str, ...]:
    """The towers that play these games, in the order of `INPUTS`."""
    wanted = {TOWERS[game] for game in games}
    return tuple(name for name in INPUTS if name in wanted)


def load(manifest: Manifest, folder: Path, engine: Engine) -> Player:
    """A player from a bundle; options must hold the `temperatures` of the games that it was taught."""
    temperatures = manifest.options.get("temperatures")
    if not isinstance(temperatures, dict) or not temperatures or not temperatures.keys() <= RULES.keys():
        raise BundleError("The player's bundle was made for other games; build it again with this version.")
    if not all(isinstance(value, int | float) and 0.01 <= value <= 100 for value in temperatures.values()):
        raise BundleError("The temperatures of a player's bundle must be from 0.01 to 100; build it again.")
    if "unsure" not in manifest.thresholds:
        raise BundleError("A player's bundle needs the threshold 'unsure'; build it again.")
    return Player(manifest.thresholds["unsure"], temperatures, engine)


def agrees(expected: dict[str, object], got: dict[str, object]) -> bool:
    """The same legal actions with scores within `TOLERANCE`, and an action that is nearly the best in both."""
    wanted, given = expected.get("scores"), got.get("scores")
    if not isinstance(wanted, dict) or not isinstance(given, dict) or wanted.keys() != given.keys():
        return False
    if any(abs(float(wanted[action]) - float(given[action])) > TOLERANCE for action in wanted):
        return False
    action = got.get("action")
    return action in wanted and float(wanted[action]) >= max(map(float, wanted.values())) - TOLERANCE


def _position(request: dict[str, object]) -> tuple[Rules, object]:
    """The rules, and the state as they read it; raises `BadRequest`."""
    known = {"game", "state", "text", "milliseconds"}
    if extra := sorted(request.keys() - known):
        raise BadRequest(f'A player reads "game", "state", "text" and "milliseconds"; leave out "{extra[0][:40]}".')
    told = request.get("text")
    if told is not None and (not isinstance(told, str) or len(told) > MAX_TEXT):
        raise BadRequest(f'The "text" must be a text of at most {MAX_TEXT} characters.')
    if "state" in request:
        name, state = request.get("game"), request["state"]
        if not isinstance(name, str) or name not in RULES:
            raise BadRequest(f'The "game" must be one of {", ".join(RULES)}.')
    elif isinstance(told, str):
        name, state = _told(told)
        if request.get("game", name) != name:
            raise BadRequest(f'The "text" tells of {name}; leave out "game", or name that one.')
    else:
        raise BadRequest(
            'A player needs a "game" and its "state", as in {"game": "tic_tac_toe", "state": {"board": '
            '["X.O", "...", "..."]}}, or a "text" that tells both.'
        )
    rules = RULES[name]
    try:
        position = rules.read(state)
    except Rejected as cause:
        detail = cause.detail[:1].upper() + cause.detail[1:]
        raise BadRequest(f"{detail.rstrip('.')}; that is no state of {name} in which a move is due.") from None
    if "state" in request and told is not None and told != rules.text(position):
        raise BadRequest('The "text" doesn\'t tell this "state"; send one of them.')
    return rules, position


def _told(text: str) -> tuple[str, object]:
    lines = text.replace("\\n", "\n")  # as a shell gives what the sentence below says
    for name, rules in RULES.items():
        state = rules.parse(lines)
        if state is not None:
            return name, state
    raise BadRequest(
        'The "text" tells no state of a known game; send "game" and "state", or a text as in "Tic-tac-toe. You are X '
        'and it is your move.\\nX 2 O\\n4 5 6\\n7 8 9".'
    )


def _milliseconds(request: dict[str, object], game: str) -> int | None:
    limit = request.get("milliseconds")
    if limit is None:
        return None
    if game not in BOARDS:
        raise BadRequest(f'Only {" and ".join(BOARDS)} can be looked ahead in; leave out "milliseconds".')
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_MILLISECONDS:
        raise BadRequest(f'The "milliseconds" must be a whole number from 1 to {MAX_MILLISECONDS}.')
    return limit


def _glanced(position: Position | str) -> set[str]:
    """The moves that aren't seen to be worse than another one: they win soonest, or else don't lose, or lose last."""
    if isinstance(position, str):
        return _best_squares(position, GLANCE["tic_tac_toe"])
    found = lookahead.worths(*position, GLANCE["connect_four"])
    return {str(column + 1) for column in lookahead.best(found)}


def _best_squares(board: str, ahead: int) -> set[str]:
    """Of tic-tac-toe, looking so many moves behind the own one."""
    worth = {square: -lookahead.minimax(put(board, square), ahead) for square in free_squares(board)}
    return {str(square + 1) for square in lookahead.best(worth)}


def _looked_ahead(game: str, position: object, limit: int) -> tuple[set[str], int, bool]:
    """The best moves, how many moves after them were looked at, and whether no other move can be as good.

    Tic-tac-toe is seen to its end in 50 ms at most. In connect four what the end isn't seen of is judged.
    """
    if isinstance(position, str):
        best = _best_squares(position, ahead := len(free_squares(position)) - 1)
        return best, ahead, len(best) == 1
    assert isinstance(position, tuple)
    mine, filled = position
    found, ahead = lookahead.deepened(mine, filled, limit)
    not_lost = sum(worth > -lookahead.SURE for worth in found.values())
    sure = max(found.values()) > lookahead.SURE or not_lost == 1
    return {str(column + 1) for column in lookahead.best(found)}, ahead, sure
