"""What can be seen in a drawn scene: for each shape its visible pixels, its place, its colour by name."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import draw
from edge_runtime.media.colours import difference, name_of, rgb
from edge_runtime.media.scene import Scene, Shape
from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import numpy as np

BACKDROP = "backdrop"
BACKDROP_SHARE = 0.95  # a shape that covers this much of the canvas is its background
CONTRAST = 12.0  # CIE76; about five times what is just noticeable: seen at a glance
MIN_PIXELS = 12  # fewer are a speck
CLEAR_SHARE = 0.5  # of its area must be visible for a shape to count as shown
HIDDEN_SHARE = 0.05  # below it, a shape serves nothing
ALIKE = 0.06  # sides that differ by less look equal
UNLIKE = 0.15  # and by more look different
LINE = 4.0  # times as long as thick; a shorter one is a block
SQUEEZED = 3.0  # times as long as wide: hardly a star any more

KINDS = ("circle", "oval", "square", "rectangle", "triangle", "star", "pentagon", "hexagon", "line")


@dataclass(frozen=True)
class SeenShape:
    """look: one of `KINDS`, or "polygon", "text", `BACKDROP`. colour: the name of what its pixels show.

    area: visible pixels. share: of the shape's whole area, on an endless canvas, that is visible. x, y: centre of
    the visible pixels and box: x0, y0, x1, y1 around them, 0 to 1. mask: bool [height, width].
    """

    look: str
    colour: str
    area: int
    share: float
    x: float
    y: float
    box: tuple[float, float, float, float]
    mask: np.ndarray
    text: str = ""

    @property
    def clear(self) -> bool:
        """Enough of it is visible to count."""
        return self.share >= CLEAR_SHARE and self.area >= MIN_PIXELS


@dataclass(frozen=True)
class Seen:
    """ground: the colour's name around the edge of the picture, None where it is mixed. pixels: of the canvas."""

    width: int
    height: int
    ground: str | None
    shapes: tuple[SeenShape, ...]

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Uncovered:
    """What is visible of a shape: bool in the window of its mask; pixels: how many."""

    shape: draw.Mask
    visible: np.ndarray
    pixels: int

    @property
    def share(self) -> float:
        """How much of the shape is visible."""
        return min(1.0, self.pixels / max(self.shape.area, 1.0))

    def full(self, scene: Scene) -> np.ndarray:
        """Its visible pixels, bool [height, width]."""
        import numpy as np

        mask = np.zeros((scene.height, scene.width), dtype=bool)
        mask[self.shape.window] = self.visible
        return mask


def uncovered(scene: Scene) -> list[Uncovered]:
    """What is visible of each shape: on the canvas, not covered by another, of another colour than what is beneath."""
    import numpy as np

    contrast = _contrast((scene.background, *(shape.colour for shape in scene.shapes)))
    top = np.zeros((scene.height, scene.width), dtype=np.uint8)  # 0: background, i + 1: shape i
    masks: dict[int, draw.Mask] = {}
    differs: dict[int, np.ndarray] = {}
    for index in draw.order(scene):
        mask = draw.mask_of(scene, scene.shapes[index])
        beneath = top[mask.window]
        differs[index] = contrast[index + 1][beneath]
        beneath[mask.pixels] = index + 1
        masks[index] = mask
    found = []
    for index in range(len(scene.shapes)):
        mask = masks[index]
        visible = differs[index] & (top[mask.window] == index + 1)
        found.append(Uncovered(mask, visible, int(np.count_nonzero(visible))))
    return found


@functools.lru_cache(maxsize=16)  # all frames of a film have the same colours
def _contrast(colours: tuple[str, ...]) -> np.ndarray:
    """Which colour can be seen on which, bool [colours, colours]."""
    import numpy as np

    palette = np.array([rgb(colour) for colour in colours], dtype=np.uint8)
    return difference(palette[:, None], palette[None, :]) >= CONTRAST


