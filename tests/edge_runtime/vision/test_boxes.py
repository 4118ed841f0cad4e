from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.vision.boxes import MOST_OBJECTS, objects_in
from edge_runtime.vision.pixels import Frame

WHOLE = Frame(0, 0, 64, 64)


def arrays(*cells: tuple[list[float], list[float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in cells], np.float32), np.array([b for _, b in cells], np.float32)


def test_of_cells_on_one_object_the_surest_speaks_whatever_the_others_call_it() -> None:
    found = objects_in(
        *arrays(
            ([0.2, 0.6], [0.1, 0.1, 0.4, 0.4]),
            ([0.9, 0.1], [0.1, 0.1, 0.42, 0.4]),
            ([0.3, 0.0], [0.6, 0.6, 0.9, 0.9]),
            ([0.04, 0.0], [0.6, 0.1, 0.9, 0.3]),
        ),
        WHOLE,
        64,
    )
    assert [(item.label, item.score) for item in found] == [(0, pytest.approx(0.9)), (0, pytest.approx(0.3))]


def test_boxes_are_shares_of_the_picture_not_of_its_square() -> None:
    frame = Frame(0, 16, 64, 32)  # a picture twice as wide as high
    [item] = objects_in(*arrays(([0.9], [0.25, 0.25, 0.5, 0.5])), frame, 64)
    assert item.box == pytest.approx((0.25, 0.0, 0.5, 0.5))
    outside = objects_in(*arrays(([0.9], [0.25, 0.0, 0.5, 0.2])), frame, 64)
    assert outside == []  # it lies in the grey


def test_there_are_never_more_objects_than_the_task_allows() -> None:
    grid = [([0.9], [x / 10, y / 10, x / 10 + 0.09, y / 10 + 0.09]) for x in range(10) for y in range(10)]
    assert len(objects_in(*arrays(*grid), WHOLE, 64)) == MOST_OBJECTS
