"""Where the keyboard is: Tab goes through what is shown, in the order in which it is read, and the page follows."""

from __future__ import annotations

from collections.abc import Iterator

from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty, ObjectProperty
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from companion_app.i18n import right_to_left

# How much of what lies around it a page shows with what has the focus, in dp.
AROUND = 24
FORWARD, BACKWARD = ("right", "down"), ("left", "up")


class Focus(EventDispatcher):
    """The widget that gets the keys, or None; by_keys: whether keys or a screen reader brought it there, not a finger."""

    widget = ObjectProperty(None, allownone=True)
    by_keys = BooleanProperty(False)


focus = Focus()


class Reachable(FocusBehavior):
    """In the place of Kivy's FocusBehavior, which goes to what is hidden too and leaves it out of sight."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.fbind("focus", _follow)

    def get_focus_next(self) -> Widget | None:
        """The next widget that takes the focus, from the last one the first."""
        return neighbour(self, 1)

    def get_focus_previous(self) -> Widget | None:
        """As `get_focus_next`, backwards."""
        return neighbour(self, -1)


def plain(modifiers: list[str]) -> bool:
    """Whether none of the keys is held down that make a shortcut of another one."""
    return not {"ctrl", "alt", "meta"} & set(modifiers)


def shown(widget: Widget) -> bool:
    """Whether a person can see it, apart from what has to be scrolled for."""
    return widget.opacity > 0 and widget.width > 0 and widget.height > 0


def attached(widget: Widget) -> bool:
    """Whether it is in a window."""
    return widget.get_root_window() is not None


def takes_focus(widget: Widget) -> bool:
    """Whether it is one that Tab goes to now; what lies around it is not asked."""
    return isinstance(widget, FocusBehavior) and widget.is_focusable and not widget.disabled and shown(widget)


def stops(root: Widget) -> Iterator[Widget]:
    """What Tab goes through below a widget, and itself, in its order."""
    if takes_focus(root):
        yield root
    for child in reversed(root.children):
        if shown(child):
            yield from stops(child)


def neighbour(widget: Widget, step: int) -> Widget | None:
    """The stop so many after a widget in its window or its open list, round and round; None where it is the only one."""
    top = widget
    while isinstance(top.parent, Widget):
        top = top.parent
    around = list(stops(top))
    if widget not in around:
        return around[0] if around else None
    other = around[(around.index(widget) + step) % len(around)]
    focus.by_keys = True
    return None if other is widget else other


def beside(widget: Widget, key: str) -> Widget | None:
    """The one of the same role that an arrow key leads to among those beside it; None at an end."""
    row = [
        child
        for child in reversed(widget.parent.children if isinstance(widget.parent, Widget) else [])
        if takes_focus(child) and getattr(child, "role", None) == getattr(widget, "role", "")
    ]
    if widget not in row:
        return None
    # Lines begin at the other side where people read from the right.
    sides = {"left": "right", "right": "left"} if right_to_left() else {}
    at = row.index(widget) + (-1 if sides.get(key, key) in BACKWARD else 1)
    focus.by_keys = True
    return row[at] if 0 <= at < len(row) else None


def reveal_on_page(widget: Widget) -> None:
    """Scroll every page around a widget until it is seen."""
    page = widget.parent
    while isinstance(page, Widget):
        if isinstance(page, ScrollView):
            page.scroll_to(widget, padding=AROUND, animate=False)
        page = page.parent


def _reveal_if_there(widget: Widget) -> None:
    if widget.focus and attached(widget):
        reveal_on_page(widget)


def _follow(widget: Widget, has_it: bool) -> None:
    if has_it:
        focus.widget = widget
        # A page that moves below a finger would take the button from under it.
        if EventLoop.touches:
            focus.by_keys = False
        else:
            Clock.schedule_once(lambda *_: _reveal_if_there(widget), 0)
    elif focus.widget is widget:
        focus.widget = None
