"""What a text classifier's device keeps of the training texts, to tell unfamiliar ones; see `edge_runtime.tasks.familiar`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.tasks.familiar import BITS, familiarity, places
from trainer_host.training.calibration import conformal_threshold

SHARE = 0.95  # of texts like those of the training that count as familiar
MOST = 0.3  # known words in a new order are familiar enough, however alike the examples are
PARTS = 5  # texts are compared with the other parts: their own words would be familiar to themselves


def known_of(texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """uint8 [BITS / 8], see `familiarity`."""
    bits = np.zeros(BITS, np.uint8)
    for text, label in zip(texts, labels, strict=True):
        bits[places(text, (label,))] = 1
    return np.packbits(bits, bitorder="little")


def threshold_of_familiarity(texts: Sequence[str], labels: Sequence[str], groups: Sequence[object], seed: int) -> float:
    """The familiarity that at least `SHARE` of new texts with a right label reach, by split conformal prediction.

    groups: one per text, as the template that it was made from: those of one group are unfamiliar to each other.
    """
    names = sorted({str(group) for group in groups})
    order = np.random.default_rng(seed).permutation(len(names))
    part = {name: int(order[place]) % PARTS for place, name in enumerate(names)}
    scores, all_labels = [], sorted(set(labels))
    for number in range(PARTS):
        own = [part[str(group)] == number for group in groups]
        others = [(text, label) for text, label, mine in zip(texts, labels, own, strict=True) if not mine]
        known = known_of([text for text, _ in others], [label for _, label in others])
        scores += [
            familiarity(known, text, all_labels, all_labels.index(label))
            for text, label, mine in zip(texts, labels, own, strict=True)
            if mine
        ]
    return float(np.floor(min(conformal_threshold(np.array(scores), SHARE), MOST) * 1e4) / 1e4)
