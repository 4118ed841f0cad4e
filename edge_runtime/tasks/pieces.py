"""Text to the pieces of a fixed vocabulary: whole words where it has them, else their longest parts.

The pieces are those whose pretrained vectors the host folded into a model's second table, so that words that no example had
mean something. A piece is known by its CRC-32 and its row is that hash's place among all: 23,000 pieces are 90 kB, and each
unknown one has a chance of 5 in a million to pass for another.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.tasks.text import words

SCHEME = "hashed-words-ngrams-pieces-1"  # part of a bundle, as that of `text`: its ids, and behind them those of pieces
FILE = "pieces.bin"  # uint32, little-endian, ascending
LENGTH = 64  # ids of one text; a sentence has a tenth to a half of these
START = "\u2581"  # what a word's first piece begins with
_LONGEST = 16  # characters of a piece, `START` among them
_MOST = 1 << 17


class Pieces:
    """The vocabulary of a bundle. hashes: uint32, ascending, each once; `len` of them are known."""

    def __init__(self, hashes: np.ndarray) -> None:
        self._hashes = np.ascontiguousarray(hashes, np.uint32).data
        self._rows_of = lru_cache(maxsize=4096)(self._split)

    def __len__(self) -> int:
        return len(self._hashes)

    def ids(self, text: str) -> np.ndarray:
        """int32 [1, LENGTH]: rows from 1 on in the text's order, 0 is padding; what doesn't fit is left out."""
        made = np.zeros((1, LENGTH), np.int32)
        rows = [row for word in words(text)[:LENGTH] for row in self._rows_of(word)][:LENGTH]
        made[0, : len(rows)] = rows
        return made

    def rows(self, word: str) -> tuple[int, ...]:
        """The rows of a word's pieces, from 1 on, in their order."""
        return self._rows_of(word)

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known piece, and so on behind it; a character that no piece has is left out."""
        marked, start, rows = START + word[:LENGTH], 0, []
        while start < len(marked):
            for end in range(min(len(marked), start + _LONGEST), start, -1):
                if row := self._row(marked[start:end]):
                    rows.append(row)
                    break
            else:
                end = start + 1
            start = end
        return tuple(rows)

    def _row(self, piece: str) -> int:
        wanted = hash_of(piece)
        place = bisect.bisect_left(self._hashes, wanted)
        return place + 1 if place < len(self._hashes) and self._hashes[place] == wanted else 0


def hash_of(piece: str) -> int:
    """CRC-32 of its UTF-8."""
    return zlib.crc32(piece.encode("utf-8"))


def hashes_of(pieces: Iterable[str]) -> np.ndarray:
    """uint32, ascending; what `Pieces` takes. Pieces beyond the longest that is looked for are left out."""
    return np.array(sorted({hash_of(piece) for piece in pieces if len(piece) <= _LONGEST}), np.uint32)


def file_of(hashes: np.ndarray) -> bytes:
    """The content of `FILE`."""
    return np.asarray(hashes, "<u4").tobytes()


def read_pieces(file: Path) -> Pieces:
    """The vocabulary of a bundle; raises `BundleError`."""
    try:
        raw = file.read_bytes()
    except OSError:
        raise BundleError(f"The bundle has no {FILE}, which its tokenizer needs; build it again.") from None
    hashes = np.frombuffer(raw[: len(raw) // 4 * 4], "<u4")
    if len(raw) % 4 or not 1 <= len(hashes) <= _MOST or (hashes[1:] <= hashes[:-1]).any():
        raise BundleError(f"{FILE} isn't a list of ascending hashes; build the bundle again.")
    return Pieces(hashes)
