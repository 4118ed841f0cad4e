"""What the screen lists: jobs, runs, rollouts, figures and rows of two columns."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import tr
from companion_app.state.train_words import (
    job_about,
    job_line,
    job_state,
    rollout_line,
    rollout_state,
    run_line,
    run_state,
)
from companion_app.state.training import Job, Rollout, Run
from companion_app.theme.widgets import Card, Fact, Row


class JobRow(Row):
    """A job of the list."""

    title = StringProperty("")
    about = StringProperty("")
    line = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")
    share = NumericProperty(0.0)
    running = BooleanProperty(False)

    def show(self, job: Job, chosen: bool) -> None:
        """Bring it in line."""
        self.title, self.about, self.line, self.on = job.run, job_about(job), job_line(job), chosen
        self.state_word, self.tone = job_state(job)
        self.share, self.running = job.progress, job.open
        self.spoken = f"{self.title}, {self.state_word}, {self.about}"


class RunRow(Row):
    """A run of the history."""

    title = StringProperty("")
    about = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")

    def show(self, run: Run, chosen: bool) -> None:
        """Bring it in line."""
        self.title, self.about, self.on = f"{run.id}  {run.name}", run_line(run), chosen
        self.state_word, self.tone = run_state(run)
        self.spoken = f"{self.title}, {self.state_word}, {self.about}"


class StageRow(BoxLayout):
    """A stage of a rollout."""

    name = StringProperty("")
    line = StringProperty("")
    share = NumericProperty(0.0)
    now = BooleanProperty(False)


class RolloutCard(Card):
    """A rollout with its stages and what can be done about it."""

    id_ = StringProperty("")
    title = StringProperty("")
    line = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")
    runs = BooleanProperty(False)
    paused = BooleanProperty(False)

    def show(self, rollout: Rollout) -> None:
        """Bring it in line."""
        self.id_, self.title = rollout.id, f"{rollout.specialist} {rollout.version}"
        self.line = rollout_line(rollout)
        self.state_word, self.tone = rollout_state(rollout)
        self.runs, self.paused = rollout.state == "running", rollout.state == "paused"
        stages = self.ids.stages
        while len(stages.children) > len(rollout.stages):
            stages.remove_widget(stages.children[0])
        while len(stages.children) < len(rollout.stages):
            stages.add_widget(StageRow())
        for place, (row, stage) in enumerate(zip(reversed(stages.children), rollout.stages, strict=True)):
            row.name = tr("Stage {number}: {size}", number=place + 1, size=stage.name)
            row.line = tr("{done} of {devices}", done=stage.done, devices=stage.devices)
            row.share = stage.done / stage.devices if stage.devices else 0.0
            row.now = place == rollout.stage and rollout.state in ("running", "paused")


class Pair(BoxLayout):
    """A name and a value beside each other; `other` is a second value, in a comparison."""

    name = StringProperty("")
    value = StringProperty("")
    other = StringProperty("")
    three = BooleanProperty(False)


def fill_facts(parent: object, facts: tuple[tuple[str, str], ...]) -> None:
    """Show these figures, with as few new widgets as can be."""
    children = parent.children  # type: ignore[attr-defined]
    if len(children) != len(facts):
        parent.clear_widgets()  # type: ignore[attr-defined]
        for _ in facts:
            parent.add_widget(Fact())  # type: ignore[attr-defined]
    for widget, (name, value) in zip(reversed(parent.children), facts, strict=True):  # type: ignore[attr-defined]
        widget.name, widget.value, widget.spoken = name, value, f"{name}: {value}"


def fill_pairs(parent: object, rows: list[tuple[str, ...]]) -> None:
    """Show these rows of two or three columns."""
    if len(parent.children) != len(rows):  # type: ignore[attr-defined]
        parent.clear_widgets()  # type: ignore[attr-defined]
        for _ in rows:
            parent.add_widget(Pair())  # type: ignore[attr-defined]
    for widget, row in zip(reversed(parent.children), rows, strict=True):  # type: ignore[attr-defined]
        widget.name, widget.value = row[0], row[1]
        widget.three, widget.other = len(row) > 2, row[2] if len(row) > 2 else ""


Builder.load_file(str(Path(__file__).with_name("cards.kv")))
