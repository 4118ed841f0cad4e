"""Writes animated PNG (W3C PNG, third edition): of each frame only the box that changed, losing nothing."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUECOLOUR, _DEPTH = 2, 8
_LEVEL = 6  # of zlib: flat colours are small at once


def write_apng(pictures: Sequence[np.ndarray], fps: int) -> bytes:
    """A film that loops. pictures: uint8 [height, width, 3], at least one, all of a size.

    Pictures like the one before make that one longer, so a film in which nothing changes is a still picture.
    """
    import numpy as np

    height, width, _ = pictures[0].shape
    shown: list[tuple[tuple[int, int], np.ndarray, int]] = [((0, 0), pictures[0], 1)]  # (x, y), pixels, how long
    for before, picture in itertools.pairwise(pictures):
        changed = (picture != before).reshape(height, 3 * width)  # numpy is slow along an axis of three
        rows = np.flatnonzero(changed.any(axis=1))
        columns = np.flatnonzero(changed.any(axis=0)) // 3
        if not len(rows):
            at, pixels, length = shown[-1]
            shown[-1] = (at, pixels, length + 1)
            continue
        top, left = int(rows[0]), int(columns[0])
        shown.append(((left, top), picture[top : rows[-1] + 1, left : columns[-1] + 1], 1))
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _DEPTH, _TRUECOLOUR, 0, 0, 0))]
    if len(shown) > 1:
        chunks.append(_chunk(b"acTL", struct.pack(">II", len(shown), 0)))
    number = 0  # of the chunk among those of the film
    for frame, ((x, y), pixels, length) in enumerate(shown):
        if len(shown) > 1:
            rows_of, columns_of, _ = pixels.shape
            control = struct.pack(">IIIIIHHBB", number, columns_of, rows_of, x, y, length, fps, 0, 0)
            chunks.append(_chunk(b"fcTL", control))
            number += 1
        data = zlib.compress(_scanlines(pixels), _LEVEL)
        if frame:
            chunks.append(_chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
        else:
            chunks.append(_chunk(b"IDAT", data))
    return b"".join([_SIGNATURE, *chunks, _chunk(b"IEND", b"")])


def _scanlines(pixels: np.ndarray) -> bytes:
    """Rows with filter 0 before each: flat colours need none."""
    import numpy as np

    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    return lines.tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
