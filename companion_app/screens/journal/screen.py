"""The current device's journal: its log, the latest requests, what happened to updates."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import N_, ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.state import actions as act
from companion_app.state.fleet import Log, LogLine
from companion_app.state.fleet_words import when
from companion_app.state.model import AppState
from companion_app.theme.children import arrange
from companion_app.theme.recycled import Recycled
from companion_app.theme.widgets import Choice, Row

KINDS = {
    "": N_("All"),
    "bad": N_("Problems"),
    "log": N_("Log"),
    "request": N_("Requests"),
    "update": N_("Updates"),
}


class LogRow(Row):
    """One line, of which the beginning is seen; a press says all of it."""

    at = StringProperty("")
    text = StringProperty("")
    bad = BooleanProperty(False)


class JournalScreen(AppScreen):
    """What the device keeps of what happened. Which kinds are seen is for this visit only."""

    busy = BooleanProperty(False)
    problem = StringProperty("")
    lacks = StringProperty("")
    count = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._kind = ""
        self._log = Log()
        self._welcome, self._reading = self.ids.welcome.__self__, self.ids.reading.__self__
        self._list = Recycled(make=self._make, gap=dp(4), spoken=tr("Journal"))
        self.ids.lines.add_widget(self._list)
        for kind, title in KINDS.items():
            choice = Choice(text=tr(title))
            choice.kind = kind
            choice.bind(on_release=lambda choice: self.pick(choice.kind))
            self.ids.kinds.add_widget(choice)

    def show(self, state: AppState) -> None:
        device = state.device
        log = state.fleet.log if device and state.fleet.log.address == device.address else Log()
        arrange(self.ids.place, [self._welcome if device is None else self._reading])
        self.busy = log.busy
        self.problem = log.error
        self.lacks = "\n".join(log.lacks)
        self._log = log
        self._fill()

    def pick(self, kind: str) -> None:
        """See lines of this kind alone."""
        self._kind = kind
        self._fill()

    def _fill(self) -> None:
        for choice in self.ids.kinds.children:
            choice.on = choice.kind == self._kind
        wanted = [line for line in self._log.lines if self._wanted(line)]
        self._list.data = [
            {
                "key": at,
                "at": when(line.at),
                "text": line.text,
                "bad": line.bad,
                "spoken": f"{when(line.at)}, {line.text}",
            }
            for at, line in enumerate(wanted)
        ]
        self.count = ntr("{number} line", "{number} lines", len(wanted)) if self._log.lines else ""

    def _wanted(self, line: LogLine) -> bool:
        return self._kind in ("", line.kind) or (self._kind == "bad" and line.bad)

    def _make(self) -> LogRow:
        row = LogRow()
        row.bind(on_release=lambda row: self.app.store.dispatch(act.Noticed(row.text)))
        return row


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
