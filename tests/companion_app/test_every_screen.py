"""Every screen as it is drawn: in each size, theme and kind of language no word is cut, and each can be read from the pixels."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from companion_app.theme.tokens import TEXT_CONTRAST, contrast

from . import clipping, window
from .furnished import furnish
from .pixels import colours_in, hexed

if TYPE_CHECKING:
    from kivy.uix.label import Label
    from PIL.Image import Image

    from companion_app.app import Options

pytestmark = pytest.mark.usefixtures("display")

SIZES = {"phone": (420, 800), "tablet": (768, 800), "desktop": (1100, 700)}
THEMES = ("dark", "light")
LANGUAGES = ("en", "ar", "pseudo")
# All of it takes four minutes of a processor; `make test-screens` does it, the ordinary suite a part.
WHOLE = "ENIGMA_ALL_SCREENS" in os.environ
# WCAG 2.2, 1.4.3: large is 24 px, or 18.66 px and bold.
LARGE, LARGE_CONTRAST = 24, 3.0
# The same few colours are on every picture.
contrast_of = lru_cache(maxsize=None)(contrast)


def visible(label: Label, driver: window.Driver) -> tuple[int, int, int, int] | None:
    """A label's box in a picture, without what is scrolled away; None where less than all of its height is left."""
    from kivy.graphics import StencilPush

    left, top, right, bottom = whole = driver.region(label)
    around = label.parent
    while around is not None and around is not around.parent:
        if any(isinstance(step, StencilPush) for step in around.canvas.before.children):
            box = driver.region(around)
            left, top, right, bottom = (
                max(left, box[0]),
                max(top, box[1]),
                min(right, box[2]),
                min(bottom, box[3]),
            )
        around = around.parent
    return (left, top, right, bottom) if right - left > 4 and bottom - top >= whole[3] - whole[1] - 1 else None


def legible(picture: Image, box: tuple[int, int, int, int]) -> float:
    """The contrast of the ink in a box with what is most around it, by the pixels."""
    colours = colours_in(picture, box)
    ground = hexed(max(colours)[1])
    return max(contrast_of(hexed(colour), ground) for _, colour in colours)


def unreadable(driver: window.Driver) -> list[str]:
    """What is cut, lies over another, or hasn't the contrast that it needs, a sentence each."""
    shell = driver.app.shell
    found = clipping.clipped(shell) + clipping.overlapping(shell)
    picture = driver.picture()
    for label in clipping.labels(shell):
        if label.disabled or not label.text.strip():
            continue  # WCAG 2.2, 1.4.3: what can't be used needs no contrast
        box = visible(label, driver)
        needed = LARGE_CONTRAST if label.font_size >= LARGE else TEXT_CONTRAST
        if box is not None and (seen := legible(picture, box)) < needed:
            found.append(f"{label.text!r} has a contrast of {seen:.1f} to 1")
    return found


@pytest.mark.slow  # pixels without a GPU: half a second of a processor for each picture
@pytest.mark.parametrize("size", SIZES if WHOLE else ["phone"])
async def test_every_word_can_be_read_from_the_pixels(options: Options, size: str) -> None:
    from companion_app.app import SCREENS

    wrong: list[str] = []
    async with window.opened(options, SIZES[size]) as driver:
        furnish(driver.app.store)
        for language in LANGUAGES if WHOLE else ("ar",):
            driver.app.choosing.change(language=language)
            for screen in SCREENS:
                driver.app.open(screen)
                for theme in THEMES:
                    driver.app.choosing.change(theme=theme)
                    await driver.settle()
                    if found := unreadable(driver):  # on a busy machine the first frames may still be under way
                        await driver.settle()
                        found = [sentence for sentence in unreadable(driver) if sentence in found]
                    wrong += [f"{screen}, {size}, {theme}, {language}: {sentence}" for sentence in found]
    assert not wrong, "\n".join(wrong)
