"""The home that sentences are about: its rooms and things, from a JSON file."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.state.inventory import Entity, Inventory
from companion_app.state.model import AppState
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.widgets import Card

# A large home has more than a screen can lay out within a frame; the first ones show what it is.
SHOWN_ENTITIES = 120


class ThingLine(Accessible, BoxLayout):
    """One entity."""

    role = Role("label")

    name = StringProperty("")
    domain = StringProperty("")
    state = StringProperty("")


class AreaCard(Card):
    """One room with its things."""

    name = StringProperty("")

    def __init__(self, name: str, entities: list[Entity], **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)
        for entity in entities:
            self.ids.things.add_widget(
                ThingLine(name=entity.name, domain=entity.domain.replace("_", " "), state=entity.state)
            )


class HomeScreen(AppScreen):
    """The rooms and things in use."""

    summary = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._shown: Inventory | None = None

    def show(self, state: AppState) -> None:
        inventory = state.inventory
        if inventory is self._shown:
            return
        built_anew = self._shown is None and self.ids.path.text
        self._shown = inventory
        # The small home that comes with the app is named by the app.
        title = inventory.title if inventory.path else tr(inventory.title)
        things = ntr("{number} thing", "{number} things", len(inventory.entities))
        rooms = ntr("{number} room", "{number} rooms", len(inventory.areas))
        self.summary = tr("{home}: {things} in {rooms}.", home=title, things=things, rooms=rooms)
        if not built_anew:
            self.ids.path.entry.text = inventory.path or ""
        self.ids.areas.clear_widgets()
        for name, entities in by_area(inventory):
            self.ids.areas.add_widget(AreaCard(name, entities))

    def load(self) -> None:
        """Use the file in the field."""
        self.app.registry.run("home.load", path=self.ids.path.text)


def by_area(inventory: Inventory) -> list[tuple[str, list[Entity]]]:
    """The things of each room that has any, then those of no room."""
    shown = inventory.entities[:SHOWN_ENTITIES]
    rooms = [(area.name, [thing for thing in shown if thing.area == area.id]) for area in inventory.areas]
    rooms.append((tr("Everywhere"), [thing for thing in shown if thing.area is None]))
    return [(name, things) for name, things in rooms if things]


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
