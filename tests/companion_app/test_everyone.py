"""For everyone: every action by keys, a palette that finds them, letters of 300 %, few choices, a dropped file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from companion_app.chords import MODIFIERS, chord
from companion_app.state import actions as act
from companion_app.state.model import Device, Screen
from tests.companion_app import clipping, furnished, samples, window
from tests.companion_app.picture_words import PEOPLE

if TYPE_CHECKING:
    from companion_app.app import Options

ENTER, ESCAPE, DOWN, TAB = 13, 27, 274, 9


def furnish(app: object) -> None:
    """A device with two specialists."""
    store = app.store  # type: ignore[attr-defined]
    store.dispatch(act.Paired(Device(samples.KITCHEN, "Kitchen Pi", "operator")))
    store.dispatch(act.LinkUpdated(samples.KITCHEN, True, (samples.HOME_EN, samples.TICKETS)))


async def press(driver: window.Driver, keys: str) -> None:
    """Press a chord, as SDL reports it."""
    from kivy.core.window import Keyboard

    *held, key = keys.split("+")
    name = {"plus": "+", "minus": "-"}.get(key, key)
    code = Keyboard.keycodes.get(name, ord(name[0]))
    await driver.press(code, name if len(name) == 1 else "", tuple(held))


async def test_every_bound_action_runs_by_its_keys(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    async with window.opened(options, (1100, 700)) as driver:
        app, ran = driver.app, []
        furnish(app)
        for name, keys in app.registry.bindings().items():
            command = app.registry._commands[name]
            app.registry._commands[name] = replace(
                command, run=lambda name=name, **_: ran.append(name), when=lambda state: True, scope=None, arguments={}
            )
            await press(driver, keys)
            assert ran == [name], f"{keys} for {name} ran {ran}"
            ran.clear()
        assert {chord(key, ("ctrl",)) for key in ("k", "q", "plus", "minus")} <= set(app.registry.bindings().values())
        assert set(MODIFIERS) >= {"ctrl", "alt", "shift", "meta"}


async def test_keys_are_given_away_and_a_taken_one_is_refused(options: Options) -> None:
    async with window.opened(options, (1100, 700)) as driver:
        app = driver.app
        await press(driver, "f1")
        assert app.store.state.screen is Screen.SHORTCUTS
        row = next(row for row in driver.find_all("ShortcutRow") if row.name == "theme.toggle")
        app.screen.wait_for(row)
        await press(driver, "ctrl+k")
        assert "All commands" in row.problem and not row.waiting
        app.screen.wait_for(row)
        await press(driver, "f8")
        assert row.problem == "" and row.keys == "F8"
        before = app.store.state.theme
        await press(driver, "f8")
        assert app.store.state.theme != before
        await press(driver, "ctrl+shift+l")
        assert app.store.state.theme != before, "the old keys are free"
        assert not [row for row in driver.find_all("ShortcutRow") if not row.keys], "those without keys are asked for"
        await driver.touch(driver.find("ShortcutsScreen").ids.show_all)
        names = {row.name for row in driver.find_all("ShortcutRow")}
        assert names == {command.name for command in app.registry.matching("")}
    async with window.opened(options, (1100, 700)) as driver:
        assert driver.app.registry.bindings()["theme.toggle"] == "f8", "remembered"
        driver.app.open(Screen.SHORTCUTS)
        await driver.settle()
        row = next(row for row in driver.find_all("ShortcutRow") if row.name == "theme.toggle")
        driver.app.screen.reset(row)
        assert row.keys == "Ctrl+Shift+L"


async def test_the_palette_finds_runs_asks_and_says_why_not(options: Options) -> None:
    async with window.opened(options, (420, 800)) as driver:
        app, store = driver.app, driver.app.store
        furnish(app)
        await press(driver, "ctrl+k")
        await driver.type("larger")
        await driver.press(ENTER)
        assert store.state.preferences.font_scale == pytest.approx(1.15)
        assert app.over.shown is None
        await press(driver, "ctrl+k")
        await driver.type("push a bundle to")
        await driver.press(ENTER)
        assert "releaser" in app.over.shown._search.ids.more.text, "this pairing may only ask"
        await driver.press(ESCAPE)
        assert app.over.shown is None and store.state.screen is not Screen.PUSH
        await press(driver, "ctrl+k")
        await driver.type("set the size")
        await driver.press(ENTER)
        field = app.over.shown._inputs["percent"]
        assert field.entry.focus
        await driver.type("900")
        await driver.press(ENTER)
        assert "300" in field.problem
        field.entry.text = ""
        await driver.type("200")
        await driver.press(ENTER)
        assert store.state.preferences.font_scale == 2.0 and app.over.shown is None
        await press(driver, "ctrl+0")
        await press(driver, "ctrl+k")
        await driver.type("forget a dev")
        await driver.press(ENTER)
        assert driver.find_all("Slide", text="Slide to do it"), "what can't be undone is slid"
        await driver.press(ESCAPE)
        assert store.state.devices


# The buttons of the screens that people use most, and the command that does the same.
BUTTONS = {
    Screen.ASK: {"Send": "device.ask"},
    Screen.DEVICES: {"Pair a device": "open.pair"},
    Screen.PUSH: {"Push": "device.push"},
    Screen.SETTINGS: {
        "Smaller letters": "text.smaller",
        "Larger letters": "text.larger",
        "Few choices": "simplified.toggle",
        "Less motion": "motion.toggle",
        "Say aloud what has the focus": "speech.toggle",
        "Shortcuts": "open.shortcuts",
        "Look again": "account.list",
        "Where updates come from": "app.follow_updates",
    },
}


async def test_letters_of_300_percent_are_whole_on_every_screen(options: Options) -> None:
    from companion_app.app import SCREENS

    async with window.opened(options, (420, 800)) as driver:
        app = driver.app
        furnished.furnish(app.store, PEOPLE)
        app.choosing.change(font_scale=3.0)
        for screen in SCREENS:
            app.open(screen)
            await driver.settle()
            if screen is Screen.TRAIN:  # the part with the longest form, with what no host answered
                furnished.furnish_training(app.store, PEOPLE)
                app.training.pick_part("release")
                await driver.settle()
                await driver.touch(driver.find("Act", text="Which devices, when, and what pauses it"))
            await driver.settle()
            assert clipping.clipped(app.shell) == [], screen
            page = app.shell.manager
            assert page.height > app.shell.height / 3, f"{screen}: the frame leaves the page {page.height:.0f} pixels"
        for language in ("ar", "es"):  # taller letters, and longer words
            app.choosing.change(language=language)
            for screen in (Screen.ASK, Screen.DEVICES):
                app.open(screen)
                await driver.settle()
                await driver.settle()
                assert clipping.clipped(app.shell) == [], (language, screen)
        app.choosing.change(language="en")
        await driver.settle()
        strip = driver.find("JobStrip")
        assert strip.spoken == "Teaching Robot and 2 more  ·  42 %  ·  4 min left" and "Teaching" not in app.frame.job


@pytest.mark.parametrize("language", ["en", "de", "pseudo"])
async def test_the_stop_is_whole_and_leaves_room_in_the_smallest_window_with_the_largest_letters(
    options: Options, language: str
) -> None:
    async with window.opened(options, (320, 640)) as driver:
        app = driver.app
        furnished.furnish(app.store, PEOPLE)
        app.choosing.change(font_scale=3.0, language=language)
        app.open(Screen.ROBOT)
        bar, stop = driver.find("StopBar"), driver.find("StopAct")
        words = stop.ids.words
        await driver.until(lambda: bar.stacked and words.width <= stop.width, "a stop that fits")
        for part in (bar, stop):
            assert clipping.clipped(part) == [], part
        assert words.font_size >= 19 and stop.height >= 44 and stop.width > app.shell.width * 0.8
        assert bar.height < app.shell.height / 3
        line = app.shell._bar.ids.line
        assert line.orientation == "vertical" and app.shell._bar.ids.device.text == "Kitchen Pi"
        assert app.shell._bar.height < app.shell.height / 2


MOST_ACTIONS = 6


def actions(driver: window.Driver) -> set[str]:
    """What can be pressed, by what it says; what a list holds, such as devices, isn't counted."""
    return {
        getattr(one, "text", "") or one.spoken
        for one in driver.find_all("Pressable")
        if not one.disabled and one.height > 1 and type(one).__name__ not in ("DeviceCard", "FoundRow", "ExchangeBox")
    }


