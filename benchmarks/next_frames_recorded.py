"""Whether next frames of a recorded game show ball and paddle where they really come: a judge that knows the game's colours reads the pixels.

    enigma train --data pong && enigma export pong && enigma gate pong       # see record_atari.py, which makes the recordings
    atari/bin/python benchmarks/record_atari.py pong unseen --frames 1500 --seed 3
    python benchmarks/next_frames_recorded.py pong unseen --game pong [--home DIR] [--frames 400] [--json FILE]

What is true is read from the recorded frames in their own size, what is foretold from the specialist's; both in pixels of a frame of 64 by 64.
"ball": no further than two pixels from where it is, in both directions, or rightly not there. "paddle": where it moves by a pixel or more
it is drawn moving the same way, where by less it is drawn within two. Rolled out: each frame made of those before by the network alone.
Beside it what showing the last frame again would have, and moving ball and paddle on as they moved.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.judging import add_arguments, opened, report
from benchmarks.next_frames import frames_of
from edge_runtime.media import Media
from edge_runtime.media.pictures import png_of, read_picture
from edge_runtime.tasks import Specialist
from edge_runtime.tasks.next_frame import MAX_FRAMES, MAX_PIXELS, MAX_READ
from trainer_host.tasks import Json
from trainer_host.tasks.next_frames import SEEN

Place = tuple[float, float] | None  # down and across, in pixels of a frame of 64 by 64
ALONG = (1, 4, 8, 16)
NEAR, MOVES, DRAWN = 2.0, 1.0, 0.4  # pixels
ROLLED = 100
# Of each game: ball and paddle, as colour, and the part (top, bottom, left, right; shares of the frame) where that colour is nothing else;
# and along which side the paddle moves.
GAMES: dict[
    str, tuple[tuple[tuple[int, int, int], tuple[float, ...]], tuple[tuple[int, int, int], tuple[float, ...]], int]
] = {
    "pong": (((236, 236, 236), (11 / 64, 59 / 64, 0, 1)), ((92, 186, 92), (11 / 64, 59 / 64, 0.75, 1)), 0),
}


def main() -> None:
    """Judge a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("recording", type=Path, help="of another seed than what was learnt")
    parser.add_argument("--game", choices=sorted(GAMES), default="pong", help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=400, help="that are foretold (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="which ones (default: %(default)s)")
    args = parser.parse_args()
    with opened(args) as (specialist, _, item):
        found = judged(specialist, args.recording, args.game, args.frames, args.seed)
    report({"file": item.file, "bytes": item.bytes, **found}, args.json)


def judged(specialist: Specialist, recording: Path, game: str, count: int, seed: int) -> Json:
    """Figures of single frames, and of films of `MAX_FRAMES` actions."""
    with (recording / "actions.csv").open(encoding="utf-8", newline="") as source:
        lines = list(csv.DictReader(source))
    frames = [np.asarray(read_picture((recording / line["frame"]).read_bytes(), MAX_READ)) for line in lines]
    true = [places_in(frame, game) for frame in frames]
    acts = [line["action"] for line in lines]
    along = GAMES[game][2]
    usable = [at for at in range(SEEN - 1, len(lines)) if all(acts[at - SEEN + 1 : at + 1])]
    chosen = np.random.default_rng(seed).permutation(usable)
    single: dict[str, list[bool]] = {}
    sure, busy = [], []

    def told(way: str, ball: bool, paddle: bool) -> None:
        for name, ok in ((f"{way}ball", ball), (f"{way}paddle", paddle), (f"{way}both", ball and paddle)):
            single.setdefault(name, []).append(ok)

    for at in chosen[:count]:
        began = time.process_time()
        answer = specialist.run({**_seen(frames, acts, at), "action": acts[at]})
        busy.append(time.process_time() - began)
        drawn = places_in(frames_of(answer)[0], game)
        last, wanted, earlier = true[at], true[at + 1], true[at - 1]
        on = tuple(_onward(one, other) for one, other in zip(earlier, last, strict=True))
        for way, found in (("", drawn), ("same frame: ", last), ("moved on: ", on)):
            told(way, near(found[0], wanted[0]), right_way(last[1], wanted[1], found[1], along))
        sure.append(not answer["unsure"])
    both = np.array(single["both"])
    certain = np.array(sure, bool)
    rolled: dict[str, list[bool]] = {}
    for at in [at for at in chosen if all(acts[at : at + MAX_FRAMES])][:ROLLED]:
        film = frames_of(specialist.run({**_seen(frames, acts, at), "actions": acts[at : at + MAX_FRAMES]}))
        for step in ALONG:
            wanted, drawn = true[at + step], places_in(film[step - 1], game)
            ball, paddle = (near(one, other) for one, other in zip(drawn, wanted, strict=True))
            still = all(near(one, other) for one, other in zip(true[at], wanted, strict=True))
            for name, ok in (
                ("ball", ball),
                ("paddle", paddle),
                ("both", ball and paddle),
                ("same frame: both", still),
            ):
                rolled.setdefault(f"{name} in place after {step} actions", []).append(ok)
    return {
        "frames": len(both),
        **{name: _share(each) for name, each in single.items()},
        "sure": _share(sure),
        "both, of the sure ones": _share(both[certain].tolist()),
        **{name: _share(each) for name, each in rolled.items()},
        "cpu ms a frame": round(float(np.median(busy)) * 1000, 2),
    }


def places_in(pixels: np.ndarray, game: str) -> tuple[Place, Place]:
    """The middles of ball and paddle in a frame of any size, uint8 [height, width, 3]."""
    height, width = pixels.shape[:2]
    found: list[Place] = []
    for colour, (top, bottom, left, right) in GAMES[game][:2]:
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        places = np.argwhere((pixels[rows, columns] == colour).all(axis=2)) + 0.5
        if not len(places):
            found.append(None)
            continue
        down, across = places.mean(0)
        found.append(
            (float(down + rows.start) * MAX_PIXELS / height, float(across + columns.start) * MAX_PIXELS / width)
        )
    return found[0], found[1]


def near(one: Place, other: Place) -> bool:
    """Whether both are there and no further apart than `NEAR` in either direction, or neither is there."""
    if one is None or other is None:
        return one is other
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= NEAR


def right_way(last: Place, wanted: Place, drawn: Place, along: int) -> bool:
    """Whether what moves from `last` to `wanted` was drawn moving that way."""
    if last is None or wanted is None or drawn is None:
        return wanted is drawn or (last is None and near(wanted, drawn))
    truly, shown = wanted[along] - last[along], drawn[along] - last[along]
    if abs(truly) < MOVES:
        return abs(shown - truly) <= NEAR
    return shown * truly > 0 and abs(shown) >= DRAWN


def _onward(earlier: Place, last: Place) -> Place:
    if earlier is None or last is None:
        return last
    return 2 * last[0] - earlier[0], 2 * last[1] - earlier[1]


def _seen(frames: Sequence[np.ndarray], acts: Sequence[str], at: int) -> Json:
    pictures = [Media("image/png", png_of(frame)) for frame in frames[at - SEEN + 1 : at + 1]]
    return {"before": pictures[:-1], "done": list(acts[at - SEEN + 1 : at]), "image": pictures[-1]}


def _share(which: Sequence[bool]) -> float:
    return round(sum(which) / len(which), 4) if which else 0.0


if __name__ == "__main__":
    main()
