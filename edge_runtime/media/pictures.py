"""Picture files: PNG and animated PNG of what was drawn, and a person's own pictures, read with bounds."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from PIL import Image

MAX_FILE_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000  # a camera's; decoded they take 150 MB
MAX_FILM_FRAMES, MAX_FILM_PIXELS = 256, 50_000_000  # of a film that comes in a request, all frames together
UNREADABLE = "unreadable picture"


@dataclass(frozen=True)
class Film:
    """An animated PNG as a parser sees it. frames: RGB; seconds: how long each is shown."""

    frames: tuple[Image.Image, ...]
    seconds: tuple[float, ...]


def png(picture: Image.Image) -> bytes:
    """The picture as PNG, without any metadata."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=False, compress_level=6)
    return out.getvalue()


def png_of(pixels: np.ndarray) -> bytes:
    """uint8 [height, width, 3] as PNG."""
    from PIL import Image

    return png(Image.fromarray(pixels))


def animated_png(pictures: Sequence[Image.Image], fps: int) -> bytes:
    """A film as animated PNG (W3C PNG, third edition), which loses nothing and loops. pictures: RGB."""
    import numpy as np

    from edge_runtime.media.apng import write_apng

    return write_apng([np.asarray(picture) for picture in pictures], fps)


def read_film(content: bytes) -> Film:
    """The frames of an animated PNG that `animated_png` wrote, read by Pillow."""
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
        frames, seconds = [], []
        for frame in ImageSequence.Iterator(opened):
            frames.append(frame.convert("RGB"))
            seconds.append(float(frame.info.get("duration", 0)) / 1000)
    return Film(tuple(frames), tuple(seconds))


def read_picture(content: bytes, most_side: int) -> Image.Image:
    """A PNG or JPEG as RGB, upright (EXIF), on white where it was transparent, at most `most_side` pixels a side.

    The size is read from the header and checked before anything is decoded. Raises `Rejected`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(content) > MAX_FILE_BYTES:
        raise Rejected(UNREADABLE, f"the picture's file is larger than {MAX_FILE_BYTES // 2**20} MB")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Rejected(
                    UNREADABLE,
                    f"the picture has {opened.width} x {opened.height} pixels; at most {MAX_PIXELS // 10**6} million are read",
                )
            if min(opened.size) < 8:
                raise Rejected(UNREADABLE, "the picture is smaller than 8 pixels a side")
            opened.draft("RGB", (most_side * 2, most_side * 2))  # JPEG: decode fewer pixels
            opened.load()
            upright = _smooth(ImageOps.exif_transpose(opened))
            upright.thumbnail((most_side, most_side), Image.Resampling.LANCZOS)
            flat = _flat(upright)
            flat.info = {}  # what else the file said is written into no other
            return flat
    except Image.DecompressionBombError as cause:  # Pillow's own bound, which comes before ours
        raise Rejected(UNREADABLE, f"the picture has more than {MAX_PIXELS // 10**6} million pixels") from cause
    # A damaged file shows in any of these, depending on where Pillow meets it (SyntaxError: broken PNG chunks).
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as cause:
        raise Rejected(UNREADABLE, "the picture isn't a PNG or JPEG that can be read") from cause


def scaled(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture (uint8 [height, width, 3]) in another size, each pixel the mean of what it stands for."""
    import numpy as np
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def read_last_frames(content: bytes, most_side: int, most: int) -> list[Image.Image]:
    """The last frames of an animated PNG, at most `most`, as RGB; of any other picture that `read_picture` reads, itself.

    Raises `Rejected`, also where the film is too long to be looked through.
    """
    from PIL import Image

    first = read_picture(content, most_side)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as opened:
            count = getattr(opened, "n_frames", 1)
            if count == 1:
                return [first]
            if count > MAX_FILM_FRAMES or count * opened.width * opened.height > MAX_FILM_PIXELS:
                raise Rejected(UNREADABLE, f"the film is too long; send its last {most} frames")
            shown = []
            for number in range(count):  # each is drawn over the one before
                opened.seek(number)
                if number >= count - most:
                    frame = _flat(_smooth(opened.copy()))
                    frame.thumbnail((most_side, most_side), Image.Resampling.LANCZOS)
                    shown.append(frame)
            return shown
    except (OSError, SyntaxError, ValueError, EOFError) as cause:
        raise Rejected(UNREADABLE, "the film isn't an animated PNG that can be read") from cause


def _smooth(picture: Image.Image) -> Image.Image:
    """The picture in a mode that shrinks to means: of a palette, a named transparent colour or one bit Pillow would keep single pixels."""
    if picture.mode[0] in "IF":  # 16 bits of grey, of which Pillow would make white all that is above 255
        return picture.point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("P", "PA") or "transparency" in picture.info:
        clear = picture.mode == "PA" or "transparency" in picture.info
        return picture.convert("RGBA" if clear else "RGB")
    return picture.convert("L") if picture.mode == "1" else picture


def _flat(picture: Image.Image) -> Image.Image:
    """On white where it is transparent, as RGB."""
    from PIL import Image

    if picture.mode in ("RGBA", "LA"):
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
