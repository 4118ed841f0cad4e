"""What the screen lists: jobs, runs, rollouts, figures and rows of two columns."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.state.train_words import (
    job_about,
    job_line,
    job_state,
    run_line,
    run_state,
)
from companion_app.state.training import Job, Run
from companion_app.theme.widgets import Fact, Row


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
