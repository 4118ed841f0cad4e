"""What every screen can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kivy.app import App
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.screenmanager import Screen
from kivy.uix.widget import Widget

from companion_app.state.model import AppState

if TYPE_CHECKING:
    from companion_app.app import CompanionApp
    from companion_app.services.commands import Commands
    from companion_app.services.host_commands import HostCommands


class AppScreen(Screen):
    """A screen shows the state it is given, and keeps none of its own but what is being typed."""

    def show(self, state: AppState) -> None:
        """Bring the widgets in line with the state; called after every change while on screen."""
        raise NotImplementedError

    def first_focus(self) -> Widget | None:
        """Where Tab begins: the topmost widget that takes the focus."""
        for widget in self.walk(restrict=True):
            if isinstance(widget, FocusBehavior) and widget.is_focusable and not widget.disabled:
                return widget
        return None

    def pressed(self, text: str) -> bool:
        """A key was pressed that writes this, and nobody types; whether it was for this screen."""
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
