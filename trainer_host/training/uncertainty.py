"""How sure a model is: confidence of a written answer, its threshold by split conformal prediction, ensembles, and which
unsure inputs to ask a teacher about.

Calibration of single labels is in `calibration`; here an answer is many tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.tasks.text import Features, encode
from trainer_host.errors import DataError
from trainer_host.training.calibration import best_temperature, conformal_threshold, softmax

KINDS = ("mean", "min")
LEAST_ANSWERS = 50  # with fewer, a threshold for nine in ten is a matter of luck
_MOST_LOGITS = 4_000_000  # logits that a temperature is chosen on: 161 softmaxes of them take seconds
_LEAST = -30.0  # log-odds beyond this are as good as certain, and float64 holds 1 - p no further
_FEATURES = Features(length=128, buckets=2048)
_AT_ONCE = 1024  # known texts that all others are compared with at once


@dataclass(frozen=True)
class AnswerCalibration:
    """What a bundle keeps, so that a device can say "unsure".

    kind: "mean" or "min" of the tokens' log-probabilities, as log-odds, is the score. temperature divides the logits
    before. The probability of being right is sigmoid(scale * score + shift); below `threshold` the answer is unsure. share: of the
    right answers, how many are at or above it, for inputs like those of the calibration (at least, on average).
    """

    kind: str
    temperature: float
    scale: float
    shift: float
    threshold: float
    share: float

    def confidence(self, token_log_probabilities: Sequence[float]) -> float:
        """The probability of an answer's being right, 0 to 1."""
        score = answer_score(token_log_probabilities, self.kind)
        return 1 / (1 + math.exp(-min(max(self.scale * score + self.shift, -60.0), 60.0)))

    def manifest(self) -> dict[str, object]:
        """`thresholds` and `options` of a bundle's manifest."""
        how = {"kind": self.kind, "temperature": self.temperature, "scale": self.scale, "shift": self.shift}
        return {"thresholds": {"unsure": self.threshold}, "options": {"confidence": how}}


def answer_score(token_log_probabilities: Sequence[float], kind: str) -> float:
    """ln(p / (1 - p)), where ln p is the mean or the least log-probability of an answer's tokens, its end mark included.

    Log-odds, as in beta calibration (Kull et al. 2017): ln p itself hardly tells 0.99 from 0.999.
    """
    if kind not in KINDS:
        raise DataError(f"There is no confidence '{kind[:40]}'; there are {', '.join(KINDS)}.")
    if not len(token_log_probabilities):
        raise DataError("An answer without tokens has no confidence; its end mark counts as one.")
    values = np.asarray(token_log_probabilities, np.float64)
    likely = min(max(float(values.mean() if kind == "mean" else values.min()), _LEAST), -math.exp(_LEAST))
    return likely - math.log(-math.expm1(likely))


def token_temperature(logits: np.ndarray, targets: np.ndarray, seed: int = 1) -> float:
    """Temperature scaling (Guo et al. 2017) of next-token logits; float [tokens, vocabulary], int [tokens].

    Where there are too many, it is chosen on a seeded sample of them.
    """
    most = max(256, _MOST_LOGITS // logits.shape[1])
    if len(targets) > most:
        kept = np.sort(np.random.default_rng(seed).choice(len(targets), most, replace=False))
        logits, targets = logits[kept], targets[kept]
    return best_temperature(logits.astype(np.float64), targets)


def calibrate_answers(
    answers: Sequence[Sequence[float]],
    right: Sequence[bool],
    *,
    kind: str = "mean",
    temperature: float = 1.0,
    share: float = 0.9,
) -> AnswerCalibration:
    """Choose scale, shift and threshold on answers to inputs that the model hasn't seen.

    answers: the tokens' log-probabilities of each, at `temperature`. right: what the task's verifier says. Scale and
    shift are Platt's (1999). The threshold is the split-conformal one over the right answers (Vovk et al. 2005; as in
    arXiv 2107.07511, section 1): a new right answer is sure with a probability of at least `share`. Raises `DataError`
    for too few answers, or ones that are all right or all wrong.
    """
    good = np.asarray(right, bool)
    if good.sum() < LEAST_ANSWERS or len(good) != len(answers):
        raise DataError(
            f"Only {int(good.sum())} of the answers are right; calibrate with {LEAST_ANSWERS} right ones or more."
        )
    if not 0 < share < 1:
        raise DataError(f"The share of sure answers must be between 0 and 1, not {share:g}.")
    scores = np.array([answer_score(answer, kind) for answer in answers])
    scale, shift = platt(scores, good)
    found = AnswerCalibration(kind, temperature, scale, shift, 0.0, share)
    confidence = np.sort([found.confidence(answer) for answer, one in zip(answers, good, strict=True) if one])
    return AnswerCalibration(kind, temperature, scale, shift, conformal_threshold(confidence, share), share)


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


def ensemble(logits: Sequence[np.ndarray | None]) -> np.ndarray:
    """The mean of several models' probabilities, [rows, classes]; None for a model that didn't answer.

    Raises `DataError` where none answered, or they don't know the same labels.
    """
    there = [softmax(np.asarray(one, np.float64)) for one in logits if one is not None]
    if not there:
        raise DataError("None of the models answered; look at the first one's error.")
    if len({one.shape for one in there}) > 1:
        raise DataError("The models don't have the same labels; only those of one task vote together.")
    made: np.ndarray = np.mean(there, axis=0)
    return made


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
