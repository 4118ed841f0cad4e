"""The judge of recorded games reads ball and paddle by their colours, in frames of any size."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.next_frames_recorded import near, places_in, right_way


def pong(size: tuple[int, int], ball: tuple[int, int] | None, paddle: int) -> np.ndarray:
    """A frame as Pong draws it; ball and paddle in pixels of 160 by 210, in another size the rarest colour of each part."""
    pixels = np.full((210, 160, 3), (144, 72, 17), np.uint8)
    pixels[24:34], pixels[194:] = (236, 236, 236), (236, 236, 236)
    pixels[paddle : paddle + 16, 140:144] = (92, 186, 92)
    if ball is not None:
        pixels[ball[0] : ball[0] + 4, ball[1] : ball[1] + 2] = (236, 236, 236)
    return pixels[np.arange(size[0]) * 210 // size[0]][:, np.arange(size[1]) * 160 // size[1]]


def test_places_are_read_off_frames_of_both_sizes() -> None:
    for size in ((210, 160), (64, 64)):
        ball, paddle = places_in(pong(size, (104, 80), 60), "pong")
        assert ball == pytest.approx((32.3, 32.4), abs=1) and paddle == pytest.approx((20.7, 56.8), abs=1)
        assert places_in(pong(size, None, 60), "pong")[0] is None


def test_what_is_right_is_told_from_what_is_not() -> None:
    assert near((10, 10), (12, 8)) and not near((10, 10), (12.1, 10)) and near(None, None) and not near(None, (1, 1))
    last = (20.0, 56.0)
    assert right_way(last, (23, 56), (21, 56), 0) and not right_way(last, (23, 56), (20, 56), 0)
    assert not right_way(last, (23, 56), (18, 56), 0) and not right_way(last, (23, 56), None, 0)
    assert right_way(last, (20.5, 56), (19, 56), 0) and not right_way(last, (20.5, 56), (24, 56), 0)
