"""Giving a published version to devices in stages, and how that goes."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app.i18n import tr
from companion_app.state.bundles import Bundles
from companion_app.state.model import AppState
from companion_app.state.rollout_words import (
    OWN,
    SOAKS,
    STAGES,
    bundle_line,
    plan_words,
    rollout_line,
    rollout_state,
    stage_line,
    stage_state,
    stage_title,
    stages_words,
    time_words,
)
from companion_app.state.training import Rollout
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card, Column


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
            row.name, row.line = stage_title(place, stage), stage_line(stage)
            row.state_word, row.tone = stage_state(rollout, place)
            row.share = stage.done / stage.devices if stage.devices else 0.0
            row.now = place == rollout.stage and rollout.state in ("running", "paused")


class RolloutsCard(Column):
    """The form: what is published is offered, the newest first; where nothing can be had, it is typed. Then all rollouts."""

    message = StringProperty("")
    plan = StringProperty("")
    planned = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._offered = False
        self._cards: dict[str, RolloutCard] = {}

    def on_kv_post(self, base: Widget) -> None:
        """What comes and goes is held, once it is made."""
        self._choosing, self._typing = self.ids.choosing.__self__, self.ids.typing.__self__
        self._own = self.ids.own.__self__
        self.ids.stages.options = [*((text, stages_words(text), "") for text in STAGES), (OWN, tr("Other stages"), "")]
        self.ids.soak.options = [(text, time_words(text), "") for text in SOAKS]

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        self.message = state.training.rollout_message
        self._offer(state.bundles)
        ids = self.ids
        ids.stages.value, ids.soak.value = ids.stages.value or STAGES[0], ids.soak.value or SOAKS[1]
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
        """Tell what will happen with the stages that are chosen or typed."""
        own = self.ids.stages.value == OWN
        arrange(self.ids.own_place, [self._own] if own else [])
        self.plan, self.planned = plan_words(self._stages, self.ids.soak.value), bool(stages_words(self._stages))

    def pick(self, specialist: str) -> None:
        """Another specialist; its newest version, until another one is picked."""
        self.ids.specialist.value, self.ids.version.value = specialist, ""
        self._offer(App.get_running_app().store.state.bundles)

    @property
    def _stages(self) -> str:
        return self.ids.own.text if self.ids.stages.value == OWN else self.ids.stages.value

    def begin(self) -> None:
        """Give it to devices."""
        ids = self.ids
        if self._offered:
            specialist, version = ids.specialist.value, ids.version.value
        else:
            specialist, version = ids.name.text, ids.number.text
        run = App.get_running_app().registry.run
        run("rollout.begin", specialist=specialist, version=version, stages=self._stages, soak=ids.soak.value)

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
