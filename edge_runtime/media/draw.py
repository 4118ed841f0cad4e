"""Draws scenes with Pillow: outlines, masks, pictures, frames of a film."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.media.colours import rgb
from edge_runtime.media.scene import Scene, Shape, Track

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageFont

Points = list[tuple[float, float]]

CURVE = 48  # corners of a circle: on 512 pixels it strays from the true one by half a pixel
SMOOTH = 3  # each pixel of a picture is the mean of so many by so many: edges without steps
LARGEST = 3.0  # canvases
LARGEST_TEXT = 1.2  # canvases; more would only cost memory
STAR_INNER = 0.382  # the inner radius of a five-pointed star whose edges are straight: 1 / golden ratio squared


def draw(scene: Scene, smooth: int = SMOOTH) -> Image.Image:
    """The picture, RGB; of a film, its first frame as the shapes stand."""
    from PIL import Image, ImageDraw

    big = Image.new("RGB", (scene.width * smooth, scene.height * smooth), rgb(scene.background))
    pen = ImageDraw.Draw(big)
    for index in order(scene):
        shape = scene.shapes[index]
        if shape.kind == "text":
            mask, at = _letters(scene, shape, smooth)
            big.paste(rgb(shape.colour), at, mask)
        else:
            pen.polygon([(x * smooth, y * smooth) for x, y in outline(scene, shape)], fill=rgb(shape.colour))
    return big.reduce(smooth) if smooth > 1 else big


def order(scene: Scene) -> list[int]:
    """Indices of the shapes, the lowest layer first."""
    return sorted(range(len(scene.shapes)), key=lambda index: scene.shapes[index].layer)


@dataclass(frozen=True)
class Mask:
    """The pixels of a canvas that a shape covers: bool [rows, columns] in a window whose corner is at x0, y0.

    area: pixels that it would cover on an endless canvas.
    """

    x0: int
    y0: int
    pixels: np.ndarray
    area: float

    @property
    def window(self) -> tuple[slice, slice]:
        """Where it lies, as an index of arrays [height, width]."""
        rows, columns = self.pixels.shape
        return slice(self.y0, self.y0 + rows), slice(self.x0, self.x0 + columns)


def mask_of(scene: Scene, shape: Shape) -> Mask:
    """Which pixels a shape covers, without smooth edges; the same object for the same shape, so it mustn't be changed."""
    return _mask_of(replace(scene, shapes=()) if scene.shapes else scene, shape)


@functools.lru_cache(maxsize=32)  # what rests in a film is in every frame
def _mask_of(scene: Scene, shape: Shape) -> Mask:
    import numpy as np
    from PIL import Image, ImageDraw

    if shape.kind == "text":
        letters, (x, y) = _letters(scene, shape, 1)
        x0, y0, x1, y1 = _window(scene, x, y, x + letters.width, y + letters.height)
        area = float((np.asarray(letters) > 127).sum())
        canvas = letters.crop((x0 - x, y0 - y, x1 - x, y1 - y))
    else:
        corners = outline(scene, shape)
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        x0, y0, x1, y1 = _window(scene, min(xs), min(ys), max(xs) + 1, max(ys) + 1)
        area = area_of(corners)
        canvas = Image.new("L", (x1 - x0, y1 - y0))
        if x1 > x0 and y1 > y0:
            ImageDraw.Draw(canvas).polygon([(x - x0, y - y0) for x, y in corners], fill=255)
    return Mask(x0, y0, np.asarray(canvas).reshape(y1 - y0, x1 - x0) > 127, area)


