"""API keys and lessons as a person does them, by touches and typing alone: from pairing to the data on the host.

The same steps are taken with a small host in this process and with a process of `enigma serve`, whose provider is
a fake one on loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state.host import CUSTOM, LessonState
from companion_app.state.model import Screen

from . import hosts, window
from .fake_host import PRESETS
from .hosts import KEY, SPARE, Stage

if TYPE_CHECKING:
    from companion_app.app import Options

# A small phone's window.
SIZE = (360, 640)
ENTER, CTRL_C, CTRL_X = 13, 99, 120
# Until a real host has opened its vault, started its processes and drawn its prompts on a machine that is busy.
PATIENCE = 60.0


@pytest.fixture(params=["fake", "real"])
async def stage(request: pytest.FixtureRequest, display: None, tmp_path: Path) -> AsyncIterator[Stage]:
    """A host to pair with."""
    if request.param == "real":
        for package in ("nacl", "rich", "sympy"):
            pytest.importorskip(package, reason=f"enigma serve and its verifiers need {package}")
    make = hosts.fake_stage if request.param == "fake" else hosts.real_stage
    async with make(tmp_path) as made:
        yield made


async def test_keys_and_lessons_from_the_first_pairing_to_the_data(options: Options, stage: Stage) -> None:
    async with window.opened(options, SIZE) as driver:
        await pair(driver, stage)
        await an_empty_name_or_key_is_said_and_not_sent(driver, stage)
        await a_key_is_hidden_until_it_is_shown_and_gone_when_it_is_saved(driver, stage)
        await keys_are_listed_used_and_deleted_only_after_a_question(driver, stage)
        await a_custom_provider_needs_a_private_way_and_no_key(driver, stage)
        await presets_and_boxes_choose_the_tasks(driver)
        await examples_are_bounded_and_the_cost_comes_first(driver, stage)
        answered = await a_lesson_is_cancelled_and_keeps_what_it_has(driver, stage)
        await a_cancelled_lesson_goes_on(driver, stage)
    async with window.opened(options, SIZE) as driver:
        await a_lesson_that_went_on_without_the_app_is_shown_again(driver)
        assert stage.repeated(answered) == 0, "what was answered before it was cancelled was kept"
        await a_custom_provider_teaches_without_a_key(driver, stage)
        assert driver.anywhere("Zq9") == []


async def pair(driver: window.Driver, stage: Stage) -> None:
    store = driver.app.store
    await driver.touch(driver.find("NavItem", text="Teach"))
    await driver.touch(driver.find("Act", text="Pair with a host"))
    await driver.type(stage.url.removeprefix("http://"))
    await driver.press(ENTER)
    await driver.type("WRONG-CODE")
    await driver.press(ENTER)
    await driver.until(lambda: store.state.host_pairing.error, "the refusal")
    assert "code" in driver.find("PairHostScreen").error
    await driver.write(driver.find("PairHostScreen").ids.code.entry, stage.code)
    await driver.press(ENTER)
    await driver.until(lambda: store.state.host and store.state.host.offer.tasks, "the host's tasks", PATIENCE)
    assert store.state.screen is Screen.TEACH
    assert driver.app.frame.status == "Ready"


async def an_empty_name_or_key_is_said_and_not_sent(driver: window.Driver, stage: Stage) -> None:
    await driver.touch(driver.find("NavItem", text="More"))
    await driver.touch(driver.find("PlaceRow", name="API keys"))
    form = driver.find("KeysScreen").ids
    await driver.touch(driver.find("Act", text="Save"))
    assert form.provider.problem and form.name.problem and form.key.problem
    await pick(driver, form.provider, "openai")
    await driver.write(form.name.entry, "work")
    await driver.touch(driver.find("Act", text="Save"))
    assert (form.provider.problem, form.name.problem) == ("", "")
    assert "Paste the key" in form.key.problem
    assert driver.find("Problem", text=form.key.problem).height > 0
    assert stage.stored() == {}


async def a_key_is_hidden_until_it_is_shown_and_gone_when_it_is_saved(driver: window.Driver, stage: Stage) -> None:
    from kivy.core.clipboard import Clipboard

    Clipboard.copy("what was there")
    form = driver.find("KeysScreen").ids
    entry = form.key.entry
    assert entry.password is True
    await driver.write(entry, KEY)
    assert entry.text == KEY
    assert all(set(line) <= {entry.password_mask} for line in drawn(entry)), "dots are drawn, and no letter"
    for shown in (True, False):
        await driver.touch(form.key.ids.toggle)
        assert entry.password is not shown
        await driver.touch(entry)
        entry.select_all()
        for key, name in ((CTRL_C, "c"), (CTRL_X, "x")):
            await driver.press(key, name, ("ctrl",))
        assert entry.text == KEY
    assert Clipboard.paste() == "what was there"
    await driver.press(ENTER)
    await driver.until(lambda: driver.app.store.state.key_form.saved, "the saved key", PATIENCE)
    assert stage.stored() == {("openai", "work"): KEY}
    assert (form.name.text, entry.text, entry.password) == ("", "", True)
    assert KEY[8:20] not in driver.find("KeysScreen").saved
    await driver.settle()
    assert driver.anywhere(KEY) == []


async def keys_are_listed_used_and_deleted_only_after_a_question(driver: window.Driver, stage: Stage) -> None:
    form = driver.find("KeysScreen").ids
    await pick(driver, form.provider, "openai")
    await driver.write(form.name.entry, "spare")
    await driver.write(form.key.entry, SPARE)
    await driver.touch(driver.find("Act", text="Save"))
    await driver.until(lambda: len(driver.find_all("StoredRow")) == 2, "two rows", PATIENCE)
    row = driver.find("StoredRow", title="openai: spare")
    assert row.about.startswith("…edc") is False and row.about.startswith(f"…{SPARE[-4:]}")
    assert not row.in_use
    await driver.touch(row.ids.use)
    await driver.until(lambda: row.in_use, "the other key in use", PATIENCE)
    assert stage.in_use("openai") == "spare"

    await driver.touch(row.ids.bin)
    assert "spare" in row.question and stage.stored().keys() == {("openai", "work"), ("openai", "spare")}
    await driver.touch(in_row(row, "Keep it"))
    assert not row.leaving
    await driver.settle()
    assert len(stage.stored()) == 2
    await driver.touch(row.ids.bin)
    await driver.touch(in_row(row, "Delete it"))
    await driver.until(lambda: len(driver.find_all("StoredRow")) == 1, "the row to go", PATIENCE)
    assert stage.stored() == {("openai", "work"): KEY}
    assert driver.find("StoredRow").in_use


async def a_custom_provider_needs_a_private_way_and_no_key(driver: window.Driver, stage: Stage) -> None:
    form = driver.find("KeysScreen").ids
    assert not driver.find_all("Field", label="Model")
    await pick(driver, form.provider, CUSTOM)
    await driver.write(form.endpoint.entry, "nas")
    await driver.write(form.base_url.entry, "http://gateway.example/v1")
    await driver.write(form.model.entry, "fake-small")
    await driver.touch(driver.find("Act", text="Save"))
    assert "https" in form.base_url.problem
    assert (form.name.problem, form.key.problem) == ("", ""), "neither is needed here"
    await driver.write(form.base_url.entry, stage.custom_url)
    await driver.touch(driver.find("Act", text="Save"))
    await driver.until(lambda: driver.find_all("StoredRow", title="nas"), "the provider", PATIENCE)
    assert "no key" in driver.find("StoredRow", title="nas").about
    assert stage.stored() == {("openai", "work"): KEY}


async def presets_and_boxes_choose_the_tasks(driver: window.Driver) -> None:
    await driver.touch(driver.find("NavItem", text="Teach"))
    assert len(driver.find_all("Check")) == 12
    generate = driver.find("TeachScreen").ids.generate
    for name, tasks in PRESETS.items():
        await driver.touch(driver.find("Choice", text=name.capitalize()))
        assert {check.task for check in driver.find_all("Check", on=True)} == set(tasks), name
        assert driver.find("Choice", text=name.capitalize()).on
    assert driver.find("TeachScreen").obstacle == "Choose at least one task."
    assert generate.disabled
    await driver.touch(generate)
    assert not driver.app.store.state.teach.starting


async def examples_are_bounded_and_the_cost_comes_first(driver: window.Driver, stage: Stage) -> None:
    screen, store = driver.find("TeachScreen"), driver.app.store
    form = screen.ids
    assert form.provider.value == "openai"
    await driver.touch(driver.find("Choice", text="Basic"))
    for typed in ("9", "501", ""):
        await driver.write(form.examples.entry, typed)
        assert form.examples.problem == "From 10 to 500 examples per task."
        assert form.generate.disabled
    await asyncio.sleep(0.6)
    assert screen.cost == "", "nothing that cannot be is asked about"
    await driver.write(form.examples.entry, "495")
    await driver.touch(next(act for act in driver.find_all("StepAct", text="More")))
    assert form.examples.text == "500"
    assert form.examples.problem == ""
    assert form.generate.disabled, "not before the cost is there"
    await driver.until(lambda: screen.cost, "the cost", PATIENCE)
    assert ("$" if stage.priced else "not known") in screen.cost
    assert screen.details
    assert not form.generate.disabled
    assert form.generate.text == "Generate 2,000 examples"
    assert not store.state.host.lessons


async def a_lesson_is_cancelled_and_keeps_what_it_has(driver: window.Driver, stage: Stage) -> frozenset[str]:
    """Returns what was answered well before that."""
    screen, store = driver.find("TeachScreen"), driver.app.store
    form = screen.ids
    await driver.touch(driver.find("Choice", text="None"))
    for task in stage.tasks:
        await driver.touch(driver.find("Check", task=task))
    await driver.write(form.examples.entry, "40")
    await driver.until(lambda: not form.generate.disabled, "the cost", PATIENCE)
    stage.pace(10)
    await driver.touch(form.generate)
    await driver.until(lambda: running(driver), "the lesson", PATIENCE)
    lesson = running(driver)
    assert set(lesson.tasks) == set(stage.tasks)
    assert (lesson.examples, lesson.provider) == (40, "openai")
    assert driver.find("LessonCard", lesson_id=lesson.id).state == "Running"
    assert form.generate.disabled, "the same is not begun twice"

    await driver.until(lambda: running(driver).progress >= 0.15, "15 %", PATIENCE)
    answered = stage.answered()
    await driver.until(lambda: running(driver).progress >= 0.3, "30 %", PATIENCE)
    card = driver.find("LessonCard", lesson_id=lesson.id)
    await driver.touch(card.ids.cancel)
    await driver.until(lambda: card.state == "Cancelled", "the end of the lesson", PATIENCE)
    asked = stage.requests()
    await asyncio.sleep(stage.stops_within / 2)
    assert stage.requests() == asked, "nothing is asked any more"
    kept = store.state.host.lessons[0]
    assert 0.3 <= kept.progress < 1
    assert [fact.value for fact in driver.find_all("Fact", name="Accepted")] == [f"{kept.accepted} of 80"]
    return answered


async def a_cancelled_lesson_goes_on(driver: window.Driver, stage: Stage) -> None:
    kept = driver.app.store.state.host.lessons[0]
    stage.pace(4)
    card = driver.find("LessonCard", lesson_id=kept.id)
    shares = [card.share]
    card.bind(share=lambda _, share: shares.append(share))
    await driver.touch(card.ids.resume)
    await driver.until(lambda: running(driver), "the lesson", PATIENCE)
    await driver.until(lambda: running(driver) is None or running(driver).progress > kept.progress, "more", PATIENCE)
    assert running(driver) is not None, "it is closed in the middle of it"
    assert running(driver).accepted >= kept.accepted
    assert shares == sorted(shares) and len(set(shares)) > 1
    await driver.touch(driver.find("NavItem", text="Devices"))
    strip = driver.find("JobStrip")
    assert driver.app.frame.job.startswith("Teaching ")
    await driver.touch(strip)
    assert driver.app.store.state.screen is Screen.TEACH and not driver.find_all("JobStrip")
    stage.pace(40)


async def a_lesson_that_went_on_without_the_app_is_shown_again(driver: window.Driver) -> None:
    store = driver.app.store
    assert store.state.screen is Screen.TEACH
    await driver.until(lambda: driver.find_all("LessonCard"), "the lesson", PATIENCE)
    card = driver.find("LessonCard")
    shares = [card.share]
    card.bind(share=lambda _, share: shares.append(share))
    await driver.until(lambda: card.state != "Running", "the end", PATIENCE)
    assert card.state == "Done", card.message
    assert (card.share, card.percent) == (1.0, "100 %")
    assert shares == sorted(shares)
    lesson = store.state.host.lessons[0]
    assert lesson.state is LessonState.DONE and lesson.accepted == 80
    assert all(name in card.datasets for _, name in lesson.datasets) and len(lesson.datasets) == 2
    assert {fact.name for fact in driver.find_all("Fact")} == {"Accepted", "Rejected", "Errors", "Cost"}


async def a_custom_provider_teaches_without_a_key(driver: window.Driver, stage: Stage) -> None:
    form = driver.find("TeachScreen").ids
    before = stage.requests()
    await driver.touch(driver.find("Check", task=stage.tasks[1]))
    await pick(driver, form.provider, "nas")
    await driver.write(form.examples.entry, "10")
    await driver.until(lambda: not form.generate.disabled, "the cost", PATIENCE)
    await driver.touch(form.generate)
    await driver.until(lambda: len(driver.find_all("LessonCard", state="Done")) == 2, "the lesson", PATIENCE)
    assert driver.app.store.state.host.lessons[0].provider == "nas"
    assert stage.requests() >= before + 10


async def pick(driver: window.Driver, select: object, value: str) -> None:
    """Open a drop-down and take one of its lines."""
    await driver.touch(select.ids.box)
    await driver.until(lambda: driver.find_all("Option", value=value), "the lines")
    await driver.touch(driver.find("Option", value=value))
    await driver.until(lambda: not driver.find_all("Option"), "the end of the drop-down")
    assert select.value == value


def running(driver: window.Driver) -> object:
    """The lesson that the app shows as running."""
    host = driver.app.store.state.host
    return next((lesson for lesson in host.lessons if lesson.running), None)


def in_row(row: object, text: str) -> object:
    """The button of that text in a row."""
    return next(widget for widget in row.walk() if getattr(widget, "text", "") == text and hasattr(widget, "kind"))


def drawn(entry: object) -> list[str]:
    """The texts that a field has drawn, line by line."""
    from kivy.cache import Cache

    keys = [key.split("\0")[0] for key in Cache._objects["textinput.label"]]
    return [key for key in keys if key and len(key) == len(entry.text)]
