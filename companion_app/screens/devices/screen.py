"""All devices that this companion is paired with, those near it, and the host, each with its live state."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen
from companion_app.state import fleet_actions as fact
from companion_app.state.describe import device_line, status_of
from companion_app.state.fleet import Found
from companion_app.state.fleet_words import filters, label_line, shown_devices, update_word, vitals_line
from companion_app.state.host import Host
from companion_app.state.model import AppState, Device, Screen
from companion_app.state.teaching import host_status
from companion_app.theme.children import arrange, reveal
from companion_app.theme.recycled import Recycled
from companion_app.theme.widgets import Choice, Row

# From so many on, a person looks for one rather than at all.
MANY = 5
ALL = N_("All")


class DeviceCard(Row):
    """One device, in four lines; a press shows all of it."""

    address = StringProperty("")
    name = StringProperty("")
    about = StringProperty("")
    vitals = StringProperty("")
    sorted_as = StringProperty("")
    status = StringProperty("")
    tone = StringProperty("plain")
    update = StringProperty("")
    bad = BooleanProperty(False)


class FoundRow(Row):
    """A device near us that we aren't paired with; a press pairs."""

    name = StringProperty("")
    about = StringProperty("")


class HostRow(Row):
    """The host; a press shows what it teaches. `leaving` asks whether to forget it; `on_forget` follows only from there."""

    name = StringProperty("")
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


class DevicesScreen(AppScreen):
    """All devices and the host, and the way to new ones."""

    empty = BooleanProperty(True)
    nothing = StringProperty("")
    look_note = StringProperty("")
    hostless = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._found: tuple[Found, ...] = ()
        self._labels: tuple[str, ...] = ()
        self._parts = {
            name: self.ids[name].__self__ for name in ("search", "filters", "welcome", "near", "no_host", "more")
        }
        self._list = Recycled(make=self._make_card, gap=dp(10), spoken=tr("Devices"))
        self.ids.rows.add_widget(self._list)
        self._host = HostRow()
        self._host.bind(on_release=lambda _: self.app.open(Screen.TEACH))
        self._host.bind(on_forget=lambda _: self.app.registry.run("host.forget"))

    def on_pre_enter(self, *args: object) -> None:
        """Look for devices near us while the list is seen."""
        self.app.services.nearby.want(True)

    def on_leave(self, *args: object) -> None:
        """Nobody sees what is near."""
        self.app.services.nearby.want(False)

    def show(self, state: AppState) -> None:
        fleet = state.fleet
        self.empty = not state.devices
        devices = shown_devices(state)
        labels = filters(fleet)
        few = self.few(state)
        self._arrange(
            (len(state.devices) >= MANY and not few) or bool(fleet.search),
            bool(labels) and (not few or bool(fleet.filter)),
        )
        arrange(self.ids.more_place, [self._parts["more"]] if few else [])
        self._show_filters(labels, fleet.filter)
        self.nothing = tr("No device is like that.") if state.devices and not devices else ""
        self._list.data = [self._card(state, device) for device in devices]
        self._show_found(state)
        self.hostless = few
        if few:
            arrange(self.ids.host, [])
        else:
            self._show_host(state.host)

    def _arrange(self, search: bool, labels: bool) -> None:
        parts = self._parts
        wanted = [parts["search"]] if search else []
        wanted += [parts["filters"]] if labels else []
        wanted += [parts["welcome"]] if self.empty else []
        arrange(self.ids.top, wanted)

    def _card(self, state: AppState, device: Device) -> dict[str, object]:
        detail = state.fleet.details.get(device.address)
        status, tone = status_of(device)
        problem = device.link.error or ""
        card = {
            "key": device.address,
            "address": device.address,
            "on": device.address == state.selected,
            "name": device.name,
            "about": device_line(device),
            "vitals": problem or vitals_line(detail),
            "bad": bool(problem),
            "sorted_as": label_line(state.fleet, device.address),
            "status": status,
            "tone": tone,
            "update": update_word(detail),
        }
        words = (card["name"], status, card["update"], card["vitals"], card["sorted_as"])
        return card | {"spoken": ", ".join(str(word) for word in words if word)}

    def _make_card(self) -> DeviceCard:
        card = DeviceCard()
        card.bind(on_release=lambda card: self.pick(card.address))
        return card

    def _show_filters(self, labels: tuple[str, ...], chosen: str) -> None:
        row = self._parts["filters"]
        if labels != self._labels:
            self._labels = labels
            row.clear_widgets()
            for label in ("", *labels):
                choice = Choice(text=label or tr(ALL))
                choice.value = label
                choice.bind(on_release=lambda choice: self.app.store.dispatch(fact.Filtered(choice.value)))
                row.add_widget(choice)
        for choice in row.children:
            choice.on = choice.value == chosen

    def _show_found(self, state: AppState) -> None:
        known = {device.address for device in state.devices}
        found = tuple(one for one in state.fleet.found if one.url not in known)
        fleet = state.fleet
        self.look_note = fleet.look_problem or (tr("Looking around…") if fleet.looking and not found else "")
        if found == self._found:
            return
        self._found = found
        rows = self._parts["near"]
        rows.clear_widgets()
        for one in found:
            row = FoundRow(name=one.name or one.url, about=one.url.split("//", 1)[-1])
            row.bind(on_release=lambda _, url=one.url: self.pair(url))
            rows.add_widget(row)

    def _show_host(self, host: Host | None) -> None:
        arrange(self.ids.host, [self._parts["no_host"]] if host is None else [self._host])
        if host is None:
            self._host.leaving = False
            return
        row = self._host
        row.name, row.about = host.name, host.address.removeprefix("http://")
        row.status, row.tone = host_status(host)
        row.problem = host.error or ""

    def search(self, words: str) -> None:
        """Show the devices that have these words somewhere."""
        self.app.store.dispatch(fact.Searched(words))

    def pick(self, address: str) -> None:
        """Make a device the current one and show all of it."""
        self.app.registry.run("device.select", address=address)
        self.app.open(Screen.DEVICE)

    def pair(self, address: str) -> None:
        """Pair with a device that was found; only its code is to be typed."""
        self.app.store.dispatch(fact.PairingPicked(address))
        self.app.open(Screen.PAIR)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
