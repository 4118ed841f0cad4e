"""The commands that need the window: ways to screens, the palette, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from companion_app.i18n import N_
from companion_app.registry import Command
from companion_app.shell import PLACES, TITLES
from companion_app.state.model import Screen

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

# What isn't reached by Ctrl and its number in the navigation.
OTHER_KEYS = {Screen.SETTINGS: "ctrl+,", Screen.SHORTCUTS: "f1"}


def window_commands(app: CompanionApp) -> tuple[Command, ...]:
    """All of them."""
    return (
        Command("app.palette", N_("All commands"), app.show_palette, shortcut="ctrl+k", icon="search"),
        Command("app.back", N_("Back"), app.back, shortcut="alt+left", icon="back"),
        Command("file.choose", N_("Choose a file for the field on this screen"), app.choose_file, icon="folder"),
        Command("app.quit", N_("Close the app"), app.stop, shortcut="ctrl+q", icon="close"),
        *(_way(app, screen) for screen in TITLES),
    )


def _way(app: CompanionApp, screen: Screen) -> Command:
    places = [place for place, _, _ in PLACES]
    number = places.index(screen) + 1 if screen in places else 0
    icon = next((icon for place, _, icon in PLACES if place is screen), "")
    keys = OTHER_KEYS.get(screen) or (f"ctrl+{number}" if 0 < number < 10 else None)
    return Command(f"open.{screen}", TITLES[screen], lambda: app.open(screen), shortcut=keys, icon=icon)
