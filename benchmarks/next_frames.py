"""Whether next frames show where things really are: a judge reads agent and objects off the pixels, and minigrid says what is so.

    enigma teach --task video_gen --option video_gen.frames=minigrid --examples 2000 --name frames   # pip install 'enigma[babyai]'
    enigma train --data frames-video-gen && enigma export frames-video-gen && enigma gate frames-video-gen
    python benchmarks/next_frames.py frames-video-gen [--home DIR] [--file model.int8.onnx] [--rooms 200] [--seed 7] [--json FILE]

Rooms are of seeds that no row was made of. The judge knows minigrid's own tiles (each object, colour and facing, drawn by minigrid) and no network; it
gives each square the tile that is most like it. One frame: "agent" is where and how the agent stands, "all" the whole room as minigrid has it; "same
frame" is what showing the last frame again would have. Rolled out: 16 actions, each frame made of the one before by the network alone.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.judging import add_arguments, opened, report
from edge_runtime.media import Media
from edge_runtime.media.pictures import read_film
from edge_runtime.tasks.next_frame import FPS, MAX_FRAMES, cells_of
from trainer_host.tasks import Json
from trainer_host.tasks.next_frames import LEVELS, TILE, begun, chosen, frame_of, leaving, stepped

if TYPE_CHECKING:
    import gymnasium

    from edge_runtime.tasks import Specialist

Board = tuple[tuple[object, ...], ...]  # of each square: kind, colour, state and the agent's facing (or None)
ALONG = (1, 4, 8, 16)  # actions after which a rolled out frame is looked at


def main() -> None:
    """Judge a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--rooms", type=int, default=200, help="of each kind of question (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the rooms (default: %(default)s)")
    args = parser.parse_args()
    with opened(args) as (specialist, _, item):
        figures = {"file": item.file, "bytes": item.bytes, **judged(specialist, args.rooms, args.seed)}
    report(figures, args.json)


def judged(specialist: Specialist, rooms: int, seed: int) -> Json:
    """Figures of single frames, and of films of `MAX_FRAMES` actions."""
    rng = random.Random(f"next frames {seed}")
    single: dict[str, list[bool]] = {name: [] for name in ("agent", "all", "same agent", "same all", "sure")}
    along: dict[int, list[bool]] = {step: [] for step in ALONG}
    agents: dict[int, list[bool]] = {step: [] for step in ALONG}
    still: list[bool] = []
    busy = []
    while len(busy) < rooms:
        env = begun(rng.choice(LEVELS), rng.getrandbits(31))
        for _ in range(rng.randint(0, 20)):
            if stepped(env, chosen(rng)):
                break
        if leaving(env):
            continue
        before, first, action = frame_of(env), board_of(env), chosen(rng)
        stepped(env, action)
        began = time.process_time()
        answer = specialist.run({"image": Media("image/png", before), "action": action})
        busy.append(time.process_time() - began)
        seen, wanted = board_in(frames_of(answer)[0]), board_of(env)
        single["agent"].append(agent(seen) == agent(wanted))
        single["all"].append(seen == wanted)
        single["same agent"].append(agent(first) == agent(wanted))
        single["same all"].append(first == wanted)
        single["sure"].append(not answer["unsure"])
        env.close()
    while len(still) < rooms:
        env = begun(rng.choice(LEVELS), rng.getrandbits(31))
        before, first, boards, actions = frame_of(env), board_of(env), [], []
        while len(actions) < MAX_FRAMES and not leaving(env):
            actions.append(chosen(rng))
            stepped(env, actions[-1])
            boards.append(board_of(env))
        if len(actions) < MAX_FRAMES:
            continue
        film = frames_of(specialist.run({"image": Media("image/png", before), "actions": actions}))
        for step in ALONG:
            seen = board_in(film[step - 1])
            along[step].append(seen == boards[step - 1])
            agents[step].append(agent(seen) == agent(boards[step - 1]))
        still.append(agent(first) == agent(boards[-1]))
        env.close()
    moved = [ok for ok, same in zip(single["all"], single["same all"], strict=True) if not same]
    sure = [ok for ok, certain in zip(single["all"], single["sure"], strict=True) if certain]
    return {
        "rooms": rooms,
        **{name: _share(each) for name, each in single.items()},
        "all, where something changed": _share(moved),
        "all, of the sure ones": _share(sure),
        **{f"all, after {step} actions": _share(each) for step, each in along.items()},
        **{f"agent, after {step} actions": _share(each) for step, each in agents.items()},
        "same agent, after 16 actions": _share(still),
        "cpu ms a frame": round(float(np.median(busy)) * 1000, 2),
    }


def board_of(env: gymnasium.Env) -> Board:
    """The room as minigrid has it."""
    room = env.unwrapped
    at = tuple(int(place) for place in room.agent_pos)  # type: ignore[attr-defined]
    grid = room.grid  # type: ignore[attr-defined]
    squares = []
    for row in range(grid.height):
        for column in range(grid.width):
            cell = grid.get(column, row)
            facing = int(room.agent_dir) if (column, row) == at else None  # type: ignore[attr-defined]
            squares.append(
                ("empty", "", 0, facing) if cell is None else (cell.type, cell.color, cell.encode()[2], facing)
            )
    return tuple(squares)


def board_in(pixels: np.ndarray) -> Board:
    """The room that a frame (uint8 [height, width, 3]) shows: of each square the most likely tile."""
    known, names = tiles()
    cells = cells_of(pixels, TILE).astype(np.float32)
    return tuple(names[int(np.abs(known - cell).mean(1).argmin())] for cell in cells)


def agent(board: Board) -> tuple[int, object] | None:
    """Square and facing of the only agent; None where there is none, or several."""
    found = [(at, square[3]) for at, square in enumerate(board) if square[3] is not None]
    return found[0] if len(found) == 1 else None


@functools.cache
def tiles() -> tuple[np.ndarray, tuple[tuple[object, ...], ...]]:
    """All tiles that minigrid draws in such rooms, float32 [tiles, values], and what they are."""
    from minigrid.core.constants import COLOR_NAMES
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Wall

    things = [None, Wall(), Goal()]
    for colour in COLOR_NAMES:
        things += [Ball(colour), Box(colour), Key(colour)]
        things += [
            Door(colour, is_open=opened, is_locked=locked)
            for opened, locked in ((True, False), (False, False), (False, True))
        ]
    drawn, names = [], []
    for thing in things:
        over = thing is None or thing.can_overlap()
        for facing in (None, 0, 1, 2, 3) if over else (None,):
            drawn.append(Grid.render_tile(thing, agent_dir=facing, highlight=False, tile_size=TILE).reshape(-1))
            names.append(
                ("empty", "", 0, facing) if thing is None else (thing.type, thing.color, thing.encode()[2], facing)
            )
    return np.stack(drawn).astype(np.float32), tuple(names)


def frames_of(answer: Json) -> list[np.ndarray]:
    """The frames of a film, where one that changes nothing is shown longer."""
    film = read_film(cast(Media, answer["film"]).content)
    made = []
    for frame, seconds in zip(film.frames, film.seconds, strict=True):
        made += [np.asarray(frame)] * max(1, round(seconds * FPS))
    made += made[-1:] * (cast(int, answer["frames"]) - len(made))
    return made


def _share(which: list[bool]) -> float:
    return round(sum(which) / len(which), 4) if which else 0.0


if __name__ == "__main__":
    main()
