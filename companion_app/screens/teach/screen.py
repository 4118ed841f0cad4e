"""Teaching: which tasks, how many examples, by whom, at what cost; then how it goes."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.screens.teach.card import LessonCard
from companion_app.state import checks
from companion_app.state import host_actions as hact
from companion_app.state.host import Host, Lesson, Offer, TeachForm
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.teaching import (
    cost_details,
    cost_line,
    estimate_of,
    host_problem,
    lacks_key,
    preset_of,
    preset_title,
    provider_of,
    task_title,
    why_not,
)
from companion_app.theme.children import arrange, reveal
from companion_app.theme.forms import Check
from companion_app.theme.widgets import Choice

STEP = 10


class TeachScreen(AppScreen):
    """The form, the lessons that run above it and the earlier ones below."""

    problem = StringProperty("")
    cost = StringProperty("")
    details = StringProperty("")
    obstacle = StringProperty("")
    failed = BooleanProperty(False)
    refused = StringProperty("")
    generate_text = StringProperty("")
    ready = BooleanProperty(False)
    starting = BooleanProperty(False)
    no_key = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._offer: Offer | None = None
        self._cards: dict[str, LessonCard] = {}
        self._parts = {name: self.ids[name].__self__ for name in ("welcome", "running", "form", "earlier")}
        self._add_key = self.ids.add_key.__self__
        self._again = self.ids.again.__self__

    def show(self, state: AppState) -> None:
        host = state.host
        self.problem = host_problem(host)
        if host is None:
            arrange(self.ids.parts, [self._parts["welcome"]])
            return
        parts = ["running", "form", "earlier"] if host.offer.tasks else ["running", "earlier"]
        arrange(self.ids.parts, [self._parts[name] for name in parts])
        if host.offer is not self._offer:
            self._offer = host.offer
            self._show_offer(host.offer)
        self._show_form(state, state.teach)
        self._show_cost(state)
        self._show_lessons(host)

    def toggle(self, task: str) -> None:
        """Tick a task, or untick it."""
        self.app.store.dispatch(hact.TaskToggled(task))

    def step(self, direction: int) -> None:
        """Ten examples more or less, within what the host takes."""
        now = checks.whole_number(self.ids.examples.text) or checks.MIN_EXAMPLES
        wanted = min(checks.MAX_EXAMPLES, max(checks.MIN_EXAMPLES, now + direction * STEP))
        self.app.store.dispatch(hact.ExamplesTyped(str(wanted)))

    def typed(self, action: type[hact.ExamplesTyped | hact.ModelTyped | hact.BudgetTyped], text: str) -> None:
        """Something was typed into the form."""
        self.app.store.dispatch(action(text))

    def ask_cost_again(self) -> None:
        """Have the cost worked out once more."""
        self.app.store.dispatch(hact.EstimateWanted())

    def add_key(self) -> None:
        """Go and add the key that is missing."""
        self.app.store.dispatch(hact.KeyProviderPicked(self.app.store.state.teach.provider))
        self.app.open(Screen.KEYS)

    def _show_offer(self, offer: Offer) -> None:
        presets, tasks = self.ids.presets, self.ids.tasks
        presets.clear_widgets()
        for name, _ in offer.presets:
            choice = Choice(text=preset_title(name))
            choice.preset = name
            choice.bind(on_release=lambda choice: self.app.store.dispatch(hact.PresetPicked(choice.preset)))
            presets.add_widget(choice)
        tasks.clear_widgets()
        for task in offer.tasks:
            check = Check(text=task_title(task), note=tr("trained") if task.trained else "")
            check.task = task.name
            check.bind(on_release=lambda check: self.toggle(check.task))
            tasks.add_widget(check)
        self.ids.provider.options = [(provider.name, provider.name, provider.model) for provider in offer.providers]

    def _show_form(self, state: AppState, form: TeachForm) -> None:
        preset = preset_of(state)
        for choice in self.ids.presets.children:
            choice.on = choice.preset == preset
        for check in self.ids.tasks.children:
            check.on = check.task in form.selected
        self.ids.provider.value = form.provider
        provider = provider_of(state)
        self.ids.model.hint = provider.model if provider else ""
        for name, text in (("examples", form.examples), ("model", form.model), ("budget", form.budget)):
            if self.ids[name].text != text:
                self.ids[name].entry.text = text
        self.ids.examples.problem = checks.examples_problem(form.examples)
        self.ids.budget.problem = checks.budget_problem(form.budget)
        self.no_key = tr("The host has no key for {provider} yet.", provider=form.provider) if lacks_key(state) else ""
        reveal(self.ids.teacher, self._add_key, bool(self.no_key), top=False)
        self.refused = form.refused or ""
        if self.starting and not form.starting and not form.refused:
            self.ids.page.scroll_y = 1  # there is the lesson that has begun
        self.starting = form.starting

    def _show_cost(self, state: AppState) -> None:
        estimate = estimate_of(state)
        known = estimate is not None and estimate.error is None
        self.cost = cost_line(estimate) if estimate is not None and known else ""
        self.details = cost_details(estimate) if estimate is not None and known else ""
        self.obstacle = why_not(state)
        self.failed = estimate is not None and estimate.error is not None
        reveal(self.ids.costs, self._again, self.failed, top=False)
        self.ready = not self.obstacle and not state.teach.starting
        examples = checks.whole_number(state.teach.examples)
        wanted = (examples or 0) * len(state.teach.selected)
        if self.starting:
            self.generate_text = tr("Starting…")
        elif wanted and not checks.examples_problem(state.teach.examples):
            self.generate_text = ntr("Generate {number:,} example", "Generate {number:,} examples", wanted)
        else:
            self.generate_text = tr("Generate")

    def _show_lessons(self, host: Host) -> None:
        self._cards = {lesson.id: self._cards.get(lesson.id) or self._card(lesson) for lesson in host.lessons}
        running = [lesson for lesson in host.lessons if lesson.running]
        earlier = [lesson for lesson in host.lessons if not lesson.running]
        arrange(self.ids.running, [self._cards[lesson.id] for lesson in running])
        arrange(self.ids.cards, [self._cards[lesson.id] for lesson in earlier])
        self.ids.earlier_title.text = tr("Earlier lessons") if earlier else ""
        for lesson in host.lessons:
            card = self._cards[lesson.id]
            card.away = host.phase is not Phase.ONLINE
            card.show(host, lesson)

    def _card(self, lesson: Lesson) -> LessonCard:
        card = LessonCard(lesson_id=lesson.id)
        card.bind(on_cancel=lambda card: self.app.registry.run("lesson.cancel", id=card.lesson_id))
        card.bind(
            on_resume=lambda card, budget: self.app.registry.run("lesson.resume", id=card.lesson_id, budget=budget)
        )
        return card


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
