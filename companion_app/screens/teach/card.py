"""One lesson as a card: how far it is, what came out, and how to stop it or go on with it."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from companion_app.state import checks
from companion_app.state.host import Host, Lesson, LessonState
from companion_app.state.teaching import (
    datasets_line,
    lesson_facts,
    lesson_line,
    lesson_pill,
    percent,
    reasons_line,
    titles,
)
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card, Fact

MESSAGE_TONES = {LessonState.FAILED: "bad", LessonState.STOPPED: "warn"}


class LessonCard(Card):
    """A lesson; `show` fills in what is known by now."""

    lesson_id = StringProperty("")
    title = StringProperty("")
    about = StringProperty("")
    state = StringProperty("")
    tone = StringProperty("plain")
    share = NumericProperty(0.0)
    percent = StringProperty("")
    reasons = StringProperty("")
    datasets = StringProperty("")
    message = StringProperty("")
    message_tone = StringProperty("plain")
    running = BooleanProperty(False)
    cancelling = BooleanProperty(False)
    resumable = BooleanProperty(False)
    away = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        for event in ("on_cancel", "on_resume"):
            self.register_event_type(event)
        super().__init__(**kwargs)
        self._cancel, self._resume = self.ids.cancel.__self__, self.ids.resume.__self__
        self._budget = self.ids.budget.__self__
        self._facts: dict[str, Fact] = {}

    def on_cancel(self) -> None:
        """It shall stop."""

    def on_resume(self, budget: str) -> None:
        """It shall go on, with that budget if it is not empty."""

    def resume(self) -> None:
        """Go on, unless the budget that was typed cannot be."""
        budget = self._budget.text if self._budget.parent else ""
        self._budget.problem = checks.budget_problem(budget)
        if not self._budget.problem:
            self.dispatch("on_resume", budget)

    def show(self, host: Host, lesson: Lesson) -> None:
        """Bring the card in line with the lesson."""
        self.title = titles(host, lesson.tasks)
        self.about = lesson_line(lesson)
        self.state, self.tone = lesson_pill(lesson)
        self.share, self.percent = lesson.progress, percent(lesson.progress)
        self.reasons, self.datasets = reasons_line(lesson), datasets_line(lesson)
        self.message = lesson.message
        self.message_tone = MESSAGE_TONES.get(lesson.state, "plain")
        self.running, self.cancelling, self.resumable = lesson.running, lesson.cancelling, lesson.resumable
        self._show_facts(lesson_facts(lesson))
        arrange(self.ids.stopping, [self._cancel] if lesson.running or lesson.waiting else [])
        # What stops a lesson is often its budget: with the same one it would stop again.
        stopped = lesson.state is LessonState.STOPPED
        arrange(
            self.ids.going_on, [self._budget, self._resume] if stopped else [self._resume] if lesson.resumable else []
        )

    def _show_facts(self, facts: tuple[tuple[str, str], ...]) -> None:
        if [name for name, _ in facts] != list(self._facts):
            self.ids.facts.clear_widgets()
            self._facts = {name: Fact(name=name) for name, _ in facts}
            for fact in self._facts.values():
                self.ids.facts.add_widget(fact)
        for name, value in facts:
            self._facts[name].value = value


Builder.load_file(str(Path(__file__).with_name("card.kv")))
