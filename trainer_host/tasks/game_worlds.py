"""Two worlds of gymnasium for one player, without chance: a frozen lake and a taxi. Paths are searched, steps executed."""

from __future__ import annotations

import functools
import random
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.games import worlds
from edge_runtime.games.worlds import MAX_SIDE, MIN_SIDE, TAXI_MAP, Place, taxi_parts
from trainer_host.tasks import Json

if TYPE_CHECKING:
    import gymnasium


class FrozenLake(worlds.FrozenLake):
    """See `worlds.FrozenLake`, with states to ask about; the best steps are searched and taken in gymnasium's own."""

    rules = (
        "Frozen lake, on a grid: S start, F ice, H hole, G goal. Row 1 is at the top, column 1 at the left. The actions "
        "left, down, right and up move one square. A hole ends the game. Reach G in as few steps as can be."
    )
    judged = "a step of a shortest way to the goal, by breadth-first search"

    def sample(self, rng: random.Random) -> Json:
        """A random map with a way through it, and a place on it where a random walk from the start ends."""
        from gymnasium.envs.toy_text.frozen_lake import generate_random_map

        side = rng.randint(MIN_SIDE, MAX_SIDE)
        rows = tuple(generate_random_map(side, rng.choice((0.7, 0.75, 0.8, 0.85)), seed=rng.getrandbits(31)))
        env = _made(rows)
        number, _ = env.reset(seed=0)
        for _ in range(rng.randint(0, 3 * side)):
            after, _, ended, _, _ = env.step(rng.randrange(4))
            if ended:  # a hole, or the goal: the walk stays beside it
                _at(env, int(number))
            else:
                number = after
        return {"map": list(rows), "row": int(number) // side + 1, "column": int(number) % side + 1}

    def optimal(self, place: Place) -> tuple[str, ...]:
        """See `judged`."""
        return _best(self, place)

    def refuses(self, place: Place, action: str) -> str | None:
        """The step is taken in gymnasium; None where it is a good one, else what came of it."""
        after, reward, ended = _step(_made(place.map), place.number, self.actions.index(action))
        if ended:
            return None if reward > 0 else "it ends in a hole"
        return _compared(place, after)

    def effort(self, place: Place) -> float:
        """The longer the way, the harder."""
        return min(1.0, _distances(place.map)[place.number] / 16)


class Taxi(worlds.Taxi):
    """See `worlds.Taxi`, with states to ask about; the best steps are searched and taken in gymnasium's own."""

    rules = (
        "Taxi, on this map, where | is a wall and : can be passed; row 1 is at the top, column 1 at the left, and R, G, "
        "Y, B are the red, green, yellow and blue stop.\n"
        + "\n".join(TAXI_MAP)
        + "\nThe actions south, north, east and "
        "west drive one square, pickup takes the passenger who waits where the taxi is, dropoff lets the passenger out. "
        "Bring the passenger to the destination in as few steps as can be."
    )
    judged = FrozenLake.judged

    def sample(self, rng: random.Random) -> Json:
        """Where a random walk from a random start ends; the last steps of it are good ones, to get passengers in."""
        env = _made(())
        number, info = env.reset(seed=rng.getrandbits(31))
        for _ in range(rng.randint(0, 12)):
            good = self.optimal(Place((), int(number)))
            possible = [action for action in range(6) if info["action_mask"][action]]
            action = self.actions.index(good[0]) if rng.random() < 0.6 else rng.choice(possible)
            after, _, ended, _, info = env.step(action)
            if ended:
                _at(env, int(number))
                break
            number = after
        row, column, passenger, destination = taxi_parts(int(number))
        return {"row": row, "column": column, "passenger": passenger, "destination": destination}

    def optimal(self, place: Place) -> tuple[str, ...]:
        """See `judged`."""
        return _best(self, place)

    def refuses(self, place: Place, action: str) -> str | None:
        """The step is taken in gymnasium; None where it is a good one, else what came of it."""
        after, _, ended = _step(_made(()), place.number, self.actions.index(action))
        return None if ended else _compared(place, after)

    def effort(self, place: Place) -> float:
        """The longer the way, the harder."""
        return min(1.0, _distances(())[place.number] / 20)


_Edges = dict[int, dict[int, tuple[int, float, bool]]]  # state -> action -> (next state, reward, whether it ends)


def _made(rows: tuple[str, ...]) -> gymnasium.Env[int, int]:
    """The world of a lake's rows, without any the taxi's."""
    import gymnasium

    if rows:
        return gymnasium.make("FrozenLake-v1", disable_env_checker=True, desc=list(rows), is_slippery=False)
    return gymnasium.make("Taxi-v4", disable_env_checker=True)


def _at(env: gymnasium.Env[int, int], number: int) -> None:
    """Put the player into a state."""
    env.unwrapped.s = number  # type: ignore[attr-defined]  # as gymnasium's own environments hold it


def _step(env: gymnasium.Env[int, int], number: int, action: int) -> tuple[int, float, bool]:
    env.reset(seed=0)
    _at(env, number)
    after, reward, ended, _, _ = env.step(action)
    env.close()
    return int(after), float(reward), bool(ended)


@functools.lru_cache(maxsize=256)
def _edges(rows: tuple[str, ...]) -> _Edges:
    """gymnasium's own table of what each action does."""
    table = _made(rows).unwrapped.P  # type: ignore[attr-defined]
    return {
        int(state): {int(action): (int(to[0][1]), float(to[0][2]), bool(to[0][3])) for action, to in actions.items()}
        for state, actions in table.items()
    }


@functools.lru_cache(maxsize=256)
def _distances(rows: tuple[str, ...]) -> dict[int, int]:
    """How many steps the goal is away from each state that a way leads from."""
    before: dict[int, list[int]] = {}
    found: dict[int, int] = {}
    waiting: deque[int] = deque()
    for state, actions in _edges(rows).items():
        for after, reward, ended in actions.values():
            if ended and reward > 0 and state not in found:
                found[state] = 1
                waiting.append(state)
            elif not ended and after != state:
                before.setdefault(after, []).append(state)
    while waiting:
        state = waiting.popleft()
        for earlier in before.get(state, ()):
            if earlier not in found:
                found[earlier] = found[state] + 1
                waiting.append(earlier)
    return found


def _best(world: FrozenLake | Taxi, place: Place) -> tuple[str, ...]:
    distances = _distances(place.map)
    far = distances[place.number]
    edges = _edges(place.map)[place.number]
    return tuple(
        world.actions[action]
        for action, (after, reward, ended) in edges.items()
        if (ended and reward > 0 and far == 1) or (not ended and distances.get(after, far) < far)
    )


def _compared(place: Place, after: int) -> str | None:
    """What a step that didn't end the game comes to, None where it is nearer to the goal."""
    distances = _distances(place.map)
    if after == place.number:
        return "it changes nothing"
    if after not in distances:
        return "no way leads on from there"
    return None if distances[after] < distances[place.number] else "it leads away from the goal"
