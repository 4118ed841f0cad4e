"""Pairing: an address, a one-time code, one button."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState


class PairScreen(AppScreen):
    """The pairing form."""

    busy = BooleanProperty(False)
    error = StringProperty("")

    def show(self, state: AppState) -> None:
        self.busy = state.pairing.busy
        self.error = state.pairing.error or ""

    def on_pre_enter(self, *args: object) -> None:
        """A used code is of no use again; the address may be."""
        self.ids.code.entry.text = ""

    def on_enter(self, *args: object) -> None:
        """The first thing to type is the address."""
        field = self.ids.code if self.ids.address.text else self.ids.address
        field.entry.focus = True

    def pair(self) -> None:
        """Send what is in the form."""
        self.commands.pair(self.ids.address.text, self.ids.code.text)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
