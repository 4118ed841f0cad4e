"""Orders training rows from easy to hard: by the difficulty that each row carries, else by its length.

Bengio et al. 2009, with the pacing of Platanios et al. 2019: at share t of the training, the easiest
sqrt(t (1 - c²) + c²) of the rows may be drawn, starting with the share c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainer_host.data.dataset import Row
from trainer_host.data.pii import texts_of

START = 0.2  # the easiest fifth first


def difficulty(row: Row) -> float:
    """0 (easy) to 1 (hard): what the task said when the row was made, else its length."""
    known = row.meta.get("difficulty")
    if isinstance(known, int | float) and not isinstance(known, bool):
        return float(min(max(known, 0.0), 1.0))
    return min(1.0, sum(map(len, texts_of([row.input, row.output]))) / 1000)


def ordered(rows: Sequence[Row]) -> list[int]:
    """Positions of the rows, easy ones first; equal ones keep their order, so the same rows give the same order."""
    return sorted(range(len(rows)), key=lambda position: difficulty(rows[position]))


def available(progress: float, count: int, start: float = START) -> int:
    """How many of `count` ordered rows may be drawn at this share (0 to 1) of a training; at the end, all."""
    share = math.sqrt(min(max(progress, 0.0), 1.0) * (1 - start**2) + start**2)
    return max(1, min(count, math.ceil(share * count - 1e-9)))
