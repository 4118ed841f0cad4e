"""Cities to practise the taxi in: its own streets with the stop in any square, and streets with other walls.

The taxi's map is one, with four stops: what can be learnt from a part of its states alone is those states. Who has
driven to stops anywhere, around walls anywhere, knows how to drive.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_runtime.games.planes import SIDE, WORLD_ACTIONS, WORLD_PLANES
from edge_runtime.games.worlds import SPOT_AT, TAXI_MAP, TAXI_SIDE

Square = tuple[int, int]  # row and column, from 0

_WALLS = 0.15, 0.45  # share of the places for a wall that have one; on the taxi's own map 0.3
_STEPS: tuple[Square, ...] = ((1, 0), (-1, 0), (0, 1), (0, -1))  # of south, north, east, west
_PICKUP, _DROPOFF = 4, 5


@dataclass(frozen=True)
class City:
    """walls: east of which squares there is one, bool [5, 5]; the last column has the edge. stop: where to go.

    riding: whether the passenger is in the taxi, and leaves it there, or waits there.
    """

    walls: np.ndarray
    stop: Square
    riding: bool


def cities(count: int, rng: random.Random) -> Iterator[City]:
    """The taxi's own streets with a stop where it has none, then `count` others."""
    own = own_walls()
    stops = {(row - 1, column - 1) for row, column in SPOT_AT.values()}
    squares = [(row, column) for row in range(TAXI_SIDE) for column in range(TAXI_SIDE)]
    yield from (City(own, stop, riding) for stop in squares if stop not in stops for riding in (False, True))
    for _ in range(count):
        share = rng.uniform(*_WALLS)
        walls = np.array([[rng.random() < share for _ in range(TAXI_SIDE)] for _ in range(TAXI_SIDE)])
        walls[:, -1] = True
        yield City(walls, rng.choice(squares), rng.random() < 0.5)


def own_walls() -> np.ndarray:
    """Of the taxi's map, as `City` has them."""
    return np.array([[line[2 * column + 2] == "|" for column in range(TAXI_SIDE)] for line in TAXI_MAP])


def city_targets(city: City) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planes as `world_planes` gives them, uint8 [planes, 64]; best and legal actions, uint8 [actions, 64]."""
    planes = np.zeros((len(WORLD_PLANES), SIDE, SIDE), np.uint8)
    inside = slice(0, TAXI_SIDE)
    planes[0, inside, inside] = planes[4, inside, inside] = 1
    planes[1][city.stop] = 1
    planes[2, inside, inside] = city.walls
    planes[3, inside, 0] = 1
    planes[3, inside, 1:TAXI_SIDE] = city.walls[:, :-1]
    planes[5, inside, inside] = city.riding
    best, legal = np.zeros((2, WORLD_ACTIONS, SIDE, SIDE), np.uint8)
    far = _distances(city)
    for (row, column), steps in far.items():
        for action, after in _streets(city, (row, column)):
            legal[action, row, column] = 1
            best[action, row, column] = far[after] < steps
        legal[_DROPOFF, row, column] = city.riding  # anywhere, to learn that it is best at the stop alone
    end = _DROPOFF if city.riding else _PICKUP
    legal[end][city.stop] = best[end][city.stop] = 1
    return planes.reshape(len(planes), -1), best.reshape(len(best), -1), legal.reshape(len(legal), -1)


def _streets(city: City, square: Square) -> Iterator[tuple[int, Square]]:
    """Where one may drive from there: actions and squares."""
    for action, (down, right) in enumerate(_STEPS):
        row, column = square[0] + down, square[1] + right
        if not (0 <= row < TAXI_SIDE and 0 <= column < TAXI_SIDE):
            continue
        if not right or not city.walls[row, min(column, square[1])]:
            yield action, (row, column)


def _distances(city: City) -> dict[Square, int]:
    """Steps to the stop, from each square that a way leads from."""
    found, waiting = {city.stop: 0}, deque([city.stop])
    while waiting:
        square = waiting.popleft()
        for _, other in _streets(city, square):  # every street goes both ways
            if other not in found:
                found[other] = found[square] + 1
                waiting.append(other)
    return found
