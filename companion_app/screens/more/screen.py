"""The places that the navigation of this window has no room for."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState, Screen
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Pressable

# What a place is for, under its name.
ABOUT = {
    Screen.ASK: N_("Say something to a specialist, and see what it makes of it"),
    Screen.CHAT: N_("Talk with a language model, or with two at once"),
    Screen.DEVICE: N_("What the device runs, and what happened there"),
    Screen.TEACH: N_("Have a big model write examples to learn from"),
    Screen.TRAIN: N_("Train specialists, watch them learn, compare and release them"),
    Screen.DATA: N_("Look through the rows of a dataset, and mend them"),
    Screen.QUESTIONS: N_("Say what texts mean that a specialist was not sure about"),
    Screen.SIGN: N_("Agree to models before any device takes them"),
    Screen.KEYS: N_("Keys of the teachers that the host asks: see, use, add, delete"),
    Screen.PUSH: N_("Carry a .enigma file to the device"),
    Screen.HOME: N_("The rooms and things that sentences are about"),
    Screen.DEVICES: N_("The devices and the host that this app is paired with"),
    Screen.IMPORTS: N_("Put files of rows or texts into a dataset of the host"),
    Screen.ROBOT: N_("Map, driving, zones and places of the robot beside a device"),
    Screen.SETTINGS: N_("Looks, language, keys, accounts, backups"),
}


class PlaceRow(Pressable, BoxLayout):
    """A way to a place."""

    icon = StringProperty("")
    name = StringProperty("")
    about = StringProperty("")


class MoreScreen(AppScreen):
    """A list of the places that the navigation doesn't lead to."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[Screen, PlaceRow] = {}

    def show(self, state: AppState) -> None:
        rows = []
        for place, name, icon in self.app.shell.hidden_places():
            row = self._rows.get(place)
            if row is None:
                row = self._rows[place] = PlaceRow(icon=icon, name=tr(name), about=tr(ABOUT.get(place, "")))
                row.bind(on_release=lambda _, place=place: self.app.open(place))
            rows.append(row)
        arrange(self.ids.rows, rows)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
