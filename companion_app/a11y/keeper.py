"""Whoever goes by keys is never lost: when what has the focus is taken away, what comes next gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kivy.clock import Clock
from kivy.uix.widget import Widget

from companion_app.screens.base import AppScreen
from companion_app.theme.focus import attached, focus, stops, takes_focus


class Keeper:
    """Watches the focus between `start` and `stop`; `look` after anything has changed on screen.

    screen: gives the one that is shown.
    """

    def __init__(self, screen: Callable[[], AppScreen | None]) -> None:
        self._screen = screen
        self._at: Widget | None = None
        self._order: list[Widget] = []
        self._last: dict[str, Widget] = {}
        self._where = ""
        self.look = Clock.create_trigger(self._look, 0)

    def start(self) -> None:
        """Begin to watch."""
        focus.bind(widget=self._moved)

    def stop(self) -> None:
        """Let go of every widget."""
        focus.unbind(widget=self._moved)
        self.look.cancel()
        self._at, self._order = None, []
        focus.widget = None
        self._last.clear()

    def _moved(self, _: object, widget: Widget | None) -> None:
        screen = self._screen()
        if widget is not None and screen is not None:
            self._at, self._where = widget, screen.name
            self._order = list(stops(_top(widget)))
            if _inside(widget, screen):
                self._last[screen.name] = widget
        elif self._at is not None and screen is not None and _there(self._at, screen):
            self._at = None  # it was let go, not lost

    def _look(self, *_: object) -> None:
        screen, lost = self._screen(), self._at
        if screen is None or lost is None:
            return
        held = focus.widget
        if held is not None and _there(held, screen):
            return
        if held is not None:
            held.focus = False
        # A finger needs no focus, and a keyboard on the screen of a phone would jump up.
        if not focus.by_keys:
            self._at = None
            return
        target = self._instead(lost, screen)
        if target is not None:
            target.focus = True

    def _instead(self, lost: Widget, screen: AppScreen) -> Widget | None:
        if _there(lost, screen):
            return lost
        if screen.name != self._where:
            earlier = self._last.get(screen.name)
            return earlier if earlier is not None and _usable(earlier, screen) else screen.first_focus()
        at = self._order.index(lost) if lost in self._order else 0
        after, before = self._order[at + 1 :], self._order[:at][::-1]
        # What can't be pressed any more sends one back to what it was about; what is gone, on to the next.
        around: Iterable[Widget] = (*before, *after) if _inside(lost, screen) else (*after, *before)
        return next((widget for widget in around if _usable(widget, screen)), None) or screen.first_focus()


def _there(widget: Widget, screen: AppScreen) -> bool:
    """Whether it is shown and can be used, on this screen or around it; the one before goes only some frames later."""
    return attached(widget) and takes_focus(widget) and _screen_of(widget) in (screen, None)


def _usable(widget: Widget, screen: AppScreen) -> bool:
    return _inside(widget, screen) and attached(widget) and takes_focus(widget)


def _inside(widget: Widget, screen: AppScreen) -> bool:
    return _screen_of(widget) is screen


def _screen_of(widget: Widget) -> AppScreen | None:
    above: object = widget
    while isinstance(above, Widget):
        if isinstance(above, AppScreen):
            return above
        above = above.parent
    return None


def _top(widget: Widget) -> Widget:
    while isinstance(widget.parent, Widget):
        widget = widget.parent
    return widget
