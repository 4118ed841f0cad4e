"""Samples pictures to be looked at: shapes that don't overlap, whose boxes are known, under varied light and noise.

A picture shows several of them, or one that it is a picture of.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import draw
from edge_runtime.media.colours import COLOURS
from edge_runtime.media.scene import Scene, Shape
from trainer_host.media.boxes import Box
from trainer_host.media.picture_facts import Thing
from trainer_host.media.picture_sampler import shaped
from trainer_host.media.seeing import see

if TYPE_CHECKING:
    from PIL import Image

KINDS = ("circle", "oval", "square", "rectangle", "triangle", "star", "pentagon", "hexagon")
LIGHTS = {"even": 1.0, "dim": 0.6, "bright": 1.15}
NOISES = {"none": 0, "light": 12, "strong": 30}  # of 255, at most, on each colour of each pixel
_CANVASES = ((224, 224), (256, 192), (192, 256), (320, 180))
_MOST = 7
_PLACES = 40  # tries per shape


@dataclass(frozen=True)
class View:
    """A picture: a scene, and how it is taken. seed: of its noise."""

    scene: Scene
    light: str
    noise: str
    seed: int


def scatter(rng: random.Random, kinds: Sequence[str]) -> View:
    """One to `_MOST` shapes of those kinds, anywhere on the canvas, each apart from the others."""
    width, height = rng.choice(_CANVASES)
    background = rng.choice([*COLOURS])
    colours = [name for name in COLOURS if name != background]
    unit = min(width, height)
    shapes: list[Shape] = []
    taken: list[tuple[float, float, float]] = []  # x, y, radius, pixels
    for _ in range(rng.randint(1, _MOST)):
        for _ in range(_PLACES):
            size = rng.uniform(0.1, 0.42)
            radius = 0.72 * size * unit + 2  # a square's corner, whichever way it is turned
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            inside = radius < x < width - radius and radius < y < height - radius
            if inside and all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in taken):
                taken.append((x, y, radius))
                thing = Thing(rng.choice(kinds), rng.choice(colours))
                turn = rng.choice((0, 0, rng.randrange(-45, 46)))
                shapes.append(shaped(thing, x / width, y / height, size, turn, 0, upright=rng.random() < 0.4))
                break
    if not shapes:  # forty large ones found no room on the canvas: one in the middle always does
        shapes.append(shaped(Thing(rng.choice(kinds), rng.choice(colours)), 0.5, 0.5, 0.4, 0, 0, upright=False))
    scene = Scene(width, height, background, tuple(shapes))
    return View(scene, rng.choice([*LIGHTS]), rng.choice([*NOISES]), rng.randrange(2**31))


def single(rng: random.Random, kinds: Sequence[str]) -> View:
    """One shape of those kinds, a third of the canvas or more, whole, anywhere and turned any way."""
    width, height = rng.choice(_CANVASES)
    background = rng.choice([*COLOURS])
    unit = min(width, height)
    size = rng.uniform(0.35, 0.65)
    radius = 0.72 * size * unit + 2
    x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    thing = Thing(rng.choice(kinds), rng.choice([name for name in COLOURS if name != background]))
    turn = rng.choice((0, rng.randrange(-45, 46)))
    shape = shaped(thing, x / width, y / height, size, turn, 0, upright=rng.random() < 0.4)
    scene = Scene(width, height, background, (shape,))
    return View(scene, rng.choice([*LIGHTS]), rng.choice([*NOISES]), rng.randrange(2**31))


def taken(view: View) -> Image.Image:
    """The picture, the same for the same view on any machine."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(draw.draw(view.scene)).astype(np.float64) * LIGHTS[view.light]
    most = NOISES[view.noise]
    if most:
        # random.Random's bytes are the same in every version of Python; numpy doesn't promise that of its own.
        noise = np.frombuffer(random.Random(view.seed).randbytes(pixels.size), dtype=np.uint8).reshape(pixels.shape)
        pixels += (noise / 255 - 0.5) * 2 * most
    return Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def truth(scene: Scene) -> tuple[Box, ...]:
    """The box around the pixels of each shape, labelled by its form."""
    return tuple(Box(shape.look, *shape.box) for shape in see(scene).shapes)
