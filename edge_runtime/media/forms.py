"""The forms that people name (a square, a hexagon, a line) as shapes of a scene."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from edge_runtime.media import draw
from edge_runtime.media.scene import Scene, Shape

Box = tuple[float, float, float, float]  # x0, y0, x1, y1

_OBLONG = 0.6  # short side of ovals and rectangles, as a share of the long one
_THIN = 0.08  # of a line's length
_THINNEST = 4.0  # pixels of a line, so that its colour is seen
_LEAST = 10.0  # pixels of other shapes' shorter side
_CORNERS = {"pentagon": 5, "hexagon": 6}


@dataclass(frozen=True)
class Form:
    """A form at the size 1 x 1 around 0, 0: the box around its outline, its centre of area, its area.

    kind, points: of its `Shape`.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    box: Box
    centre: tuple[float, float]
    area: float


@functools.cache
def form(name: str) -> Form:
    """The form of one of `prompts.KINDS`."""
    corners = draw.regular(_CORNERS[name]) if name in _CORNERS else []
    points = tuple((round(x + 0.5, 4), round(y + 0.5, 4)) for x, y in corners)
    kind = "polygon" if points else {"oval": "circle", "square": "rectangle"}.get(name, name)
    outline = draw.outline(Scene(100, 100, "white", ()), Shape(kind, 0.0, 0.0, 0.01, 0.01, "black", points=points))
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    centre = (0.0, 1 / 6) if name == "triangle" else (0.0, 0.0)  # of the others the middle is that of their corners
    return Form(kind, points, (min(xs), min(ys), max(xs), max(ys)), centre, draw.area_of(outline))


def sides(name: str, wide: float, high: float) -> tuple[float, float]:
    """Pixels of the largest shape of a form in a box of pixels."""
    if wide < high:
        height, width = sides(name, high, wide)
        return width, height
    if name == "line":
        return wide, max(_THIN * wide, min(_THINNEST, wide / 5))
    ratio = _OBLONG if name in ("oval", "rectangle") else 1.0
    return (wide, wide * ratio) if wide * ratio <= high else (high / ratio, high)


def is_clear(name: str, width: float, height: float) -> bool:
    """Whether a shape of so many pixels is large enough to be told."""
    return min(width, height) >= (_THINNEST if name == "line" else _LEAST)


def formed(
    name: str, colour: str, at: tuple[float, float], pixels: tuple[float, float], unit: int, layer: int = 0
) -> Shape:
    """A shape of a form. at: its centre, in shares of the canvas. unit: pixels of the canvas's shorter side."""
    made = form(name)
    width, height = (round(side / unit, 4) for side in pixels)
    return Shape(made.kind, round(at[0], 4), round(at[1], 4), width, height, colour, layer=layer, points=made.points)
