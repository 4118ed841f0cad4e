from __future__ import annotations

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from edge_runtime.errors import BadRequest
from edge_runtime.vision.pixels import GREY, Frame, framed


def png_of(width: int, height: int, colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def huge(side: int) -> bytes:
    """A PNG whose header promises side x side pixels, with few bytes behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10**6)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("size", "frame"),
    [
        ((320, 160), Frame(0, 16, 64, 32)),
        ((16, 32), Frame(16, 0, 32, 64)),  # a small one is blown up
        ((64, 64), Frame(0, 0, 64, 64)),
        ((1000, 8), Frame(0, 31, 64, 1)),
    ],
)
def test_a_picture_keeps_its_proportions_in_the_middle_of_a_grey_square(size: tuple[int, int], frame: Frame) -> None:
    pixels, found = framed(png_of(*size), 64)
    assert found == frame
    assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    inside = np.zeros((64, 64), bool)
    inside[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = True
    assert (pixels[inside] == (255, 0, 0)).all() and (pixels[~inside] == GREY).all()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "isn't a PNG or JPEG"),
        (b"GIF89a", "isn't a PNG or JPEG"),
        (png_of(60, 60)[:60], "isn't a PNG or JPEG"),
        (png_of(1, 1), "smaller than 8 pixels"),
        (huge(20_000), "can.t be used"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_in_bounded_memory(content: bytes, sentence: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadRequest, match=sentence):
        framed(content, 64)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB: 20,000 x 20,000 takes 1.2 GB
