"""A vision dataset as arrays: its kind, its pictures as the device sees them, its boxes; and pictures varied at random."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media
from edge_runtime.vision.pixels import Frame, framed
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.media.boxes import Box, read_objects
from trainer_host.tasks import Rejected

WHOLE = 0.98  # of the picture's width and height: a box from there on is the whole picture
LEAST_OF_TILE = 0.6  # of an object must be on a tile for it to be found there
MAX_BYTES = 2**30  # of pixels that are held at once
Mirror = Literal["sides", "all"]
MIRRORS = get_args(Mirror)
GOLDEN_COLOURS = 48  # a golden picture in so few colours has a tenth of the bytes


@dataclass(frozen=True)
class Seen:
    """A row: its picture's file, and what it shows."""

    path: Path
    objects: tuple[Box, ...]

    @property
    def whole(self) -> bool:
        """Whether it is one label for the whole picture."""
        return len(self.objects) == 1 and _whole(self.objects[0])

    @property
    def content(self) -> bytes:
        """The picture's file."""
        return self.path.read_bytes()

    @property
    def media(self) -> Media:
        """The picture as a request has it."""
        return Media("image/png" if self.path.suffix == ".png" else "image/jpeg", self.content)


@dataclass(frozen=True)
class Pictures:
    """pixels: uint8 [n, side, side, 3]. frames: where each picture lies in its square.

    boxes: float32 [n, most, 4] in shares of the square, labels: int64 [n, most], -1 where a picture has fewer.
    """

    pixels: np.ndarray
    frames: tuple[Frame, ...]
    boxes: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


def seen_rows(dataset: Path, split: str) -> list[Seen]:
    """The rows of a split; raises `DataError` where they aren't those of the task vision, or a file is missing."""
    folder = dataset / "files"

    def read(number: int, row: Row) -> Seen:
        path = folder / str(row.input["image"])
        if not path.is_file():
            raise DataError(f"Row {number} of {split} names {path.name}, which isn't in {folder}; import it again.")
        try:
            return Seen(path, read_objects(row.output["objects"], ()))
        except Rejected as cause:
            raise DataError(f"Row {number} of {split} can't be learnt from: {cause.detail}.") from None

    try:
        return [read(number, row) for number, row in enumerate(open_dataset(dataset).rows(split), 1)]
    except KeyError as cause:
        raise DataError(f"The dataset has a row without {cause}; its task isn't vision.") from None


def labels_of(rows: Sequence[Seen]) -> tuple[str, ...]:
    """All labels, sorted."""
    return tuple(sorted({box.label for row in rows for box in row.objects}))


def is_whole(rows: Sequence[Seen]) -> bool:
    """Whether the dataset is a classifier's: each picture has one label, for all of it."""
    return all(row.whole for row in rows)


def usual_side(rows: Sequence[Seen]) -> int:
    """The longer side of a picture, in pixels: the median of the first hundred, which is read from their headers."""
    from PIL import Image, UnidentifiedImageError

    sides = []
    for row in rows[:100]:
        try:
            with Image.open(row.path) as opened:
                sides.append(max(opened.size))
        except (OSError, UnidentifiedImageError):
            raise DataError(f"{row.path} isn't a picture that can be read; import it again.") from None
    return int(np.median(sides)) if sides else 0


