"""A picture's file becomes the square of pixels that a model reads: as in training, so on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import BadRequest
from edge_runtime.media import Rejected, optional

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 16 * 2**20  # of a picture's file; a camera's largest JPEG has about 12 MB
TYPES = ("image/png", "image/jpeg")
LARGEST = 512  # a model's square, in pixels
GREY = 128  # around a picture that isn't square


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in its square, in pixels of the square."""

    left: int
    top: int
    width: int
    height: int


def framed(content: bytes, side: int) -> tuple[np.ndarray, Frame]:
    """A PNG or JPEG as uint8 [side, side, 3], in the middle of a grey square; and where it lies there.

    Its proportions are kept: a circle stays round. Raises `BadRequest` for what can't be read, without decoding what
    is too large.
    """
    pillow = optional("PIL.Image", "Pictures")
    from edge_runtime.media.pictures import read_picture

    try:
        picture = read_picture(content, side)
    except Rejected as cause:
        raise BadRequest(f"The image can't be used: {cause.detail}.") from None
    if max(picture.size) != side:  # a small one, which no thumbnail is made of
        share = side / max(picture.size)
        size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
        picture = picture.resize(size, pillow.Resampling.BILINEAR)
    return _centred(picture, side)


def _centred(picture: Image.Image, side: int) -> tuple[np.ndarray, Frame]:
    left, top = (side - picture.width) // 2, (side - picture.height) // 2
    made = np.full((side, side, 3), GREY, np.uint8)
    made[top : top + picture.height, left : left + picture.width] = np.asarray(picture)
    return made, Frame(left, top, picture.width, picture.height)
