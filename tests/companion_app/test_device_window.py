"""The screens of devices in a real window: fifty cards that scroll, a real device steered by touches, a slide and keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from companion_app.state.fleet import Coming, Detail, Found, Label, Log, LogLine, PipelineTold, Updates, Version, Vitals
from companion_app.state.model import Device, Phase, Screen

from . import samples, window

if TYPE_CHECKING:
    from companion_app.app import Options

TAB, ENTER = 9, 13

pytestmark = pytest.mark.usefixtures("display")


def furnish(dispatch: Callable, count: int) -> list[str]:
    """So many devices, each with all that a card can show."""
    addresses = [f"https://192.168.1.{number}:8765" for number in range(2, 2 + count)]
    for number, address in enumerate(addresses):
        dispatch(act.Paired(Device(address, f"Device {number:02}", "owner")))
        dispatch(act.LinkUpdated(address, True, (samples.TICKETS,)))
        coming = (Coming("tickets", "staged"),) if number == 0 else ()
        vitals = Vitals("0.9", 1.0, 40.0 + number, 80.0, 5_000_000, 2_000_000_000)
        dispatch(fact.DetailSeen(address, Detail(vitals, updates=Updates(True, coming=coming))))
        dispatch(fact.Labelled(address, Label("Upstairs" if number % 2 else "Downstairs")))
    return addresses


async def test_fifty_devices_scroll_on_a_handful_of_cards(options: Options) -> None:
    async with window.opened(options) as driver:
        dispatch = driver.app.store.dispatch
        addresses = furnish(dispatch, 50)
        driver.app.open(Screen.DEVICES)
        await driver.settle()
        page = driver.app.screen.ids.page
        seen, most, made = set(), 0, set()
        for step in range(25):
            page.scroll_y = 1 - step / 24
            await driver.settle()
            cards = driver.find_all("DeviceCard")
            most = max(most, len(cards))
            made |= {id(card) for card in cards}
            seen |= {card.address for card in cards}
            tops = [card.top for card in sorted(cards, key=lambda card: -card.top)]
            assert all(above - below >= card.height for above, below, card in zip(tops, tops[1:], cards, strict=False))
        assert seen == set(addresses) and most <= 14 and len(made) <= 16
        page.scroll_y = 1
        await driver.settle()
        first = driver.find("DeviceCard", name="Device 00")
        assert first.update == "Update available" and "40 °C" in first.vitals and "Downstairs" in first.spoken
        order = [card.name for card in driver.find_all("DeviceCard")]
        assert order == sorted(order), "Tab goes from the top down"

        search = driver.app.screen.ids.search
        await driver.write(search, "device 07")
        assert [card.name for card in driver.find_all("DeviceCard")] == ["Device 07"]
        search.text = "nobody"
        await driver.settle()
        assert driver.app.screen.nothing and not driver.find_all("DeviceCard")
        search.text = ""
        await driver.touch(driver.find("Choice", text="Upstairs"))
        assert {card.sorted_as for card in driver.find_all("DeviceCard")} == {"Upstairs"}

        dispatch(
            fact.NearbyLooked(False, (Found("Shed", "x", "https://192.168.7.7:8765"), Found("", "y", addresses[0])))
        )
        await driver.settle()
        await driver.touch(driver.find("FoundRow", name="Shed"))
        assert driver.app.store.state.screen is Screen.PAIR
        assert driver.app.screen.ids.address.text == "https://192.168.7.7:8765"


async def test_a_code_is_picked_among_the_newest_pictures(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segno = pytest.importorskip("segno")
    pytest.importorskip("zxingcpp")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "cat.png").write_text("no picture")
    text = f"enigma://127.0.0.1:9/482913?certificate={'A' * 43}"  # nobody listens there
    async with window.opened(options) as driver:
        driver.app.open(Screen.PAIR)
        await driver.until(lambda: driver.find_all("PictureRow"), "the pictures")
        await driver.touch(driver.find("PictureRow", name="cat.png"))
        await driver.until(lambda: "can't be read" in driver.app.screen.error, "a sentence")
        segno.make(text).save(str(tmp_path / "Pictures" / "code.png"), scale=4)
        await driver.drop(tmp_path / "Pictures" / "code.png")
        await driver.until(lambda: "127.0.0.1:9" in driver.app.screen.error, "the try to pair")
        assert driver.app.store.state.devices == ()


async def test_what_the_pairing_may_not_do_is_shown_with_the_reason(options: Options) -> None:
    async with window.opened(options) as driver:
        dispatch = driver.app.store.dispatch
        dispatch(act.Paired(Device(samples.KITCHEN, "Kitchen Pi", "viewer")))
        dispatch(act.LinkUpdated(samples.KITCHEN, True, (samples.TICKETS,)))
        versions = {"tickets": (Version("sha256:a", "2", True), Version("sha256:b", "1", False))}
        detail = Detail(Vitals("1"), {}, versions, (PipelineTold("door", "running"),), Updates(True))
        dispatch(fact.DetailSeen(samples.KITCHEN, detail))
        driver.app.open(Screen.DEVICE)
        await driver.settle()
        card = driver.find("SpecialistCard")
        assert "operator" in card.may_ask and "releaser" in card.may_switch
        assert driver.find("Act", text="Run a sample").disabled and driver.find("Act", text="Roll back").disabled
        assert driver.find("Check", text="door").disabled and card.ids.versions.disabled
        reasons = {danger.text: danger.reason for danger in driver.find_all("Danger")}
        assert "owner" in reasons["Restart Enigma"] and not reasons["Forget this device"]
        # An owner of an older device: what it lacks is said, and the rest works.
        dispatch(act.Paired(Device(samples.ATTIC, "Attic", "owner")))
        dispatch(act.LinkUpdated(samples.ATTIC, True, (samples.TICKETS,)))
        dispatch(fact.DetailSeen(samples.ATTIC, Detail(Vitals("0.1"))))
        await driver.settle()
        assert "too old" in driver.find("Danger", text="Restart Enigma").reason
        assert not driver.find("Act", text="Roll back").disabled
        dispatch(
            act.LinkLost(samples.ATTIC, "The device doesn't know this token; pair with it again.", 1.0, refused=True)
        )
        await driver.settle()
        await driver.touch(driver.find("Act", text="Pair again"))
        assert driver.app.screen.ids.address.text == samples.ATTIC


async def test_a_device_is_steered_by_touches_and_what_is_typed_stays(
    options: Options, start_device: Callable, two_versions: Path
) -> None:
    device = start_device()
    async with window.opened(options) as driver:
        store = driver.app.store
        driver.app.open(Screen.PAIR)
        driver.app.commands.pair(device.url, await asyncio.to_thread(samples.one_time_code, two_versions, "owner"))
        await driver.until(lambda: driver.find_all("SpecialistCard"), "the device's screen")
        await driver.until(lambda: len(driver.find("SpecialistCard").ids.versions.children) == 2, "its versions")
        await driver.touch(driver.find("Choice", text="1.0.0"))
        await driver.until(lambda: driver.find("Choice", text="1.0.0").on, "the switch")
        assert device.version() == "1.0.0" and "answers now" in driver.app.screen.told
        card = driver.find("SpecialistCard")
        await driver.write(card.ids.sentence, "play some jazz")
        await driver.press(ENTER)
        await driver.until(lambda: card.answer, "the answer")
        assert card.asked == "play some jazz" and "ms" in card.outcome

        device.kill()
        await driver.until(lambda: store.state.device.link.phase is Phase.WAITING, "the loss")
        assert "away" in card.may_ask and card.ids.sentence.text == "play some jazz"
        start_device(listen=f"127.0.0.1:{device.port}")
        await driver.touch(driver.find("Act", text="Connect now"))
        await driver.until(lambda: not card.may_ask, "the reconnection")
        assert driver.find("SpecialistCard") is card and card.ids.sentence.text == "play some jazz"

        await driver.touch(driver.find("Act", text="Group and tags"))
        await driver.write(driver.app.screen.ids.group.entry, "Ground floor")
        await driver.press(ENTER)
        await driver.type("robot")
        await driver.press(ENTER)
        assert driver.app.screen.sorted_as == "Ground floor  #robot"
        await driver.touch(driver.find("Act", text="Journal"))
        await driver.until(lambda: driver.find_all("LogRow"), "the journal")
        await driver.touch(driver.find("Choice", text="Requests"))
        assert all("/v1/" in row.text or "/" in row.text for row in driver.find_all("LogRow"))
        driver.app.open(Screen.DEVICE)
        await driver.settle()
        slide = next(danger for danger in driver.find_all("Danger") if danger.text == "Forget this device")
        slide = next(child for child in slide.walk() if type(child).__name__ == "Slide")
        await driver.reach(slide)
        slide.focus = True
        for _ in range(5):
            await driver.press(275, "right")
        await driver.until(lambda: not store.state.devices, "the slide")
        assert store.state.screen is Screen.DEVICES
        assert json.loads((options.config / "labels.json").read_text())["labels"] == {}


async def test_a_long_journal_is_read_on_a_handful_of_rows(options: Options) -> None:
    async with window.opened(options) as driver:
        dispatch = driver.app.store.dispatch
        dispatch(act.Paired(Device(samples.KITCHEN, "Kitchen Pi", "owner")))
        kinds = ("log", "request", "update")
        lines = tuple(LogLine(1e9 + at, kinds[at % 3], f"line {at}", at % 50 == 0) for at in range(400))
        dispatch(fact.LogSeen(Log(samples.KITCHEN, False, lines, ("Not shown: its log. It may not.",))))
        driver.app.open(Screen.JOURNAL)
        await driver.settle()
        assert len(driver.find_all("LogRow")) < 25 and driver.app.screen.count == "400 lines"
        await driver.touch(driver.find("Choice", text="Problems"))
        assert driver.app.screen.count == "8 lines" and all(row.bad for row in driver.find_all("LogRow"))
        await driver.touch(driver.find_all("LogRow")[0])
        assert driver.app.frame.notice == "line 0"
