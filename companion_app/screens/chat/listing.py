"""The conversations that are kept: open, search, delete after a yes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kivy.app import App
from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import tr
from companion_app.i18n.figures import day_and_clock
from companion_app.state.chat import Chat, Listed
from companion_app.theme.widgets import Card

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

PAUSE = 0.25  # seconds without a key before it searches
MOST_ROWS = 100  # more than a person scrolls through; the search finds the others


class ListedRow(BoxLayout):
    """One conversation."""

    title = StringProperty("")
    when = StringProperty("")
    found = StringProperty("")
    on = BooleanProperty(False)

    def __init__(self, listed: Listed, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._id = listed.id
        self.title, self.found = listed.title or tr("Conversation"), listed.found
        self.when = day_and_clock(datetime.fromtimestamp(listed.updated))

    def open(self) -> None:
        """Go on with it."""
        _app().registry.run("chat.open", id=self._id)

    def delete(self) -> None:
        """Ask whether that is meant."""
        _app().chats.delete_ask(self._id)


class DeleteRow(Card):
    """Whether one is to go for good."""

    title = StringProperty("")

    def __init__(self, listed: Listed, **kwargs: object) -> None:
        super().__init__(title=listed.title or tr("Conversation"), **kwargs)
        self._id = listed.id

    def delete(self) -> None:
        """Yes."""
        _app().registry.run("chat.delete", id=self._id)

    def keep(self) -> None:
        """No."""
        _app().chats.delete_ask(None)


class ChatList(BoxLayout):
    """All of them, or what a search found."""

    empty = StringProperty("")
    narrow = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._told: object = None
        self._search = Clock.create_trigger(lambda _: _app().chats.search(self.ids.query.text), PAUSE)

    def on_kv_post(self, base_widget: object) -> None:
        """The rule has made the rest: rows as wide as what is above them."""
        self.ids.page.column.padding = 0, dp(4), dp(6), dp(12)

    def show(self, chat: Chat) -> None:
        """Bring it in line."""
        listed = chat.found if chat.query.strip() else chat.known
        told = (listed, chat.open, chat.deleting, chat.query)
        if told == self._told:
            return
        self._told = told
        rows = self.ids.rows
        rows.clear_widgets()
        for one in listed[:MOST_ROWS]:
            row = DeleteRow(one) if one.id == chat.deleting else ListedRow(one)
            if isinstance(row, ListedRow):
                row.on = one.id == chat.open
            rows.add_widget(row)
        self.empty = "" if listed else tr("Nothing found.") if chat.query.strip() else tr("No conversations yet.")

    def search(self, text: str) -> None:
        """A person types in the search field."""
        self._search()

    def begin(self) -> None:
        """A new one."""
        _app().registry.run("chat.new")


def _app() -> CompanionApp:
    app: CompanionApp = App.get_running_app()
    return app


Builder.load_file(str(Path(__file__).with_name("listing.kv")))
