"""Curves with fewer points that look the same: of each stretch the least and the greatest value stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Point = tuple[int, float]


def decimated(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` (4 or more) of (step, value) in the order of their steps: first, last, and each stretch's extremes."""
    if len(points) <= most:
        return list(points)
    stretches = max(1, (most - 2) // 2)
    inner = points[1:-1]
    made = [points[0]]
    for number in range(stretches):
        part = inner[number * len(inner) // stretches : (number + 1) * len(inner) // stretches]
        if part:
            low = min(part, key=lambda point: point[1])
            high = max(part, key=lambda point: point[1])
            made += sorted({low, high})
    return [*made, points[-1]]


def joined(curves: Iterable[Sequence[Point]]) -> list[Point]:
    """The curve of a training that went on several times: of a step that was made again the later value counts."""
    found: dict[int, float] = {}
    for curve in curves:
        found.update(curve)
    return sorted(found.items())
