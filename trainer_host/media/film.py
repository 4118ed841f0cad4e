"""A film's frames, and where each shape is in them: centres, areas and turns, measured on visible pixels."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.media import draw, pictures
from edge_runtime.media.scene import Scene
from trainer_host.media.seeing import BACKDROP, CLEAR_SHARE, MIN_PIXELS, Seen, Uncovered, see, uncovered
from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SMOOTH = 2  # films are smaller and many: edges of two by two
HARMONICS = (1, 2, 3, 4, 5, 6)  # a hexagon looks the same after a sixth of a turn
EVEN = 0.02  # of the mean radius: below it a shape's edge is too round to tell how it is turned


@dataclass(frozen=True)
class Path:
    """A shape over time, float64 [frames] each.

    x, y: its centre, 0 to 1. area: visible pixels. share: how much of it is visible. angle: degrees clockwise since
    the first frame, None where it looks the same however it is turned. changes: pixels that differ from the frame
    before, as a share of its area; 0 in the first.
    """

    x: np.ndarray
    y: np.ndarray
    area: np.ndarray
    share: np.ndarray
    angle: np.ndarray | None
    changes: np.ndarray

    @property
    def clear(self) -> float:
        """The share of the frames in which it can be seen."""
        return float(((self.share >= CLEAR_SHARE) & (self.area >= MIN_PIXELS)).mean())


@dataclass(frozen=True)
class Watched:
    """A film looked at. middle: what its middle frame shows; paths: of each shape, in the scene's order."""

    width: int
    height: int
    seconds: float
    middle: Seen
    paths: tuple[Path, ...]


@functools.lru_cache(maxsize=1)
def _drawn(scene: Scene) -> tuple[Image.Image, ...]:
    return tuple(draw.drawn(scene, SMOOTH))


def film_file(scene: Scene) -> bytes:
    """The film as animated PNG."""
    return pictures.animated_png(_drawn(scene), scene.fps)


@functools.lru_cache(maxsize=2)  # an example is made and then checked: the film is the same
def watch(scene: Scene) -> Watched:
    """Draw every frame and follow each shape through them."""
    import numpy as np

    frames = draw.frames(scene)
    rows: list[list[_Glance]] = [[] for _ in scene.shapes]
    before: list[Uncovered] = []  # only the last frame's masks are kept: a film's would be 100 MB
    for frame in frames:
        shapes = uncovered(frame)
        for index, shape in enumerate(shapes):
            last = before[index] if before else shape
            if before and shape.shape is last.shape and np.array_equal(shape.visible, last.visible):
                rows[index].append(replace(rows[index][-1], changed=0.0))  # it rests
            else:
                rows[index].append(_glance(frame, shape, last))
        before = shapes
    return Watched(
        scene.width, scene.height, scene.seconds, see(frames[len(frames) // 2]), tuple(_path(row) for row in rows)
    )


def refuse_unseen(watched: Watched) -> None:
    """Raises `Rejected` where a shape can't be seen in any frame."""
    for number, path in enumerate(watched.paths):
        if not path.clear and watched.middle.shapes[number].look != BACKDROP:
            raise Rejected("hidden shape", f"shapes[{number}] can't be seen in any frame")


def refuse_unreadable(scene: Scene, content: bytes) -> None:
    """Raises `Rejected` where the file, parsed, isn't the film: its size, its length, its pictures."""
    film = pictures.read_film(content)
    if len(film.frames) == 1:
        raise Rejected("nothing moves", "all frames are the same; give a shape a motion that can be seen")
    length = sum(film.seconds)
    if film.frames[0].size != (scene.width, scene.height) or abs(length - scene.frames / scene.fps) > 0.02:
        raise Rejected(
            "wrong film", f"the file holds {length:.2f} s of {film.frames[0].size[0]} x {film.frames[0].size[1]}"
        )
    pictures_of = _drawn(scene)
    for parsed, drawn in ((film.frames[0], pictures_of[0]), (film.frames[-1], pictures_of[-1])):
        if parsed.tobytes() != drawn.tobytes():
            raise Rejected("wrong film", "the file's pictures aren't those that were drawn")


@dataclass(frozen=True)
class _Glance:
    """A shape in one frame. spectrum: complex [harmonics], zeros where there is too little to see."""

    x: float
    y: float
    area: int
    share: float
    changed: float
    spectrum: np.ndarray


def _glance(frame: Scene, shape: Uncovered, before: Uncovered) -> _Glance:
    """The mean of r^2 e^(ika) over a shape's pixels (r, a: distance and direction from its centre) is its spectrum."""
    import numpy as np

    area, share = shape.pixels, shape.share
    changed = (area + before.pixels - 2 * _shared(shape, before)) / max(1, area, before.pixels)
    if area < MIN_PIXELS:
        return _Glance(0.5, 0.5, area, share, changed, np.zeros(len(HARMONICS), dtype=complex))
    rows, columns = np.nonzero(shape.visible)
    x, y = float(columns.mean()), float(rows.mean())
    away = (columns - x) + 1j * (rows - y)
    radius = np.abs(away)
    direction = away / np.maximum(radius, 1e-9)
    weights = radius**2 / max(1e-9, float((radius**2).sum()))
    spectrum = np.zeros(len(HARMONICS), dtype=complex)
    for number in range(len(HARMONICS)):  # multiplied step by step: numpy's complex power is ten times slower
        weights = weights * direction
        spectrum[number] = weights.sum()
    middle_x, middle_y = (x + shape.shape.x0 + 0.5) / frame.width, (y + shape.shape.y0 + 0.5) / frame.height
    return _Glance(middle_x, middle_y, area, share, changed, spectrum)


def _shared(one: Uncovered, other: Uncovered) -> int:
    """Pixels that are visible of both."""
    import numpy as np

    x0, y0 = max(one.shape.x0, other.shape.x0), max(one.shape.y0, other.shape.y0)

    def cut(found: Uncovered) -> np.ndarray:
        return found.visible[max(0, y0 - found.shape.y0) :, max(0, x0 - found.shape.x0) :]

    ours, theirs = cut(one), cut(other)
    rows, columns = min(ours.shape[0], theirs.shape[0]), min(ours.shape[1], theirs.shape[1])
    return int(np.count_nonzero(ours[:rows, :columns] & theirs[:rows, :columns]))


def _path(row: list[_Glance]) -> Path:
    import numpy as np

    return Path(
        np.array([glance.x for glance in row]),
        np.array([glance.y for glance in row]),
        np.array([glance.area for glance in row], dtype=np.float64),
        np.array([glance.share for glance in row]),
        _angles(np.array([glance.spectrum for glance in row])),
        np.array([glance.changed for glance in row]),
    )


def _angles(spectrum: np.ndarray) -> np.ndarray | None:
    """Degrees clockwise since the first frame. complex [frames, harmonics].

    The harmonic k turns k times as fast as the shape; the one with the largest mean over the film is followed.
    """
    import numpy as np

    strongest = int(np.abs(spectrum).mean(axis=0).argmax())
    if np.abs(spectrum[:, strongest]).min() < EVEN:
        return None
    phase = np.unwrap(np.angle(spectrum[:, strongest]))
    return np.degrees(phase - phase[0]) / HARMONICS[strongest]


def turned(path_x: np.ndarray, path_y: np.ndarray) -> float:
    """Degrees, clockwise, that a centre goes around the middle of the picture."""
    import numpy as np

    angle = np.unwrap(np.arctan2(path_y - 0.5, path_x - 0.5))
    return math.degrees(float(angle[-1] - angle[0]))
