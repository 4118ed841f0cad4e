"""One device: how it is, what it serves, its pipelines and updates, who may use it, and starting it again."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import day_of
from companion_app.screens.base import AppScreen
from companion_app.screens.device.card import SpecialistCard, show_facts
from companion_app.state import fleet_actions as fact
from companion_app.state.describe import device_line, role_words
from companion_app.state.fleet import Detail, Fleet, PipelineTold
from companion_app.state.fleet_words import (
    PIPELINE_STATES,
    is_busy,
    label_line,
    spares_itself,
    update_lines,
    update_word,
    vitals_facts,
)
from companion_app.state.model import AppState, Device, Event, Phase, Screen
from companion_app.theme.children import arrange
from companion_app.theme.forms import Check
from companion_app.theme.widgets import Caption, Column

# The newest events, newest first: what fits without scrolling past the specialists.
SHOWN_EVENTS = 12


class EventLine(BoxLayout):
    """One event."""

    at = StringProperty("")
    text = StringProperty("")
    bad = BooleanProperty(False)


class Danger(Column):
    """Something that is asked for by a slide; reason: why it can't be."""

    text = StringProperty("")
    about = StringProperty("")
    reason = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_confirm")
        super().__init__(**kwargs)

    def on_confirm(self) -> None:
        """It was meant."""


