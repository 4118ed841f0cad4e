"""How like the pictures that a classifier learnt from another one is, told by the same run of the network as its label.

A network has to choose among its labels, and may be sure of one for what it never saw. So it also gives its look of a picture,
the means of its last two stages, and the bundle keeps where the looks of each label lie and how they spread: a look's distance
to the nearest of those is Mahalanobis' (arXiv 1807.03888), less a share of that to all of them together (arXiv 2106.09022), since
what no label is told by, as colours may be, says little about strangers. It is worth how few pictures like those of the training
are farther, a p-value, and the network's best chance is another; both together are worth what Fisher's method makes of two of them.
Distances are between roots of the means, as large means spread more than small ones do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.strict_json import is_number

FILE = "looks.bin"  # float16, little-endian: the centre, what whitens, and the middle of each label
OPTION = "looks"  # of a manifest: {"numbers", "distance", "chance"}, and "relative" in those that keep such a share
_MOST_NUMBERS = 1024
_MOST_QUANTILES = 1000


@dataclass(frozen=True)
class Looks:
    """What looks like those of the training have.

    centre: float32 [numbers]. whiten: float32 [numbers, numbers]. middles: float32 [labels, numbers], whitened. distance, chance:
    ascending quantiles, evenly spread, of pictures like those of the training. relative: the share, 0 to 1, of the squared
    distance to all labels together that is taken from that to the nearest; 0 in bundles from before, whose looks have no roots taken.
    """

    centre: np.ndarray
    whiten: np.ndarray
    middles: np.ndarray
    distance: tuple[float, ...]
    chance: tuple[float, ...]
    relative: float = 0.0

    @property
    def numbers(self) -> int:
        """Of a look."""
        return len(self.centre)

    def distances(self, looks: np.ndarray) -> np.ndarray:
        """float64 [pictures], of looks float32 [pictures, numbers] to the nearest label's; squared, less a share, with `relative`."""
        even = (rooted(looks) if self.relative else looks) - self.centre
        white = (even @ self.whiten).astype(np.float64)
        squares = np.min([((white - middle) ** 2).sum(1) for middle in self.middles], axis=0)
        made: np.ndarray = squares - self.relative * self._to_all(white) if self.relative else np.sqrt(squares)
        return made

    def _to_all(self, white: np.ndarray) -> np.ndarray:
        """Squared distances float64 [pictures] to all labels together, which have one middle and one spread."""
        off = white - self.middles.astype(np.float64).mean(0)
        made: np.ndarray = (off @ self._narrow * off).sum(1)
        return made

    @cached_property
    def _narrow(self) -> np.ndarray:
        """float64 [numbers, numbers]: undoes the spread of all labels, which is 1 around each middle, and that of the middles."""
        middles = self.middles.astype(np.float64)
        apart = middles - middles.mean(0)
        made: np.ndarray = np.linalg.inv(np.eye(self.numbers) + apart.T @ apart / len(apart))
        return made

    def likeness(self, distance: float, chance: float) -> float:
        """0 (no picture of the training's kind is so far, and so doubtful) to 1; evenly spread for such pictures."""
        product = _share_beyond(self.distance, distance) * _share_below(self.chance, chance)
        # The chance that two independent p-values have a smaller product (Fisher 1925, with two).
        return min(product * (1 - math.log(product)), 1.0) if product > 0 else 0.0


def rooted(looks: np.ndarray) -> np.ndarray:
    """Roots of means, of which a network that rounds may make some less than nothing."""
    made: np.ndarray = np.sqrt(np.maximum(looks, 0))
    return made


def read_looks(options: Mapping[str, object], folder: Path) -> Looks | None:
    """Of a bundle, None where it has none; raises `BundleError`."""
    if OPTION not in options:
        return None
    given = options[OPTION]
    if not isinstance(given, dict) or {"relative", *given} != {"numbers", "distance", "chance", "relative"}:
        raise _wrong()
    numbers, distance, chance = given["numbers"], given["distance"], given["chance"]
    relative = given.get("relative", 0.0)
    if (
        not isinstance(numbers, int)
        or not 1 <= numbers <= _MOST_NUMBERS
        or not (_ascends(distance) and _ascends(chance) and _ascends([0, relative, 1]))
    ):
        raise _wrong()
    try:
        raw = (folder / FILE).read_bytes()
    except OSError:
        raise BundleError(f"The bundle has no {FILE}, which its options need; build it again.") from None
    rows, rest = divmod(len(raw), 2 * numbers)
    if rest or rows < numbers + 2:
        raise BundleError(f"{FILE} has {len(raw)} bytes, which isn't what its options say; build the bundle again.")
    table = np.frombuffer(raw, "<f2").astype(np.float32).reshape(rows, numbers)
    if not np.isfinite(table).all():
        raise BundleError(f"{FILE} holds something else than numbers; build the bundle again.")
    return Looks(
        table[0],
        table[1 : numbers + 1],
        table[numbers + 1 :],
        tuple(map(float, cast("Sequence[float]", distance))),
        tuple(map(float, cast("Sequence[float]", chance))),
        float(relative),
    )


def packed(looks: Looks) -> bytes:
    """Its table as `FILE` holds it."""
    return np.concatenate([looks.centre[None], looks.whiten, looks.middles]).astype("<f2").tobytes()


def _share_below(quantiles: Sequence[float], value: float) -> float:
    least = 0.5 / len(quantiles)  # the smallest of some pictures isn't the smallest of all
    return float(np.interp(value, quantiles, np.linspace(least, 1, len(quantiles))))


def _share_beyond(quantiles: Sequence[float], value: float) -> float:
    least = 0.5 / len(quantiles)
    if value <= quantiles[-1]:
        return float(np.interp(value, quantiles, np.linspace(1, least, len(quantiles))))
    # Beyond the farthest it falls as quickly as it does in the last tenth, so that what is far off is told from what is farther.
    last = np.array(quantiles[len(quantiles) * 9 // 10 - 1 :])
    fall = max(float((last - last[0]).mean()), 1e-6)
    return least * math.exp(max((quantiles[-1] - value) / fall, -600.0))


def _ascends(value: object) -> bool:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= _MOST_QUANTILES:
        return False
    if not all(map(is_number, value)):
        return False
    return all(first <= second for first, second in pairwise(value))


def _wrong() -> BundleError:
    return BundleError(
        f"options.{OPTION} must have how many numbers a look has, ascending numbers of distance and of chance, and a share "
        "of 0 to 1; build the bundle again."
    )
