"""Rows of the task `game` as planes and targets, the symmetries of the games, and practice around the rows.

Practice: positions that play from a row comes to, judged by the same rules as the rows, lakes with other goals, and
cities. None shows what a held-out row shows, in any of its symmetries. In connect four many moves are often as good as
any by those rules; which of them to prefer is what a search says that judges where it ends.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge_runtime.games import RULES, lookahead
from edge_runtime.games.planes import (
    SIDE,
    WORLD_ACTIONS,
    board_cells,
    board_planes,
    world_cell,
    world_planes,
)
from edge_runtime.games.room_planes import room_cell, room_planes, room_score
from edge_runtime.games.rooms import Stand
from edge_runtime.games.worlds import SPOTS, TAXI_SIDE, Place, taxi_parts
from edge_runtime.media import Rejected
from edge_runtime.tasks.game import TOWERS
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json
from trainer_host.students.game_cities import cities, city_targets
from trainer_host.students.game_matches import Board, bits_of, moved, start_of
from trainer_host.tasks.game import GAMES
from trainer_host.tasks.game_boards import AHEAD

CELLS = SIDE * SIDE
_Targets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # planes, best, legal, preferred
_Made = tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # the game, and these
NINE = "tic_tac_toe"
# So many positions of board games, and so many worlds, are learnt from at least, where the rows are fewer: the most
# played from a row, and the most places for a lake's goal.
POSITIONS, MOST_PLAYED, LEAST_PLAYED = 6000, 80, 4
WORLDS, MOST_GOALS = 1200, 16
CITIES = 400  # for the taxi, besides its own
_AS_GOOD = 3  # of what a judged position may be worth, see `lookahead.standing`
_PLAYED_WELL = 0.6  # share of moves in practice: the others are any, so that mistakes and their answers come up


@dataclass(frozen=True)
class Asked:
    """A row: the game, its state as the rules read it, the actions that are best, and the request that asks for them."""

    game: str
    position: Board | Place | Stand
    best: tuple[str, ...]
    request: Json


@dataclass(frozen=True)
class Lessons:
    """What one tower learns from. planes uint8 [n, planes, 64]; best, legal and preferred (some of the best ones) uint8
    [n, actions, 64] (1 action: cell).

    game: int64 [n], its position in `RULES`. group: int64 [n], the index in `symmetries()` of the first of the
    symmetries that the planes may be turned by; turns: int64 [n], how many there are.
    """

    planes: Tensor
    best: Tensor
    legal: Tensor
    preferred: Tensor
    game: Tensor
    group: Tensor
    turns: Tensor

    def drawn(self, rows: Tensor, shuffle: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those rows, each turned by one of its symmetries: float32 planes [n, planes, 8, 8], best, legal, preferred."""
        cells, actions = symmetries()
        chance = torch.rand(len(rows), generator=shuffle)
        turn = self.group[rows] + (chance * self.turns[rows]).long()

        def turned(values: Tensor) -> Tensor:
            found = values[rows]
            return found.gather(2, cells[turn][:, None].expand_as(found)).to(torch.float32)

        best, legal, preferred = turned(self.best), turned(self.legal), turned(self.preferred)
        if best.shape[1] > 1:
            order = actions[turn][:, :, None].expand_as(best)
            best, legal, preferred = best.gather(1, order), legal.gather(1, order), preferred.gather(1, order)
        return turned(self.planes).reshape(len(rows), -1, SIDE, SIDE), best, legal, preferred


def read_rows(dataset: Path, split: str) -> list[Asked]:
    """Rows of a split, in their order; raises `DataError` for rows of another task."""
    found = []
    for row in open_dataset(dataset).rows(split):
        try:
            game = GAMES[str(row.input["game"])]
            position = game.read(row.input["state"])
        except (KeyError, Rejected):
            raise DataError("The dataset has a row that tells no state of a game; its task isn't game.") from None
        request = {"game": game.name, "state": row.input["state"]}
        found.append(Asked(game.name, position, tuple(game.optimal(position)), request))
    return found