async def test_few_choices_are_six_and_one_more_shows_all(options: Options) -> None:
    async with window.opened(options, (420, 800)) as driver:
        app = driver.app
        furnished.furnish(app.store)
        for screen in (Screen.ASK, Screen.DEVICES):
            for size in ((420, 800), (1100, 700)):
                await driver.resize(*size)
                app.choosing.change(simplified=False)
                app.open(screen)
                await driver.settle()
                if screen is Screen.ASK:
                    driver.app.screen.ids.entry.text = "dim the light"
                    await driver.settle()
                everything = actions(driver)
                app.choosing.change(simplified=True)
                await driver.settle()
                few = actions(driver)
                assert 3 < len(few) <= MOST_ACTIONS and "More choices" in few, few
                assert len(everything) > MOST_ACTIONS and not driver.clipped()
                await driver.touch(driver.find("Act", text="More choices"))
                places = {item.text for item in driver.find_all("NavItem")}
                shown = actions(driver)
                app.open(Screen.MORE)
                await driver.settle()
                shown |= places | {row.name for row in driver.find_all("PlaceRow")}
                # The strip of a lesson leads to Teach, another theme is among the settings, and Push is "Push a bundle" there.
                known = [one for one in everything if "Teaching" not in one and "theme" not in one.lower()]
                lacking = [one for one in known if not any(name.startswith(one) for name in shown)]
                assert lacking == []
                app.open(screen)
                await driver.settle()
                assert actions(driver) == few, "few again, where one comes back"


