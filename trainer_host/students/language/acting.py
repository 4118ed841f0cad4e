"""From which probability on a call is made: chosen on rows whose sentences weren't learnt, some of which must not act."""

from __future__ import annotations

import math
from collections.abc import Sequence

ACTED_ON = 0.02  # share of sentences like those that must not act, and that act at most
LEAST, MOST = 0.5, 0.999  # what is less likely than not is never called; above, hardly anything would be


def least_chance(chances: Sequence[float]) -> float:
    """The threshold "act": at most `ACTED_ON` of new sentences that must not act reach it (split conformal prediction).

    chances: what the calls got that were made by rows which want none, and 0 for each such row that was left alone.
    """
    ordered = sorted(chances)
    place = math.ceil((len(ordered) + 1) * (1 - ACTED_ON))  # arXiv 2107.07511, section 1
    reached = ordered[min(place, len(ordered)) - 1] if ordered else 0.0
    return min(MOST, max(LEAST, math.ceil(reached * 1e4 + 1e-9) / 1e4 + 1e-4))
