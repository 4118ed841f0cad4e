"""Trainings as they go, their history, blind comparisons, releases and rollouts."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen
from companion_app.screens.train import plot  # noqa: F401 - the rules of screen.kv name its widget
from companion_app.screens.train.cards import JobRow, fill_facts
from companion_app.services.train_commands import WORKING
from companion_app.state import train_actions as tact
from companion_app.state.model import AppState
from companion_app.state.teaching import host_problem
from companion_app.state.train_words import (
    dataset_note,
    empty_line,
    figure_name,
    form_obstacle,
    job_about,
    job_facts,
    job_line,
    job_state,
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
MADE_WHEN_SEEN = {
    "history": ("history", "HistoryList"),
    "details": ("history", "DetailsCard"),
    "versus": ("versus", "VersusCard"),
    "exam": ("judging", "ExamCard"),
    "votes": ("judging", "VotesCard"),
    "ratings": ("versus", "RatingsCard"),
    "export": ("releases", "ExportCard"),
    "release": ("releases", "ReleaseCard"),
    "bundles": ("releases", "BundlesCard"),
    "rollouts": ("rollouts", "RolloutsCard"),
    "tags": ("tags", "TagsCard"),
}
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

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._cards: dict[str, Widget] = {
            name: self.ids[name].__self__ for name in ("job", "form", "jobs_list", "welcome")
        }
        self._jobs: dict[str, JobRow] = {}
        self._figures: dict[str, Choice] = {}
        self._parts: dict[Part, Choice] = {}
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
            shown = self._show_jobs(training) if training.part is Part.JOBS else self._show_made(state)
        arrange(self.ids.cards, shown)

    def typed(self, field: str, text: str) -> None:
        """A field of the form changed."""
        self.app.store.dispatch(tact.TrainTyped(field, text))

    def examine(self) -> None:
        """Examine both."""
        asked = self._card("versus").ids
        self.app.registry.run("train.examine", one=asked.one.value, other=asked.other.value)

    def _show_jobs(self, training: Training) -> list[Widget]:
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
        names = (*(("job",) if job else ()), "form", *(("jobs_list",) if len(others) > 1 else ()))
        return [self._cards[name] for name in names]

    def _show_made(self, state: AppState) -> list[Widget]:
        """The cards of the other parts."""
        training, known = state.training, state.training.known_devices
        names: tuple[str, ...]
        if training.part is Part.HISTORY:
            names = ("history",) if training.looked_at is None else ("details",)
        elif training.part is Part.COMPARE:
            names = ("versus", "exam", "votes", *(("ratings",) if training.ratings else ()))
        else:
            fleet = ("tags",) if known is not None and known.members else ()
            names = ("export", "release", "bundles", "rollouts", *fleet)
        cards = [self._card(name) for name in names]
        for card in cards:
            card.show(state)
        return cards

    def _card(self, name: str) -> Widget:
        """A card that is imported and made when its part is first shown: all of them are half a thousand widgets."""
        if name not in self._cards:
            place, kind = MADE_WHEN_SEEN[name]
            self._cards[name] = getattr(import_module(f"companion_app.screens.train.{place}"), kind)()
        return self._cards[name]

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


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