def _window(scene: Scene, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
    """The part of a box that lies on the canvas, in whole pixels, empty where none does."""
    left, top = min(max(0, math.floor(x0)), scene.width), min(max(0, math.floor(y0)), scene.height)
    return left, top, max(left, min(scene.width, math.ceil(x1))), max(top, min(scene.height, math.ceil(y1)))


def area_of(corners: Points) -> float:
    """Area of a polygon by the shoelace formula."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1], strict=True))) / 2


def outline(scene: Scene, shape: Shape) -> Points:
    """Corners of a shape that isn't text, in pixels of the canvas."""
    width, height = shape.width * scene.unit, shape.height * scene.unit
    turn = math.radians(shape.rotation)
    cos, sin = math.cos(turn), math.sin(turn)
    middle_x, middle_y = shape.x * scene.width, shape.y * scene.height
    made = []
    for x, y in _corners(shape):
        x, y = x * width, y * height
        made.append((middle_x + x * cos - y * sin, middle_y + x * sin + y * cos))
    return made


def _corners(shape: Shape) -> Points:
    """In the shape's own box, -0.5 to 0.5."""
    if shape.kind == "polygon":
        return [(x - 0.5, y - 0.5) for x, y in shape.points]
    return _CORNERS[shape.kind]


def regular(corners: int) -> Points:
    """A regular polygon that stands on an edge, in a box of -0.5 to 0.5."""
    turn = 2 * math.pi / corners
    start = math.pi / 2 + turn / 2
    return [(math.cos(start + turn * i) / 2, math.sin(start + turn * i) / 2) for i in range(corners)]


def _star() -> Points:
    points = []
    for i in range(10):
        radius, angle = (0.5 if i % 2 == 0 else 0.5 * STAR_INNER), math.pi * (i / 5 - 0.5)
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return points


_BOX: Points = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
_CORNERS: dict[str, Points] = {
    "circle": regular(CURVE),
    "rectangle": _BOX,
    "line": _BOX,
    "triangle": [(0.0, -0.5), (0.5, 0.5), (-0.5, 0.5)],
    "star": _star(),
}


def _letters(scene: Scene, shape: Shape, smooth: int) -> tuple[Image.Image, tuple[int, int]]:
    """A mask of the text, as large as fits the shape's box, and where its corner lies on the canvas."""
    from PIL import Image, ImageDraw

    unit = scene.unit * smooth
    width, height = min(shape.width, LARGEST_TEXT) * unit, min(shape.height, LARGEST_TEXT) * unit
    left, _, right, _ = _font(max(4, round(height))).getbbox(shape.text)
    size = max(4, round(height * min(1.0, width / max(1.0, right - left))))
    left, top, right, bottom = _font(size).getbbox(shape.text)
    mask = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
    ImageDraw.Draw(mask).text((-left, -top), shape.text, fill=255, font=_font(size))
    if shape.rotation % 360:
        mask = mask.rotate(-shape.rotation, Image.Resampling.BILINEAR, expand=True)
    at_x = round(shape.x * scene.width * smooth - mask.width / 2)
    at_y = round(shape.y * scene.height * smooth - mask.height / 2)
    return mask, (at_x, at_y)


@functools.lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which is the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def at(scene: Scene, seconds: float) -> Scene:
    """The film's picture at a time, as a scene without motion; as large as the film."""
    shapes = []
    for shape in scene.shapes:
        values = {track.property: value_at(track, seconds) for track in shape.motion}
        scale = values.get("scale", 1.0)
        shapes.append(
            replace(
                shape,
                x=values.get("x", shape.x),
                y=values.get("y", shape.y),
                rotation=values.get("rotation", shape.rotation),
                width=min(LARGEST, shape.width * scale),
                height=min(LARGEST, shape.height * scale),
                motion=(),
            )
        )
    return replace(scene, shapes=tuple(shapes), fps=0, seconds=0.0)


def drawn(scene: Scene, smooth: int) -> list[Image.Image]:
    """The pictures of `frames`; those in which nothing changes are drawn once."""
    pictures: list[Image.Image] = []
    before: Scene | None = None
    for frame in frames(scene):
        pictures.append(pictures[-1] if frame == before else draw(frame, smooth))
        before = frame
    return pictures


def frames(scene: Scene) -> list[Scene]:
    """All pictures of a film; the last one is drawn at its end, so that what moves also arrives."""
    count = scene.frames
    return [at(scene, scene.seconds * number / max(1, count - 1)) for number in range(count)]


def value_at(track: Track, seconds: float) -> float:
    """A property's value at a time."""
    keys = track.keys
    if seconds <= keys[0].t:
        return keys[0].value
    for before, after in itertools.pairwise(keys):
        if seconds <= after.t:
            share = (seconds - before.t) / (after.t - before.t)
            if track.ease == "ease":
                share = share * share * (3 - 2 * share)
            return before.value + share * (after.value - before.value)
    return keys[-1].value
