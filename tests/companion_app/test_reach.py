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


def _seen(item: Widget) -> bool:
    """Whether an entry of the rail is in sight as it is, without scrolling."""
    return _box(item)[1] >= _box(item.parent.parent)[1] - 1 and _box(item)[3] <= _box(item.parent.parent)[3] + 1


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


@pytest.mark.parametrize("size", SIZES)
async def test_every_place_is_reached_and_nothing_lies_over_the_map(options: Options, size: tuple[int, int]) -> None:
    from kivy.metrics import dp

    from companion_app.shell import PLACES

    async with window.opened(options, size) as driver:
        app = driver.app
        furnish(app.store)
        for scale in FONT_SCALES:
            app.choosing.change(font_scale=scale)
            app.open(Screen.MORE)
            await driver.settle()
            items = driver.find_all("NavItem")
            places = {place for place, _ in app.shell._items}
            if Screen.MORE in places:
                items += driver.find_all("PlaceRow")
                places |= {place for place, _, _ in app.shell.hidden_places()}
            assert places >= {place for place, _, _ in PLACES}, f"{size}, {scale}"
            for item in items:
                assert inside(item), (getattr(item, "name", "") or item.text, size, scale)
            for place, item in app.shell._items if app.frame.wide else ():
                app.open(place)
                await driver.settle()
                assert item.here and _seen(item), f"{place} at {size}, {scale}"

            app.open(Screen.DEVICE)
            await driver.settle()
            facts = driver.find_all("Fact")
            assert facts and not [fact.value for fact in facts if fact.value in clipping.shortened(app.shell)]
            app.open(Screen.ROBOT)
            await driver.settle()
            cut = clipping.clipped(app.shell) + clipping.overlapping(app.shell)
            assert not cut, f"{size}, {scale}: {cut}"
            tools = [tool for tool in driver.find("MapPane").ids.tools.children if not inside(tool)]
            assert not tools, [tool.text for tool in tools]
            ground, stick = driver.find("MapView"), driver.find("Stick")
            assert inside(ground) and ground.height >= dp(LEAST_MAP), f"{ground.height} at {size}, {scale}"
            assert over(ground, app.shell) == []
            assert inside(stick), f"{size}, {scale}"
