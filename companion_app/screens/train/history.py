"""Runs that there were, and the one that is looked at."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from companion_app.i18n import tr
from companion_app.screens.train import heat, plot  # noqa: F401 - the rules of history.kv name their widgets
from companion_app.screens.train.cards import RunRow, fill_pairs
from companion_app.state.model import AppState
from companion_app.state.train_words import checkpoint_line, may_move, run_facts, run_state
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card, Column

SHOWN_RUNS = 60  # cards of the history; older runs are listed by 'enigma runs list' on the host


class HistoryList(Column):
    """All runs, the newest first."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[int, RunRow] = {}

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        rows = []
        for run in state.training.runs[:SHOWN_RUNS]:
            row = self._rows.get(run.id)
            if row is None:
                row = self._rows[run.id] = RunRow()
                row.bind(on_release=lambda _, id=run.id: App.get_running_app().registry.run("train.run", run=id))
            row.show(run, False)
            rows.append(row)
        arrange(self.ids.runs, rows)
        self.ids.no_runs.text = "" if rows else tr("Nothing was trained yet.")


class DetailsCard(Card):
    """All about one run, what it looks at, and what differs from another one."""

    run_title = StringProperty("")
    run_word = StringProperty("")
    run_tone = StringProperty("plain")
    run_curve = ObjectProperty(None, allownone=True)
    command = StringProperty("")
    checkpoints = StringProperty("")
    said = StringProperty("")
    can_undo = BooleanProperty(False)
    can_redo = BooleanProperty(False)
    heat = ObjectProperty(None, allownone=True)
    heat_problem = StringProperty("")
    diff_title = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._heat_of = ""

    def show(self, state: AppState) -> None:
        """Bring it in line; called while a run is looked at."""
        training = state.training
        details = training.looked_at
        if details is None:
            return
        run = details.run
        self.run_title, self.command = f"{run.id}  {run.name}", details.command
        self.run_word, self.run_tone = run_state(run)
        self.run_curve = training.run_curve
        self.checkpoints, self.said = checkpoint_line(details), "\n".join(details.said[:1])
        self.can_undo, self.can_redo = may_move(details)
        fill_pairs(self.ids.run_facts, list(run_facts(details)))
        others = [one for one in training.runs if one.id != run.id]
        self.ids.beside.options = [(str(one.id), f"{one.id}  {one.name}", one.state) for one in others[:SHOWN_RUNS]]
        self.ids.beside.value = str(training.diff[1]) if training.diff else ""
        self.diff_title = (
            tr("{one} and {other} are the same.", one=run.id, other=training.diff[1])
            if training.diff and not training.differences
            else ""
        )
        fill_pairs(self.ids.differences, list(training.differences))
        self.heat_problem = training.heat_problem
        names = [one.what for one in training.heats]
        self._heat_of = self._heat_of if self._heat_of in names else (names[0] if names else "")
        self.heat = next((one for one in training.heats if one.what == self._heat_of), None)

    def confuse(self) -> None:
        """Show what the open run takes for what."""
        App.get_running_app().registry.run("train.map")

    def attend(self) -> None:
        """Show where it looks in the sentence."""
        sentence = self.ids.sentence.entry.text or tr("What is this?")
        App.get_running_app().registry.run("train.map", sentence=sentence)


Builder.load_file(str(Path(__file__).with_name("history.kv")))
