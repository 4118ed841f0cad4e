"""The devices that this companion is paired with, each with its live state."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.screens.base import AppScreen
from companion_app.state.describe import device_line, status_of
from companion_app.state.model import AppState, Screen
from companion_app.theme.widgets import Row, reveal


class DeviceRow(Row):
    """One device; a press makes it the current one. `leaving` asks whether to forget it."""

    name = StringProperty("")
    address = StringProperty("")
    about = StringProperty("")
    status = StringProperty("")
    tone = StringProperty("plain")
    problem = StringProperty("")
    leaving = BooleanProperty(False)


class DevicesScreen(AppScreen):
    """All devices, and the way to a new one."""

    empty = BooleanProperty(True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, DeviceRow] = {}
        self._welcome = self.ids.welcome.__self__

    def show(self, state: AppState) -> None:
        self.empty = not state.devices
        reveal(self.ids.page.column, self._welcome, self.empty)
        rows = self.ids.rows
        for address in set(self._rows) - {device.address for device in state.devices}:
            rows.remove_widget(self._rows.pop(address))
        for device in state.devices:
            row = self._rows.get(device.address)
            if row is None:
                row = self._rows[device.address] = DeviceRow(address=device.address)
                row.bind(on_release=lambda row: self.pick(row.address))
                rows.add_widget(row)
            row.on = device.address == state.selected
            row.name = device.name
            row.about = device_line(device)
            row.status, row.tone = status_of(device)
            row.problem = device.link.error or ""

    def pick(self, address: str) -> None:
        """Make a device the current one and show what it runs."""
        self.commands.select(address)
        self.app.open(Screen.MODELS)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
