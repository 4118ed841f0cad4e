from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.media.colours import COLOURS, difference, lab, name_of, read_colour, rgb
from trainer_host.tasks import Rejected


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_is_seen_as_what_it_is_called(name: str) -> None:
    assert name_of(rgb(name)) == name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("#ff0000", "red"),
        ("#e81123", "red"),
        ("#0000cd", "blue"),
        ("#008000", "green"),
        ("#00ff7f", "green"),
        ("#ffd700", "yellow"),
        ("#708090", "grey"),
        ("#f8f8ff", "white"),
        ("#101010", "black"),
        ("#a0522d", "brown"),
        ("#da70d6", "purple"),
        ("#ff69b4", "pink"),
        ("#20b2aa", "cyan"),
        ("#ffa500", "orange"),
    ],
)
def test_colours_of_css_get_the_name_that_people_give_them(code: str, name: str) -> None:
    assert name_of(rgb(read_colour(code, "colour"))) == name


def test_lab_is_that_of_the_standard() -> None:
    """Values of the CIE formulas for sRGB under D65, as published with them."""
    pixels = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    wanted = np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]])
    assert np.abs(lab(pixels) - wanted).max() < 0.1
    assert difference(pixels[0], pixels[0]) == 0
    assert difference(pixels[0], pixels[1]) == pytest.approx(100, abs=0.1)


def test_other_spellings_are_read_or_refused() -> None:
    assert read_colour("gray", "colour") == "grey"
    assert read_colour("#AbCdEf", "colour") == "#abcdef"
    for wrong in ("crimson", "#fff", "#12345g", "", 7, None, ["red"], "red; DROP"):
        with pytest.raises(Rejected):
            read_colour(wrong, "colour")
