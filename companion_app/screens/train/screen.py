"""Trainings as they go, their history, blind comparisons, releases and rollouts."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.i18n import N_, tr
from companion_app.i18n.figures import number
from companion_app.screens.base import AppScreen
from companion_app.screens.train import heat, judging, plot, releases, rollouts, tags  # noqa: F401 - the rules of screen.kv name their widgets
from companion_app.screens.train.cards import JobRow, RunRow, fill_facts, fill_pairs
from companion_app.services.train_commands import WORKING
from companion_app.state import train_actions as tact
from companion_app.state.model import AppState
from companion_app.state.teaching import host_problem
from companion_app.state.train_words import (
    checkpoint_line,
    dataset_note,
    empty_line,
    figure_name,
    form_obstacle,
    job_about,
    job_facts,
    job_line,
    job_state,
    may_move,
    rating_line,
    run_facts,
    run_state,
)
from companion_app.state.training import SIZES, JobState, Part, Training
from companion_app.theme.children import arrange
from companion_app.theme.widgets import TOUCH_TARGET, Choice

PARTS = (
    (Part.JOBS, N_("Trainings")),
    (Part.HISTORY, N_("History")),
    (Part.COMPARE, N_("Compare")),
    (Part.RELEASE, N_("Release")),
)
SHOWN_RUNS = 60  # cards of the history; older runs are listed by 'enigma runs list' on the host
SHOWN_JOBS = 20


class TrainScreen(AppScreen):
    """Chips for the parts, and the part that is chosen."""

    problem = StringProperty("")
    empty = StringProperty("")
    busy = StringProperty("")
    title = StringProperty("")
    about = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")
    line = StringProperty("")
    share = ObjectProperty(0.0)
    curve = ObjectProperty(None, allownone=True)
    can_pause = BooleanProperty(False)
    can_cancel = BooleanProperty(False)
    can_resume = BooleanProperty(False)
    refused = StringProperty("")
    obstacle = StringProperty("")
    starting = BooleanProperty(False)
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
    versus_problem = StringProperty("")
    asking = BooleanProperty(False)
    first = StringProperty("")
    second = StringProperty("")
    first_name = StringProperty("")
    second_name = StringProperty("")
    can_vote = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        names = (
            "job",
            "form",
            "jobs_list",
            "history",
            "details",
            "versus",
            "exam",
            "votes",
            "ratings_card",
            "export",
            "release",
            "bundles",
            "rollouts",
            "tags",
            "welcome",
        )
        self._cards = {name: self.ids[name].__self__ for name in names}
        self._answers = self.ids.answers.__self__
        self._jobs: dict[str, JobRow] = {}
        self._runs: dict[int, RunRow] = {}
        self._figures: dict[str, Choice] = {}
        self._parts: dict[Part, Choice] = {}
        self._heat_of = ""
        for part, name in PARTS:
            choice = self._parts[part] = Choice(text=tr(name), height=dp(TOUCH_TARGET))
            choice.bind(on_release=lambda _, part=part: self.app.training.pick_part(part))
        self.ids.size.options = [(size, size or tr("By the number of rows"), "") for size in SIZES]

    def show(self, state: AppState) -> None:
        training = state.training
        self.problem = host_problem(state.host) or (training.problem if training.known else "")
        self.empty = empty_line(training) if state.host is not None else ""
        self.busy = tr(WORKING[training.busy]) if training.busy in WORKING else ""
        arrange(self.ids.parts, list(self._parts.values()) if state.host is not None else [])
        for part, choice in self._parts.items():
            choice.on = part is training.part
        shown: list[Widget] = []
        if state.host is None:
            shown = [self._cards["welcome"]]
        elif not self.empty:
            show = {
                Part.JOBS: self._show_jobs,
                Part.HISTORY: self._show_history,
                Part.COMPARE: self._show_versus,
                Part.RELEASE: lambda training: self._show_releases(state),
            }[training.part]
            shown = [self._cards[name] for name in show(training)]
        arrange(self.ids.cards, shown)

    def typed(self, field: str, text: str) -> None:
        """A field of the form changed."""
        self.app.store.dispatch(tact.TrainTyped(field, text))

    def confuse(self) -> None:
        """Show what the open run takes for what."""
        self.app.registry.run("train.map")

    def attend(self) -> None:
        """Show where it looks in the sentence."""
        self.app.registry.run("train.map", sentence=self.ids.sentence.entry.text or tr("What is this?"))

    def compare(self) -> None:
        """Ask both."""
        asked = {"one": self.ids.one.value, "other": self.ids.other.value, "text": self.ids.question.entry.text}
        self.app.registry.run("train.compare", **asked)

    def examine(self) -> None:
        """Examine both."""
        self.app.registry.run("train.examine", one=self.ids.one.value, other=self.ids.other.value)

    def _show_jobs(self, training: Training) -> tuple[str, ...]:
        job = training.job
        if job is not None:
            self.title, self.about, self.line = job.run, job_about(job), job_line(job)
            self.state_word, self.tone = job_state(job)
            self.share = job.progress
            running = job.state is JobState.RUNNING
            self.can_pause = job.pausable and job.open and not job.asked
            self.can_cancel, self.can_resume = job.open and job.asked != "cancel", job.resumable
            fill_facts(self.ids.facts, job_facts(job))
            self.curve = training.curve if training.curve is not None and training.curve.of == job.id else None
            self._show_figures(training, running)
        form = training.form
        self.ids.dataset.options = [(card.name, card.name, dataset_note(card)) for card in training.datasets]
        self.ids.dataset.value = form.dataset
        self.ids.size.value = form.size
        self.ids.init.options = [("", tr("From nothing"), ""), *((name, name, "") for name in training.there)]
        self.ids.init.value = form.init
        for name in ("name", "epochs", "seconds", "seed"):
            entry = self.ids[name].entry
            if not entry.focus and entry.text != getattr(form, name):
                entry.text = getattr(form, name)
        self.refused, self.starting = form.refused, form.starting
        self.obstacle = form_obstacle(training)
        others = [one for one in training.jobs if one.kind == "train"][:SHOWN_JOBS]
        rows = []
        for one in others:
            row = self._jobs.get(one.id)
            if row is None:
                row = self._jobs[one.id] = JobRow()
                row.bind(on_release=lambda _, id=one.id: self.app.training.open_job(id))
            row.show(one, job is not None and one.id == job.id)
            rows.append(row)
        arrange(self.ids.jobs, rows)
        return (*(("job",) if job else ()), "form", *(("jobs_list",) if len(others) > 1 else ()))

    def _show_releases(self, state: AppState) -> tuple[str, ...]:
        known = state.training.known_devices
        fleet = ("tags",) if known is not None and known.members else ()
        names = ("export", "release", "bundles", "rollouts", *fleet)
        for name in names:
            self._cards[name].show(state)
        return names

    def _show_figures(self, training: Training, running: bool) -> None:
        names = training.curve.figures if training.curve is not None else ()
        choices = []
        for name in names:
            choice = self._figures.get(name)
            if choice is None:
                choice = self._figures[name] = Choice(text=figure_name(name), height=dp(TOUCH_TARGET))
                choice.bind(on_release=lambda _, name=name: self.app.training.pick_figure(name))
            choice.on = name == training.figure
            choices.append(choice)
        arrange(self.ids.figures, choices)

    def _show_history(self, training: Training) -> tuple[str, ...]:
        rows = []
        details = training.looked_at
        for run in training.runs[:SHOWN_RUNS]:
            row = self._runs.get(run.id)
            if row is None:
                row = self._runs[run.id] = RunRow()
                row.bind(on_release=lambda _, id=run.id: self.app.registry.run("train.run", run=id))
            row.show(run, details is not None and details.run.id == run.id)
            rows.append(row)
        if details is None:
            arrange(self.ids.runs, rows)
            self.ids.no_runs.text = "" if rows else tr("Nothing was trained yet.")
            return ("history",)
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
        return ("details",)

    def _show_versus(self, training: Training) -> tuple[str, ...]:
        versus = training.versus
        options = [(name, name, "") for name in training.there]
        for box, value in ((self.ids.one, versus.one), (self.ids.other, versus.other)):
            box.options = options
            if value:
                box.value = value
        self.versus_problem, self.asking = versus.problem, versus.asking
        self.first, self.second = versus.answers if len(versus.answers) == 2 else ("", "")
        self.can_vote = bool(versus.id) and not versus.winner
        names = [tr("{run}, {ms} ms", run=run, ms=number(ms, ".3g")) for run, ms in versus.revealed]
        self.first_name, self.second_name = names if len(names) == 2 else (tr("First answer"), tr("Second answer"))
        arrange(self.ids.answers_place, [self._answers] if versus.answers else [])
        fill_pairs(self.ids.ratings, [(f"{one.run} ({one.task})", rating_line(one)) for one in training.ratings])
        self.ids.exam.show(training)
        self.ids.votes.show(training)
        return ("versus", "exam", "votes", *(("ratings_card",) if training.ratings else ()))


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
