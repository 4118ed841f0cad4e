"""Questions to a person, one card at a time: the text, the specialist's guess, the labels to choose from."""

from __future__ import annotations

from pathlib import Path

from kivy.input.motionevent import MotionEvent
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.state.model import AppState
from companion_app.state.questions import (
    BY_DIGIT,
    MANY_LABELS,
    Asking,
    Question,
    answered_line,
    card,
    empty_line,
    guess_line,
    matching,
    progress,
    progress_line,
    right_to_left,
    shown_labels,
    topic_line,
    undo_line,
    unsent_line,
)
from companion_app.state.teaching import host_problem
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import TOUCH_TARGET, Choice, Pressable


class LabelRow(Pressable, BoxLayout):
    """A label to choose. digit: the key that chooses it; guess: how likely the specialist held it."""

    name = StringProperty("")
    digit = StringProperty("")
    guess = StringProperty("")
    from_right = BooleanProperty(False)

    def on_touch_down(self, touch: MotionEvent) -> bool:
        # The second half of a double tap would answer the next question, which nobody has read yet.
        if touch.is_double_tap and self.collide_point(*touch.pos):
            return True
        return bool(super().on_touch_down(touch))


class QuestionsScreen(AppScreen):
    """The card, and what can be done with it."""

    problem = StringProperty("")
    kept = StringProperty("")
    why = StringProperty("")
    text = StringProperty("")
    from_right = BooleanProperty(False)
    progress = StringProperty("")
    share = NumericProperty(0.0)
    undoable = StringProperty("")
    more = StringProperty("")
    empty = StringProperty("")
    explained = BooleanProperty(False)
    answered = StringProperty("")
    taken = StringProperty("")
    taking = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        names = ("topics", "asked", "search", "labels", "acts", "nothing", "unpaired", "answers")
        self._parts = {name: self.ids[name].__self__ for name in names}
        acts = ("how", "undo", "take", "again")
        self._how, self._undo, self._take, self._again = (self.ids[name].__self__ for name in acts)
        self._topics: dict[str, Choice] = {}
        self._rows: dict[str, LabelRow] = {}
        self._labels: tuple[str, ...] = ()
        self._question: Question | None = None
        self.ids.search.entry.bind(text=lambda *_: self._show_labels())

    def show(self, state: AppState) -> None:
        asking, host = state.asking, state.host
        question = card(asking)
        self.problem = host_problem(host) or (asking.problem or "" if asking.known else "")
        self.kept = unsent_line(asking, host)
        done, total = progress(asking)
        self.progress, self.share = progress_line(asking), done / total if total else 0.0
        self.empty = empty_line(asking, host)
        self.explained = host is not None and asking.known and not total
        self.taken, self.taking = asking.taken or "", asking.taking
        self.answered = answered_line(asking.queue) if asking.queue else ""
        self._show_topics(asking)
        self._show_question(asking, question)
        parts = [self._parts["topics"]] if len(asking.topics) > 1 else []
        if question is not None:
            many = len(self._labels) > MANY_LABELS
            parts += [self._parts[name] for name in ("asked", *(("search",) if many else ()), "labels", "acts")]
        else:
            parts.append(self._parts["nothing"])
        if self.answered or self.taken:
            parts.append(self._parts["answers"])
        arrange(self.ids.parts, parts)
        self.undoable = undo_line(asking) if asking.history else ""
        # Where the last question was answered, it can be taken back as well.
        bar = self.ids.acts_flow if question is not None else self.ids.nothing_acts
        if self._undo.parent is not bar and self._undo.parent is not None:
            self._undo.parent.remove_widget(self._undo)
        reveal(bar, self._undo, bool(asking.history), top=False)
        reveal(self.ids.nothing_how, self._how, self.explained)
        reveal(self.ids.nothing_acts, self._again, host is not None)
        reveal(self.ids.nothing_acts, self._parts["unpaired"], host is None)
        reveal(self.ids.take_place, self._take, bool(self.answered))

    def pressed(self, text: str) -> bool:
        """A key that no field wants: a digit chooses a label, letters do the rest."""
        if card(self.app.store.state.asking) is None:
            if text == "u":
                self.app.registry.run("question.undo")
            return text == "u"
        row = next((row for row in self.ids.labels.children if row.digit == text), None) if text.isdigit() else None
        if row is not None:
            self.app.registry.run("question.answer", label=row.name)
        elif text == "0":
            self.app.registry.run("question.none")
        elif text == "s":
            self.app.registry.run("question.skip")
        elif text == "u":
            self.app.registry.run("question.undo")
        elif text == "/" and self.ids.search.parent is not None:
            self.ids.search.entry.focus = True
        else:
            return False
        return True

    def only_match(self) -> None:
        """Enter in the search: where one label is left, it is the answer."""
        found = matching(self._labels, self.ids.search.entry.text)
        if len(found) == 1:
            self.app.registry.run("question.answer", label=found[0])

    def none_of_these(self) -> None:
        """No label is right."""
        self.app.registry.run("question.none")

    def _show_topics(self, asking: Asking) -> None:
        names = [topic.dataset for topic in asking.topics]
        for name in names:
            if name not in self._topics:
                choice = self._topics[name] = Choice(height=dp(TOUCH_TARGET))
                choice.bind(on_release=lambda _, name=name: self.app.questions.pick(name))
        for topic in asking.topics:
            self._topics[topic.dataset].text = topic_line(topic)
            self._topics[topic.dataset].on = topic.dataset == asking.opened
        arrange(self.ids.topics, [self._topics[name] for name in names])

    def _show_question(self, asking: Asking, question: Question | None) -> None:
        labels = asking.queue.labels if asking.queue else ()
        if question == self._question and labels == self._labels:
            return
        if question != self._question and self._question is not None:
            self.ids.search.entry.text = ""
            self.ids.page.scroll_y = 1
        self._question, self._labels = question, labels
        self.why = question.why if question else ""
        self.text = question.text if question else ""
        self.from_right = right_to_left(self.text)
        self._show_labels()

    def _show_labels(self) -> None:
        shown, left = shown_labels(self._labels, self._question, self.ids.search.entry.text)
        self._rows = {name: self._rows.get(name) or self._row(name) for name in shown}
        arrange(self.ids.labels, [self._rows[name] for name in shown])
        for number, name in enumerate(shown, 1):
            row = self._rows[name]
            row.digit = str(number) if number <= BY_DIGIT else ""
            row.guess = guess_line(self._question, name) if self._question else ""
        if not shown and self._labels:
            self.more = tr("No label holds that; type less of it.")
        else:
            self.more = (
                ntr(
                    "{number:,} more; type a part of the label you look for.",
                    "{number:,} more; type a part of the label you look for.",
                    left,
                )
                if left
                else ""
            )

    def _row(self, name: str) -> LabelRow:
        row = LabelRow(name=name, from_right=right_to_left(name))
        row.bind(on_release=lambda _: self.app.registry.run("question.answer", label=name))
        return row


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
