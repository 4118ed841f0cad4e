"""The devices and the host that this companion is paired with, each with its live state."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.screens.base import AppScreen
from companion_app.state.describe import device_line, status_of
from companion_app.state.host import Host
from companion_app.state.model import AppState, Screen
from companion_app.state.teaching import host_status
from companion_app.theme.widgets import Row, arrange, reveal


class PairedRow(Row):
    """Something paired. `leaving` asks whether to forget it; `on_forget` follows only from there."""

    name = StringProperty("")
    address = StringProperty("")
    about = StringProperty("")
    status = StringProperty("")
    tone = StringProperty("plain")
    problem = StringProperty("")
    leaving = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_forget")
        super().__init__(**kwargs)
        self._confirm = self.ids.confirm.__self__
        self.bind(leaving=self._ask)
        self._ask()

    def _ask(self, *_: object) -> None:
        reveal(self, self._confirm, self.leaving, top=False)

    def on_forget(self) -> None:
        """It shall be forgotten, and that was confirmed."""


class DeviceRow(PairedRow):
    """One device; a press makes it the current one."""


class HostRow(PairedRow):
    """The host; a press shows what it teaches."""


class DevicesScreen(AppScreen):
    """All devices and the host, and the way to new ones."""

    empty = BooleanProperty(True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, DeviceRow] = {}
        self._welcome = self.ids.welcome.__self__
        self._no_host = self.ids.no_host.__self__
        self._host = HostRow()
        self._host.bind(on_release=lambda _: self.app.open(Screen.TEACH))
        self._host.bind(on_forget=lambda _: self.hosting.forget())

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
                row.bind(on_forget=lambda row: self.commands.forget(row.address))
                rows.add_widget(row)
            row.on = device.address == state.selected
            row.name = device.name
            row.about = device_line(device)
            row.status, row.tone = status_of(device)
            row.problem = device.link.error or ""
        self._show_host(state.host)

    def _show_host(self, host: Host | None) -> None:
        arrange(self.ids.host, [self._no_host] if host is None else [self._host])
        if host is None:
            self._host.leaving = False
            return
        row = self._host
        row.name, row.about = host.name, host.address.removeprefix("http://")
        row.status, row.tone = host_status(host)
        row.problem = host.error or ""

    def pick(self, address: str) -> None:
        """Make a device the current one and show what it runs."""
        self.commands.select(address)
        self.app.open(Screen.MODELS)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
