"""How familiar a text is: the share of its words, and pairs of neighbours, that examples of the label it got had.

A classifier has to choose among its labels, and a few known words make it sure of one, whatever the others say. So a bundle
keeps which words each label's examples had: a Bloom filter of one hash (Bloom 1970), 2^18 bits, in which 6,000 pairs of
label and word make 2 % of unknown words look known. Doubt about inputs unlike all training is a score beside the
probabilities, as in out-of-distribution detection by distance (arXiv 1807.03888).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.tasks.text import words

FILE = "familiar.bin"
BITS = 1 << 18


def places(text: str, labels: Sequence[str]) -> np.ndarray:
    """int64 [labels, words and pairs], the bits of a text with each label; each word counts as often as it occurs."""
    tokens = words(text)
    made = [*tokens, *(f"{first} {second}" for first, second in itertools.pairwise(tokens))]
    own, other = ([zlib.crc32(one.encode("utf-8")) for one in some] for some in (made, labels))
    return np.bitwise_xor.outer(np.array(other, np.int64), np.array(own, np.int64)) % BITS


def familiarity(known: np.ndarray, text: str, labels: Sequence[str], best: int) -> float:
    """0 (the label's examples had nothing of the text) to 1; a word that n labels know counts an n-th of a rarer one.

    known: uint8 [BITS / 8], the first bit of a byte is its lowest. best: the place of the label.
    """
    bits = places(text, labels)
    if not bits.size:
        return 0.0
    had = (known[bits >> 3] >> (bits & 7).astype(np.uint8)) & 1
    weights = 1 / np.maximum(had.sum(axis=0), 1)
    return float((weights * had[best]).sum() / weights.sum())


def read_known(file: Path) -> np.ndarray:
    """The bits of a bundle; raises `BundleError`."""
    try:
        raw = file.read_bytes()
    except OSError:
        raise BundleError(f"The bundle has no {FILE}, which its thresholds need; build it again.") from None
    if len(raw) != BITS // 8:
        raise BundleError(f"{FILE} has {len(raw)} bytes instead of {BITS // 8}; build the bundle again.")
    return np.frombuffer(raw, np.uint8)
