"""Finds exact and near duplicates: MinHash proposes pairs (Broder 1997), the shared words and word pairs decide.

A text is compared as the set of its words and of its pairs of neighbouring words; two are near-duplicates where at
least `THRESHOLD` of the union is shared (Jaccard), which a change of one word in ten leaves. Numbers are never noise:
"wake me at 6" and "wake me at 7" are two questions. Nor is any word of a short text: "lights on", "lights off".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from trainer_host.errors import TrainerError

THRESHOLD = 0.6
MIN_WORDS = 8  # shorter texts are duplicates only where they are the same words
PERMUTATIONS = 128
BANDS = 32  # 4 rows each: a pair at the threshold is proposed with 98.8 %, one at 0.7 with 99.98 %
SEED = 1
SCOPE = "\x1f"  # what stands before it in a key must be equal, what stands behind it may be alike
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


class NearDuplicates:
    """An index that grows: `add` says whether a text is new. Not for more than one thread.

    A key may begin with a scope (a home, an answer) and `SCOPE`: texts are compared only with those of equal scope.
    """

    repeated = "near-duplicate"

    def __init__(self, threshold: float = THRESHOLD) -> None:
        rensa = _rensa()
        self._threshold = threshold
        self._lsh = rensa.RMinHashLSH(threshold, PERMUTATIONS, BANDS)
        self._sketch = rensa.RMinHash
        self._exact: dict[str, int] = {}
        self._shingles: list[np.ndarray] = []  # sorted uint64 hashes, one array per text
        self._numbers: list[Counter[str]] = []
        self._scopes: list[str] = []

    def __len__(self) -> int:
        return len(self._shingles)

    def add(self, key: str) -> bool:
        """Remember a text unless it repeats an earlier one; returns whether it was new."""
        return self.twin(key, remember=True) is None

    def twin(self, key: str, *, remember: bool = False) -> int | None:
        """The number of the text that this one repeats, counted from 0 in the order of adding; None: it is new."""
        scope, _, text = key.rpartition(SCOPE)
        tokens = tokens_of(text)
        exact = f"{scope}{SCOPE}{' '.join(tokens) or text}"
        if (same := self._exact.get(exact)) is not None:
            return same
        sketch = None
        shingles = shingles_of(tokens)
        numbers = Counter(token for token in tokens if any(char.isdigit() for char in token))
        if len(tokens) >= MIN_WORDS:
            sketch = self._sketch(PERMUTATIONS, SEED)
            sketch.update([*tokens, *(f"{a} {b}" for a, b in pairwise(tokens))])
            for other in sorted(self._lsh.query(sketch)):
                if self._scopes[other] == scope and self._numbers[other] == numbers:
                    shared = np.intersect1d(self._shingles[other], shingles, assume_unique=True).size
                    if shared >= self._threshold * (len(shingles) + len(self._shingles[other]) - shared):
                        return int(other)
        if remember:
            number = len(self._shingles)
            self._exact[exact] = number
            self._shingles.append(shingles)
            self._numbers.append(numbers)
            self._scopes.append(scope)
            if sketch is not None:
                self._lsh.insert(number, sketch)
        return None


def duplicates(keys: Iterable[str], threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Pairs (kept, dropped) of positions: each later text that repeats an earlier one that was kept."""
    index = NearDuplicates(threshold)
    kept: list[int] = []
    pairs: list[tuple[int, int]] = []
    for position, key in enumerate(keys):
        twin = index.twin(key, remember=True)
        if twin is None:
            kept.append(position)
        else:
            pairs.append((kept[twin], position))
    return pairs


def between(first: Iterable[str], second: Iterable[str], threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Pairs of positions (in `first`, in `second`) of texts of `second` that repeat one of `first`."""
    index = NearDuplicates(threshold)
    owners: list[int] = []
    for position, key in enumerate(first):
        if index.add(key):
            owners.append(position)
    found = ((index.twin(key), position) for position, key in enumerate(second))
    return [(owners[twin], position) for twin, position in found if twin is not None]


def tokens_of(text: str) -> list[str]:
    """Lower-case words and numbers after NFKC; punctuation is dropped."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def shingles_of(tokens: list[str]) -> np.ndarray:
    """Sorted, distinct 64-bit hashes of words and of pairs of neighbours."""
    import hashlib

    strings = {*tokens, *(f"{a} {b}" for a, b in pairwise(tokens))}
    hashes = [int.from_bytes(hashlib.blake2b(s.encode(), digest_size=8).digest(), "big") for s in strings]
    return np.unique(np.array(hashes, dtype=np.uint64))


def _rensa():  # type: ignore[no-untyped-def]  # the package has no types
    try:
        import rensa
    except ImportError:
        raise TrainerError("Finding near-duplicates needs the package rensa; install Enigma with 'trainer'.") from None
    return rensa
