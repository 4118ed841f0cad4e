"""Icons and round corners as textures: each is drawn once in a size, white, and shared by all that show it.

Kivy's smooth shapes are hundreds of triangles each, and a screen has a hundred shapes; a frame costs two triangles an icon and
eighteen a paper so, in time and, where a processor draws, in memory. The processor draws them, a millisecond each: a frame
buffer of Kivy's takes eight.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor, hypot

from kivy.factory import Factory
from kivy.graphics import BorderImage
from kivy.graphics.texture import Texture

from companion_app.theme.icons import ICONS, Stroke

# Around a paper in its texture, in pixels: its edges stay smooth between two pixels.
MARGIN = 1
# How far the edge of a line fades, in pixels.
FADES = 1.2


@lru_cache(256)
def icon(name: str, side: int, mirrored: bool) -> Texture:
    """An icon of `side` x `side` pixels."""
    return _texture(side, strokes_mask(ICONS.get(name, ()), side, mirrored))


@lru_cache(256)
def paper(corners: tuple[int, ...]) -> Texture:
    """The smallest paper of these four corners (top left, then clockwise; pixels), with its margin."""
    mask = paper_mask(corners)
    return _texture(round(len(mask) ** 0.5), mask)


def strokes_mask(strokes: Sequence[Stroke], side: int, mirrored: bool = False) -> bytearray:
    """How much of each pixel lines of 1/20 of `side` cover, 0 to 255, row by row from the bottom.

    strokes: points on 24 x 24.
    """
    mask = bytearray(side * side)
    far = max(1.0, side / 20) + FADES - 0.9
    scale = side / 24
    for stroke in strokes:
        points = [((24 - x if mirrored else x) * scale, y * scale) for x, y in stroke]
        for (ax, ay), (bx, by) in pairwise(points):
            dx, dy = bx - ax, by - ay
            length = dx * dx + dy * dy or 1.0
            columns = range(max(0, floor(min(ax, bx) - far)), min(side, ceil(max(ax, bx) + far)))
            for row in range(max(0, floor(min(ay, by) - far)), min(side, ceil(max(ay, by) + far))):
                y = row + 0.5 - ay
                for column in columns:
                    x = column + 0.5 - ax
                    along = min(1.0, max(0.0, (x * dx + y * dy) / length))
                    light = (far - hypot(x - along * dx, y - along * dy)) / FADES
                    if light > 0:
                        place = row * side + column
                        mask[place] = max(mask[place], min(255, round(light * 255)))
    return mask


def paper_mask(corners: tuple[int, ...]) -> bytearray:
    """How much of each pixel the smallest paper of these corners covers, 0 to 255, row by row from the bottom; a square."""
    inner = 2 * max(corners) + 2
    side = inner + 2 * MARGIN
    mask = bytearray(side * side)
    top_left, top_right, bottom_right, bottom_left = (_corner(each) for each in corners)
    for row in range(inner):
        upper = row >= inner // 2
        off = inner - 1 - row if upper else row  # from the nearer edge
        ends = (top_left, top_right) if upper else (bottom_left, bottom_right)
        left, right = (end[off] if off < len(end) else b"" for end in ends)
        begin = (row + MARGIN) * side + MARGIN
        mask[begin : begin + inner] = left + b"\xff" * (inner - len(left) - len(right)) + right[::-1]
    return mask


@lru_cache(64)
def _corner(radius: int) -> tuple[bytes, ...]:
    """The square of a round corner, from the edges inwards."""
    away = [radius - at - 0.5 for at in range(radius)]
    return tuple(bytes(round(255 * min(1.0, max(0.0, radius + 0.5 - hypot(x, y)))) for x in away) for y in away)


def _texture(side: int, mask: bytearray) -> Texture:
    white = bytearray(b"\xff" * (4 * side * side))
    white[3::4] = mask
    pixels = bytes(white)
    made = Texture.create(size=(side, side), colorfmt="rgba")

    def fill(texture: Texture) -> None:
        texture.blit_buffer(pixels, colorfmt="rgba", bufferfmt="ubyte")

    fill(made)
    made.add_reload_observer(fill)  # a phone loses its graphics when another app is shown
    return made


class Paper(BorderImage):
    """A rectangle with smooth, round corners, for .kv: `pos`, `size` and `radius` (one for all, or four as above), in pixels."""

    def __init__(self) -> None:
        self._pos, self._size = (0.0, 0.0), (0.0, 0.0)
        self._radius: tuple[float, ...] = (0.0,)
        self._corners: tuple[int, ...] = ()
        super().__init__()

    @property
    def pos(self) -> tuple[float, float]:
        """Its bottom left corner."""
        return self._pos

    @pos.setter
    def pos(self, value: Sequence[float]) -> None:
        self._pos = value[0], value[1]
        BorderImage.pos.__set__(self, (value[0] - MARGIN, value[1] - MARGIN))

    @property
    def size(self) -> tuple[float, float]:
        """Width and height; nothing is drawn where one is 0."""
        return self._size

    @size.setter
    def size(self, value: Sequence[float]) -> None:
        self._size = value[0], value[1]
        self._fit()

    @property
    def radius(self) -> Sequence[float]:
        """Of its corners; never more than half of a side."""
        return self._radius

    @radius.setter
    def radius(self, value: Sequence[float]) -> None:
        self._radius = tuple(value)
        self._fit()

    def _fit(self) -> None:
        width, height = self._size
        if min(width, height) < 1:
            BorderImage.size.__set__(self, (0, 0))
            return
        most = int(min(width, height) / 2)
        wanted = self._radius * 4 if len(self._radius) == 1 else self._radius
        corners = tuple(min(round(each), most) for each in wanted)
        if corners != self._corners:
            self._corners = corners
            self.texture = paper(corners)
            self.border = (max(corners) + MARGIN,) * 4
        BorderImage.size.__set__(self, (width + 2 * MARGIN, height + 2 * MARGIN))


Factory.register("Paper", cls=Paper)
