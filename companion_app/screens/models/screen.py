"""The specialists on the current device, and what happens to them, live."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import tr
from companion_app.screens.base import AppScreen
from companion_app.state.describe import specialist_facts
from companion_app.state.model import AppState, Device, Event, Phase, Specialist
from companion_app.theme.widgets import Card, Fact, reveal

# The newest events, newest first: what fits without scrolling past the specialists.
SHOWN_EVENTS = 12


class SpecialistCard(Card):
    """One specialist with its facts."""

    name = StringProperty("")
    task = StringProperty("")

    def __init__(self, model: Specialist, **kwargs: object) -> None:
        super().__init__(name=model.name, task=model.task, **kwargs)
        for name, value in specialist_facts(model):
            self.ids.facts.add_widget(Fact(name=name, value=value))


class EventLine(BoxLayout):
    """One event."""

    at = StringProperty("")
    text = StringProperty("")
    bad = BooleanProperty(False)


class ModelsScreen(AppScreen):
    """What the current device runs."""

    explanation = StringProperty("")
    problem = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._history = self.ids.history.__self__
        self._models: tuple[Specialist, ...] = ()
        self._events: tuple[Event, ...] = ()

    def show(self, state: AppState) -> None:
        device = state.device
        link = device.link if device else None
        self.problem = link.error or "" if link else ""
        self.explanation = explain(device)
        models = link.models if link else ()
        if models != self._models:
            self._models = models
            self.ids.cards.clear_widgets()
            for model in models:
                self.ids.cards.add_widget(SpecialistCard(model))
        events = link.events[-SHOWN_EVENTS:][::-1] if link else ()
        reveal(self.ids.page.column, self._history, bool(events), top=False)
        if events != self._events:
            self._events = events
            self.ids.events.clear_widgets()
            for event in events:
                self.ids.events.add_widget(EventLine(at=event.at, text=event.text, bad=event.bad))


def explain(device: Device | None) -> str:
    """One sentence where there is no card to show."""
    if device is None:
        return tr("Pair with a device to see its specialists.")
    if device.link.models:
        return ""
    if device.link.phase is Phase.ONLINE:
        return tr("{name} has no specialist yet. Push a bundle to it, and it answers a moment later.", name=device.name)
    return tr("Connecting to {name}.", name=device.name) if device.link.phase is Phase.CONNECTING else ""


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
