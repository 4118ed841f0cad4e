"""Cards of the comparisons: what an exam found of two runs, and a run that learns what people preferred."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from companion_app.i18n import tr
from companion_app.screens.train.cards import JobRow, fill_facts
from companion_app.state.judging_words import exam_facts, exam_line, exam_progress, preferences_line
from companion_app.state.model import AppState
from companion_app.state.training import Examined
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Act, Card

SHOWN_JOBS = 5


class ExamRow(Card):
    """A run that was examined. best: nothing did better."""

    name = StringProperty("")
    best = BooleanProperty(False)

    def show(self, model: Examined, best: bool) -> None:
        """Bring it in line."""
        self.name, self.best = model.run, best
        fill_facts(self.ids.facts, exam_facts(model))


class ExamCard(Card):
    """Both runs on the same held-out rows."""

    busy = BooleanProperty(False)
    problem = StringProperty("")
    verdict = StringProperty("")
    line = StringProperty("")
    share = NumericProperty(0.0)
    stoppable = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._end = Act(text=tr("End the exam"), icon="stop", kind="quiet")
        self._end.bind(on_release=lambda _: App.get_running_app().registry.run("train.end_exam"))

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        training = state.training
        exam = training.exam
        self.busy, self.problem, self.verdict = exam.busy, exam.problem, exam_line(exam)
        self.line = exam_progress(exam)
        self.share, self.stoppable = exam.progress, exam.busy and bool(exam.id)
        arrange(self.ids.ending, [self._end] if self.stoppable else [])
        rows = self.ids.models.children[::-1]
        rows = [*rows, *(ExamRow() for _ in exam.models[len(rows) :])][: len(exam.models)]
        for row, model in zip(rows, exam.models, strict=True):
            row.show(model, model.run == exam.best and bool(exam.worse))
        arrange(self.ids.models, rows)


class VotesCard(Card):
    """What people preferred becomes a run."""

    busy = BooleanProperty(False)
    problem = StringProperty("")
    counted = StringProperty("")
    ready = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._jobs: dict[str, JobRow] = {}

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        training = state.training
        tuning = training.tuning
        self.busy, self.problem, self.counted = tuning.busy, tuning.problem, preferences_line(tuning)
        self.ready = bool(tuning.preferences or tuning.opinions)
        self.ids.run.options = [(name, name, "") for name in training.there]
        rows = []
        for job in [one for one in training.jobs if one.kind == "tune"][:SHOWN_JOBS]:
            row = self._jobs.get(job.id)
            if row is None:
                row = self._jobs[job.id] = JobRow()
                row.bind(on_release=lambda _, id=job.id: self._pressed(id))
            row.show(job, False)
            rows.append(row)
        arrange(self.ids.jobs, rows)

    def learn(self) -> None:
        """Begin."""
        App.get_running_app().registry.run("train.tune", run=self.ids.run.value, name=self.ids.name.text)
        self.ids.name.entry.text = ""

    def _pressed(self, id: str) -> None:
        """One that runs is ended, one that ended early is done again."""
        app = App.get_running_app()
        job = next((one for one in app.store.state.training.jobs if one.id == id), None)
        if job is not None and job.open:
            app.registry.run("train.cancel", id=id)
        elif job is not None and job.resumable:
            app.registry.run("train.resume", id=id)


Builder.load_file(str(Path(__file__).with_name("judging.kv")))
