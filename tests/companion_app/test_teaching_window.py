"""The screens for keys and lessons in a real window: how they look, and what they do when something goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from companion_app.services.remember import Memory, RememberedHost
from companion_app.state import host_actions as hact
from companion_app.state.host import CUSTOM
from companion_app.state.model import Screen
from companion_app.theme.tokens import HIGH_CONTRAST, THEMES

from . import window
from .fake_host import TASKS, TOKEN, FakeHost
from .pixels import close, hexed, ink_in

if TYPE_CHECKING:
    from companion_app.app import Options

pytestmark = pytest.mark.usefixtures("display")

PHONE, SMALLEST = (360, 640), (320, 568)
ENTER, ESCAPE, DOWN, UP, CTRL_V = 13, 27, 274, 273, 118
KEY = "sk-proj-Zq9-never-shown-0123456789"
LONG = "A sentence that goes on for much longer than a phone is wide, with a-word-that-nobody-would-ever-break-apart."


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    """A host that runs."""
    async with FakeHost(pace=0.02) as made:
        yield made


@pytest.fixture
def paired(options: Options, host: FakeHost) -> Options:
    """As it is on the disk of someone who has paired before."""
    Memory(options.config).keep_host(RememberedHost(host.url, "studio", TOKEN))
    return options


async def online(driver: window.Driver) -> None:
    """The app has heard all that the host offers."""
    await driver.until(lambda: driver.app.store.state.host.offer.tasks, "the host")


# --- looks ---


async def test_nothing_is_clipped_and_the_colours_are_the_theme_s(paired: Options, host: FakeHost) -> None:
    host.add_key("openai", "default")
    host.add_key("openai", "a name of a key that is as long as a name may be, which is sixty")
    host.keys.append({"provider": "anthropic", "name": "ANTHROPIC_API_KEY", "tail": "…", "source": "ANTHROPIC_API_KEY"})
    host.add_lesson("done", state="done", progress=1.0, accepted=100, datasets={"chat": "openai-chat-with-a-long-name"})
    host.add_lesson(
        "failed", state="failed", tasks=list(TASKS), progress=0.31, accepted=372, message=LONG,
        rejected={"a reason in words": 30, "wrong sum": 4, "not watertight": 3, "refusal": 2, "other": 1},
    )  # fmt: skip
    host.add_lesson("stopped", state="stopped", message=LONG)
    host.add_lesson("now", tasks=["video_gen", "audio_gen"], progress=0.4, accepted=80, rate_per_min=12.0, eta_s=5400)
    host.sentences = [LONG, LONG]
    async with window.opened(paired, SMALLEST) as driver:
        await online(driver)
        await driver.touch(driver.find("Choice", text="All"))
        await driver.until(lambda: driver.find("TeachScreen").cost, "the cost")
        for size, themes in ((SMALLEST, ("dark", "light", *HIGH_CONTRAST)), ((1100, 700), ("dark", "light"))):
            await driver.resize(*size)
            await look_at_the_screens_of_a_host(driver)
            for theme in themes:
                await look_at_the_colours(driver, theme, size)


async def look_at_the_screens_of_a_host(driver: window.Driver) -> None:
    """Whatever its colours: no word is cut, and a finger finds what can be pressed."""
    for screen in (Screen.TEACH, Screen.KEYS, Screen.DEVICES, Screen.MORE, Screen.PAIR_HOST):
        driver.app.open(screen)
        await driver.settle()
        if screen is Screen.KEYS:
            driver.app.store.dispatch(hact.KeyProviderPicked(CUSTOM))
            driver.app.store.dispatch(hact.KeyQuestioned((("base_url", LONG), ("key", LONG))))
            driver.find("StoredRow", title="openai: default").leaving = True
            await driver.settle()
        assert driver.clipped() == [], screen
        for widget in driver.find_all("Pressable"):
            assert min(widget.size) >= 36, (screen, widget, widget.size)
    driver.app.open(Screen.TEACH)
    await driver.settle()
    assert [check.text for check in driver.find_all("Check") if check.ids.title.is_shortened] == []


async def look_at_the_colours(driver: window.Driver, theme: str, size: tuple[int, int]) -> None:
    """A ticked box and the ground around it, by their pixels."""
    tokens = THEMES[theme]
    driver.app.choosing.change(theme=theme)
    await driver.settle()
    check = driver.find("Check", text="Robot")
    await driver.reach(check)
    picture = driver.picture()
    left, top, right, bottom = driver.region(check)
    assert close(picture.getpixel((left + 20, bottom - 5)), tokens.tint), hexed(
        picture.getpixel((left + 20, bottom - 5))
    )
    assert ink_in(picture, (left, top, right, bottom)) > 8
    background = picture.getpixel((size[0] - 6, size[1] // 2))
    assert close(background, tokens.background), hexed(background)
    failed = driver.find("LessonCard", lesson_id="failed")
    await driver.reach(failed.ids.resume)
    picture = driver.picture()
    note = driver.region(failed.ids.message)
    assert close(picture.getpixel((note[2] - 8, (note[1] + note[3]) // 2)), tokens.bad_tint)
    for part in (failed.ids.resume, failed.ids.message):
        assert ink_in(picture, driver.region(part)) > 8, part
    meter = driver.region(failed.ids.meter)
    middle = (meter[1] + meter[3]) // 2
    if middle > 70:  # else it is above what is scrolled to
        assert close(picture.getpixel((meter[0] + 4, middle)), tokens.bad)
        assert close(picture.getpixel((meter[2] - 4, middle)), tokens.raised)


async def test_what_grows_below_does_not_move_what_is_seen(paired: Options, host: FakeHost) -> None:
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        examples = driver.find("TeachScreen").ids.examples
        driver.find("TeachScreen").ids.page.scroll_to(examples, animate=False)
        await driver.settle()
        before = examples.to_window(0, examples.y)[1]
        host.sentences = [LONG] * 4
        host.add_key("openai", "default")
        host.add_lesson("old", state="done", progress=1.0)
        driver.app.hosting._look_again()
        await driver.until(lambda: driver.find_all("LessonCard"), "the lesson")
        driver.app.store.dispatch(hact.PresetPicked("basic"))
        await driver.until(lambda: driver.find("TeachScreen").cost, "the cost")
        assert abs(examples.to_window(0, examples.y)[1] - before) < 2


# --- lessons ---


async def test_a_lesson_that_fails_says_why_and_one_that_waits_can_be_stopped(paired: Options, host: FakeHost) -> None:
    host.add_lesson("waits", state="open", message="It begins when the lessons before it have ended.")
    host.add_lesson("now", progress=0.4, accepted=40)
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        await driver.until(lambda: len(driver.find_all("LessonCard")) == 2, "two lessons")
        waits, now = (driver.find("LessonCard", lesson_id=id) for id in ("waits", "now"))
        assert (waits.state, now.state) == ("Waiting", "Running")
        assert now.parent is driver.find("TeachScreen").ids.running.__self__
        assert {act.text for act in driver.find_all("Act") if act in waits.walk()} == {"Cancel", "Resume"}
        await host.tell("now", state="failed", message="The provider refused every key.", progress=0.5, accepted=50)
        await driver.until(lambda: now.state == "Failed", "the failure")
        assert (now.message, now.percent, now.tone) == ("The provider refused every key.", "50 %", "bad")
        assert driver.find("Note", text="The provider refused every key.").height > 0
        assert not driver.find_all("JobStrip") and now.ids.cancel.parent is None
        await driver.touch(now.ids.resume)
        await driver.until(lambda: now.state == "Done", "the lesson to go on")
        assert now.percent == "100 %"


async def test_a_lesson_that_its_budget_stopped_goes_on_with_a_larger_one(paired: Options, host: FakeHost) -> None:
    host.add_lesson("a", state="stopped", message="The budget of $2.00 is reached.", accepted=40, progress=0.4)
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        await driver.until(lambda: driver.find_all("LessonCard"), "the lesson")
        card = driver.find("LessonCard")
        assert card.state == "Stopped"
        await driver.write(card.ids.budget.entry, "-4")
        await driver.touch(card.ids.resume)
        assert "dollars" in card.ids.budget.problem
        assert not host.sent("POST", "/v1/lessons/a/resume")
        await driver.write(card.ids.budget.entry, "4.00")
        await driver.touch(card.ids.resume)
        await driver.until(lambda: card.state == "Done", "the lesson to go on")
        assert host.sent("POST", "/v1/lessons/a/resume") == [{"budget": "4.00"}]
        assert not driver.find_all("Field", label=card.ids.budget.label)


async def test_what_the_host_refuses_is_said_beside_the_button(paired: Options, host: FakeHost) -> None:
    host.add_key("openai", "default")
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        form = driver.find("TeachScreen").ids
        host.faults["/v1/estimates"] = (422, "There is no such model.")
        await driver.touch(driver.find("Check", text="Chat"))
        await driver.until(lambda: driver.find_all("Act", text="Try again"), "the refusal")
        assert driver.find("TeachScreen").obstacle == "There is no such model."
        assert form.generate.disabled
        host.faults.clear()
        await driver.touch(driver.find("Act", text="Try again"))
        await driver.until(lambda: not form.generate.disabled, "the cost")
        await driver.write(form.budget.entry, "0")
        assert form.budget.problem and form.generate.disabled
        await driver.write(form.budget.entry, "1.50")
        host.faults["/v1/lessons"] = (503, "8 lessons are waiting already; cancel one.")
        await driver.touch(form.generate)
        await driver.until(lambda: driver.find("TeachScreen").refused, "the refusal")
        assert host.sent("POST", "/v1/lessons")[0]["budget"] == "1.50"
        assert not form.generate.disabled, "it can be tried again"


async def test_a_missing_key_leads_to_the_form_for_it(paired: Options, host: FakeHost) -> None:
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        store = driver.app.store
        await driver.touch(driver.find("Check", text="Chat"))
        assert driver.find("TeachScreen").obstacle == "Choose who teaches."
        store.dispatch(hact.TeacherPicked("anthropic"))
        await driver.touch(driver.find("Act", text="Add a key"))
        assert store.state.screen is Screen.KEYS
        assert driver.find("KeysScreen").ids.provider.value == "anthropic"
        assert not host.sent("POST", "/v1/estimates")


# --- keys ---


async def test_a_name_that_is_taken_can_be_replaced_and_a_key_that_was_not_saved_is_forgotten(
    paired: Options, host: FakeHost
) -> None:
    from kivy.core.clipboard import Clipboard

    host.add_key("openai", "work", "sk-the-old-one-0123456789")
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        driver.app.open(Screen.KEYS)
        await driver.settle()
        driver.find("KeysScreen").pick("openai")
        form = driver.find("KeysScreen").ids
        await driver.write(form.name.entry, "work")
        await driver.write(form.key.entry, KEY)
        await driver.touch(form.key.ids.toggle)
        assert driver.anywhere(KEY), "what is typed is in its field, or this test could not fail"
        await driver.touch(driver.find("NavItem", text="Devices"))
        await driver.settle()
        assert driver.anywhere(KEY) == []
        driver.app.back()
        await driver.settle()
        assert form.key.entry.password is True

        Clipboard.copy(KEY)
        await driver.touch(form.key.entry)
        await driver.press(CTRL_V, "v", ("ctrl",))
        assert form.key.entry.text == KEY
        assert not driver.find_all("Act", text="Replace it")
        await driver.touch(driver.find("Act", text="Save"))
        await driver.until(lambda: driver.find_all("Act", text="Replace it"), "the conflict")
        assert "work" in driver.find("KeysScreen").refused
        await driver.touch(driver.find("Act", text="Replace it"))
        await driver.until(lambda: driver.find("KeysScreen").saved, "the new key")
        assert host.secrets == {("openai", "work"): KEY}
        form.key.entry.do_undo()
        form.key.entry.do_redo()
        assert form.key.entry.text == "", "nor can it be undone back"
        assert driver.anywhere(KEY) == []


async def test_a_drop_down_is_opened_walked_and_closed_by_keys_alone(paired: Options, host: FakeHost) -> None:
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        driver.app.open(Screen.KEYS)
        await driver.settle()
        select = driver.find("KeysScreen").ids.provider
        select.ids.box.focus = True
        await driver.press(ENTER)
        await driver.until(lambda: any(line.focus for line in driver.find_all("Option")), "the lines")
        await driver.press(ESCAPE)
        await driver.until(lambda: not driver.find_all("Option"), "the end of the lines")
        assert driver.app.store.state.screen is Screen.KEYS, "Escape closes the lines, not the screen"
        select.ids.box.focus = True
        await driver.press(ENTER)
        await driver.until(lambda: any(line.focus for line in driver.find_all("Option")), "the lines")
        for key in (DOWN, DOWN, UP):
            await driver.press(key)
        await driver.press(ENTER)
        await driver.until(lambda: not driver.find_all("Option"), "the end of the lines")
        assert select.value == "anthropic"
        assert select.ids.box.focus


async def test_a_host_that_is_away_is_said_and_comes_back(paired: Options, host: FakeHost) -> None:
    host.add_key("openai", "default")
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        driver.app.open(Screen.KEYS)
        await driver.until(lambda: driver.find_all("StoredRow"), "the key")
        port = host.port
        await host.stop()
        await driver.until(lambda: driver.app.frame.status == "Offline", "the loss")
        assert driver.find("KeysScreen").problem.endswith(("?", "."))
        assert driver.find("Act", text="Save").disabled
        assert driver.find_all("StoredRow"), "what it last said stays"
        await host.start(port)
        await driver.until(lambda: driver.app.frame.status == "Ready", "the host")
        assert not driver.find("Act", text="Save").disabled


async def test_a_host_is_forgotten_only_after_a_question(paired: Options, host: FakeHost) -> None:
    async with window.opened(paired, PHONE) as driver:
        await online(driver)
        await driver.touch(driver.find("NavItem", text="Devices"))
        row = driver.find("HostRow")
        assert (row.name, row.status) == ("studio", "Ready")
        await driver.touch(next(act for act in row.walk() if getattr(act, "text", "") == "Forget this"))
        assert driver.app.store.state.host is not None
        await driver.touch(row.ids.forget)
        await driver.until(lambda: driver.app.store.state.host is None, "the end")
        assert driver.find("Act", text="Pair with a host")
        assert Memory(paired.config).host() is None
