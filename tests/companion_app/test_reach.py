"""What a person has to reach: every place of the navigation in windows of every size, whole figures, and a map with nothing over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from companion_app.state.model import Screen

from . import clipping, window
from .furnished import furnish

if TYPE_CHECKING:
    from kivy.uix.widget import Widget

    from companion_app.app import Options

pytestmark = pytest.mark.usefixtures("display")

SIZES = ((1100, 700), (420, 800), (360, 640))
FONT_SCALES = (1.0, 2.0)
LEAST_MAP = 120  # dp of the map that are seen at once


def inside(widget: Widget) -> bool:
    """Whether all of a widget is in its window and in every page around it, once these were scrolled to it."""
    from kivy.core.window import Window
    from kivy.uix.scrollview import ScrollView

    from companion_app.theme.focus import reveal_on_page

    reveal_on_page(widget)
    pages, around = [], widget.parent
    while around is not None and around is not around.parent:
        if isinstance(around, ScrollView):
            around.update_from_scroll()  # at once, not with the next frame
            pages.append(around)
        around = around.parent
    left, bottom, right, top = _box(widget)
    boxes = [(0.0, 0.0, float(Window.width), float(Window.height)), *map(_box, pages)]
    return all(left > box[0] - 1 and bottom > box[1] - 1 and right < box[2] + 1 and top < box[3] + 1 for box in boxes)


def _box(widget: Widget) -> tuple[float, float, float, float]:
    return (*widget.to_window(widget.x, widget.y), *widget.to_window(widget.right, widget.top))


def over(target: Widget, root: Widget) -> list[str]:
    """The shown widgets over the middle of one, apart from those it lies in."""
    x, y = target.to_window(*target.center)
    lies_in, around = {target}, target.parent
    while around is not None and around is not around.parent:
        lies_in.add(around)
        around = around.parent
    found = []
    for widget in clipping.shown(root):
        left, bottom, right, top = _box(widget)
        if widget not in lies_in and left < x < right and bottom < y < top:
            found.append(type(widget).__name__)
    return found


async def test_every_place_is_reached_and_nothing_lies_over_the_map(options: Options) -> None:
    async with window.opened(options, SIZES[0]) as driver:
        app = driver.app
        furnish(app.store)
        for size in SIZES:
            await driver.resize(*size)
            for scale in FONT_SCALES:
                app.choosing.change(font_scale=scale)
                case = f"at {size}, {scale}"
                await look_at_the_navigation(driver, case)
                await look_at_the_device_and_the_robot(driver, case)


async def test_letters_twice_as_large_leave_hints_sentences_and_conversations_whole(options: Options) -> None:
    """On the smallest window: no hint of a field is cut, the lesson's sentence stands there whole, a chat can be read."""
    from companion_app.app import SCREENS
    from companion_app.theme.widgets import Entry

    async with window.opened(options, SIZES[-1]) as driver:
        app = driver.app
        furnish(app.store)
        app.choosing.change(font_scale=FONT_SCALES[-1])
        for screen in SCREENS:
            app.open(screen)
            await driver.settle()
            entries = [widget for widget in clipping.shown(app.shell) if isinstance(widget, Entry)]
            said = {label.text for label in clipping.labels(app.shell)}
            for entry in entries:
                room = entry.width - entry.padding[0] - entry.padding[2]
                assert entry._width_of(entry.hint_text) <= room + 1, (screen, entry.hint_text)
                assert not entry.left_out or entry.short or entry.left_out in said, (screen, entry.left_out)
            assert app.frame.job not in clipping.shortened(app.shell), screen
            if screen is Screen.CHAT:
                page = app.screen.ids.page
                assert app.screen.ids.told.height > 0 and page.height >= app.screen.height / 3


async def look_at_the_navigation(driver: window.Driver, case: str) -> None:
    """Every place has an entry that can be brought into sight, and the one that is open is in sight by itself."""
    from companion_app.shell import PLACES

    shell = driver.app.shell
    driver.app.open(Screen.MORE)
    await driver.settle()
    places, entries = {place for place, _ in shell._items}, driver.find_all("NavItem")
    if Screen.MORE in places:
        entries += driver.find_all("PlaceRow")
        places |= {place for place, _, _ in shell.hidden_places()}
    assert places >= {place for place, _, _ in PLACES}, case
    for entry in entries:
        assert inside(entry), (getattr(entry, "name", "") or entry.text, case)
    if not driver.app.frame.wide:
        return
    items = dict(shell._items)
    for place in (Screen.SETTINGS, Screen.ASK, Screen.DEVICES, Screen.PUSH):
        driver.app.open(place)
        await driver.settle()
        _, bottom, _, top = _box(items[place])
        rail = _box(items[place].parent.parent)
        assert items[place].here and bottom >= rail[1] - 1 and top <= rail[3] + 1, (place, case)


async def look_at_the_device_and_the_robot(driver: window.Driver, case: str) -> None:
    """No figure is cut, and the map is large enough, with nothing over it."""
    from kivy.metrics import dp

    shell = driver.app.shell
    driver.app.open(Screen.DEVICE)
    await driver.settle()
    facts = driver.find_all("Fact")
    assert facts and not {fact.value for fact in facts} & set(clipping.shortened(shell)), case
    driver.app.open(Screen.ROBOT)
    await driver.settle()
    assert clipping.clipped(shell) + clipping.overlapping(shell) == [], case
    tools = driver.find("MapPane").ids.tools.children
    assert [tool.text for tool in tools if not inside(tool)] == [], case
    ground, stick = driver.find("MapView"), driver.find("Stick")
    assert inside(ground) and ground.height >= dp(LEAST_MAP), f"{ground.height} {case}"
    assert over(ground, shell) == [], case
    assert inside(stick), case
