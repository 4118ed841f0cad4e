"""Giving a published version to devices in stages, and how that goes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app.i18n import tr
from companion_app.state.bundles import Bundles
from companion_app.state.model import AppState
from companion_app.state.rollout_plan import (
    DONE,
    FAILURES,
    USUAL_DONE,
    USUAL_FAILURES,
    Plan,
    bounds_words,
    hours_problem,
    reach_words,
    share_words,
    switch_words,
    tags_problem,
    toggled,
    words_of,
)
from companion_app.state.rollout_words import (
    OWN,
    SOAKS,
    STAGES,
    bundle_line,
    plan_words,
    rollout_line,
    rollout_state,
    rollout_terms,
    stage_line,
    stage_state,
    stage_title,
    stages_words,
    time_words,
)
from companion_app.state.training import Rollout
from companion_app.theme.children import arrange
from companion_app.theme.widgets import TOUCH_TARGET, Card, Choice, Column

WHEN = "rollout.when"  # the draft of the conditions that are ticked


class StageRow(BoxLayout):
    """A stage of a rollout."""

    name = StringProperty("")
    line = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")
    share = NumericProperty(0.0)
    now = BooleanProperty(False)


class RolloutCard(Card):
    """A rollout with its stages and what can be done about it."""

    id_ = StringProperty("")
    title = StringProperty("")
    line = StringProperty("")
    terms = StringProperty("")
    state_word = StringProperty("")
    tone = StringProperty("plain")
    runs = BooleanProperty(False)
    paused = BooleanProperty(False)

    def show(self, rollout: Rollout) -> None:
        """Bring it in line."""
        self.id_, self.title = rollout.id, f"{rollout.specialist} {rollout.version}"
        self.line, self.terms = rollout_line(rollout), rollout_terms(rollout)
        self.state_word, self.tone = rollout_state(rollout)
        self.runs, self.paused = rollout.state == "running", rollout.state == "paused"
        stages = self.ids.stages
        while len(stages.children) > len(rollout.stages):
            stages.remove_widget(stages.children[0])
        while len(stages.children) < len(rollout.stages):
            stages.add_widget(StageRow())
        for place, (row, stage) in enumerate(zip(reversed(stages.children), rollout.stages, strict=True)):
            row.name, row.line = stage_title(place, stage), stage_line(stage)
            row.state_word, row.tone = stage_state(rollout, place)
            row.share = stage.done / stage.devices if stage.devices else 0.0
            row.now = place == rollout.stage and rollout.state in ("running", "paused")


class RolloutsCard(Column):
    """The form: what is published is offered, the newest first; where nothing can be had, it is typed. Then all rollouts.

    more: whether devices, times and bounds are shown, which most leave as they are. when: the conditions that are ticked.
    """

    message = StringProperty("")
    plan = StringProperty("")
    planned = BooleanProperty(False)
    more = BooleanProperty(False)
    when = ListProperty([])

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._offered = False
        self._cards: dict[str, RolloutCard] = {}
        self._tags: dict[str, Choice] = {}
        self._looked = False

    def on_kv_post(self, base: Widget) -> None:
        """What comes and goes is held, once it is made."""
        self._choosing, self._typing = self.ids.choosing.__self__, self.ids.typing.__self__
        self._own, self._more = self.ids.own.__self__, self.ids.more.__self__
        self.ids.stages.options = [*((text, stages_words(text), "") for text in STAGES), (OWN, tr("Other stages"), "")]
        self.ids.soak.options = [(text, time_words(text), "") for text in SOAKS]
        self.ids.failures.options = [(text, share_words(text), "") for text in FAILURES]
        self.ids.done.options = [(text, share_words(text), "") for text in DONE]

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        self.message = state.training.rollout_message
        self._offer(state.bundles)
        ids = self.ids
        ids.stages.value, ids.soak.value = ids.stages.value or STAGES[0], ids.soak.value or SOAKS[1]
        ids.failures.value, ids.done.value = ids.failures.value or USUAL_FAILURES, ids.done.value or USUAL_DONE
        self._offer_tags(state)
        self.say()
        cards = []
        for one in state.training.rollouts:
            card = self._cards.get(one.id)
            if card is None:
                card = self._cards[one.id] = RolloutCard()
            card.show(one)
            cards.append(card)
        arrange(ids.rollouts, cards)

    def say(self) -> None:
        """Tell what will happen with what is chosen and typed, and what is wrong with it."""
        ids, state = self.ids, App.get_running_app().store.state
        arrange(ids.own_place, [self._own] if ids.stages.value == OWN else [])
        arrange(ids.more_place, [self._more] if self.more else [])
        problems = [tags_problem(field.text) for field in (ids.all, ids.any, ids.none)] + [
            hours_problem(ids.hours.text)
        ]
        for field, problem in zip((ids.all, ids.any, ids.none, ids.hours), problems, strict=True):
            field.problem = problem
        have = words_of(ids.all.text)
        for tag, choice in self._tags.items():
            choice.on = tag in have
        plan = self._plan
        said = [plan_words(plan.stages, plan.soak), reach_words(state.training.known_devices, plan.where), switch_words(words_of(plan.when))]  # fmt: skip
        said.append(bounds_words(plan.most_failures, plan.least_done))
        self.plan = " ".join(sentence for sentence in said if sentence)
        self.planned = bool(stages_words(plan.stages)) and not any(problems)

    def tick(self, condition: str) -> None:
        """Devices wait for this, or don't any more."""
        app = App.get_running_app()
        app.keep_draft(WHEN, toggled(app.draft(WHEN), condition))

    def toggle(self) -> None:
        """Show devices, times and bounds, or hide them."""
        self.more = not self.more
        self.say()

    def pick(self, specialist: str) -> None:
        """Another specialist; its newest version, until another one is picked."""
        self.ids.specialist.value, self.ids.version.value = specialist, ""
        self._offer(App.get_running_app().store.state.bundles)

    @property
    def _stages(self) -> str:
        return self.ids.own.text if self.ids.stages.value == OWN else self.ids.stages.value

    def begin(self) -> None:
        """Give it to devices."""
        App.get_running_app().registry.run("rollout.begin", **asdict(self._plan))

    @property
    def _plan(self) -> Plan:
        ids = self.ids
        listed, typed = (ids.specialist.value, ids.version.value), (ids.name.text, ids.number.text)
        when = ", ".join(part for part in (*self.when, ids.hours.text) if part)
        return Plan(
            *(listed if self._offered else typed), self._stages, ids.soak.value, ids.all.text, ids.any.text, ids.none.text,
            when, ids.failures.value, ids.done.value,
        )  # fmt: skip

    def _offer_tags(self, state: AppState) -> None:
        """The tags that devices have, to choose by a touch; and what is chosen already, from before or another language."""
        self.when = list(words_of(state.drafts.get(WHEN, "")))
        ids, known = self.ids, state.training.known_devices
        if not self._looked:  # what was chosen before is not hidden
            self.more = bool(self.when) or any(field.text for field in (ids.all, ids.any, ids.none, ids.hours))
            self._looked = True
        choices = []
        for tag in known.tags() if known is not None else ():
            if tag not in self._tags:
                choice = self._tags[tag] = Choice(text=tag, role="checkbox", height=dp(TOUCH_TARGET))
                choice.bind(on_release=lambda choice: self._toggle_tag(choice.text))
            choices.append(self._tags[tag])
        arrange(ids.tags, choices)

    def _toggle_tag(self, tag: str) -> None:
        entry = self.ids.all.entry
        entry.text = toggled(entry.text, tag)

    def _offer(self, bundles: Bundles) -> None:
        """Lists of what is published, or fields where nobody knows."""
        names = bundles.specialists()
        self._offered = bool(names)
        arrange(self.ids.what, [self._choosing if names else self._typing])
        if not names:
            return
        box, version = self.ids.specialist, self.ids.version
        box.options = [(name, name, bundles.versions(name)[0].version) for name in names]
        if box.value not in names:
            box.value = names[0]
        versions = bundles.versions(box.value)
        version.options = [(one.version, one.version, bundle_line(one)) for one in versions]
        if version.value not in [one.version for one in versions]:
            version.value = versions[0].version


Builder.load_file(str(Path(__file__).with_name("rollouts.kv")))