def see(scene: Scene) -> Seen:
    """Draw a scene and look at it."""
    import numpy as np

    picture = np.asarray(draw.draw(scene))
    shapes = [
        _seen(scene, shape, visible, picture) for shape, visible in zip(scene.shapes, uncovered(scene), strict=True)
    ]
    return Seen(scene.width, scene.height, _ground(picture), tuple(shapes))


def refuse_hidden(seen: Seen) -> None:
    """Raises `Rejected` where a shape of the scene can't be seen at all."""
    for number, shape in enumerate(seen.shapes):
        if shape.look != BACKDROP and (shape.area < MIN_PIXELS or shape.share < HIDDEN_SHARE):
            raise Rejected(
                "hidden shape",
                f"shapes[{number}] can't be seen: it is too small, covered, off the canvas or of the colour beneath",
            )


def look_of(scene: Scene, shape: Shape) -> str:
    """What a person would call the shape's form."""
    ratio = max(shape.width, shape.height) / min(shape.width, shape.height)
    if shape.kind in ("circle", "rectangle"):
        same, longer = ("circle", "oval") if shape.kind == "circle" else ("square", "rectangle")
        if ratio <= 1 + ALIKE:
            return same
        return longer if ratio >= 1 + UNLIKE else f"{shape.kind}?"
    if (shape.kind == "line" and ratio < LINE) or (shape.kind in ("triangle", "star") and ratio > SQUEEZED):
        return f"{shape.kind}?"
    if shape.kind == "polygon" and len(shape.points) == 3:
        return "triangle"
    if shape.kind == "polygon" and len(shape.points) in (5, 6) and _convex(draw.outline(scene, shape)):
        return "pentagon" if len(shape.points) == 5 else "hexagon"
    return shape.kind


def _convex(corners: draw.Points) -> bool:
    """Once round, each corner turning the same way and clearly, so that none lies on its neighbours' line."""
    turns = []
    for (ax, ay), (bx, by), (cx, cy) in zip(corners, corners[1:] + corners[:1], corners[2:] + corners[:2], strict=True):
        one, two = (bx - ax, by - ay), (cx - bx, cy - by)
        turns.append(math.atan2(one[0] * two[1] - one[1] * two[0], one[0] * two[0] + one[1] * two[1]))
    once = abs(abs(sum(turns)) - 2 * math.pi) < 0.01
    return once and (all(turn > 0.2 for turn in turns) or all(turn < -0.2 for turn in turns))


def _seen(scene: Scene, shape: Shape, found: Uncovered, picture: np.ndarray) -> SeenShape:
    import numpy as np

    mask, pixels = found.full(scene), found.pixels
    covers = np.count_nonzero(found.shape.pixels) / (scene.width * scene.height)
    look = BACKDROP if covers >= BACKDROP_SHARE else look_of(scene, shape)
    if not pixels:
        return SeenShape(look, name_of(rgb(shape.colour)), 0, 0.0, shape.x, shape.y, (0, 0, 0, 0), mask, shape.text)
    rows, columns = np.nonzero(found.visible)
    rows, columns = rows + found.shape.y0, columns + found.shape.x0
    red, green, blue = (int(level) for level in np.median(picture[mask], axis=0))
    box = (
        float(columns.min() / scene.width),
        float(rows.min() / scene.height),
        float((columns.max() + 1) / scene.width),
        float((rows.max() + 1) / scene.height),
    )
    return SeenShape(
        look,
        name_of((red, green, blue)),
        pixels,
        found.share,
        float((columns.mean() + 0.5) / scene.width),
        float((rows.mean() + 0.5) / scene.height),
        box,
        mask,
        shape.text,
    )


def _ground(picture: np.ndarray) -> str | None:
    """The colour of most of the picture's edge."""
    import numpy as np

    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(np.uint32)
    codes, counts = np.unique(edge @ np.array([65536, 256, 1], dtype=np.uint32), return_counts=True)
    most = int(counts.argmax())
    if counts[most] < 0.6 * len(edge):
        return None
    code = int(codes[most])
    return name_of((code >> 16, code >> 8 & 255, code & 255))