class DeviceScreen(AppScreen):
    """The current device."""

    title = StringProperty("")
    explanation = StringProperty("")
    problem = StringProperty("")
    away = BooleanProperty(False)
    refused = BooleanProperty(False)
    about = StringProperty("")
    spares = StringProperty("")
    sorted_as = StringProperty("")
    told = StringProperty("")
    told_tone = StringProperty("good")
    update = StringProperty("")
    may_update = StringProperty("")
    checking = BooleanProperty(False)
    may_pipe = StringProperty("")
    scope = StringProperty("")
    certificate = StringProperty("")
    may_restart = StringProperty("")
    may_reboot = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        ids = ("welcome", "back", "device", "sorting", "pipelines_card", "updates", "history", "pairing", "danger")
        self._parts = {name: self.ids[name].__self__ for name in ids}
        self._cards: dict[str, SpecialistCard] = {}
        self._pipes: dict[str, Check] = {}
        self._events: tuple[Event, ...] = ()
        self._lines: tuple[str, ...] = ()
        self._paired: tuple[str, ...] = ()
        self._address: str | None = None
        self._sorting = False

    def on_leave(self, *args: object) -> None:
        """Nobody watches the device any more."""
        self._address = None
        self.commands.watch(None)

    def show(self, state: AppState) -> None:
        device, fleet = state.device, state.fleet
        if state.selected != self._address:
            self._change_to(state.selected, fleet)
        detail = fleet.details.get(device.address) if device else None
        link = device.link if device else None
        self.explanation = explain(device)
        self.problem = link.error or "" if link else ""
        self.away = bool(link and link.phase is Phase.WAITING)
        self.refused = bool(link and link.refused)
        self.told, failed = fleet.notes.get(device.address, ("", False)) if device else ("", False)
        self.told_tone = "bad" if failed else "good"
        self._arrange(device, detail)
        if device is None:
            self._show_cards(state, None, None)
            return
        self.title, self.about = device.name, device_line(device)
        self.spares, self.sorted_as = spares_itself(detail), label_line(fleet, device.address)
        self._show_facts(detail)
        self._show_cards(state, device, detail)
        self._show_pipelines(fleet, device, detail)
        self._show_updates(fleet, device, detail)
        self._show_events(device)
        self._show_pairing(device, detail)
        self.may_restart, self.may_reboot = self._why_not("device.restart"), self._why_not("device.reboot")

    def _change_to(self, address: str | None, fleet: Fleet) -> None:
        self._address = address
        self.commands.watch(address)
        label = fleet.labels.get(address or "")
        now = {"group": label.group if label else "", "tags": ", ".join(label.tags) if label else ""}
        for name, text in now.items():
            self.ids[name].entry.be(f"device.{name}.{address}", text)
        self._sorting = any(self.ids[name].text != text for name, text in now.items())
        for card in self._cards.values():
            self.ids.cards.remove_widget(card)
        self._cards.clear()

    def _arrange(self, device: Device | None, detail: Detail | None) -> None:
        parts, column = self._parts, self.ids.parts
        wanted = [parts["welcome"]] if device is None else [parts["back"]] if self.away else []
        wanted += [parts["device"]] if device else []
        wanted += [parts["sorting"]] if device and self._sorting else []
        wanted.append(self.ids.cards.__self__)
        wanted += [parts["pipelines_card"]] if detail and detail.pipelines else []
        wanted += [parts["updates"]] if device else []
        wanted += [parts["history"]] if device and device.link.events else []
        wanted += [parts["pairing"], parts["danger"]] if device else []
        arrange(column, wanted)

    def _show_facts(self, detail: Detail | None) -> None:
        show_facts(self.ids.facts, vitals_facts(detail) if detail else ())

    def _show_cards(self, state: AppState, device: Device | None, detail: Detail | None) -> None:
        models = device.link.models if device else ()
        for name in set(self._cards) - {model.name for model in models}:
            self.ids.cards.remove_widget(self._cards.pop(name))
        may_ask, may_switch = self._why_not("device.sample"), self._why_not("device.switch")
        for model in models:
            card = self._cards.get(model.name)
            if card is None:
                card = self._cards[model.name] = SpecialistCard(name=model.name)
                self.ids.cards.add_widget(card)
            card.may_ask, card.may_switch = may_ask, may_switch
            address = device.address if device else ""
            sample = state.fleet.samples.get((address, model.name))
            card.show(model, detail, sample, is_busy(state.fleet, address, f"switch {model.name}"))

    def _show_pipelines(self, fleet: Fleet, device: Device, detail: Detail | None) -> None:
        told = detail.pipelines or () if detail else ()
        self.may_pipe = self._why_not("device.pipeline") if told else ""
        for name in set(self._pipes) - {one.name for one in told}:
            self.ids.pipelines.remove_widget(self._pipes.pop(name))
        for one in told:
            row = self._pipes.get(one.name)
            if row is None:
                row = self._pipes[one.name] = Check(text=one.name)
                row.bind(on_release=self._toggle)
                self.ids.pipelines.add_widget(row)
            row.on = one.on
            row.note = pipeline_note(one)
            row.disabled = bool(self.may_pipe) or is_busy(fleet, device.address, f"pipeline {one.name}")

    def _toggle(self, row: Check) -> None:
        self.app.registry.run("device.pipeline", pipeline=row.text, on=not row.on)

    def _show_updates(self, fleet: Fleet, device: Device, detail: Detail | None) -> None:
        self.update = update_word(detail)
        self.checking = is_busy(fleet, device.address, "updates")
        self.may_update = self._why_not("device.updates")
        lines = update_lines(detail.updates if detail else None)
        if lines != self._lines:
            self._lines = lines
            self.ids.update_lines.clear_widgets()
            for line in lines:
                self.ids.update_lines.add_widget(Caption(text=line))

    def _show_events(self, device: Device) -> None:
        events = device.link.events[-SHOWN_EVENTS:][::-1]
        if events != self._events:
            self._events = events
            self.ids.events.clear_widgets()
            for event in events:
                self.ids.events.add_widget(EventLine(at=event.at, text=event.text, bad=event.bad))

    def _show_pairing(self, device: Device, detail: Detail | None) -> None:
        self.scope = role_words(device.role)
        certificate = detail.certificate if detail else ""
        digits = certificate.partition(".")[0][:16]
        self.certificate = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
        lines = (
            tuple(f"{one.name}  ·  {role_words(one.scope)}  ·  {day_of(one.created)}" for one in detail.paired)
            if detail
            else ()
        )
        if lines != self._paired:
            self._paired = lines
            self.ids.paired.clear_widgets()
            for line in lines:
                self.ids.paired.add_widget(Caption(text=line))

    def sort(self) -> None:
        """Show the fields for group and tags, or hide them."""
        self._sorting = not self._sorting
        self._arrange(self.app.store.state.device, self.app.store.state.fleet.details.get(self._address or ""))

    def keep_label(self) -> None:
        """Sort the device as it is typed."""
        self.app.registry.run("device.sort", group=self.ids.group.entry.text, tags=self.ids.tags.entry.text)
        for name in ("group", "tags"):
            self.ids[name].entry.be(self.ids[name].entry.draft, self.ids[name].text)
        self.sort()

    def pair_again(self) -> None:
        """The device takes our token no more: to the form, with its address in it."""
        self.app.store.dispatch(fact.PairingPicked(self._address or ""))
        self.app.open(Screen.PAIR)

    def forget(self) -> None:
        """Forget the device, and go back to the others."""
        self.app.registry.run("device.forget", address=self._address)
        self.app.open(Screen.DEVICES)

    def _why_not(self, name: str) -> str:
        registry = self.app.registry
        return str(registry.why_not(registry[name]))


def explain(device: Device | None) -> str:
    """One sentence where there is no card to show."""
    if device is None or device.link.models:
        return ""
    if device.link.phase is Phase.ONLINE:
        return tr("{name} has no specialist yet. Push a bundle to it, and it answers a moment later.", name=device.name)
    return tr("Connecting to {name}.", name=device.name) if device.link.phase is Phase.CONNECTING else ""


def pipeline_note(one: PipelineTold) -> str:
    """What a pipeline does, in a line."""
    known = PIPELINE_STATES.get(one.state)
    parts = [tr(known) if known else one.state, ntr("{number} result", "{number} results", one.items)]
    return "  ·  ".join([*parts, *([one.problem] if one.problem else [])])


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
