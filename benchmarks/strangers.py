"""What is foreign to a classifier of pictures: labels that it was never told of, which are left out by families, and noise.

A family is of kinds that no picture can tell apart without more being said: a circle is an oval with equal axes, a square is a
rectangle with equal sides. Where only one of the two is left out, its pictures truly are instances of what was learnt, and to
call them foreign would be wrong. No kind of another family is an instance of one: three, five and six corners, and a star's
ten, make other figures, however they are turned. (Written down before anything was scored by it.)
"""

from __future__ import annotations

import base64
import io
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer_host.data.dataset import Dataset
from trainer_host.data.pictures import import_pictures
from trainer_host.workspace import Workspace

FAMILIES = (("circle", "oval"), ("square", "rectangle"), ("triangle",), ("star",), ("pentagon",), ("hexagon",))
LEFT_OUT = 2  # families, or labels of pictures that are no drawn shapes, of each split
FOREIGN = 300
HELD_OUT = 0.3
Json = dict[str, object]
Family = tuple[str, ...]


def left_out(families: Sequence[Family], split: int) -> list[Family]:
    """The families that a split leaves out. As many splits as there are pairs leave each out once, and the next ones pair anew."""
    pairs = len(families) // LEFT_OUT
    order = random.Random(f"families {(split - 1) // pairs}").sample(families, len(families))
    first = (split - 1) % pairs * LEFT_OUT
    return order[first : first + LEFT_OUT]


def write_digits(folder: Path) -> None:
    """scikit-learn's digits in class folders, as a person has pictures."""
    from PIL import Image

    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("The digits are scikit-learn's: pip install scikit-learn") from None
    found = load_digits()
    for number, (pixels, label) in enumerate(zip(found.images, found.target, strict=True)):
        kept = folder / str(label)
        kept.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).save(kept / f"{number}.png")


def parted(
    workspace: Workspace, pictures: Path, folder: Path, split: int
) -> tuple[Dataset, list[tuple[Family, list[Json]]]]:
    """A person's pictures in class folders but two labels, as a dataset, and requests for pictures of each of those two."""
    labels = sorted(path.name for path in pictures.iterdir() if path.is_dir())
    never = left_out([(label,) for label in labels], split)
    for label in labels:
        if (label,) not in never:
            shutil.copytree(pictures / label, folder / "own" / label)
    own = import_pictures(workspace, folder / "own", name="own", seed=split, held_out=HELD_OUT).dataset
    return own, [(family, in_folder(pictures, family)) for family in never]


def in_folder(pictures: Path, labels: Sequence[str] = ()) -> list[Json]:
    """Requests for up to `FOREIGN` pictures of class folders, of those labels where some are named."""
    files = sorted(file for file in pictures.glob("*/*") if not labels or file.parent.name in labels)
    some = random.Random(1).sample(files, min(len(files), FOREIGN))
    return [_request(file.read_bytes()) for file in some]


def _request(content: bytes) -> Json:
    return {"image": base64.b64encode(content).decode("ascii")}


def noise(seed: int, side: int) -> list[Json]:
    """Requests with pictures of independent random pixels."""
    from PIL import Image

    made: list[Json] = []
    draw = np.random.default_rng(seed)
    for _ in range(FOREIGN):
        out = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (side, side, 3), np.uint8)).save(out, "PNG")
        made.append(_request(out.getvalue()))
    return made
