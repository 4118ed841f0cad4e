"""Calibration of a classifier: a temperature for its logits, what its best probability is worth, and the confidence below
which it is unsure. The one place for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.tasks.confidence import Platt, adjusted, log_odds
from edge_runtime.tasks.written_confidence import Weights
from trainer_host.errors import DataError
from trainer_host.training.uncertainty import clustered_error

TARGET_PRECISION = 0.9  # of the answers that are not unsure, on rows that the model hasn't seen
MIN_COVERAGE = 0.5  # a specialist that is unsure about most of its own examples is of no use
# The least confident hundredths of real rows are where unknown texts lie too, however easy the rows are.
ALWAYS_UNSURE = 0.02
COOLEST = 0.2  # of temperatures, unless a student says otherwise
COVERED = 0.9  # of new rows whose right label is among the likely ones
# How much scale and shift of Platt's are drawn to 1 and 0, as the precision of a normal prior: a few dozen pictures that are
# all right say little about what a probability is worth.
PRIOR = 4.0
# Of what is written, the weights that the prior is drawn to: the mean of the tokens' probabilities as it is, nothing by the whole
# text's, and what the device doubts seven times less likely right. Where every answer was right, only that is known.
WRITTEN = (1.0, 0.0, 2.0, 0.0)
_NEWTON_STEPS = 60
_LIKELY_STEPS = 1e7  # in 1, that it is rounded down to: a tenth of sure answers may lie within a ten thousandth


@dataclass(frozen=True)
class Calibration:
    """temperature divides the logits, platt says what the best probability is worth then; below `threshold` the answer is
    unsure. The rest is on the same rows.

    accuracy: over all rows. coverage: the share that is answered. precision: accuracy among the answered. likely: a
    label at or above it may be the right one; `COVERED` of new rows have theirs there, also where none or several are.
    covered_error: by how much these rows let that share err, as a standard error.
    """

    temperature: float
    platt: Platt
    threshold: float
    accuracy: float
    coverage: float
    precision: float
    likely: float
    covered_error: float


def calibrate(
    logits: np.ndarray, labels: np.ndarray, groups: Sequence[object] | None = None, coolest: float = COOLEST
) -> Calibration:
    """Choose all on unseen rows; logits float32 [rows, classes], labels int [rows]; groups: one each, those of one fare
    alike; None: each row is its own. coolest: the lowest temperature. Where nearly all rows are right, a low one makes all
    probabilities alike near 1, and then nothing tells which labels are likely; `platt` can still make them surer.

    The temperature minimises the negative log likelihood (Guo et al. 2017), and so does `platt_of` the answer's being
    right. The threshold is that of `threshold_of`. What is likely is split conformal prediction by the right label's probability (arXiv 2107.07511,
    section 1).
    """
    temperature = best_temperature(logits.astype(np.float64), labels, coolest)
    plain = softmax(logits / temperature)
    right = plain.argmax(axis=1) == labels
    platt = platt_of(plain.max(axis=1), right)
    probabilities = np.stack([adjusted(row, platt) for row in plain])
    confidence = probabilities.max(axis=1)
    threshold = threshold_of(confidence, right)
    answered = confidence >= threshold
    own = probabilities[np.arange(len(labels)), labels]
    likely = conformal_threshold(own, COVERED)
    return Calibration(
        temperature,
        platt,
        threshold,
        float(right.mean()),
        float(answered.mean()),
        float(right[answered].mean()),
        float(np.floor(likely * _LIKELY_STEPS) / _LIKELY_STEPS),
        clustered_error(own >= likely, range(len(labels)) if groups is None else groups),
    )


def platt_of(probabilities: np.ndarray, right: np.ndarray) -> Platt:
    """Scale and shift for `edge_runtime.tasks.confidence` (Platt 1999), by Newton's method, drawn to 1 and 0 by `PRIOR`.

    probabilities: float [answers], of the best label of each; right: bool [answers].
    """
    design = np.stack([log_odds(probabilities), np.ones(len(probabilities))], 1)
    plain = np.array([1.0, 0.0])
    weights = plain
    for _ in range(_NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(design @ weights, -60, 60)))
        slope = design.T @ (chances - right) + PRIOR * (weights - plain)
        curve = (design * (chances * (1 - chances))[:, None]).T @ design + PRIOR * np.eye(2)
        weights = weights - np.clip(np.linalg.solve(curve, slope), -2, 2)
    # Surer answers are never less likely right: a negative scale is chance, and would be no calibration.
    return round(max(float(weights[0]), 0.05), 6), round(float(weights[1]), 6)


def worth_of(signs: np.ndarray, right: np.ndarray) -> Weights:
    """Weights and shift for `edge_runtime.tasks.written_confidence`, by Newton's method, drawn to `WRITTEN` by `PRIOR`.

    signs: float [answers, 3], see there; right: bool [answers]. No weight is below 0: what speaks for an answer never speaks
    against it, whatever a few rows say.
    """
    design = np.concatenate([signs, np.ones((len(signs), 1))], 1).astype(np.float64)
    plain = np.array(WRITTEN)
    free = np.ones(4, bool)

    def loss(weights: np.ndarray) -> float:
        odds = design @ weights
        return float((np.logaddexp(0, odds) - odds * right).sum() + PRIOR / 2 * ((weights - plain) ** 2).sum())

    while True:
        weights = np.where(free, plain, 0.0)
        for _ in range(_NEWTON_STEPS):
            chances = 1 / (1 + np.exp(-np.clip(design @ weights, -60, 60)))
            slope = (design.T @ (chances - right) + PRIOR * (weights - plain))[free]
            curve = ((design * (chances * (1 - chances))[:, None]).T @ design + PRIOR * np.eye(4))[np.ix_(free, free)]
            step = np.zeros(4)
            step[free] = np.linalg.solve(curve, slope)
            while float(np.abs(step).max()) > 1e-9 and loss(weights - step) > loss(weights):
                step /= 2
            weights = weights - step
        below = free & (weights < 0) & (np.arange(4) < 3)
        if not below.any():
            mean, whole, doubted, shift = (round(float(weight), 6) for weight in weights)
            return mean, whole, doubted, shift
        free &= ~below


def platt(scores: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Logistic regression on one number by Newton's method; targets a little off 0 and 1, as in Platt's paper."""
    yes, no = int(right.sum()), int((~right).sum())
    if not no:
        raise DataError(
            "All answers are right, so there is nothing to be unsure about; calibrate with harder ones too."
        )
    wanted = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    design = np.stack([(scores - middle) / spread, np.ones(len(scores))], 1)
    weights = np.array([0.0, math.log(yes / no)])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -60, 60)))
        slope = design.T @ (chance - wanted) + 1e-6 * weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-9:
            break
    scale = float(weights[0] / spread)
    return scale, float(weights[1] - scale * middle)


