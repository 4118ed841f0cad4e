"""The main journeys by a screen reader alone: what it is told comes over AT-SPI, what it does goes there, and a person
types on the keyboard, as one does who can't see; the device is a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import samples, screen_reader, window

if TYPE_CHECKING:
    from companion_app.app import Options

BACKSPACE, ENTER = 8, 13
CODE = "One-time code (not needed for a device on this machine)"


pytestmark = pytest.mark.usefixtures("listened_to")


async def test_pairs_updates_and_asks_a_device(
    options: Options, start_device: Callable, bundles: dict[str, Path]
) -> None:
    device = start_device()
    async with window.opened(options) as driver, screen_reader.reader() as reader:
        store = driver.app.store
        await reader.press("push button", "Pair a device")
        await reader.find("entry", "Address", "focused")
        address = f"127.0.0.1:{device.port}"
        await driver.type(address)
        await reader.find("entry", "Address", text=address, caret=len(address))
        await driver.press(ENTER)
        await reader.find("entry", CODE, "focused")
        await driver.type("000000")
        await reader.press("push button", "Pair")
        await driver.until(lambda: store.state.pairing.error, "the refusal")
        await reader.heard(store.state.pairing.error)
        # The whole form could not be used meanwhile; the focus was not lost by that.
        await reader.find("push button", "Pair", "focused")
        await reader.focus("entry", CODE)
        for _ in "000000":
            await driver.press(BACKSPACE)
        await driver.type(samples.one_time_code(device.state, "releaser"))
        await reader.press("push button", "Pair")
        await driver.until(lambda: store.state.device and store.state.device.link.ready, "the connection")

        await reader.press("link", "More")
        await reader.press("push button", "Push a bundle*")
        await reader.focus("entry", "Bundle file*")
        await driver.type(str(bundles["v1"]))
        await reader.press("push button", "Push")
        await reader.heard("tiny 1.0.0")

        await reader.press("link", "Ask")
        await reader.find("entry", "Type a sentence", "focused")
        await reader.find("push button", "Send", description="can't be used now")
        await driver.type("turn on the light")
        await reader.find("push button", "Send", description="")
        await reader.press("push button", "Send")
        await driver.until(lambda: driver.find_all("ExchangeBox", pending=False), "the answer")
        box = driver.find("ExchangeBox")
        assert [one.sentence for one in store.state.exchanges] == ["turn on the light"]
        await reader.heard(box.question or box.verdict)
        await reader.find("entry", "Type a sentence", "focused")


async def test_changes_settings(options: Options) -> None:
    async with window.opened(options) as driver, screen_reader.reader() as reader:
        chosen = driver.app.choosing
        await reader.find("frame", "Enigma")
        assert [node["role"] for node in await reader.tree()].count("frame") == 1  # no window stays behind
        await reader.press("link", "More")
        await reader.press("push button", "Settings*")
        box = await reader.find("check box", "Less motion")
        assert "checked" not in box["states"]
        await reader.press("check box", "Less motion")
        await reader.find("check box", "Less motion", "checked")
        assert chosen.now.reduced_motion
        await reader.press("radio button", "Light")
        await reader.find("radio button", "Light", "checked")
        assert driver.app.palette.name == "light"
        # A list to choose from opens, is read, and closes; then everything is there in the other language.
        await reader.press("combo box", "Language*")
        await reader.press("list item", "Deutsch*")
        await driver.until(lambda: chosen.now.language == "de", "the language")
        await reader.find("landmark", "Einstellungen")
