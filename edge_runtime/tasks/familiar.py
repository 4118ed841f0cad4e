"""How familiar a text is: the share of its words, and pairs of neighbours, that examples of the label it got had.

A classifier has to choose among its labels, and a few known words make it sure of one, whatever the others say. So a bundle
keeps which words each label's examples had: a Bloom filter of one hash (Bloom 1970), 2^18 bits, in which 6,000 pairs of
label and word make 2 % of unknown words look known. Doubt about inputs unlike all training is a score beside the
probabilities, as in out-of-distribution detection by distance (arXiv 1807.03888).

A network's own doubt is another such score: its energy, the logarithm of its logits' exponentials' sum, is low where nothing
speaks for any label (arXiv 2010.03759). Each is worth how few texts like the training's have less, a p-value; both together
are worth what Fisher's method makes of two of them.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.strict_json import is_number
from edge_runtime.tasks.text import words

FILE = "familiar.bin"
BITS = 1 << 18
OPTION = "usual"  # of a manifest: `Usual`, as lists
# Of the share of known words, a tenth is worth itself: examples that are all alike would make strangers of all new words.
_ITSELF = 0.1
_MOST = 1000  # of quantiles


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


class Usual(NamedTuple):
    """What texts like those of the training have: ascending quantiles, evenly spread, two at least.

    words: of `familiarity`. energy: of the network's energy. least: of `familiarity`; a text with less is foreign, however
    sure the network is: what it met in no example may speak for any label.
    """

    words: tuple[float, ...]
    energy: tuple[float, ...]
    least: float

    def likeness(self, words: float, energy: float) -> float:
        """0 (no text of the training's kind has so little) to 1, of both together; evenly spread for such texts."""
        share = (1 - _ITSELF) * _share_below(self.words, words) + _ITSELF * words
        product = share * _share_below(self.energy, energy)
        # The chance that two independent p-values have a smaller product (Fisher 1925, with two).
        return min(product * (1 - math.log(product)), 1.0) if product > 0 else 0.0


def read_usual(options: Mapping[str, object]) -> Usual | None:
    """Of a manifest's options, None where a bundle has none; raises `BundleError`."""
    return None if OPTION not in options else checked_usual(options[OPTION])


def checked_usual(value: object) -> Usual:
    """The quantiles as JSON holds them; raises `BundleError`."""
    if isinstance(value, dict) and value.keys() == set(Usual._fields):
        words, energy, least = (value[name] for name in Usual._fields)
        if _ascends(words) and _ascends(energy) and _ascends([0, least]):
            return Usual(tuple(map(float, words)), tuple(map(float, energy)), float(least))
    raise BundleError(
        f"options.{OPTION} must have ascending numbers of words and of energy, and the least of words; build the bundle again."
    )


def _ascends(value: object) -> bool:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= _MOST:
        return False
    if not all(map(is_number, value)):
        return False
    return all(first <= second for first, second in itertools.pairwise(value))


def _share_below(quantiles: Sequence[float], value: float) -> float:
    least = 0.5 / len(quantiles)  # the smallest of some texts isn't the smallest of all
    return float(np.interp(value, quantiles, np.linspace(least, 1, len(quantiles)), left=0.0))
