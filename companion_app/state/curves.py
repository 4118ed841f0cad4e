"""A curve for a plot of some width: of each column of points the least and the greatest value, and round numbers beside."""

from __future__ import annotations

import math
from collections.abc import Sequence

from companion_app.i18n.figures import number

Points = list[tuple[float, float]]


def min_max(steps: Sequence[int], values: Sequence[float], columns: int) -> Points:
    """(step, value) in order, at most four per column: what a line through all of them would cover."""
    count = len(values)
    if count <= 2 * columns:
        return list(zip(steps, values, strict=True))
    made: Points = []
    last = -1
    for column in range(columns):
        first, end = column * count // columns, (column + 1) * count // columns
        part = values[first:end]
        low, high = part.index(min(part)), part.index(max(part))
        for place in (0, min(low, high), max(low, high), end - first - 1):
            if first + place > last:
                last = first + place
                made.append((steps[last], values[last]))
    return made


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers, `count` or so, from one at or below `low` to one at or above `high`."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half
    raw = (high - low) / count
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def shortly(value: float) -> str:
    """A figure as an axis shows it."""
    if value and abs(value) < 1e-3:
        return number(value, ".0e")
    return number(value / 1000, "g") + "k" if abs(value) >= 10_000 else number(value, ".4g")
