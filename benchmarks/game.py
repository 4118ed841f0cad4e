"""How well a trained player plays on its int8 file: board games against random, perfect and searching play, worlds to their ends.

    python benchmarks/game.py RUN [--home FOLDER] [--games 1000] [--searched 100] [--milliseconds 20] [--json FILE]

RUN must be exported. Everything goes through the device's own code in onnxruntime. Perfect play of tic-tac-toe is
minimax; the search of three moves in connect four takes any of the moves that it finds best, and is harder to beat where
it counts open lines. Half of the games are begun by the other. Worlds are new ones, walked in gymnasium; a walk counts
where it reaches the goal in as few steps as can be. BabyAI is played in minigrid (extra 'babyai'), beside its expert bot.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.games import RULES, lookahead
from edge_runtime.games.boards import HEIGHT, WIDTH
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.students import student_for
from trainer_host.students.game import load_config
from trainer_host.students.game_matches import (
    Player,
    asking_player,
    opening,
    played,
    random_player,
    searching_player,
    start_of,
)
from trainer_host.students.game_missions import any_action, asking, bots_missions, missions
from trainer_host.tasks.game import GAMES
from trainer_host.tasks.game_rooms import LEVELS
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace, default_home

if TYPE_CHECKING:
    from edge_runtime.games.worlds import Place
    from edge_runtime.tasks import Specialist

SEARCHED_MOVES = 3
_UNSEEN = 1 << 31  # datasets draw seeds below
Figures = dict[str, float]


def main() -> None:
    """Play, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="an exported run of the task game")
    parser.add_argument("--home", type=Path, help="the workspace (default: the user's own)")
    parser.add_argument("--games", type=int, default=1000, help="of tic-tac-toe (default: %(default)s)")
    parser.add_argument("--searched", type=int, default=100, help="games against the search (default: %(default)s)")
    parser.add_argument("--milliseconds", type=int, default=20, help="to look ahead (default: %(default)s)")
    parser.add_argument("--walks", type=int, default=100, help="in each world (default: %(default)s)")
    parser.add_argument("--missions", type=int, default=100, help="on each level of BabyAI (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of openings and worlds (default: %(default)s)")
    parser.add_argument("--file", default="model.int8.onnx", help="of the run (default: %(default)s)")
    parser.add_argument("--runtime", default="onnxruntime", help="that runs it (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    run = open_run(Workspace(args.home or default_home()).run(args.run))
    item = next(item for item in exported(run) if item.file == args.file)
    rng = random.Random(args.seed)
    taught = load_config(run.folder).temperatures
    figures: dict[str, Figures] = {}
    with loaded(run, student_for("game"), item, args.runtime) as specialist:
        if "tic_tac_toe" in taught:
            for words, milliseconds in (("", None), (f", looking {args.milliseconds} ms ahead", args.milliseconds)):
                for name, other in (("random", random_player(rng)), ("perfect", _perfect(rng))):
                    figures[f"tic-tac-toe against {name} play{words}"] = _against(
                        "tic_tac_toe", asking_player(specialist, milliseconds), other, args.games
                    )
        if "connect_four" in taught:
            for words, milliseconds in (("", None), (f", looking {args.milliseconds} ms ahead", args.milliseconds)):
                for judged, judge in (("", None), (" that counts open lines", _counting)):
                    figures[f"connect four against a search of {SEARCHED_MOVES} moves{judged}{words}"] = _against(
                        "connect_four",
                        asking_player(specialist, milliseconds),
                        searching_player(rng, SEARCHED_MOVES, judge),
                        args.searched,
                        rng,
                    )
        for name in ("frozen_lake", "taxi"):
            if name in taught:
                figures[name] = _walked(name, specialist, args.walks, rng)
        if "babyai" in taught:
            figures |= _missions(specialist, args.missions)
        for name in taught:
            figures[f"an answer, {name}"] = _timed(specialist, (name,), rng)
    for what, row in figures.items():
        print(f"{what}: " + ", ".join(f"{name} {value:g}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


def _perfect(rng: random.Random) -> Player:
    return lambda game, boards: [rng.choice(GAMES[game].optimal(board)) for board in boards]


_LINES = [
    sum(1 << 7 * (column + n * right) + row + n * up for n in range(4))
    for column in range(WIDTH)
    for row in range(HEIGHT)
    for right, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    if column + 3 * right < WIDTH and 0 <= row + 3 * up < HEIGHT
]
_COUNTED = (0, 1, 4, 16)  # for a line that only one of the two has pieces in


def _counting(mine: int, filled: int) -> int:
    """How most programs judge connect four: by the lines that are still open to one of the two."""
    other, worth = filled ^ mine, 0
    for line in _LINES:
        own, others = (mine & line).bit_count(), (other & line).bit_count()
        if not own or not others:
            worth += _COUNTED[own] - _COUNTED[others]
    return max(-lookahead.SURE + 1, min(lookahead.SURE - 1, worth // 2))


def _against(game: str, one: Player, other: Player, games: int, rng: random.Random | None = None) -> Figures:
    """Shares of `games`. rng: where it is given, each pair of games begins with 0 to 3 random moves."""
    half = games // 2
    starts = [opening(game, n % 4, rng) if rng else start_of(game) for n in range(half)]
    ends = played(game, one, other, starts) + [-end for end in played(game, other, one, starts)]

    def share(end: int) -> float:
        return round(ends.count(end) / len(ends), 4)

    return {"won": share(1), "drawn": share(0), "lost": share(-1), "points": round(share(1) + share(0) / 2, 4)}


def _walked(game: str, specialist: Specialist, walks: int, rng: random.Random) -> Figures:
    """Walks from new states to the goal, each step taken in the table of gymnasium's own world."""
    from trainer_host.tasks.game_worlds import _distances, _edges

    shortest = reached = 0
    for _ in range(walks):
        place: Place = GAMES[game].read(GAMES[game].sample(rng))
        needed, steps, done = _distances(place.map)[place.number], 0, False
        while not done and steps < 3 * needed:
            action = specialist.run({"text": RULES[game].text(place)})["action"]
            number, reward, ended = _edges(place.map)[place.number][RULES[game].actions.index(str(action))]
            steps += 1
            done = ended
            if ended:
                reached += reward > 0
                shortest += reward > 0 and steps == needed
            else:
                place = type(place)(place.map, number)
    return {"reached": round(reached / walks, 4), "by a shortest way": round(shortest / walks, 4)}


def _missions(specialist: Specialist, count: int) -> dict[str, Figures]:
    """BabyAI's levels on seeds that no dataset draws from, by the player, the expert bot and any action."""
    seeds = range(_UNSEEN, _UNSEEN + count)
    found: dict[str, Figures] = {}
    for level in LEVELS:
        own, bot = missions(level, seeds, asking(specialist)), bots_missions(level, seeds)
        by_chance = missions(level, seeds, any_action(random.Random(1)))
        found[level] = {
            "done": round(own.done, 4),
            "actions": round(own.steps, 2),
            "the bot's": round(bot.done, 4),
            "the bot's actions": round(bot.steps, 2),
            "any action's": round(by_chance.done, 4),
        }
    return found


def _timed(specialist: Specialist, names: Sequence[str], rng: random.Random, count: int = 400) -> Figures:
    """Whole answers, in milliseconds of this process's time."""
    requests: list[dict[str, object]] = [
        {"game": name, "state": GAMES[name].sample(rng)} for name in names for _ in range(count // len(names))
    ]
    times = []
    for request in requests:
        began = time.process_time()
        specialist.run(request)
        times.append((time.process_time() - began) * 1000)
    times.sort()
    return {"median ms": round(times[len(times) // 2], 3), "p99 ms": round(times[len(times) * 99 // 100], 3)}


if __name__ == "__main__":
    main()
