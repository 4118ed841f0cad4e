"""What a person chose for the app: changed at once, kept at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

from companion_app.services.remember import Memory, RememberError, Settings
from companion_app.state import actions as act
from companion_app.state.model import AppState
from companion_app.state.preferences import Preferences, opposite, scale_from
from companion_app.state.store import Store
from edge_runtime import local_only

# The steps that a key press makes the letters larger or smaller by.
SCALES = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)


class Changes(TypedDict, total=False):
    """The fields of `Preferences`."""

    theme: str
    font_scale: float
    language: str
    simplified: bool
    reduced_motion: bool
    speak_focus: bool
    local_only: bool
    shortcuts: tuple[tuple[str, str], ...]


class Choosing:
    """Changes `Preferences` in the store and on disk."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory

    @property
    def now(self) -> Preferences:
        """What is chosen."""
        return self._store.state.preferences

    def change(self, **changes: Unpack[Changes]) -> None:
        """Choose something else, and keep that."""
        chosen = replace(self.now, **changes)
        chosen = replace(chosen, font_scale=scale_from(chosen.font_scale))
        if chosen == self.now:
            return
        self._store.dispatch(act.PreferencesChanged(chosen))
        if chosen.local_only:
            local_only.enforce()
        self.keep()

    def toggle_theme(self) -> None:
        """Dark to light and back, at the same contrast."""
        self.change(theme=opposite(self._store.state.theme))

    def scale(self, steps: int) -> None:
        """Letters larger (1) or smaller (-1)."""
        now = self.now.font_scale
        others = [scale for scale in SCALES if (scale > now if steps > 0 else scale < now)]
        if others:
            self.change(font_scale=min(others) if steps > 0 else max(others))

    def bind(self, command: str, keys: str) -> None:
        """Give a command other keys, checked before by `Registry.binding_problem`; empty keys for none."""
        self.change(shortcuts=(*((name, own) for name, own in self.now.shortcuts if name != command), (command, keys)))

    def unbind(self, command: str) -> None:
        """Give a command its own keys again."""
        self.change(shortcuts=tuple((name, own) for name, own in self.now.shortcuts if name != command))

    def keep(self) -> None:
        """Write it down, with what else was chosen."""
        try:
            self._memory.keep_settings(settings_of(self._store.state))
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))


def settings_of(state: AppState) -> Settings:
    """What of the state is kept as settings."""
    return Settings(state.preferences, inventory=state.inventory.path, selected=state.selected)
