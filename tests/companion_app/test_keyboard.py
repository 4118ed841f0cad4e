"""Every screen by keys alone: Tab goes to all that can be used, once, in the order in which it is read, and shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from companion_app.services.remember import Memory, RememberedHost
from companion_app.state import actions as act
from companion_app.state.model import Device, Screen

from . import samples, window
from .fake_host import TOKEN, FakeHost

if TYPE_CHECKING:
    from companion_app.app import Options

TAB, ESCAPE, ENTER, DOWN, UP = 9, 27, 13, 274, 273
HOME, END, PAGE_DOWN = 278, 279, 281
TARGET = 44  # dp, the smallest side of what a finger can hit

pytestmark = pytest.mark.usefixtures("display")


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    """A host with a key and a lesson that runs."""
    async with FakeHost(pace=0.02) as made:
        made.add_key("openai", "default")
        made.add_lesson("now", tasks=["chat"], progress=0.4, accepted=80, rate_per_min=12.0, eta_s=5400)
        yield made


@pytest.fixture
def paired(options: Options, host: FakeHost) -> Options:
    """As it is on the disk of someone who has paired with the host before."""
    Memory(options.config).keep_host(RememberedHost(host.url, "studio", TOKEN))
    return options


async def fill(driver: window.Driver) -> None:
    """Let every screen have something to show."""
    store = driver.app.store
    await driver.until(lambda: store.state.host.offer.tasks, "the host")
    for address, name in ((samples.KITCHEN, "Kitchen Pi"), (samples.ATTIC, "Attic")):
        store.dispatch(act.Paired(Device(address, name, "releaser")))
        store.dispatch(act.LinkUpdated(address, True, (samples.HOME_EN, samples.TICKETS)))
    store.dispatch(act.Noticed("Something happened."))
    await driver.settle()


def problems(driver: window.Driver) -> list[str]:
    """What is wrong with what can be used on this screen."""
    from kivy.metrics import dp

    from companion_app.a11y.describe import is_control, name_of
    from companion_app.theme.focus import shown, stops, takes_focus

    def called(widget: object) -> str:
        return f"{type(widget).__name__} {name_of(widget)!r}"

    order = list(stops(driver.app.shell))
    hidden = {widget for widget in driver.app.shell.walk(restrict=True) if not shown(widget)}
    found = [f"{called(widget)} has no name" for widget in order if not name_of(widget).strip()]
    found += [
        f"{called(widget)} is {widget.width:.0f} x {widget.height:.0f}"
        for widget in order
        if min(widget.size) < dp(TARGET) - 0.5
    ]
    found += [
        f"{called(widget)} isn't reached by Tab"
        for widget in driver.app.shell.walk(restrict=True)
        if is_control(widget)
        and not widget.disabled
        and not takes_focus(widget)
        and not hidden.intersection([widget, *above(widget)])
    ]
    found += [
        f"{called(one)} comes before {called(other)}" for one, other in pairwise(order) if comes_before(other, one)
    ]
    found += [f"{called(widget)} looks the same with the focus" for widget in order if not draws_focus(widget)]
    assert len(set(order)) == len(order)
    return found


async def lasting_problems(driver: window.Driver) -> list[str]:
    """As `problems`, once what the host just told of has its place."""
    for _ in range(3):
        await driver.settle()
        found = problems(driver)
        if not found:
            break
    return found


def draws_focus(widget: object) -> bool:
    """Whether a rule of it draws something by whether it has the focus."""
    from kivy.lang import Builder

    drawn = [
        instruction
        for rule in Builder.match(widget)
        for canvas in (rule.canvas_before, rule.canvas_root, rule.canvas_after)
        if canvas is not None
        for instruction in canvas.children
    ]
    return any(["self", "focus"] in (made.watched_keys or []) for one in drawn for made in one.properties.values())


def above(widget: object) -> list:
    """What a widget lies in, from the inside out."""
    from kivy.uix.widget import Widget

    found = []
    while isinstance(widget.parent, Widget):
        widget = widget.parent
        found.append(widget)
    return found


def page_of(widget: object) -> object:
    """What scrolls it."""
    from kivy.uix.scrollview import ScrollView

    return next((one for one in above(widget) if isinstance(one, ScrollView)), None)


def comes_before(one: object, other: object) -> bool:
    """Whether one is read before the other: higher in the same column of the same page, or further left in its line."""
    if page_of(one) is not page_of(other):
        return False
    (left, bottom), (left_2, bottom_2) = (widget.to_window(widget.x, widget.y) for widget in (one, other))
    right, top, right_2, top_2 = left + one.width, bottom + one.height, left_2 + other.width, bottom_2 + other.height
    if bottom >= top_2 - 1:
        return left < right_2 and left_2 < right
    return bottom < top_2 and bottom_2 < top and right <= left_2


async def test_tab_goes_to_all_that_can_be_used_in_the_order_in_which_it_is_read(paired: Options) -> None:
    async with window.opened(paired, (420, 800)) as driver:
        from companion_app.app import SCREENS

        found = {"with nothing yet": await lasting_problems(driver)}
        await fill(driver)
        sizes = [(420, 800), (1100, 700)]
        for screen in SCREENS:
            driver.app.open(screen)
            for size in sizes:
                await driver.resize(*size)
                found[f"{screen} {size}"] = await lasting_problems(driver)
            sizes.reverse()  # the next screen begins in the size that is there
    assert not any(found.values()), "\n".join(f"{place}: {line}" for place, lines in found.items() for line in lines)


async def test_the_page_follows_the_focus_and_there_is_no_trap(paired: Options) -> None:
    from companion_app.theme.focus import focus, stops

    async with window.opened(paired, (420, 480)) as driver:
        await fill(driver)
        for screen in (Screen.TEACH, Screen.DEVICES):
            driver.app.open(screen)
            await driver.settle()
            order = list(stops(driver.app.shell))
            order[0].focus = True
            for expected in [*order[1:], order[0]]:
                await driver.press(TAB)
                assert focus.widget is expected
                page = page_of(expected)
                if page is not None and expected.height <= page.height:
                    bottom, top = (expected.to_window(0, y)[1] for y in (expected.y, expected.top))
                    assert page.to_window(0, page.y)[1] <= bottom + 1
                    assert top <= page.to_window(0, page.top)[1] + 1
            await driver.press(TAB, modifiers=("shift", "numlock"))
            assert focus.widget is order[-1]


async def test_who_goes_by_keys_is_never_lost(paired: Options) -> None:
    from companion_app.theme.focus import focus

    async with window.opened(paired) as driver:
        await fill(driver)
        driver.app.open(Screen.MORE)
        await driver.settle()
        places = driver.find_all("PlaceRow")
        places[0].focus = True
        await driver.press(DOWN)
        await driver.press(DOWN)
        assert focus.widget is places[2]
        await driver.press(UP)
        assert focus.widget is places[1]
        await driver.press(ENTER)
        await driver.until(lambda: driver.app.store.state.screen is not Screen.MORE, "Enter")
        assert focus.widget is driver.app.shell.manager.current_screen.first_focus()
        driver.app.dismiss()
        driver.app.back()
        await driver.settle()
        assert focus.widget is places[1]  # where one was

        places[1].parent.remove_widget(places[1])
        driver.app.assist.keeper.look()
        await driver.settle()
        assert focus.widget is places[2]  # what came after it
        places[2].disabled = True
        driver.app.assist.keeper.look()
        await driver.settle()
        assert focus.widget is places[0]  # what came before it


async def test_a_page_without_anything_to_press_is_read_by_keys(options: Options) -> None:
    async with window.opened(options, (420, 480)) as driver:
        driver.app.open(Screen.HOME)
        await driver.settle()
        page = driver.find("HomeScreen").children[0]
        for key, expected in ((PAGE_DOWN, False), (END, True), (DOWN, True), (UP, False)):
            await driver.press(key)
            assert page.scroll_y < 1
            assert (page.scroll_y == 0) is expected
        await driver.press(HOME)
        assert page.scroll_y == 1


async def test_a_list_opens_closes_and_gives_the_focus_back(paired: Options) -> None:
    from companion_app.theme.focus import focus

    async with window.opened(paired) as driver:
        await fill(driver)
        driver.app.open(Screen.KEYS)
        await driver.settle()
        box = driver.find("KeysScreen").ids.provider.ids.box.__self__
        box.focus = True
        await driver.press(ENTER)
        await driver.until(lambda: driver.find_all("Option"), "the list")
        assert box.expanded
        await driver.press(DOWN)
        assert focus.widget in driver.find_all("Option")
        await driver.press(ESCAPE)
        await driver.until(lambda: not driver.find_all("Option"), "the end of the list")
        assert focus.widget is box
        assert not box.expanded


async def test_a_finger_gets_no_focus_that_would_open_a_phone_s_keyboard(paired: Options) -> None:
    from companion_app.theme.focus import focus

    async with window.opened(paired) as driver:
        driver.app.open(Screen.MORE)
        await driver.settle()
        await driver.touch(driver.find("PlaceRow", name="Home"))
        await driver.until(lambda: driver.app.store.state.screen is Screen.HOME, "the place")
        assert focus.widget is None
