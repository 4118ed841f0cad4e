"""A detector's cells become objects: the likeliest label of each, the best box of each object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.vision.pixels import Frame

FLOOR = 0.05  # of a cell's score: below, it is background
MOST_CELLS = 300  # that boxes are compared of, the best first
MOST_OBJECTS = 50
SAME = 0.5  # intersection over union from which two boxes are one object, whatever their labels say


@dataclass(frozen=True)
class Found:
    """An object: the number of its label, its score, and its box x0, y0, x1, y1 in shares of the picture."""

    label: int
    score: float
    box: tuple[float, float, float, float]


def objects_in(scores: np.ndarray, boxes: np.ndarray, frame: Frame, side: int) -> list[Found]:
    """Objects, the surest first; scores float32 [cells, labels], boxes float32 [cells, 4] in shares of the square.

    Greedy non-maximum suppression across labels: what looks half like a circle and half like an oval is one object.
    """
    best = scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[:MOST_CELLS]
    order = order[best[order] >= FLOOR]
    labels = scores[order].argmax(axis=1)
    corner = np.array([frame.left, frame.top] * 2, np.float32)
    span = np.array([frame.width, frame.height] * 2, np.float32)
    inside = np.clip((boxes[order] * side - corner) / span, 0.0, 1.0)
    areas = np.maximum(inside[:, 2] - inside[:, 0], 0) * np.maximum(inside[:, 3] - inside[:, 1], 0)
    alive = areas > 0
    found: list[Found] = []
    for place in range(len(order)):
        if not alive[place]:
            continue
        x0, y0, x1, y1 = (float(edge) for edge in inside[place])
        found.append(Found(int(labels[place]), float(best[order[place]]), (x0, y0, x1, y1)))
        if len(found) == MOST_OBJECTS:
            break
        wide = np.minimum(inside[:, 2], x1) - np.maximum(inside[:, 0], x0)
        high = np.minimum(inside[:, 3], y1) - np.maximum(inside[:, 1], y0)
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        alive &= shared <= SAME * (areas + areas[place] - shared)
    return found
