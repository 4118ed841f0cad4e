"""What a text classifier's device keeps of the training texts, to tell unfamiliar ones; see `edge_runtime.tasks.familiar`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.tasks.familiar import BITS, Usual, familiarity, places
from trainer_host.training.calibration import conformal_threshold

SHARE = 0.95  # of texts like those of the training that count as familiar
MOST = 0.3  # known words in a new order are familiar enough, however alike the examples are
QUANTILES = 41
PARTS = 5  # texts are compared with the other parts: their own words would be familiar to themselves


def known_of(texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """uint8 [BITS / 8], see `familiarity`."""
    bits = np.zeros(BITS, np.uint8)
    for text, label in zip(texts, labels, strict=True):
        bits[places(text, (label,))] = 1
    return np.packbits(bits, bitorder="little")


def familiarities(texts: Sequence[str], labels: Sequence[str], groups: Sequence[object], seed: int) -> np.ndarray:
    """How familiar each text is with its right label, float64 [texts], to the parts of the others that it isn't in.

    groups: one per text, as the template that it was made from: those of one group are unfamiliar to each other.
    """
    names = sorted({str(group) for group in groups})
    order = np.random.default_rng(seed).permutation(len(names))
    part = {name: int(order[place]) % PARTS for place, name in enumerate(names)}
    scores, all_labels = np.zeros(len(texts)), sorted(set(labels))
    for number in range(PARTS):
        own = [part[str(group)] == number for group in groups]
        others = [(text, label) for text, label, mine in zip(texts, labels, own, strict=True) if not mine]
        known = known_of([text for text, _ in others], [label for _, label in others])
        for at, (text, label) in enumerate(zip(texts, labels, strict=True)):
            if own[at]:
                scores[at] = familiarity(known, text, all_labels, all_labels.index(label))
    return scores


def usual_of(familiar: np.ndarray, energy: np.ndarray, left: np.ndarray) -> tuple[Usual, float]:
    """What texts like those of the training have, and how like them a text must be to be familiar: at least `SHARE` of new
    ones are, by split conformal prediction.

    familiar: of all texts, by their right label; energy: of those at the positions `left`, by models that hadn't seen them.
    """
    usual = Usual(_quantiles(familiar), _quantiles(energy), _reached(familiar, MOST))
    likeness = [usual.likeness(float(words), float(one)) for words, one in zip(familiar[left], energy, strict=True)]
    return usual, _reached(np.array(likeness), 1 - SHARE)


def _reached(values: np.ndarray, most: float) -> float:
    """What `SHARE` of such values reach, at most `most`."""
    return float(np.floor(min(conformal_threshold(values, SHARE), most) * 1e4) / 1e4)


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(one), 4) for one in np.quantile(values, np.linspace(0, 1, QUANTILES)))
