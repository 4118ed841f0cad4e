"""Keeps the screen reader's picture of the window true, and does what it asks for."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.widget import Widget

from companion_app import i18n
from companion_app.a11y import act
from companion_app.a11y.tree import Tree
from companion_app.theme.focus import focus

if TYPE_CHECKING:
    import accesskit

    from companion_app.a11y.adapter import Adapter

log = logging.getLogger(__name__)
# Seconds between two updates: what changes faster than this nobody can listen to.
PACE = 0.1


class Bridge:
    """From Kivy's window to accesskit, from when somebody listens until nobody does."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._adapter: Adapter | None = None
        self._tree: Tree | None = None
        self._window: tuple[object, ...] = ()
        self._later = Clock.create_trigger(self._flush, PACE)
        self._soon = Clock.create_trigger(self._flush, 0)

    @property
    def listening(self) -> bool:
        """Whether an assistive technology reads along."""
        return self._tree is not None

    def start(self) -> None:
        """Be there for a screen reader, if accesskit is installed and this system can have one."""
        if not may_listen():
            return
        try:
            from companion_app.a11y.adapter import open_adapter
        except ImportError:
            log.info("No screen reader can read the window: pip install 'enigma[companion]' brings accesskit.")
            return
        try:
            self._adapter = open_adapter(Window, self._heard, self._asked, self._nobody)
        except (OSError, RuntimeError, AttributeError) as error:
            log.warning("No screen reader can read the window: %s", error)

    def stop(self) -> None:
        """The window closes."""
        self._close()
        self._adapter = None

    # accesskit calls these three from a thread of its own.

    def _heard(self) -> None:
        # None for the first tree says: wait, it comes from the thread that has the widgets.
        Clock.schedule_once(self._open, 0)

    def _asked(self, request: accesskit.ActionRequest) -> None:
        Clock.schedule_once(lambda *_: self._do(request), 0)

    def _nobody(self) -> None:
        Clock.schedule_once(self._close, 0)

    def _open(self, *_: object) -> None:
        self._close()
        if self._adapter is None:
            return
        self._tree = Tree(self._later)
        focus.bind(widget=self._soon)
        Window.bind(children=self._later, size=self._later, focus=self._told_focus)
        self._told_focus(Window, Window.focus)
        self._flush()

    def _close(self, *_: object) -> None:
        if self._tree is None:
            return
        focus.unbind(widget=self._soon)
        Window.unbind(children=self._later, size=self._later, focus=self._told_focus)
        self._later.cancel()
        self._soon.cancel()
        self._tree.close()
        self._tree, self._window = None, ()

    def _told_focus(self, window: object, has_it: bool) -> None:
        tell = getattr(self._adapter, "update_window_focus_state", None) or getattr(
            self._adapter, "update_view_focus_state", None
        )
        if tell is not None:
            _raise_events(tell(has_it))

    def _flush(self, *_: object) -> None:
        if self._tree is None or self._adapter is None:
            return
        from companion_app.a11y.accesskit_nodes import WINDOW, tree_update, window_node

        # Kivy has the newest first; a list that lies over the app comes after it.
        ids, changed = self._tree.update(cast("list[Widget]", Window.children[::-1]))
        window = (self._title, i18n.language(), Window.height, Window.width, ids)
        at = focus.widget.uid if focus.widget is not None and focus.widget.uid in self._tree.nodes else WINDOW
        told = window_node(*window) if window != self._window else None
        self._window = window
        update = tree_update(changed.items(), at, told)
        _raise_events(self._adapter.update_if_active(lambda: update))

    def _do(self, request: accesskit.ActionRequest) -> None:
        widget = self._tree.widget(request.target & 0xFFFFFFFF) if self._tree is not None else None
        if widget is None:
            return
        from accesskit import Action

        focus.by_keys = True
        if request.action == Action.CLICK:
            act.press(widget)
        elif request.action == Action.FOCUS:
            act.take_focus(widget)
        elif request.action == Action.INCREMENT:
            act.step(widget, 1)
        elif request.action == Action.DECREMENT:
            act.step(widget, -1)
        elif request.action == Action.SET_VALUE and request.data is not None:
            act.set_value(widget, request.data[1])
        elif request.action == Action.SCROLL_INTO_VIEW:
            act.scroll_to(widget)


def may_listen() -> bool:
    """Whether this system may have a screen reader at all; asked before accesskit is loaded."""
    if sys.platform in ("win32", "darwin"):
        return True
    if not sys.platform.startswith("linux") or os.environ.get("NO_AT_BRIDGE") == "1":
        return False
    # Where D-Bus has no session there is no AT-SPI either.
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    return bool(bus) or Path(f"/run/user/{os.getuid()}/bus").exists()


def _raise_events(events: object) -> None:
    """Windows and macOS hand back what the caller must send once it holds no lock."""
    if events is not None:
        events.raise_events()  # type: ignore[attr-defined]
