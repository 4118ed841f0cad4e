"""Text to hashed features: words, word pairs and character n-grams, for any language, no vocabulary."""

from __future__ import annotations

import functools
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


def _grams(token: str, features: Features) -> list[str]:
    marked = f"<{token}>"
    return [
        f"c{marked[i : i + size]}"
        for size in range(features.shortest, features.longest + 1)
        for i in range(len(marked) - size + 1)
    ]


def encode(text: str, features: Features) -> Encoded:
    """The ids of a text for a model whose embedding table has `features.buckets + 1` rows.

    The most telling kinds come first: words, pairs of neighbours, n-grams in words. Scripts without spaces (Chinese, Thai)
    give one long word, whose n-grams then carry the meaning.

    Every feature counts as often as it occurs. CRC-32 is the hash: the same everywhere, and fast in the
    standard library.
    """
    tokens = words(text)
    own = [(_known_ids if len(token) <= _SHORT else _word_ids)(token, features) for token in tokens]
    found = [word for word, _ in own]
    found += _hashed([f"p{first} {second}" for first, second in itertools.pairwise(tokens)], features.buckets)
    for _, grams in own:
        found += grams
    kept = found[: features.length]
    ids = np.zeros((1, features.length), dtype=np.int32)
    if kept:
        ids[0, : len(kept)] = kept
    return Encoded(ids, len(kept), len(found) - len(kept))


def _word_ids(token: str, features: Features) -> tuple[int, list[int]]:
    """The id of a word, and those of its n-grams."""
    ids = _hashed([f"w{token}", *_grams(token, features)], features.buckets)
    return ids[0], ids[1:]


_SHORT = 24  # letters of a word whose ids are kept
_known_ids = functools.lru_cache(maxsize=1024)(_word_ids)  # most texts are of words that came before; 1 MB at most


def _hashed(strings: list[str], buckets: int) -> list[int]:
    return [zlib.crc32(each.encode("utf-8")) % buckets + 1 for each in strings]