def board_lessons(rows: Sequence[Asked], heldout: Iterable[Asked], seed: int) -> Lessons:
    """Rows of the board games, and practice: of connect four, positions that play from each row comes to; of
    tic-tac-toe, where a row has it, every position, once for all that are the same mirrored or turned."""
    rng = random.Random(seed)
    count = sum(row.game == "connect_four" for row in rows)
    practice = min(MOST_PLAYED, max(LEAST_PLAYED, POSITIONS // max(1, count)))
    seen = {
        key
        for row in heldout
        if not isinstance(row.position, Place | Stand)
        for key in _variants(row.game, row.position)
    }
    made: list[_Made] = []
    for row in rows:
        if isinstance(row.position, Place | Stand):
            continue
        more = () if isinstance(row.position, str) else _played(row.position, practice, rng)
        for position in (row.position, *more):
            key = _planes(row.game, position).tobytes()
            if key in seen:
                continue
            seen.add(key)
            made.append((row.game, *_board_targets(row.game, position)))
    if any(row.game == NINE for row in rows):
        made += [(NINE, *_board_targets(NINE, position)) for position in _every_nine(seen)]
    return _stacked(made, [BOARD_TURNS[game] for game, *_ in made])


def world_lessons(rows: Sequence[Asked], heldout: Iterable[Asked], seed: int) -> Lessons:
    """The worlds of the rows, and practice: what is best in every place of them, but for those of held-out rows, the
    same lakes with their goals elsewhere, and cities where the rows have the taxi."""
    rng = random.Random(seed)
    hidden: dict[bytes, set[int]] = {}
    for row in heldout:
        if isinstance(row.position, Place):
            for key, cell in _turned_places(row.position):
                hidden.setdefault(key, set()).add(cell)
    worlds = dict.fromkeys(_world_of(row.position) for row in rows if isinstance(row.position, Place))
    lakes = [place.map for place in worlds if place.map]
    more = min(MOST_GOALS, WORLDS // max(1, len(lakes)))
    worlds |= dict.fromkeys(Place(other, 0) for lake in lakes for other in _other_goals(lake, more, rng))
    made: list[_Made] = []
    turns = []
    for world in worlds:
        game = "frozen_lake" if world.map else "taxi"
        actions = GAMES[game].actions
        planes = world_planes(world).reshape(-1, CELLS).astype(np.uint8)
        best, legal = np.zeros((2, WORLD_ACTIONS, CELLS), np.uint8)
        for place in _places(game, world):
            cell = world_cell(place)
            if cell not in hidden.get(planes.tobytes(), ()):
                legal[[actions.index(action) for action in GAMES[game].legal(place)], cell] = 1
                best[[actions.index(action) for action in GAMES[game].optimal(place)], cell] = 1
        if best.any():
            made.append((game, planes, best, legal, best))
            turns.append(_LAKE_TURNS[len(world.map)] if world.map else (0, 1))
    if any(not world.map for world in worlds):
        for city in cities(CITIES, rng):
            planes, best, legal = city_targets(city)
            made.append(("taxi", planes, best, legal, best))
            turns.append((0, 1))
    return _stacked(made, turns)


def inputs_of(row: Asked) -> tuple[str, np.ndarray]:
    """The name of the graph's input that shows a row, and its planes, float32 [1, planes, 8, 8]."""
    if isinstance(row.position, Stand):
        planes = room_planes(row.position.room)[None]
    elif isinstance(row.position, Place):
        planes = world_planes(row.position)[None]
    else:
        planes = board_planes(row.game, [bits_of(row.position)])
    return TOWERS[row.game], planes


def cells_of(row: Asked) -> list[tuple[int, int]]:
    """Where the scores of the legal actions lie in that tower's answer: (map, cell), in their order."""
    game = GAMES[row.game]
    if isinstance(row.position, Stand):
        pose = row.position.pose
        legal = [game.actions.index(action) for action in game.legal(row.position)]
        return [(room_score(action, pose.facing), room_cell(pose)) for action in legal]
    if isinstance(row.position, Place):
        cell = world_cell(row.position)
        return [(game.actions.index(action), cell) for action in game.legal(row.position)]
    return [(0, cell) for cell in board_cells(row.game, bits_of(row.position)[1]).values()]


@functools.cache
def symmetries() -> tuple[Tensor, Tensor]:
    """cells int64 [s, 64] and actions int64 [s, 6]: turned[a, i] = value[actions[a], cells[i]].

    The first is none; then those of tic-tac-toe, of connect four, and of lakes of each size, see `BOARD_TURNS`.
    """
    same = np.arange(WORLD_ACTIONS)
    cells, actions = [np.arange(CELLS)], [same]
    grid = np.arange(CELLS).reshape(SIDE, SIDE)
    for side in (3, None, *_LAKE_TURNS):
        for number in range(2 if side is None else 8):
            turned = grid.copy()
            if side is None:  # the columns from the other side
                turned[:7] = grid[:7][::-1] if number else grid[:7]
                cells.append(turned.ravel())
                actions.append(same)
                continue
            quarters, flipped = number % 4, number >= 4
            turned[:side, :side] = np.rot90(grid[:side, :side], quarters)
            order = same.copy()
            # A quarter turn makes left down, down right, right up, and up left.
            order[:4] = (np.arange(4) - quarters) % 4
            if flipped:
                turned[:side, :side] = turned[:side, :side][:, ::-1].copy()
                order[[0, 2]] = order[[2, 0]]
            cells.append(turned.ravel())
            actions.append(order)
    return torch.from_numpy(np.stack(cells)), torch.from_numpy(np.stack(actions))


# (the first of its symmetries, how many): see `symmetries`.
BOARD_TURNS = {"tic_tac_toe": (1, 8), "connect_four": (9, 2)}
_LAKE_TURNS = {side: (11 + 8 * (side - 4), 8) for side in range(4, 9)}


def _played(position: Board, count: int, rng: random.Random) -> Iterator[Board]:
    """Positions of connect four that play comes to, good moves among any, from the start again where a game ends."""
    now = position
    for _ in range(count):
        some = _preferred(now) if rng.random() < _PLAYED_WELL else RULES["connect_four"].legal(now)
        after = moved(now, rng.choice(some)).position
        now = position if after is None else after
        if after is not None:
            yield after


def _every_nine(seen: Set[bytes]) -> Iterator[Board]:
    """Positions of tic-tac-toe in which the game goes on, one of those that are the same mirrored or turned, without
    those whose planes were seen."""
    met: set[bytes] = set()
    waiting = [start_of(NINE)]
    while waiting:
        position = waiting.pop()
        if (key := _planes(NINE, position).tobytes()) in met:
            continue
        met.update(_variants(NINE, position))
        if key not in seen:
            yield position
        after = [moved(position, action).position for action in GAMES[NINE].legal(position)]
        waiting += [position for position in after if position is not None]


def _planes(game: str, position: Board) -> np.ndarray:
    return board_planes(game, [bits_of(position)])[0].reshape(-1, CELLS).astype(np.uint8)


@functools.lru_cache(maxsize=4096)
def _preferred(position: Board) -> tuple[str, ...]:
    """The best moves that a judged search prefers; in tic-tac-toe, of which the end is seen, all the best ones."""
    if isinstance(position, str):
        return tuple(GAMES[NINE].optimal(position))
    found = lookahead.worths(*position, AHEAD, judge=lookahead.standing)
    most = max(found.values())
    least = most if abs(most) > lookahead.SURE else most - _AS_GOOD
    return tuple(str(column + 1) for column, worth in found.items() if worth >= least)


def _board_targets(game: str, position: Board) -> _Targets:
    cells = board_cells(game, bits_of(position)[1])
    best, legal, preferred = np.zeros((3, 1, CELLS), np.uint8)
    legal[0, list(cells.values())] = 1
    best[0, [cells[action] for action in GAMES[game].optimal(position)]] = 1
    preferred[0, [cells[action] for action in _preferred(position)]] = 1
    return _planes(game, position), best, legal, preferred


def _variants(game: str, position: Board) -> Iterator[bytes]:
    """The planes of a position in each of its symmetries."""
    planes = _planes(game, position)
    first, count = BOARD_TURNS[game]
    for cells in symmetries()[0][first : first + count].numpy():
        yield planes[:, cells].tobytes()


def _world_of(place: Place) -> Place:
    """The same world for all places in it: what `world_planes` shows."""
    if place.map:
        return Place(place.map, 0)
    passenger = taxi_parts(place.number)[2]
    if passenger == "taxi":
        return Place((), place.number % 20)
    # Where a waiting passenger wants to go doesn't matter yet, so any other stop may stand for it.
    return Place((), 4 * SPOTS.index(passenger) + (SPOTS.index(passenger) + 1) % 4)


def _other_goals(lake: tuple[str, ...], count: int, rng: random.Random) -> Iterator[tuple[str, ...]]:
    """The lake with its goal at other squares of ice."""
    letters = "".join(lake)
    ice = [number for number, letter in enumerate(letters) if letter == "F"]
    for number in rng.sample(ice, min(count, len(ice))):
        other = letters.replace("G", "F")
        other = f"{other[:number]}G{other[number + 1 :]}"
        yield tuple(other[start : start + len(lake)] for start in range(0, len(other), len(lake)))


def _places(game: str, place: Place) -> Iterator[Place]:
    """All places of a world where a player may stand on the way to the same target."""
    if not place.map:
        waits_and_to = place.number % 20
        yield from (Place((), 20 * cell + waits_and_to) for cell in range(TAXI_SIDE**2))
        return
    side = len(place.map)
    for number in range(side * side):
        state: Json = {"map": list(place.map), "row": number // side + 1, "column": number % side + 1}
        try:
            yield GAMES[game].read(state)
        except Rejected:  # a hole, the goal, or ice that no way leads to
            continue


def _turned_places(place: Place) -> Iterator[tuple[bytes, int]]:
    """The planes and the player's cell in each symmetry of a lake; the taxi's map has none."""
    planes, cell = world_planes(place).reshape(-1, CELLS).astype(np.uint8), world_cell(place)
    first, count = _LAKE_TURNS[len(place.map)] if place.map else (0, 1)
    for cells in symmetries()[0][first : first + count].numpy():
        yield planes[:, cells].tobytes(), int(np.flatnonzero(cells == cell)[0])


def _stacked(made: Sequence[_Made], turns: Sequence[tuple[int, int]]) -> Lessons:
    planes, best, legal, preferred = (
        torch.from_numpy(np.stack([item[part] for item in made])) if made else torch.zeros((0, 1, CELLS))
        for part in (1, 2, 3, 4)
    )
    games = torch.tensor([list(RULES).index(game) for game, *_ in made])
    group, count = torch.tensor(turns).reshape(-1, 2).unbind(1)
    return Lessons(planes, best, legal, preferred, games, group, count)
