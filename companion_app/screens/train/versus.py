"""Two runs asked the same, blind, and what votes made of all of them."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.i18n import tr
from companion_app.i18n.figures import number
from companion_app.screens.train.cards import fill_pairs
from companion_app.state.model import AppState
from companion_app.state.train_words import rating_line
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card


class VersusCard(Card):
    """The question, both answers, and the vote."""

    versus_problem = StringProperty("")
    asking = BooleanProperty(False)
    first = StringProperty("")
    second = StringProperty("")
    first_name = StringProperty("")
    second_name = StringProperty("")
    can_vote = BooleanProperty(False)

    def on_kv_post(self, base: Widget) -> None:
        """What comes and goes is held, once it is made."""
        self._answers = self.ids.answers.__self__

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        training = state.training
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

    def compare(self) -> None:
        """Ask both."""
        asked = {"one": self.ids.one.value, "other": self.ids.other.value, "text": self.ids.question.entry.text}
        App.get_running_app().registry.run("train.compare", **asked)


class RatingsCard(Card):
    """What the votes made of each run."""

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        rated = state.training.ratings
        fill_pairs(self.ids.ratings, [(f"{one.run} ({one.task})", rating_line(one)) for one in rated])


Builder.load_file(str(Path(__file__).with_name("versus.kv")))
