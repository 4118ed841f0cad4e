"""Whether the films of a video_gen show what moves where: judged from the film's pixels alone, by a judge that knows no scene.

    python benchmarks/films_judged.py [RUN] [--home DIR] [--films 100] [--seed 9] [--json FILE]

Fresh prompts of the built-in teacher in which something of a colour of its own moves straight. The judge takes the pixels of that
colour in each frame of the animated PNG: which way their middle goes (a tenth of the picture at least), and which form they have, by
OpenCV's outlines. "object" and "direction" are of all such things, "both" of films in which all of them are right. Flicker is what pixels
change twice (from frame to frame, and back or on) on average, beside that of the teacher's own film of the prompt. Without RUN, the device
draws the plans that the teacher's rows stand for: what is wrong then is wrong of the judge or of the drawing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from edge_runtime.media import Media
from edge_runtime.media.colours import COLOURS, rgb
from edge_runtime.media.draw import drawn
from edge_runtime.media.pictures import read_film
from edge_runtime.media.scene import read_scene
from edge_runtime.tasks import video_gen
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import SPLITS, open_dataset
from trainer_host.students import student_of
from trainer_host.tasks import Example, Json, task_spec
from trainer_host.training.run import dataset_of, open_run
from trainer_host.workspace import Workspace, default_home

LEAST = 12  # pixels of a thing that is seen
FAR = 0.1  # of the picture's side: a way
Ask = Callable[[Example], Json]


def main() -> None:
    """Judge a run's films, or those of the teacher's plans."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", nargs="?", help="an exported run of video_gen (default: the teacher's plans)")
    parser.add_argument("--home", type=Path, help="default: as for enigma")
    parser.add_argument("--films", type=int, default=100, help="prompts (default: 100)")
    parser.add_argument("--seed", type=int, default=9, help="of the prompts (default: 9)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    workspace = Workspace((args.home or default_home()).absolute())
    known = set() if args.run is None else _known(workspace, args.run)
    with _answers(workspace, args.run) as ask:
        figures = judge(prompts(args.films, args.seed, known), ask)
    print(json.dumps(figures, indent=1))
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def judge(examples: list[Example], ask: Ask) -> Json:
    """Figures of the answers to these prompts."""
    objects: list[bool] = []
    directions: list[bool] = []
    both: list[bool] = []
    surely: list[bool] = []
    flickers: list[tuple[float, float]] = []
    for example in examples:
        answer = ask(example)
        if answer["film"] is None:
            found = [(False, False)] * len(movers(example))
        else:
            frames = _frames(cast(Media, answer["film"]).content)
            found = [_right(frames, fact) for fact in movers(example)]
            own = [
                np.asarray(picture, np.float32)
                for picture in drawn(read_scene(example.output["scene"], film=True), video_gen.SMOOTH)
            ]
            flickers.append((flicker(frames), flicker(np.stack(own))))
        objects += [one for one, _ in found]
        directions += [other for _, other in found]
        both.append(all(one and other for one, other in found))
        if not answer["unsure"]:
            surely.append(both[-1])
    ours, theirs = (float(np.mean([pair[at] for pair in flickers])) for at in (0, 1))
    return {
        "films": len(examples),
        "things": len(objects),
        "object": _share(objects),
        "direction": _share(directions),
        "both": _share(both),
        "sure": round(len(surely) / len(examples), 4),
        "both, of the sure": _share(surely),
        "flicker": round(ours, 3),
        "times the teacher's": round(ours / theirs, 3),
    }


def prompts(count: int, seed: int, known: set[str]) -> list[Example]:
    """Fresh prompts in which something of a colour of its own moves straight, and does nothing else."""
    spec, rng = task_spec("video_gen"), random.Random(f"films {seed}")
    made: list[Example] = []
    while len(made) < count:
        example = spec.built_in(rng)
        key = spec.key(example)
        if movers(example) and key not in known:
            known.add(key)
            made.append(example)
    return made


def movers(example: Example) -> list[Json]:
    """The facts of straight moves of things whose colour nothing else in the scene has; none where one does more."""
    shows = cast("list[Json]", example.output["shows"])
    scene = cast("dict[str, object]", example.output["scene"])
    shapes = cast("list[dict[str, str]]", scene["shapes"])
    colours = [rgb(shape["colour"]) for shape in shapes] + [rgb(str(scene["background"]))]
    made = []
    for fact in shows:
        of = cast("dict[str, str]", fact.get("of") or {})
        if fact["fact"] != "moves" or of["colour"] not in COLOURS or colours.count(rgb(of["colour"])) != 1:
            continue
        others = [one for one in shows if one.get("of") == of and one["fact"] not in ("count", "moves", "size")]
        if not others:
            made.append(fact)
    return made


def flicker(frames: np.ndarray) -> float:
    """How much pixels change twice, of 255, on average over float32 [frames, height, width, 3]; 0 of fewer than 3 frames."""
    if len(frames) < 3:
        return 0.0
    return float(np.abs(frames[2:] - 2 * frames[1:-1] + frames[:-2]).mean())


def form_of(mask: np.ndarray) -> str:
    """What form the pixels of bool [height, width] have."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    area = max(cv2.contourArea(outline), 1.0)
    _, (one, other), _ = cv2.minAreaRect(outline)
    longer, shorter = max(one, other, 1.0), max(min(one, other), 1.0)
    if area / max(cv2.contourArea(cv2.convexHull(outline)), 1.0) < 0.8:
        return "star"
    if longer / shorter > 4:
        return "line"
    if area / (longer * shorter) > 0.9:
        return "square" if longer / shorter < 1.12 else "rectangle"
    if area / max(cv2.minEnclosingTriangle(outline)[0], 1.0) > 0.85:
        return "triangle"
    if longer / shorter > 1.25:
        return "oval"
    corners = len(cv2.approxPolyDP(outline, 0.04 * cv2.arcLength(outline, True), True))
    _, radius = cv2.minEnclosingCircle(outline)
    share = area / (np.pi * radius**2)
    if share > 0.88:
        return "circle"
    return "pentagon" if corners == 5 or share < 0.79 else "hexagon"


def _right(frames: np.ndarray, fact: Json) -> tuple[bool, bool]:
    """Whether the thing has its form, and goes its way."""
    of = cast("dict[str, str]", fact["of"])
    palette = np.array([rgb(value) for value in COLOURS.values()], np.float32)
    wanted = list(COLOURS).index(of["colour"])
    far = ((frames[:, :, :, None] - palette) ** 2).sum(-1)
    masks = (far.argmin(-1) == wanted) & (far[..., wanted] < 60**2)
    sizes = masks.sum((1, 2))
    seen = np.flatnonzero(sizes >= LEAST)
    if len(seen) < 2:
        return False, False
    form = form_of(masks[int(sizes.argmax())])
    first, last = (np.array([axis.mean() for axis in np.nonzero(masks[at])]) for at in (seen[0], seen[-1]))
    down, across = (last - first) / np.array(masks.shape[1:])
    way = ("right" if across > 0 else "left") if abs(across) > abs(down) else ("down" if down > 0 else "up")
    return form == of["kind"], way == fact["direction"] and max(abs(across), abs(down)) >= FAR


@contextlib.contextmanager
def _answers(workspace: Workspace, name: str | None) -> Iterator[Ask]:
    if name is None:
        yield lambda example: video_gen.answer(example.input, video_gen.reply(example.input, example.output))
        return
    run = open_run(workspace.run(name))
    item = next(item for item in exported(run) if item.precision != "fp32" and item.file.endswith(".onnx"))
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        yield lambda example: specialist.run(example.input)


def _known(workspace: Workspace, name: str) -> set[str]:
    spec = task_spec("video_gen")
    dataset = open_dataset(dataset_of(workspace, open_run(workspace.run(name))).folder)
    return {spec.key(Example(row.input, row.output)) for split in SPLITS for row in dataset.rows(split)}


def _frames(content: bytes) -> np.ndarray:
    return np.stack([np.asarray(frame, np.float32) for frame in read_film(content).frames])


def _share(of: list[bool]) -> float | None:
    return round(sum(of) / len(of), 4) if of else None


if __name__ == "__main__":
    main()
