"""What every screen can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty
from kivy.uix.screenmanager import Screen
from kivy.uix.widget import Widget

from companion_app.state.model import AppState
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import stops
from companion_app.theme.widgets import Page

if TYPE_CHECKING:
    from companion_app.app import CompanionApp
    from companion_app.services.commands import Commands
    from companion_app.services.host_commands import HostCommands


@dataclass(frozen=True)
class Left:
    """How a screen was left. pages: pixels above what was seen of each; kept: its own properties."""

    pages: tuple[float, ...]
    kept: dict[str, object]


class AppScreen(Accessible, Screen):
    """A screen shows the state it is given, and keeps none of its own but what is being typed."""

    role = Role("main")
    # Properties of its own that outlive it: a folded part, a chosen way.
    keeps: tuple[str, ...] = ()
    # Whether somebody who wants few choices asked for all that there are here; until another screen is opened.
    all_shown = BooleanProperty(False)

    def show(self, state: AppState) -> None:
        """Bring the widgets in line with the state; called after every change while on screen."""
        raise NotImplementedError

    def few(self, state: AppState) -> bool:
        """Whether only what most people come here for is shown."""
        return state.preferences.simplified and not self.all_shown

    def show_all(self) -> None:
        """Show all of this screen, after all."""
        self.all_shown = True
        self.show(self.app.store.state)

    def left_at(self) -> Left:
        """How it is left: places of its pages, and what it keeps."""
        pages = tuple(widget.above for widget in self.walk() if isinstance(widget, Page))
        return Left(pages, {name: getattr(self, name) for name in self.keeps})

    def go_back(self, left: Left) -> None:
        """Be as one of this screen was left; called before it is shown for the first time."""
        for name, value in left.kept.items():
            setattr(self, name, value)
        pages = [widget for widget in self.walk() if isinstance(widget, Page)]
        for page, above in zip(pages, left.pages, strict=False):
            page.go_back(above)

    def first_focus(self) -> Widget | None:
        """Where Tab begins: the topmost widget that takes the focus."""
        return next(stops(self), None)

    def pressed(self, text: str) -> bool:
        """A key was pressed that writes this, and nobody types; whether it was for this screen."""
        return False

    def dropped(self, path: str) -> bool:
        """A file fell on the window; whether it was for this screen."""
        return False

    @property
    def app(self) -> CompanionApp:
        return cast("CompanionApp", App.get_running_app())

    @property
    def commands(self) -> Commands:
        return self.app.commands

    @property
    def hosting(self) -> HostCommands:
        return self.app.hosting


Builder.load_string("<AppScreen>:\n    spoken: app.frame.title\n")
