"""What an answer is worth that a language model wrote: the chance that it is right, and whether that is too little.

For what has one probability, a label or an object, see `confidence`.

The mean of the tokens' probabilities is no such chance: of two answers with the same mean the longer is wrong more often,
and one that doesn't say what was asked may be surely written. So a bundle's option `worth` holds, for each task, weights of
the log-odds of the tokens' mean probability, of the whole text's, and of the device's own doubt, and a shift (Platt 1999 with
three scores), which the host chooses by this file's own functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import BundleError
from edge_runtime.strict_json import is_number

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest

OPTION = "worth"
Weights = tuple[float, float, float, float]  # of `signs`, none below 0, and the shift
_LEAST = 5e-5  # of a mean: it is rounded to four digits, as the host sees it
_LEAST_ODDS = -14.0  # of a whole text; of a long one nothing is left


@dataclass(frozen=True)
class Doubt:
    """From which confidence on a task's answers are sure, and what makes a confidence of their tokens' probabilities.

    weights: None in bundles of before; the mean itself is the confidence then.
    """

    least: float = 0.0
    weights: Weights | None = None

    def confidence(self, mean: float, tokens: int, doubted: bool) -> float:
        """The chance, 0 to 1, that an answer is right; see `signs`."""
        if self.weights is None:
            return mean
        parts = zip(self.weights, (*signs(mean, tokens, doubted), 1.0), strict=True)
        odds = sum(weight * sign for weight, sign in parts)
        return 1 / (1 + math.exp(-min(max(odds, -60.0), 60.0)))


def signs(mean: float, tokens: int, doubted: bool) -> tuple[float, float, float]:
    """What speaks for an answer: log-odds of its tokens' geometric mean and of their product, and that nobody doubts it.

    mean: of the tokens' probabilities; tokens: how many; doubted: whether the device found something wrong in it.
    """
    bounded = min(max(round(mean, 4), _LEAST), 1 - _LEAST)
    whole = max(tokens, 1) * math.log(bounded)
    odds = math.log(bounded / (1 - bounded))
    return odds, max(whole - math.log(-math.expm1(whole)), _LEAST_ODDS), -1.0 if doubted else 0.0


def read_doubt(manifest: Manifest, task: str, threshold: str = "unsure") -> Doubt:
    """A task's doubt, as a manifest holds it. threshold: its name there. Raises `BundleError`."""
    told = manifest.options.get(OPTION, {})
    weights = told.get(task) if isinstance(told, Mapping) else told
    return Doubt(manifest.thresholds.get(threshold, 0.0), None if weights is None else checked_weights(weights))


def checked_weights(value: object) -> Weights:
    """Weights as JSON holds them; raises `BundleError`."""
    if isinstance(value, list) and len(value) == 4 and all(map(is_number, value)) and min(value[:3]) >= 0:
        mean, whole, doubted, shift = map(float, value)
        return mean, whole, doubted, shift
    raise BundleError(
        f"options.{OPTION} must have four numbers for each task, of which three aren't below 0; build the bundle again."
    )
