"""The table of keys: what each command has, and how to give it others."""

from __future__ import annotations

from pathlib import Path

from kivy.core.window import Keyboard, Window
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from companion_app.chords import MODIFIERS, chord_of, shown
from companion_app.i18n import N_, ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Column, Row

# What works everywhere and can't be changed: (keys, what they do).
FIXED = (
    (N_("Tab, Shift+Tab"), N_("Move the focus")),
    (N_("Enter, Space"), N_("Press what has the focus")),
    (N_("Escape"), N_("Close what is open, hide a message, go back")),
)


class RowActs(Column):
    """What can be done with a command's keys; made when it is first asked for, as there are many rows."""

    row = ObjectProperty(None)


class ShortcutRow(Row):
    """A command and its keys; a press shows what can be done. `waiting`: the next keys that are pressed are its own."""

    name = StringProperty("")
    title = StringProperty("")
    keys = StringProperty("")
    waiting = BooleanProperty(False)
    problem = StringProperty("")
    changed = BooleanProperty(False)
    acts = ObjectProperty(None, allownone=True)

    def on_release(self) -> None:
        """Show what can be done, or hide it."""
        self.unfold(self.acts is None or self.acts.parent is None)

    def unfold(self, shown: bool) -> None:
        """Show what can be done, or hide it."""
        if shown and self.acts is None:
            self.acts = RowActs(row=self)
        if self.acts is not None:
            reveal(self, self.acts, shown, top=False)


class FixedRow(Column):
    """Keys that can't be changed."""

    title = StringProperty("")
    keys = StringProperty("")


class ShortcutsScreen(AppScreen):
    """The commands that have keys, and by a search or a press all others: rows of them all would take 25 MB."""

    keeps = ("all",)

    wanted = StringProperty("")
    all = BooleanProperty(False)
    others = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, ShortcutRow] = {}
        self._waiting: ShortcutRow | None = None
        self._show_all = self.ids.show_all.__self__
        for keys, title in FIXED:
            self.ids.fixed.add_widget(FixedRow(title=tr(title), keys=tr(keys)))

    def show(self, state: AppState) -> None:
        registry = self.app.registry
        keys, chosen = registry.bindings(), dict(state.preferences.shortcuts)
        found = matching = registry.matching(self.wanted)
        if not self.wanted and not self.all:
            found = [command for command in matching if command.name in keys or command.name in chosen]
        hidden = len(matching) - len(found)
        self.others = (
            ntr("Show {number} command without keys", "Show {number} commands without keys", hidden) if hidden else ""
        )
        reveal(self.ids.rest, self._show_all, bool(hidden))
        for command in found:
            row = self._rows.get(command.name)
            if row is None:
                row = self._rows[command.name] = ShortcutRow(name=command.name, title=tr(command.title))
            row.keys = shown(keys[command.name]) if command.name in keys else ""
            row.changed = command.name in chosen
        ordered = sorted(found, key=lambda command: command.name not in keys)
        arrange(self.ids.rows, [self._rows[command.name] for command in ordered])

    def on_all(self, *_: object) -> None:
        """Those without keys are wanted too."""
        self.on_wanted()

    def on_wanted(self, *_: object) -> None:
        """The search was changed."""
        self.show(self.app.store.state)

    def wait_for(self, row: ShortcutRow) -> None:
        """Take the next keys for a command; Escape ends that."""
        self.stop_waiting()
        row.unfold(True)
        self._waiting = row
        row.waiting, row.problem = True, ""
        Window.bind(on_key_down=self._pressed)

    def stop_waiting(self) -> None:
        """Take no keys any more."""
        if self._waiting is not None:
            self._waiting.waiting = False
            self._waiting = None
            Window.unbind(on_key_down=self._pressed)

    def clear(self, row: ShortcutRow) -> None:
        """Take the keys away from a command."""
        self.app.choosing.bind(row.name, "")

    def reset(self, row: ShortcutRow) -> None:
        """Give a command its own keys again."""
        command = self.app.registry[row.name]
        problem = self.app.registry.binding_problem(row.name, command.shortcut) if command.shortcut else ""
        row.problem = problem
        if not problem:
            self.app.choosing.unbind(row.name)

    def on_leave(self, *args: object) -> None:
        """Whoever goes away gives no keys."""
        self.stop_waiting()

    def _pressed(self, window: object, key: int, scancode: int, text: str | None, modifiers: list[str]) -> bool:
        row = self._waiting
        name = Keyboard.keycode_to_string(window, key)
        # A modifier alone is only the beginning.
        if row is None or name in (
            "lctrl",
            "rctrl",
            "shift",
            "rshift",
            "alt",
            "alt-gr",
            "super",
            "capslock",
            "numlock",
        ):
            return True
        if name == "escape":
            self.stop_waiting()
            return True
        keys = chord_of(name, text, [held for held in modifiers if held in MODIFIERS])
        row.problem = self.app.registry.binding_problem(row.name, keys)
        self.stop_waiting()
        if not row.problem:
            self.app.choosing.bind(row.name, keys)
        return True


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