async def test_few_choices_lose_nothing(options: Options) -> None:
    async with window.opened(options, (420, 800)) as driver:
        app = driver.app
        furnish(app)
        app.open(Screen.PUSH)
        await driver.settle()
        app.screen.ids.path.entry.text = "half-typed.enigma"
        for screen, buttons in BUTTONS.items():
            app.open(screen)
            await driver.settle()
            shown = {widget.text for widget in driver.find_all("Pressable") if hasattr(widget, "text")}
            assert buttons.keys() <= shown, screen
            assert all(name in app.registry for name in buttons.values())
        for place, _, _ in (*app.shell.places(), *app.shell.hidden_places()):
            assert f"open.{place}" in app.registry
        app.choosing.change(simplified=True)
        every = {place for place, _, _ in (*app.shell.places(), *app.shell.hidden_places())}
        for size in ((420, 800), (1100, 700)):
            await driver.resize(*size)
            for place in (Screen.ASK, Screen.DEVICES):
                app.open(place)
                await driver.settle()
                frame = [one for one in driver.find_all("Pressable") if one not in list(app.screen.walk(restrict=True))]
                assert 0 < len(frame) <= 6, [one.text for one in frame]
            app.open(Screen.MORE)
            await driver.settle()
            led = {place for place, _, _ in app.shell.places()}
            assert len(driver.find_all("PlaceRow")) == len(every - led), "all the others are behind More"
        app.choosing.change(simplified=False)
        app.open(Screen.PUSH)
        await driver.settle()
        assert app.screen.ids.path.entry.text == "half-typed.enigma"
    kept = json.loads((options.config / "settings.json").read_text())
    assert (kept["font_scale"], kept["simplified"]) == (1.0, False)