def conformal_threshold(scores: np.ndarray, share: float) -> float:
    """The highest threshold that a new score of this kind reaches with a probability of at least `share`.

    With n scores it is the floor((1 - share)(n + 1))-th smallest; 0 where there are too few for any.
    """
    rank = math.floor((1 - share) * (len(scores) + 1))
    return float(np.sort(scores)[rank - 1]) if rank >= 1 else 0.0


def threshold_of(confidence: np.ndarray, right: np.ndarray) -> float:
    """The confidence below which answers are unsure: the lowest one with `TARGET_PRECISION`, or where none has it, the
    most precise one that answers `MIN_COVERAGE`.

    confidence: float [rows], right: bool [rows], of rows that the model hasn't seen.
    """
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= TARGET_PRECISION)
    least = int(np.ceil(len(order) * MIN_COVERAGE)) - 1
    if len(good) and good[-1] >= least:
        last = int(good[-1])
    else:
        last = least + int(np.argmax(precision[least:]))
    last = min(last, max(least, int(len(order) * (1 - ALWAYS_UNSURE)) - 1))
    return float(np.floor(confidence[order[last]] * 1e4) / 1e4)


def best_temperature(logits: np.ndarray, labels: np.ndarray, coolest: float = COOLEST) -> float:
    """The divisor of the logits, `coolest` to 5, with the least negative log likelihood; float64 [rows, classes], int [rows]."""
    # Well below 1 where a training smooths labels and leaves noise undecided, so that its logits stay low.
    grid = np.exp(np.linspace(np.log(coolest), np.log(5.0), 225))
    rows = np.arange(len(labels))
    losses = [-np.log(softmax(logits / t)[rows, labels] + 1e-12).mean() for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 6)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    made: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return made
