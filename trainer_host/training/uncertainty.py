"""How sure a model is, measured: how honest its confidence is, and which unsure inputs to ask a teacher about.

Calibration itself is in `calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.tasks.text import Features, encode
from trainer_host.errors import DataError

_FEATURES = Features(length=128, buckets=2048)
_AT_ONCE = 1024  # known texts that all others are compared with at once


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal width."""
    places = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    error = 0.0
    for place in np.unique(places):
        inside = places == place
        error += inside.mean() * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return float(error)


def separation(inside: np.ndarray, outside: np.ndarray) -> float:
    """Area under the ROC curve: how often an input of the task is surer than a foreign one, ties as halves."""
    order = np.concatenate([inside, outside])
    _, places, counts = np.unique(order, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    first = ranks[: len(inside)].sum() - len(inside) * (len(inside) + 1) / 2
    return float(first / (len(inside) * len(outside)))


def clustered_error(hits: np.ndarray, groups: Sequence[object]) -> float:
    """Standard error of the share of hits where those of one group fare alike (Liang & Zeger 1986); bool [rows], one group each."""
    _, places = np.unique([str(group) for group in groups], return_inverse=True)
    sums = np.bincount(places, np.asarray(hits, np.float64) - np.mean(hits))
    return float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / len(places))


def most_useful(texts: Sequence[str], doubt: Sequence[float], count: int, known: Sequence[str] = ()) -> list[int]:
    """The places of `count` inputs to ask a teacher about, most useful first.

    doubt: 0 (sure) to 1, of each; see `doubt_of`. known: texts that have labels already. Each next one has the largest
    doubt times its distance to those that were chosen and to the known ones: doubt alone would choose the same question in
    many words (as in the farthest points of core-sets, arXiv 1708.00489, weighted by uncertainty). The distance is one
    minus the cosine of hashed words and n-grams, rare ones counting more. Texts that are equal count once.
    """
    if len(texts) != len(doubt):
        raise DataError("Every input needs its confidence; give one for each.")
    worthy = np.clip(np.asarray(doubt, np.float64), 0, 1)
    vectors = _vectors([*texts, *known])
    vectors, labelled = vectors[: len(texts)], vectors[len(texts) :]
    distance = np.ones(len(texts))
    for start in range(0, len(labelled), _AT_ONCE):
        near = (vectors @ labelled[start : start + _AT_ONCE].T).max(axis=1)
        distance = np.minimum(distance, np.clip(1 - near, 0, 1))
    chosen: list[int] = []
    while len(chosen) < min(count, len(texts)):
        worth = worthy * distance
        worth[chosen] = -1
        best = int(np.argmax(worth))
        if worth[best] <= 1e-6:
            break  # all that is left is sure, or was chosen in other words
        chosen.append(best)
        distance = np.minimum(distance, np.clip(1 - vectors @ vectors[best], 0, 1))
    return chosen


def doubt_of(confidence: float, scores: Sequence[float] = ()) -> float:
    """How unsure an answer is, 0 to 1: how near its second label is to its first where their scores are known.

    The margin (Scheffer et al. 2001) tells a choice between two from a doubt about all, which a teacher's label mends less.
    """
    best = sorted(scores)[-2:]
    return 1 - (best[1] - best[0]) if len(best) == 2 else 1 - confidence


def _vectors(texts: Sequence[str]) -> np.ndarray:
    """float32 [texts, buckets + 1] of length 1: counts of hashed features, times the logarithm of how rare they are."""
    made = np.zeros((len(texts), _FEATURES.buckets + 1), np.float32)
    for row, text in enumerate(texts):
        ids = encode(text, _FEATURES).ids[0]
        np.add.at(made[row], ids[ids > 0], 1)
    made *= np.log((1 + len(texts)) / (1 + (made > 0).sum(axis=0))).astype(np.float32) + 0.1
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
    return made
