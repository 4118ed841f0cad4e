"""Every screen in every kind of language, in the real window: nothing is cut, nothing lies on each other, all is translated."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.state.model import Screen

from . import clipping, furnished, samples, window
from .test_languages import MIXED

if TYPE_CHECKING:
    from companion_app.app import Options

pytestmark = pytest.mark.usefixtures("display")

PHONE, DESKTOP = (420, 800), (1100, 700)
# As programs, files, keys of a keyboard and languages are called, in every language.
NAMED = re.compile(
    r"\bEnigma|enigma[- ][\w .~/-]*|llama3.2|https?://\S+|models/|[0-9a-f]{16,}|NAME|DATASET|OLD|PAPER|\[log\]|unsure"
    r"|\w+\.toml|JSON|PDF|Markdown|F\d+|[Cc]trl|[Aa]lt|[Ss]hift|Tab|Esc|Left|Right|Up|Down|Space|Enter|English"
    r"|Deutsch|Español"
)


def furnished_words() -> frozenset[str]:
    """The words of the data that are shown: people and machines chose them, the app doesn't translate them."""
    here = Path(__file__).parent
    files = (here / "furnished.py", here / "samples.py", *here.glob("a_*.py"))
    sources = [path.read_text(encoding="utf-8") for path in files]
    texts = [node.value for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    texts.append(samples.SAMPLE_HOME.read_text(encoding="utf-8"))
    return frozenset(re.findall("[A-Za-z]{3,}", " ".join(str(text) for text in texts)))


def raw_english(text: str, known: frozenset[str]) -> bool:
    """Whether a text holds words that are neither in the brackets of the made-up language nor names."""
    while text != (fewer := re.sub(r"\[[^\[\]]*\]", "", text)):
        text = fewer
    return not set(re.findall("[A-Za-z]{3,}", NAMED.sub("", text))) <= known


async def test_no_screen_cuts_its_words_or_leaves_them_in_english(options: Options) -> None:
    """In the made-up language, which is longer than any; `test_every_screen` has the others and all sizes."""
    from companion_app.app import SCREENS

    async with window.opened(options, PHONE) as driver:
        store = driver.app.store
        driver.app.choosing.change(language="pseudo")
        furnished.furnish(store)
        known = furnished_words()
        wrong = []
        for screen in SCREENS:
            driver.app.open(screen)
            await driver.settle()
            shell = driver.app.shell
            found = clipping.clipped(shell) + clipping.overlapping(shell)
            found += [f"raw: {one.text}" for one in clipping.labels(shell) if raw_english(one.text, known)]
            wrong += [f"{screen}: {sentence}" for sentence in found]
        assert wrong == []


async def test_a_screen_in_arabic_is_a_mirror(options: Options) -> None:
    async with window.opened(options, DESKTOP) as driver:
        furnished.furnish(driver.app.store)
        driver.app.open(Screen.ASK)
        await driver.settle()
        rail, entry, send = (driver.find(kind) for kind in ("Rail", "AskScreen")), None, None
        rail, screen = rail
        entry, send = screen.ids.entry, screen.ids.send
        assert rail.x == 0 and entry.right < send.x
        driver.app.choosing.change(language="ar")
        await driver.settle()
        await driver.settle()
        assert i18n.right_to_left()
        rail, screen = driver.find("Rail"), driver.find("AskScreen")
        entry, send = screen.ids.entry, screen.ids.send
        assert rail.right == DESKTOP[0] and send.right < entry.x
        item = driver.find("NavItem", text="اسأل")
        icon, label = item.children[::-1]
        assert label.right < icon.x
        left, right = filled(driver)
        assert right == pytest.approx(driver.find("JobStrip").children[0].right) and left > DESKTOP[0] / 4
        driver.app.choosing.change(language="en")
        await driver.settle()
        await driver.settle()
        assert filled(driver)[0] == pytest.approx(driver.find("JobStrip").children[0].x), "a lesson's meter turns, too"


def filled(driver: window.Driver) -> tuple[float, float]:
    """Where the filled part of the meter in the strip begins and ends."""
    meter = driver.find("JobStrip").children[0]
    part = [one for one in meter.canvas.children if type(one).__name__ == "Paper"][-1]
    return part.pos[0], part.pos[0] + part.size[0]


async def test_what_is_drawn_is_what_fribidi_orders(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    from kivy.core.text import Label

    from companion_app.theme import text as drawing

    drawn: list[tuple[float, str]] = []
    plain = drawing._with_font

    def recorded(label: Label, file: str, call: object, *arguments: object) -> object:
        if len(arguments) == 3:
            drawn.append((arguments[1], arguments[0]))
        return plain(label, file, call, *arguments)

    monkeypatch.setattr(drawing, "_with_font", recorded)
    async with window.opened(options, PHONE):
        for language, column in (("ar", 1), ("en", 2)):
            i18n.use(language)
            for words in MIXED:
                base = bidi.base_direction(words[0])
                if (base == "R") is not (column == 1):
                    continue
                label = Label(text=words[0], font_size=20)
                label.refresh()
                drawn.clear()
                label.render(real=True)
                # Drawing the texture draws once more, at the same places.
                assert list(dict(drawn)) == sorted(dict(drawn))
                assert "".join(dict(drawn).values()) == bidi.unseen(bidi._drawn(words[0], base)), words[0]
                assert any(label.texture.pixels), words[0]


async def test_arabic_is_typed_from_the_right(options: Options) -> None:
    async with window.opened(options, PHONE) as driver:
        furnished.furnish(driver.app.store)
        driver.app.choosing.change(language="ar")
        driver.app.open(Screen.HOME)
        await driver.settle()
        entry = driver.find("HomeScreen").ids.path.entry
        await driver.write(entry, "مطبخ")
        begin = entry.cursor_pos[0]
        room = entry.right - entry.padding[2]
        assert begin == pytest.approx(room - entry._width_of("مطبخ"), abs=3), (
            "the caret is at the left of what was typed"
        )
        await driver.press(276, "left")
        assert entry.cursor_col == 4, "there is nothing further left"
        await driver.press(275, "right")
        assert entry.cursor_col == 3 and entry.cursor_pos[0] > begin