def load_pictures(rows: Sequence[Seen], labels: Sequence[str], side: int) -> Pictures:
    """Read pictures as the device does; raises `DataError` for a damaged one, or too many to hold."""
    if len(rows) * side * side * 3 > MAX_BYTES:
        raise DataError(
            f"{len(rows)} pictures of {side} x {side} pixels need more than {MAX_BYTES // 2**20} MB; "
            "choose a smaller size, or fewer rows."
        )
    most = max((len(row.objects) for row in rows), default=0)
    pixels = np.empty((len(rows), side, side, 3), np.uint8)
    boxes = np.zeros((len(rows), max(1, most), 4), np.float32)
    numbers = np.full((len(rows), max(1, most)), -1, np.int64)
    frames = []
    index = {label: number for number, label in enumerate(labels)}
    for place, row in enumerate(rows):
        try:
            pixels[place], frame = framed(row.content, side)
        except BadRequest as cause:
            raise DataError(f"{row.path.name}: {cause}") from None
        frames.append(frame)
        for number, box in enumerate(row.objects):
            edges = np.array([box.x0, box.y0, box.x1, box.y1])
            span = np.array([frame.width, frame.height] * 2)
            boxes[place, number] = (edges * span + [frame.left, frame.top] * 2) / side
            numbers[place, number] = index.get(box.label, -1)
    return Pictures(pixels, tuple(frames), boxes, numbers)


@dataclass(frozen=True)
class Variation:
    """How pictures are varied in training. mirror: `sides`, left and right; `all`, also up and down and both axes swapped.

    colours: any colour may become any other; else only their brightness changes, by `light`. zoom, shift: at most; shift is a share of the
    square. whole_pixels: no pixel is computed anew, which would blur small pictures: a shift is of whole pixels, nothing zooms or turns.
    """

    mirror: Mirror | None = None
    colours: bool = False
    zoom: float = 1.2
    shift: float = 0.08
    whole_pixels: bool = False
    light: float = 0.25
    cut: float = (
        0.0  # side of a square that is hidden in each picture (Cutout, arXiv 1708.04552), as a share of the picture's
    )
    turn: float = 0.0  # degrees; only for whole pictures, whose boxes don't turn with them
    foreign: float = 0.0  # share of pictures that become something else, without a label


