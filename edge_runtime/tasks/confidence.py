"""What a network's best probability is worth: the chance that its answer is right, by Platt scaling of the log-odds.

This is of one probability: a classifier's label, a detector's object, a robot's calls. What a language model writes has one for
each token, see `written_confidence`.

Temperature scaling (arXiv 1706.04599) has one number, and a network that was taught to leave noise undecided needs two: it is
too modest where it hardly knows and a little too sure where it knows. So a bundle's option `platt` holds scale and shift
(Platt 1999), which the host chooses by this file's own functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.strict_json import is_number

OPTION = "platt"
Platt = tuple[float, float]  # scale and shift
_LEAST = 1e-6  # of a probability; float32 hardly knows a smaller distance to 1


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """float64, of the same shape; those beyond a millionth of 0 and 1 are taken as that."""
    bounded = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    made: np.ndarray = np.log(bounded / (1 - bounded))
    return made


def chance(probability: float, platt: Platt) -> float:
    """The chance, 0 to 1, that what has this probability is right."""
    bounded = min(max(probability, _LEAST), 1 - _LEAST)
    odds = platt[0] * math.log(bounded / (1 - bounded)) + platt[1]
    return 1 / (1 + math.exp(-min(max(odds, -60.0), 60.0)))


def adjusted(probabilities: np.ndarray, platt: Platt | None) -> np.ndarray:
    """One row's probabilities, float [labels], where the best one is the chance of being right; the others share the rest
    as they did. It stays the best, as an answer must be the likeliest label.
    """
    if platt is None or len(probabilities) < 2:
        return probabilities
    made = np.array(probabilities, np.float64)
    best = int(made.argmax())
    worth = chance(float(made[best]), platt)
    made[best] = 0
    rest, second = float(made.sum()), float(made.max())
    if rest <= 0:
        made[best] = 1  # one label has everything; nothing is left to share
        return made
    # Where both would be equal, both have `second / (rest + second)`.
    share = max(worth, second / (rest + second))
    made *= (1 - share) / rest
    made[best] = max(share, float(np.nextafter(made.max(), 1)))  # the only best one, also where both are rounded
    return made


def read_platt(options: Mapping[str, object], name: str = OPTION) -> Platt | None:
    """Of a manifest's options, None where a bundle has none; raises `BundleError`."""
    return None if name not in options else checked_platt(options[name])


def checked_platt(value: object) -> Platt:
    """Scale and shift as JSON holds them; raises `BundleError`."""
    if isinstance(value, list) and len(value) == 2 and all(is_number(one) for one in value) and value[0] > 0:
        return float(value[0]), float(value[1])
    raise BundleError(f"options.{OPTION} must be two numbers, a scale above 0 and a shift; build the bundle again.")
