"""How well a trained player plays on its int8 file: board games against random, perfect and searching play, worlds to their ends.

    python benchmarks/game.py RUN [--home FOLDER] [--games 1000] [--searched 100] [--milliseconds 20] [--json FILE]

RUN must be exported. Everything goes through the device's own code in onnxruntime. Perfect play of tic-tac-toe is
minimax; the search of three moves in connect four takes any of the moves that it finds best. Half of the games are begun
by the other. Worlds are new ones, walked in gymnasium; a walk counts where it reaches the goal in as few steps as can be.
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
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.students import student_for
from trainer_host.students.game_matches import Board, Player, opening, played, random_player, start_of
from trainer_host.tasks.game import GAMES
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace, default_home

if TYPE_CHECKING:
    from edge_runtime.games.worlds import Place
    from edge_runtime.tasks import Specialist

SEARCHED_MOVES = 3
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
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    run = open_run(Workspace(args.home or default_home()).run(args.run))
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    rng = random.Random(1)
    with loaded(run, student_for("game"), item, "onnxruntime") as specialist:
        figures: dict[str, Figures] = {
            "tic-tac-toe against random play": _against(
                "tic_tac_toe", _answering(specialist), random_player(rng), args.games
            ),
            "tic-tac-toe against perfect play": _against(
                "tic_tac_toe", _answering(specialist), _perfect(rng), args.games
            ),
            f"connect four against a search of {SEARCHED_MOVES} moves": _against(
                "connect_four", _answering(specialist), _searching(rng), args.searched, rng
            ),
            f"the same, looking {args.milliseconds} ms ahead": _against(
                "connect_four", _answering(specialist, args.milliseconds), _searching(rng), args.searched, rng
            ),
            "frozen lake": _walked("frozen_lake", specialist, args.walks, rng),
            "taxi": _walked("taxi", specialist, args.walks, rng),
            "a step": _timed(specialist, rng),
        }
    for what, row in figures.items():
        print(f"{what}: " + ", ".join(f"{name} {value:g}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


def _answering(specialist: Specialist, milliseconds: int | None = None) -> Player:
    more: dict[str, object] = {} if milliseconds is None else {"milliseconds": milliseconds}

    def choose(game: str, boards: Sequence[Board]) -> list[str]:
        rules = RULES[game]
        return [str(specialist.run({"text": rules.text(board), **more})["action"]) for board in boards]

    return choose


def _perfect(rng: random.Random) -> Player:
    return lambda game, boards: [rng.choice(GAMES[game].optimal(board)) for board in boards]


def _searching(rng: random.Random) -> Player:
    def choose(game: str, boards: Sequence[Board]) -> list[str]:
        found = [lookahead.worths(*board, SEARCHED_MOVES - 1) for board in boards if not isinstance(board, str)]
        return [str(rng.choice(lookahead.best(worths)) + 1) for worths in found]

    return choose


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


def _timed(specialist: Specialist, rng: random.Random, count: int = 400) -> Figures:
    names = list(RULES)
    requests = [{"game": name, "state": GAMES[name].sample(rng)} for name in names for _ in range(count // len(names))]
    times = []
    for request in requests:
        began = time.perf_counter()
        specialist.run(request)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return {"median ms": round(times[len(times) // 2], 3), "p99 ms": round(times[len(times) * 99 // 100], 3)}


if __name__ == "__main__":
    main()
