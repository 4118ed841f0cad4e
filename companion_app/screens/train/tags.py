"""Tags that devices of the fleet are given from here."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import tr
from companion_app.state.model import AppState
from companion_app.state.rollout_plan import Member, tags_problem, words_of
from companion_app.theme.widgets import Card


class TagsCard(Card):
    """One device at a time. own: the tags of its configuration, in words; changed: whether others are typed than it has."""

    own = StringProperty("")
    changed = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._member: Member | None = None

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        members = state.training.known_devices.members if state.training.known_devices else ()
        self.ids.device.options = [(one.id, one.name, ", ".join((*one.tags, *one.given))) for one in members]
        member = next((one for one in members if one.id == self.ids.device.value), None)
        if member != self._member:
            self._member = member
            self.own = tr("Its own: {tags}", tags=", ".join(member.tags)) if member and member.tags else ""
            self.ids.given.entry.be(f"tags.{member.id}" if member else "", ", ".join(member.given) if member else "")
        self.typed()

    def typed(self) -> None:
        """Other tags were typed, or are known."""
        text = self.ids.given.text
        self.ids.given.problem = tags_problem(text)
        other = self._member is not None and set(words_of(text)) != set(self._member.given)
        self.changed = other and not self.ids.given.problem


Builder.load_file(str(Path(__file__).with_name("tags.kv")))
