"""From a host to an answer of a device, through a real `enigma serve` and a real `enigma-edge`: by touches and typing alone,
from rows to be trained on, and by the keyboard alone, from a bundle that is there.

What only somebody at the two machines can do is done for them: the device's and the host's codes are read, and the host
pairs with the device, which then trusts the key that signs the host's bundles.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state.chat_models import available
from companion_app.state.model import PushPhase, Screen
from companion_app.state.training import JobState

from . import samples, window
from .hosts import served
from .test_teaching_flow import pick

if TYPE_CHECKING:
    from companion_app.app import Options
    from companion_app.state.training import Job

ENTER, TAB, CTRL = 13, 9, ("ctrl",)
PATIENCE = 120.0  # a process of the host imports torch, on a machine that does other work meanwhile
EPOCHS = 10  # all held-out answers are right after eight; they take two seconds

pytestmark = pytest.mark.usefixtures("display")


async def test_a_model_is_trained_released_fetched_pushed_and_answers(
    options: Options, start_device: Callable, tmp_path: Path
) -> None:
    for package in ("torch", "onnxruntime", "nacl", "rich"):
        pytest.importorskip(package, reason=f"enigma serve and its stages need {package}")
    from tests.trainer_host.training.small_talk import small_talk
    from trainer_host.release.devices import pair
    from trainer_host.release.keys import signing_key
    from trainer_host.workspace import Workspace

    workspace, device = Workspace(tmp_path / "enigma"), start_device()
    small_talk(workspace, tmp_path)
    code = samples.one_time_code(device.state, "releaser")
    await asyncio.to_thread(pair, workspace, device.url, code, "kitchen", signing_key(workspace))
    async with served(workspace.home, {"OMP_NUM_THREADS": "1"}) as (url, code), window.opened(options) as driver:
        store = driver.app.store
        await driver.touch(driver.find("Act", text="Pair a device"))
        await driver.type(f"127.0.0.1:{device.port}")
        await driver.press(ENTER)
        await driver.type(samples.one_time_code(device.state, "releaser"))
        await driver.press(ENTER)
        await driver.until(lambda: store.state.device and store.state.device.link.ready, "the device")
        await driver.touch(driver.find("NavItem", text="Teach"))
        await driver.touch(driver.find("Act", text="Pair with a host"))
        await driver.type(url.removeprefix("http://"))
        await driver.press(ENTER)
        await driver.type(code)
        await driver.press(ENTER)
        await driver.until(lambda: store.state.host and store.state.host.offer.tasks, "the host", PATIENCE)

        await driver.touch(driver.find("NavItem", text="More"))
        await driver.touch(driver.find("PlaceRow", name="Train"))
        await driver.until(lambda: store.state.training.datasets, "the datasets", PATIENCE)
        form = driver.find("TrainScreen").ids
        await pick(driver, form.dataset, "talk")
        await pick(driver, form.size, "nano")
        await driver.write(form.epochs.entry, str(EPOCHS))
        await driver.touch(driver.find("Act", text="Train"))
        await done(driver, "train")

        await driver.touch(driver.find("Choice", text="Release"))
        await driver.until(lambda: "talk" in store.state.training.there, "the run", PATIENCE)
        await pick(driver, driver.find("ReleaseCard").ids.run, "talk")
        await driver.write(driver.find("ReleaseCard").ids.name.entry, "colours")
        await driver.touch(driver.find("Act", text="Make a bundle"))
        await done(driver, "release")
        await driver.until(lambda: driver.find_all("BundleRow"), "the bundle", PATIENCE)
        assert driver.find("BundleRow").title == "colours 1.0.0"
        await driver.touch(driver.find("Act", text="Push"))
        await driver.until(lambda: store.state.push.phase in (PushPhase.DONE, PushPhase.FAILED), "the push", PATIENCE)
        assert "colours 1.0.0" in driver.find("PushScreen").success, driver.find("PushScreen").error
        [made] = workspace.bundles.glob("*.enigma")
        [kept] = (options.config / "bundles").glob("*.enigma")
        assert kept.read_bytes() == made.read_bytes()

        await driver.until(lambda: available(store.state), "the model on the device", PATIENCE)
        await driver.touch(driver.find("RoundAct", text="Back"))
        await driver.touch(driver.find("NavItem", text="More"))
        await driver.touch(driver.find("PlaceRow", name="Chat"))
        assert store.state.screen is Screen.CHAT
        await driver.write(driver.find("ChatScreen").ids.entry, "a red car?")
        await driver.touch(driver.find("ChatScreen").ids.go)
        await driver.until(lambda: store.state.chat.conversation.turns, "the message")
        await driver.until(lambda: not store.state.chat.conversation.running, "the answer", PATIENCE)
        assert [one.text for one in store.state.chat.conversation.turns[0].replies] == ["red"]
        assert driver.find_all("Label", text="red"), "and it is seen"


async def test_by_keys_alone_a_bundle_goes_from_a_host_to_a_device_that_answers(
    options: Options, start_device: Callable, bundles: dict[str, Path], tmp_path: Path
) -> None:
    home, device = tmp_path / "enigma", start_device()
    (home / "bundles").mkdir(parents=True)
    shutil.copy(bundles["v1"], home / "bundles")
    async with served(home) as (url, code), window.opened(options) as driver:
        store = driver.app.store
        await tab_to(driver, "Pair a device")
        await driver.press(ENTER)
        await driver.until(lambda: store.state.screen is Screen.PAIR, "the form")
        await driver.type(f"127.0.0.1:{device.port}")
        await driver.press(ENTER)
        await driver.type(samples.one_time_code(device.state, "releaser"))
        await driver.press(ENTER)
        await driver.until(lambda: store.state.device and store.state.device.link.ready, "the device")
        await driver.press(ord("6"), "6", CTRL)
        await tab_to(driver, "Pair with a host")
        await driver.press(ENTER)
        await driver.until(lambda: store.state.screen is Screen.PAIR_HOST, "the form")
        await driver.type(url.removeprefix("http://"))
        await driver.press(ENTER)
        await driver.type(code)
        await driver.press(ENTER)
        await driver.until(lambda: store.state.host and store.state.host.offer.tasks, "the host", PATIENCE)
        await driver.press(ord("7"), "7", CTRL)
        await driver.until(lambda: store.state.training.known, "what the host has", PATIENCE)
        await tab_to(driver, "Release")
        await driver.press(ENTER)
        await driver.until(lambda: driver.find_all("BundleRow"), "the bundle", PATIENCE)
        await tab_to(driver, "Push tiny 1.0.0 to the device")
        await driver.press(ENTER)
        await driver.until(lambda: store.state.push.phase in (PushPhase.DONE, PushPhase.FAILED), "the push", PATIENCE)
        assert "tiny 1.0.0" in driver.find("PushScreen").success, driver.find("PushScreen").error
        await driver.until(lambda: store.state.chosen, "the model on the device", PATIENCE)
        await driver.press(ord("1"), "1", CTRL)
        assert store.state.screen is Screen.ASK
        await driver.type("turn on the light")
        await driver.press(ENTER)
        await driver.until(lambda: driver.find_all("ExchangeBox", pending=False), "the answer")
        box = driver.find("ExchangeBox")
        assert box.verdict in ("lights", "music", "weather") or box.question
        await every_screen_shows_what_there_is(driver)


async def every_screen_shows_what_there_is(driver: window.Driver) -> None:
    """Each asks the device or the host what it needs; nobody of them refuses."""
    from companion_app.app import SCREENS

    store = driver.app.store
    refused = []
    for screen in SCREENS:
        driver.app.open(screen)
        await driver.settle()
        if store.state.notice:
            refused.append(f"{screen}: {store.state.notice}")
        refused += [f"{screen}: {note.text}" for note in driver.find_all("Note", tone="bad") if note.text]
    driver.app.open(Screen.SIGN)
    await driver.until(lambda: store.state.signing.known, "what waits for a signature", PATIENCE)
    driver.app.open(Screen.QUESTIONS)
    await driver.until(lambda: store.state.asking.known, "the questions", PATIENCE)
    driver.app.open(Screen.DEVICE)
    await driver.until(lambda: store.state.fleet.details, "the device's figures", PATIENCE)
    driver.app.open(Screen.SETTINGS)
    await driver.until(lambda: store.state.upkeep.accounts, "who is paired", PATIENCE)
    refused += [text for text in (store.state.signing.problem, store.state.training.problem) if text]
    assert refused == []


async def tab_to(driver: window.Driver, name: str) -> None:
    """Press Tab until what a person who can't see is told so has the focus."""
    from companion_app.theme.focus import focus

    for _ in range(60):
        await driver.press(TAB)
        if focus.widget is not None and name in (focus.widget.spoken, getattr(focus.widget, "text", "")):
            return
    raise AssertionError(f"Tab doesn't lead to {name}")


async def done(driver: window.Driver, kind: str) -> None:
    """Until the host has done the one job of a kind."""

    def job() -> Job | None:
        return next((one for one in driver.app.store.state.training.jobs if one.kind == kind and not one.open), None)

    await driver.until(job, f"the {kind}", PATIENCE)
    ended = job()
    assert ended is not None and ended.state is JobState.DONE, ended
