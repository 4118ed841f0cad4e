"""The card that takes all keys to another computer: into a sealed file, or out of one."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, OptionProperty, StringProperty

from companion_app.i18n import N_, tr
from companion_app.state.host import KeyMove, KeyWay
from companion_app.state.teaching import skipped_line
from companion_app.theme.children import reveal
from companion_app.theme.widgets import Card, Choice

WAY_NAMES = {KeyWay.EXPORT: N_("Export to a file"), KeyWay.IMPORT: N_("Import from a file")}


class MoveCard(Card):
    """`on_pick` gets the way that was chosen; `on_move` means: with what is in the fields, go."""

    way = OptionProperty("", options=("", *KeyWay))
    busy = BooleanProperty(False)
    away = BooleanProperty(False)
    warning = StringProperty("")
    refused = StringProperty("")
    done = StringProperty("")
    skipped = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        for event in ("on_pick", "on_move"):
            self.register_event_type(event)
        self._move: KeyMove | None = None
        super().__init__(**kwargs)

    def on_kv_post(self, base_widget: object) -> None:
        """The rule has made the parts."""
        self._form = self.ids.form.__self__
        self._again = self.ids.again.__self__
        self._replace = self.ids.replace.__self__
        for way, name in WAY_NAMES.items():
            choice = Choice(text=tr(name))
            choice.bind(on_release=lambda _, way=way: self.dispatch("on_pick", way))
            self.bind(way=lambda _, now, choice=choice, way=way: setattr(choice, "on", now == way))
            self.ids.ways.add_widget(choice)

    def on_pick(self, way: KeyWay) -> None:
        """A person wants to export or to import."""

    def on_move(self) -> None:
        """All is typed."""

    def entered(self) -> None:
        """Enter in the passphrase: there is one more field to fill, or all is typed."""
        if self.way == KeyWay.EXPORT:
            self.ids.again.entry.focus = True
        else:
            self.dispatch("on_move")

    def show(self, move: KeyMove) -> None:
        """Bring the card in line with the state."""
        if move == self._move:
            return
        ids = self.ids
        built_anew = self._move is None and ids.path.text
        changed = self._move is None or move.way != self._move.way
        if changed or move.done:
            self.forget()
        done = move.done and not move.skipped  # what was skipped may be asked for again
        if not built_anew and (changed or move.path or done):
            ids.path.entry.text = move.path
        self._move = move
        self.way = move.way or ""
        self.busy = move.busy
        self.refused = move.refused or ""
        self.done = move.done or ""
        self.skipped = skipped_line(move.skipped)
        reveal(ids.open, self._form, move.way is not None)
        reveal(ids.only, self._again, move.way is KeyWay.EXPORT)
        reveal(ids.only, self._replace, move.way is KeyWay.IMPORT)
        problems = dict(move.problems)
        for name in ("path", "passphrase", "again"):
            ids[name].problem = problems.get(name, "")

    def forget(self) -> None:
        """Empty the passphrases, and ask again whether to replace."""
        for name in ("passphrase", "again"):
            self.ids[name].forget()
        self.ids.replace.on = False


Builder.load_file(str(Path(__file__).with_name("move.kv")))
