"""Faces, and hands with what they show, as small networks of others find them: teachers that need no key and no network.

They are files of MediaPipe (Apache-2.0), as its wheels up to 0.10.21 have them; a person brings them, and they are known by their hashes. How
boxes are read off them is in its graphs: `ssd_anchors_calculator`, `tensors_to_detections_calculator`, `palm_detection_gpu`,
`hand_landmark_tracking`. Boxes are shares of the picture.
"""

from __future__ import annotations

import functools
import hashlib
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer_host.errors import DataError
from trainer_host.media.boxes import Box, overlap

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image

FACES, HANDS = "faces", "hands"
FACE, FACE_FAR, PALM, HAND = "face", "face, far", "palm", "hand"
FILES = {
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8": FACE,
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1": FACE_FAR,
    "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54": PALM,
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3": HAND,
}
NAMES = {
    FACE: "face_detection_short_range.tflite",
    FACE_FAR: "face_detection_full_range_sparse.tflite",
    PALM: "palm_detection_full.tflite",
    HAND: "hand_landmark_full.tflite",
}
NEEDED = {FACES: (FACE, FACE_FAR), HANDS: (PALM, HAND)}
SURE = 0.5  # of what is found, as in MediaPipe's own graphs
_ALIKE = 0.3  # boxes of one thing
_MAX_BYTES = 16 * 2**20
# Of a detector: strides of its layers in pixels, and anchors in each cell.
ANCHORS = {FACE: ((8, 2), (16, 6)), FACE_FAR: ((4, 1),), PALM: ((8, 2), (16, 6))}
_RANGE = {FACE: (-1.0, 1.0), FACE_FAR: (-1.0, 1.0), PALM: (0.0, 1.0), HAND: (0.0, 1.0)}
_WRIST, _MIDDLE = 0, 2  # of a palm's points
_CROP, _UP = 2.6, 0.5  # a hand's square is so many times its palm's, and so much of that further from the wrist
_STRAIGHT = 145.0  # degrees at a finger's middle joint
GESTURES = ("fist", "open hand", "pointing", "victory", "thumb up", "thumb down", "other hand")
# Which of thumb, index, middle, ring and little finger are straight.
_SHOWN: dict[tuple[int, ...], str] = {
    (0, 0, 0, 0, 0): "fist", (1, 1, 1, 1, 1): "open hand", (0, 1, 1, 1, 1): "open hand",
    (0, 1, 0, 0, 0): "pointing", (1, 1, 0, 0, 0): "pointing", (0, 1, 1, 0, 0): "victory",
}  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """A detection: box and points in shares of a square that holds the picture, score 0 to 1."""

    box: Box
    points: np.ndarray  # float32 [points, 2]
    score: float


def files_in(place: Path, what: str) -> dict[str, bytes]:
    """The networks that find `FACES` or `HANDS`: of a wheel, or a folder with it or with .tflite files; raises `DataError`."""
    needed = NEEDED[what]
    found: dict[str, bytes] = {}
    for content in _contents(place):
        kind = FILES.get(hashlib.sha256(content).hexdigest())
        if kind in needed:
            found[str(kind)] = content
    missing = [NAMES[kind] for kind in needed if kind not in found]
    if missing:
        raise DataError(
            f"{place.name} lacks {' and '.join(missing)}, as the wheel of mediapipe 0.10.21 has them; get that with "
            "'pip download --no-deps mediapipe==0.10.21' and name it."
        )
    return found


def _contents(place: Path) -> list[bytes]:
    try:
        if not place.is_dir():
            return _in_wheel(place)
        loose = [path.read_bytes() for path in sorted(place.glob("*.tflite")) if path.stat().st_size <= _MAX_BYTES]
        return loose + [content for path in sorted(place.glob("mediapipe-*.whl")) for content in _in_wheel(path)]
    except (OSError, zipfile.BadZipFile):
        raise DataError(
            f"{place} can't be read; name a wheel of mediapipe, or a folder with it or its .tflite files."
        ) from None