def varied(
    pictures: Pictures, chosen: np.ndarray, variation: Variation, draw: np.random.Generator, tile: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels float32 [batch, 3, side, side] of -1 to 1, boxes [batch, most, 4], labels [batch, most].

    A zoom or shift never cuts a box. tile: cut a square of so many pixels around an object of each picture instead,
    at one of many sizes; what is mostly outside of it isn't an object then.
    """
    pixels = pictures.pixels[chosen]
    boxes, labels = pictures.boxes[chosen].copy(), pictures.labels[chosen]
    if variation.mirror:
        for place in range(len(pixels)):
            _mirror(pixels, boxes, place, int(draw.integers(0, 8 if variation.mirror == "all" else 2)))
    side = pixels.shape[1]
    if variation.whole_pixels and tile is None:
        made = torch.from_numpy(_shifted(pixels, variation, draw)).permute(0, 3, 1, 2).float()
    else:
        if tile is None:
            matrix, boxes = _moves(boxes, labels, variation, draw)
        else:
            matrix, boxes, labels = _tiles(boxes, labels, side, tile, draw)
        grid = functional.affine_grid(
            torch.from_numpy(matrix), [len(pixels), 3, tile or side, tile or side], align_corners=False
        )
        made = functional.grid_sample(
            torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), grid, padding_mode="border", align_corners=False
        )
    made = _recoloured(made, variation, draw)
    if variation.cut:
        _hide(made, variation.cut, draw)
    wanted = torch.from_numpy(labels)
    for place in np.flatnonzero(draw.random(len(chosen)) < variation.foreign).tolist():
        made[place] = _foreign(made, wanted, place, draw)
        wanted[place] = -1
    return made.contiguous(memory_format=torch.channels_last), torch.from_numpy(boxes), wanted


def plain(pixels: np.ndarray) -> Tensor:
    """uint8 [n, side, side, 3] as the network's float32 [n, 3, side, side]."""
    made = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return made.contiguous(memory_format=torch.channels_last)


def small_png(content: bytes, side: int) -> bytes:
    """A picture of at most `side` pixels a side, in few colours, for golden requests."""
    from PIL import Image

    from edge_runtime.media.pictures import read_picture

    picture = read_picture(content, side).quantize(GOLDEN_COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def strata_of(rows: Sequence[Seen]) -> list[str]:
    """What a held-back part has its share of: the most frequent label of each picture."""
    return [Counter(box.label for box in row.objects).most_common(1)[0][0] if row.objects else "" for row in rows]


def _whole(box: Box) -> bool:
    return box.x1 - box.x0 >= WHOLE and box.y1 - box.y0 >= WHOLE


def _foreign(pixels: Tensor, labels: Tensor, place: int, draw: np.random.Generator) -> Tensor:
    """What shows nothing known: a blend of two pictures with different labels, noise, or blots of colour."""
    others = torch.nonzero((labels[:, 0] != labels[place, 0]) & (labels[:, 0] >= 0))[:, 0]
    if len(others) and draw.random() < 0.5:
        return (pixels[place] + pixels[others[int(draw.integers(len(others)))]]) / 2
    side = pixels.shape[-1]
    grain = int(draw.choice((2, 4, 8, 16, side)))
    noise = draw.normal(draw.uniform(-0.7, 0.7), draw.uniform(0, 0.7), (1, 3, grain, grain)).astype(np.float32)
    if draw.random() < 0.5:
        noise = noise.mean(1, keepdims=True).repeat(3, 1)
    return functional.interpolate(torch.from_numpy(noise), size=(side, side), mode="bilinear")[0].clamp(-1, 1)


def _mirror(pixels: np.ndarray, boxes: np.ndarray, place: int, way: int) -> None:
    """One of the eight ways to lay a square tile."""
    if way & 1:
        pixels[place] = pixels[place, :, ::-1].copy()
        boxes[place] = _flipped(boxes[place], 0)
    if way & 2:
        pixels[place] = pixels[place, ::-1].copy()
        boxes[place] = _flipped(boxes[place], 1)
    if way & 4:
        pixels[place] = pixels[place].transpose(1, 0, 2).copy()
        boxes[place] = boxes[place][:, [1, 0, 3, 2]]


def _shifted(pixels: np.ndarray, variation: Variation, draw: np.random.Generator) -> np.ndarray:
    """Whole pictures moved by whole pixels; what comes in at an edge is as the edge was."""
    count, side = pixels.shape[:2]
    most = round(variation.shift * side)
    moved = draw.integers(-most, most + 1, (2, count, 1)) + np.arange(side)
    rows, columns = moved.clip(0, side - 1)
    made: np.ndarray = pixels[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return made


def _hide(pixels: Tensor, share: float, draw: np.random.Generator) -> None:
    """Lay a grey square on each picture, anywhere: what it shows is told from the rest."""
    count, _, side, _ = pixels.shape
    middles = draw.integers(0, side, (2, count, 1))
    rows, columns = np.abs(np.arange(side) - middles) <= share * side / 2
    pixels.masked_fill_(torch.from_numpy(rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _flipped(boxes: np.ndarray, axis: int) -> np.ndarray:
    made = boxes.copy()
    made[:, axis], made[:, axis + 2] = 1 - boxes[:, axis + 2], 1 - boxes[:, axis]
    return made


def _recoloured(pixels: Tensor, variation: Variation, draw: np.random.Generator) -> Tensor:
    count = len(pixels)
    if variation.colours:
        order = np.stack([draw.permutation(3) for _ in range(count)])
        pixels = torch.gather(pixels, 1, torch.from_numpy(order)[:, :, None, None].expand_as(pixels))
        sign = np.where(draw.random((count, 3, 1, 1)) < 0.3, -1.0, 1.0)
    else:
        sign = np.ones((count, 1, 1, 1))
    light = variation.light
    gain = sign * draw.uniform(1 - light, 1 + light, (count, 1, 1, 1))
    lift = (
        draw.uniform(-0.8 * light, 0.8 * light, (count, 1, 1, 1)) - gain
    )  # pixels of 0 to 255 become -1 to 1, times the gain
    gain = gain / 127.5
    return pixels * torch.from_numpy(gain.astype(np.float32)) + torch.from_numpy(lift.astype(np.float32))


def _tiles(
    boxes: np.ndarray, labels: np.ndarray, side: int, tile: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices from tiles to the squares that they are cut of, and the tiles' own boxes and labels."""
    count = len(boxes)
    matrix = np.zeros((count, 2, 3), np.float32)
    moved, kept = np.zeros_like(boxes), np.full_like(labels, -1)
    for place in range(count):
        there = np.flatnonzero(labels[place] >= 0)
        middle, longest = draw.uniform(0.2, 0.8, 2) * side, tile / 2
        if len(there):
            box = boxes[place, there[draw.integers(len(there))]] * side
            middle, longest = (box[:2] + box[2:]) / 2, max(float((box[2:] - box[:2]).max()), 1.0)
        most = min(0.85 * tile, 1.8 * longest)
        least = min(max(7.0, 0.5 * longest), most)
        wanted = float(np.exp(draw.uniform(np.log(least), np.log(most))))
        grow = wanted / longest
        target = draw.uniform(wanted / 2, tile - wanted / 2, 2)
        # pixels of the square = (pixels of the tile - target) / grow + middle; affine_grid counts from -1 to 1
        matrix[place, 0, 0] = matrix[place, 1, 1] = tile / (side * grow)
        matrix[place, :, 2] = (tile - 2 * target) / (side * grow) + 2 * middle / side - 1
        new = ((boxes[place] * side - np.tile(middle, 2)) * grow + np.tile(target, 2)) / tile
        cut = np.clip(new, 0, 1)
        area = np.maximum((new[:, 2:] - new[:, :2]).prod(1), 1e-9)
        seen = (cut[:, 2:] - cut[:, :2]).prod(1) / area >= LEAST_OF_TILE
        moved[place] = cut
        kept[place] = np.where((labels[place] >= 0) & seen, labels[place], -1)
    return matrix, moved.astype(np.float32), kept


def _moves(
    boxes: np.ndarray, labels: np.ndarray, variation: Variation, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices float32 [n, 2, 3] from the new square to the old one (-1 to 1), and the boxes moved along."""
    count = len(boxes)
    there = labels >= 0
    whole = bool((boxes[there][:, 2:] - boxes[there][:, :2] >= WHOLE).all()) if there.any() else False
    grow = np.exp(draw.uniform(-np.log(variation.zoom), np.log(variation.zoom), count))
    shift = draw.uniform(-variation.shift, variation.shift, (count, 2))
    turn = np.radians(draw.uniform(-variation.turn, variation.turn, count))
    moved = boxes.copy()
    for place in range(count):
        if not there[place].any() or whole:
            continue
        low, high = boxes[place][there[place], :2].min(0), boxes[place][there[place], 2:].max(0)
        grow[place] = min(grow[place], 0.98 / max(float((high - low).max()), 1e-3))
        # new = (old - 0.5) * grow + 0.5 + shift must keep what lies from low to high inside
        start, end = (low - 0.5) * grow[place] + 0.5, (high - 0.5) * grow[place] + 0.5
        shift[place] = np.clip(shift[place], np.minimum(-start, 1 - end), np.maximum(-start, 1 - end))
        moved[place] = (boxes[place] - 0.5) * grow[place] + 0.5 + np.tile(shift[place], 2)
    cos, sin = np.cos(turn) / grow, np.sin(turn) / grow
    centre = -2 * shift
    matrix = np.stack(
        [
            np.stack([cos, -sin, cos * centre[:, 0] - sin * centre[:, 1]], 1),
            np.stack([sin, cos, sin * centre[:, 0] + cos * centre[:, 1]], 1),
        ],
        1,
    )
    return matrix.astype(np.float32), moved.astype(np.float32)
