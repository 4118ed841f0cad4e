"""The places that a narrow window has no room for at its bottom."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState, Screen
from companion_app.theme.widgets import Pressable

PLACES = (
    (Screen.QUESTIONS, "question", N_("Questions"), N_("Say what texts mean that a specialist was not sure about")),
    (Screen.SIGN, "sign", N_("Signatures"), N_("Agree to models before any device takes them")),
    (Screen.KEYS, "key", N_("API keys"), N_("Keys of the teachers that the host asks: see, use, add, delete")),
    (Screen.PUSH, "push", N_("Push a bundle"), N_("Carry a .enigma file to the device")),
    (Screen.HOME, "home", N_("Home"), N_("The rooms and things that sentences are about")),
)


class PlaceRow(Pressable, BoxLayout):
    """A way to a place."""

    icon = StringProperty("")
    name = StringProperty("")
    about = StringProperty("")


class MoreScreen(AppScreen):
    """A list of places."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        for place, icon, name, about in PLACES:
            row = PlaceRow(icon=icon, name=tr(name), about=tr(about))
            row.bind(on_release=lambda _, place=place: self.app.open(place))
            self.ids.rows.add_widget(row)

    def show(self, state: AppState) -> None:
        """The places are always the same."""


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