def _in_wheel(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as wheel:
        entries = [item for item in wheel.infolist() if item.filename.endswith(".tflite")]
        return [wheel.read(item) for item in entries if item.file_size <= _MAX_BYTES]


class Finder:
    """Finds faces or hands in pictures. Raises `DataError` where LiteRT or a file is missing."""

    def __init__(self, place: Path, what: str) -> None:
        self._networks = {kind: _opened(content) for kind, content in files_in(place, what).items()}
        self._what = what

    def find(self, picture: Image.Image) -> tuple[Box, ...]:
        """The faces, labelled "face", or the hands, labelled by what they show (one of `GESTURES`). picture: RGB."""
        if self._what == FACES:
            found = [item for kind in NEEDED[FACES] for item in self._detected(picture, kind)]
            return tuple(_on(picture, item.box) for item in _distinct(found))
        hands = (self._hand(picture, palm) for palm in _distinct(self._detected(picture, PALM)))
        return tuple(_on(picture, box) for box in _apart([box for box in hands if box is not None]))

    def _run(self, kind: str, pixels: np.ndarray) -> list[np.ndarray]:
        network = self._networks[kind]
        low, high = _RANGE[kind]
        network.set_tensor(network.get_input_details()[0]["index"], (pixels * (high - low) / 255 + low)[None])
        network.invoke()
        return [network.get_tensor(item["index"])[0] for item in network.get_output_details()]

    def _detected(self, picture: Image.Image, kind: str) -> list[_Found]:
        side = int(self._networks[kind].get_input_details()[0]["shape"][1])
        raw, scores = self._run(kind, _square(picture, side))
        sure = 1 / (1 + np.exp(-np.clip(scores[:, 0], -50, 50)))
        places = centres(side, ANCHORS[kind])
        found = []
        for at in np.flatnonzero(sure >= SURE):
            x, y, width, height = raw[at, :4] / side + (*places[at], 0, 0)
            points = raw[at, 4:].reshape(-1, 2) / side + places[at]
            box = Box("face", float(x - width / 2), float(y - height / 2), float(x + width / 2), float(y + height / 2))
            found.append(_Found(box, points, float(sure[at])))
        return found

    def _hand(self, picture: Image.Image, palm: _Found) -> Box | None:
        """A palm's hand; None where there is none after all."""
        from PIL import Image

        side = int(self._networks[HAND].get_input_details()[0]["shape"][1])
        whole = max(picture.size)
        wrist, middle = palm.points[_WRIST], palm.points[_MIDDLE]
        along = (middle - wrist) / max(1e-6, float(np.linalg.norm(middle - wrist)))
        length = max(palm.box.x1 - palm.box.x0, palm.box.y1 - palm.box.y0)
        centre = np.array([palm.box.x0 + palm.box.x1, palm.box.y0 + palm.box.y1]) / 2 + along * length * _UP
        across = np.array([-along[1], along[0]])
        step = _CROP * length * whole / side  # pixels of the picture for one of the crop
        origin = centre * whole - (across - along) * step * side / 2 - _corner(picture)
        # The crop's x runs across the hand, its y from the fingers to the wrist.
        affine = (across[0] * step, -along[0] * step, origin[0], across[1] * step, -along[1] * step, origin[1])
        crop = picture.transform((side, side), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        points, present, *_ = self._run(HAND, np.asarray(crop, np.float32))
        if float(present[0]) < SURE:
            return None
        joints = points.reshape(21, 3)
        flat = joints[:, :1] * across * step + joints[:, 1:2] * -along * step + origin + _corner(picture)
        low, high = flat.min(0) / whole, flat.max(0) / whole
        return Box(gesture(joints, flat), float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def gesture(joints: np.ndarray, flat: np.ndarray) -> str:
    """What a hand shows, one of `GESTURES`.

    joints: float32 [21, 3] of MediaPipe's hand: the wrist, then four of each finger from the thumb on. flat: float32 [21, 2],
    the same in the picture, y down.
    """
    straight = [int(_bend(joints, finger) >= _STRAIGHT) for finger in range(5)]
    if straight == [1, 0, 0, 0, 0]:
        rise = flat[2, 1] - flat[4, 1]  # from the thumb's root to its tip
        far = float(np.linalg.norm(flat[2] - flat[4]))
        # A thumb that lies along a fist is straight too, but doesn't stick out of it.
        above, below = flat[4, 1] < flat[5:, 1].min(), flat[4, 1] > flat[5:, 1].max()
        return (
            "thumb up" if rise > 0.7 * far and above else "thumb down" if rise < -0.7 * far and below else "other hand"
        )
    return _SHOWN.get(tuple(straight), "other hand")


def _bend(joints: np.ndarray, finger: int) -> float:
    """Degrees at a finger's bending joint, 180 where it is straight; for a thumb also how far it lies from the palm."""
    root, middle, tip = joints[[1 + 4 * finger, 2 + 4 * finger, 4 + 4 * finger]]
    one, other = root - middle, tip - middle
    cosine = float(one @ other / max(1e-6, float(np.linalg.norm(one) * np.linalg.norm(other))))
    angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
    palm = float(np.linalg.norm(joints[5] - joints[17]))
    if finger == 0 and float(np.linalg.norm(joints[4] - joints[9])) < palm:
        return 0.0  # it lies across the palm
    return angle


def _opened(content: bytes) -> Interpreter:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as cause:
        raise DataError(
            "These teachers need the package 'ai-edge-litert'; install Enigma with the extra 'litert'."
        ) from cause
    network = Interpreter(model_content=content, num_threads=1)
    network.allocate_tensors()
    return network


def _square(picture: Image.Image, side: int) -> np.ndarray:
    """float32 [side, side, 3]: the whole picture in the middle of a black square."""
    from PIL import Image

    scale = side / max(picture.size)
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BILINEAR)  # fmt: skip
    square = Image.new("RGB", (side, side))
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return np.asarray(square, np.float32)


def _corner(picture: Image.Image) -> np.ndarray:
    """Where the picture's corner lies in its square, in pixels."""
    return (max(picture.size) - np.array(picture.size)) / 2


def _on(picture: Image.Image, box: Box) -> Box:
    """A box of the square, in shares of the picture, cut at its edges."""
    whole, (left, top) = max(picture.size), _corner(picture)
    x = [min(1.0, max(0.0, (at * whole - left) / picture.width)) for at in (box.x0, box.x1)]
    y = [min(1.0, max(0.0, (at * whole - top) / picture.height)) for at in (box.y0, box.y1)]
    return Box(box.label, *(float(at) for at in (x[0], y[0], x[1], y[1])))


def _distinct(found: Sequence[_Found]) -> list[_Found]:
    """Of detections that overlap, the surest."""
    kept: list[_Found] = []
    for item in sorted(found, key=lambda item: -item.score):
        if all(overlap(item.box, other.box) < _ALIKE for other in kept):
            kept.append(item)
    return kept


def _apart(boxes: Sequence[Box]) -> list[Box]:
    """Of hands that are one, the first."""
    kept: list[Box] = []
    for box in boxes:
        if all(overlap(box, other) < 0.5 for other in kept):
            kept.append(box)
    return kept


@functools.lru_cache(maxsize=8)
def centres(side: int, layers: tuple[tuple[int, int], ...]) -> np.ndarray:
    """float32 [anchors, 2]: the middles of the cells, x and y."""
    made = []
    for stride, each in layers:
        cells = side // stride
        at = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
        made.append(np.repeat(grid, each, axis=0))
    return np.concatenate(made).astype(np.float32)
