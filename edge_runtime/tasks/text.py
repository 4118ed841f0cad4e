"""Text to hashed features: words, word pairs and character n-grams, for any language, no vocabulary."""

from __future__ import annotations

import itertools
import unicodedata
import zlib
from dataclasses import dataclass

import numpy as np

SCHEME = "hashed-words-ngrams-1"  # part of a bundle: any change to the ids below needs a new name
PAD = 0


@dataclass(frozen=True)
class Features:
    """How text becomes ids: `length` int32 ids, 0 is padding, features are hashed to 1..buckets."""

    length: int = 256
    buckets: int = 16384
    shortest: int = 3
    longest: int = 4


@dataclass(frozen=True)
class Encoded:
    """Ids [1, length] int32; how many are features; how many features didn't fit."""

    ids: np.ndarray
    count: int
    dropped: int


def normalise(text: str) -> str:
    """Unicode NFKC, lower case: what a person sees as the same text becomes the same text."""
    return unicodedata.normalize("NFKC", text).lower()


def words(text: str) -> list[str]:
    """The words of normalised text; an apostrophe inside a word belongs to it, an emoji is a word.

    Marks are part of words: without them Hindi or Thai would fall apart at every vowel sign.
    """
    spaced = normalise(text).translate(_SPACING).split()
    return [word for piece in spaced if (word := piece.strip("'"))]


class _Spacing(dict[int, str]):
    """A table for `str.translate`, filled as characters are met: letters stay, the rest becomes spaces."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind[0] in "LNM" or char == "'":
            made = char
        elif kind == "So":
            made = f" {char} "
        else:
            made = "'" if char == "\u2019" else " "
        if len(self) < 4096:  # enough for most scripts; texts of odd characters can't fill the memory
            self[code] = made
        return made


_SPACING = _Spacing()


def feature_strings(text: str, features: Features) -> list[str]:
    """Every feature of a text, the most telling kinds first: words, pairs of neighbours, n-grams in words.

    Scripts without spaces (Chinese, Thai) give one long word, whose n-grams then carry the meaning.
    """
    tokens = words(text)
    made = [f"w{token}" for token in tokens]
    made += [f"p{first} {second}" for first, second in itertools.pairwise(tokens)]
    for token in tokens:
        marked = f"<{token}>"
        for size in range(features.shortest, features.longest + 1):
            made += [f"c{marked[i : i + size]}" for i in range(len(marked) - size + 1)]
    return made


def encode(text: str, features: Features) -> Encoded:
    """The ids of a text for a model whose embedding table has `features.buckets + 1` rows.

    Every feature counts as often as it occurs. CRC-32 is the hash: the same everywhere, and fast in the
    standard library.
    """
    strings = feature_strings(text, features)
    kept = strings[: features.length]
    ids = np.zeros((1, features.length), dtype=np.int32)
    if kept:
        ids[0, : len(kept)] = [zlib.crc32(s.encode("utf-8")) % features.buckets + 1 for s in kept]
    return Encoded(ids, len(kept), len(strings) - len(kept))
