"""All themes can be read by people who see little contrast."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import companion_app
from companion_app.theme.icons import ICONS
from companion_app.theme.tokens import (
    HIGH_CONTRAST,
    HIGH_SHAPE_CONTRAST,
    HIGH_TEXT_CONTRAST,
    SHAPE_CONTRAST,
    SHAPE_PAIRS,
    TEXT_CONTRAST,
    TEXT_PAIRS,
    THEMES,
    contrast,
    token_names,
)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.478, abs=0.001)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "behind"), TEXT_PAIRS)
def test_text_has_contrast(theme: str, text: str, behind: str) -> None:
    tokens = THEMES[theme]
    wanted = HIGH_TEXT_CONTRAST if theme in HIGH_CONTRAST else TEXT_CONTRAST
    assert contrast(getattr(tokens, text), getattr(tokens, behind)) >= wanted


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "behind"), SHAPE_PAIRS)
def test_shapes_that_mean_something_have_contrast(theme: str, shape: str, behind: str) -> None:
    tokens = THEMES[theme]
    wanted = HIGH_SHAPE_CONTRAST if theme in HIGH_CONTRAST else SHAPE_CONTRAST
    assert contrast(getattr(tokens, shape), getattr(tokens, behind)) >= wanted


def test_every_tone_is_told_by_more_than_its_colour() -> None:
    """A pill says a word, too."""
    rules = "".join(path.read_text() for path in Path(companion_app.__file__).parent.rglob("*.kv"))
    for tone in re.finditer(r"^( *)Pill:\n((?:\1 +.*\n)+)", rules, re.M):
        assert "text:" in tone.group(2), tone.group(0)


@pytest.mark.parametrize("theme", THEMES)
def test_tokens_are_colours(theme: str) -> None:
    for name in token_names():
        assert re.fullmatch("#[0-9A-F]{6}", getattr(THEMES[theme], name)), name


def test_icons_stay_on_their_grid() -> None:
    for name, strokes in ICONS.items():
        assert strokes, name
        for stroke in strokes:
            assert len(stroke) >= 2, name
            assert all(0 <= value <= 24 for point in stroke for value in point), name
