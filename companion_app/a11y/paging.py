"""Pages that hold more to read than to press are scrolled by keys."""

from __future__ import annotations

from kivy.core.window import Keyboard, Window
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from companion_app.screens.base import AppScreen
from companion_app.theme.focus import focus, plain, shown

# How much of a page one key brings on; the rest stays in sight, so that nobody loses the line.
SHARE = 0.85
ARROW = 0.12


def page_key(screen: AppScreen, key: int, modifiers: list[str]) -> bool:
    """Scroll the page that is read by Page Up and Down, Home and End, and the arrows while nothing has the focus; whether
    one of these was pressed."""
    name = Keyboard.keycode_to_string(Window, key)
    steps = {"pageup": -SHARE, "pagedown": SHARE}
    if focus.widget is None:
        steps |= {"up": -ARROW, "down": ARROW, "home": -float("inf"), "end": float("inf")}
    page = _page(screen)
    if name not in steps or not plain(modifiers) or page is None:
        return False
    beyond = page.children[0].height - page.height
    if beyond <= 0:
        return False
    page.scroll_y = min(1.0, max(0.0, page.scroll_y - steps[name] * page.height / beyond))
    return True


def _page(screen: AppScreen) -> ScrollView | None:
    """The page around what has the focus, else the highest one of the screen."""
    above: object = focus.widget
    while isinstance(above, Widget):
        if isinstance(above, ScrollView) and above.do_scroll_y:
            return above
        above = above.parent
    pages = [
        page for page in screen.walk(restrict=True) if isinstance(page, ScrollView) and page.do_scroll_y and shown(page)
    ]
    return max((page for page in pages if page.children), key=lambda page: page.height, default=None)
