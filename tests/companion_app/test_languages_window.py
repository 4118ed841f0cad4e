"""Every screen in every kind of language, in the real window: nothing is cut, nothing lies on each other, all is translated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.state.model import Screen

from . import clipping, window
from .furnished import furnish
from .test_languages import MIXED

if TYPE_CHECKING:
    from companion_app.app import Options

pytestmark = pytest.mark.usefixtures("display")

PHONE, DESKTOP = (420, 800), (1100, 700)
# In the made-up language these are as people and programs named them.
NAMED = re.compile(
    r"\bEnigma|enigma[- ][\w .~/-]*|Attic|Tower|openai|ollama|default|spare|llama3.2|https?://\S+|int8|onnxruntime|ai-edge-litert|robot"
    r"|mails|tickets|home-en|chat-2|models/|HassLightSet|brightness|light\.gone|duplicate|3f1c|router|operator|[0-9a-f]{16,}"
    r"|OPENAI_API_KEY|NAME|DATASET|\[log\]|unsure|OLD|PAPER|JSON|PDF|Markdown|F\d|[Cc]trl|[Aa]lt|[Ss]hift|Tab|Esc|Left|Right|Up|Down|Space|Enter|Deutsch|English"
    r"|Español|config\.toml"
)


def raw_english(text: str, known: frozenset[str]) -> bool:
    """Whether a text holds words that are neither in the brackets of the made-up language nor names."""
    while text != (fewer := re.sub(r"\[[^\[\]]*\]", "", text)):
        text = fewer
    return text not in known and re.search("[A-Za-z]{3}", NAMED.sub("", text)) is not None


# English is the shorter one of two: where the made-up language has room, it has.
@pytest.mark.parametrize("language", ["ar", "pseudo"])
async def test_no_screen_cuts_or_covers_its_words(options: Options, language: str) -> None:
    from companion_app.app import SCREENS

    async with window.opened(options, PHONE, drawn=False) as driver:
        store = driver.app.store
        driver.app.choosing.change(language=language)
        furnish(store)
        known = frozenset(
            text
            for thing in store.state.inventory.entities
            for text in (thing.name, thing.state, thing.domain.replace("_", " "))
        )
        known |= {area.name for area in store.state.inventory.areas} | {"Kitchen Pi"}
        wrong = []
        for size in (PHONE, DESKTOP):
            await driver.resize(*size)
            for screen in SCREENS:
                driver.app.open(screen)
                await driver.settle()
                found = clipping.clipped(driver.app.shell) + clipping.overlapping(driver.app.shell)
                if language == "pseudo":
                    found += [
                        f"raw: {one.text}" for one in clipping.labels(driver.app.shell) if raw_english(one.text, known)
                    ]
                wrong += [f"{screen} {size[0]}: {sentence}" for sentence in found]
        assert wrong == []


async def test_a_screen_in_arabic_is_a_mirror(options: Options) -> None:
    async with window.opened(options, DESKTOP, drawn=False) as driver:
        furnish(driver.app.store)
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


async def test_a_change_of_language_loses_nothing_that_was_typed(options: Options) -> None:
    async with window.opened(options, PHONE, drawn=False) as driver:
        furnish(driver.app.store)
        driver.app.open(Screen.TEACH)
        await driver.settle()
        await driver.write(driver.find("TeachScreen").ids.budget.entry, "3.5")
        driver.app.choosing.change(language="es")
        await driver.settle()
        assert driver.find("TeachScreen").ids.budget.text == "3.5"
        assert driver.find("NavItem", text="Enseñar")
        assert driver.app.store.state.screen is Screen.TEACH
    async with window.opened(options, PHONE, drawn=False) as driver:
        assert driver.find("NavItem", text="Enseñar"), "it is remembered"


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
    async with window.opened(options, PHONE, drawn=False):
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
    async with window.opened(options, PHONE, drawn=False) as driver:
        furnish(driver.app.store)
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
