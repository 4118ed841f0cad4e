"""A sentence in, the calls out."""

from __future__ import annotations

from pathlib import Path

from kivy.clock import Clock
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from companion_app.i18n import tr
from companion_app.i18n.figures import number
from companion_app.screens.base import AppScreen
from companion_app.state import actions as act
from companion_app.state.describe import latency, where_to_ask
from companion_app.state.inventory import Inventory
from companion_app.state.model import Answer, AppState, Call, Exchange, Specialist
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Chip, Choice, Column, Mono

# Sentences about the sample home, for a first try: in English in every language, as the specialist for it understands.
SUGGESTIONS = (
    "Turn on the coffee machine",
    "Dim the reading lamp to 30 percent",
    "Close the living room blinds",
    "Send Rosie back to her dock",
)


class CallBox(Column):
    """One call: its name, its arguments, and what it acts on."""

    name = StringProperty("")

    def __init__(self, call: Call, **kwargs: object) -> None:
        super().__init__(name=call.name, **kwargs)
        for name, value in call.arguments:
            self.ids.arguments.add_widget(Mono(text=f"{name}: {value}"))
        for _, name in call.targets:
            self.ids.targets.add_widget(Chip(text=name))


class ExchangeBox(Column):
    """A sentence and its answer."""

    sentence = StringProperty("")
    pending = BooleanProperty(True)
    error = StringProperty("")
    question = StringProperty("")
    verdict = StringProperty("")
    others = StringProperty("")
    confidence = NumericProperty(0.0)
    sure = BooleanProperty(True)
    footer = StringProperty("")

    def __init__(self, exchange: Exchange, **kwargs: object) -> None:
        super().__init__(sentence=exchange.sentence, **kwargs)
        self._answer: Answer | None = None
        self.show(exchange)

    def show(self, exchange: Exchange) -> None:
        """Fill in what is known by now."""
        self.pending = exchange.pending
        self.error = exchange.error or ""
        answer = exchange.answer
        if answer is None or answer is self._answer:
            return
        self._answer = answer
        self.confidence = answer.confidence
        self.sure = not answer.unsure
        self.question = question_of(answer)
        self.verdict, self.others = verdict_of(answer)
        self.footer = "  ·  ".join(
            (tr("{percent} % sure", percent=number(answer.confidence * 100, ".0f")), latency(answer))
        )
        for call in answer.calls:
            self.ids.calls.add_widget(CallBox(call))


class AskScreen(AppScreen):
    """The conversation with the current device."""

    explanation = StringProperty("")
    can_ask = BooleanProperty(False)
    several = BooleanProperty(False)
    rooms = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._boxes: dict[int, tuple[Exchange, ExchangeBox]] = {}
        self._models: tuple[Specialist, ...] | None = None
        self._inventory: Inventory | None = None
        self._more = self.ids.more.__self__
        self._welcome, self._nobody = self.ids.welcome.__self__, self.ids.nobody.__self__
        # Heights are known only after layout, so the page follows them.
        follow = Clock.create_trigger(self._scroll_to_newest)
        self.ids.page.column.bind(height=follow)
        self.ids.page.bind(height=follow)
        for sentence in SUGGESTIONS:
            choice = Choice(text=sentence, role="button")
            choice.bind(on_release=lambda choice: self.app.registry.run("device.ask", sentence=choice.text))
            self.ids.suggestions.add_widget(choice)

    def show(self, state: AppState) -> None:
        away = where_to_ask(state)
        self.explanation, self.can_ask = away if state.device is not None else "", not away
        reveal(self.ids.page.column, self._nobody, state.device is None)
        few = self.few(state)
        reveal(self.ids.page.column, self._welcome, not state.exchanges and self.can_ask and not few)
        arrange(self.ids.more_place, [self._more] if few else [])
        self._show_specialists(state)
        self._show_areas(state)
        self._show_exchanges(state.exchanges)

    def on_enter(self, *args: object) -> None:
        """Whoever comes here wants to type."""
        self.ids.entry.focus = True

    def send(self) -> None:
        """Ask what is typed."""
        if self.ids.entry.text.strip() and self.can_ask:
            self.app.registry.run("device.ask", sentence=self.ids.entry.text)
            self.ids.entry.text = ""

    def _show_specialists(self, state: AppState) -> None:
        models = state.device.link.models if state.device else ()
        self.several = len(models) > 1 and not self.few(state)
        models = models if self.several else ()
        if models != self._models:
            self._models = models
            self.ids.specialists.clear_widgets()
            for model in models:
                choice = Choice(text=model.name)
                choice.bind(on_release=lambda choice: self.app.store.dispatch(act.SpecialistPicked(choice.text)))
                self.ids.specialists.add_widget(choice)
        for choice in self.ids.specialists.children:
            choice.on = state.chosen is not None and choice.text == state.chosen.name

    def _show_areas(self, state: AppState) -> None:
        self.rooms = (state.chosen is None or state.chosen.task == "robot") and not self.few(state)
        inventory = state.inventory if self.rooms else None
        if inventory is not self._inventory:
            self._inventory = inventory
            self.ids.areas.clear_widgets()
            areas = [(None, tr("Anywhere")), *((a.id, a.name) for a in inventory.areas)] if inventory else []
            for area_id, name in areas:
                choice = AreaChoice(text=name)
                choice.area = area_id
                choice.bind(on_release=lambda choice: self.app.store.dispatch(act.AreaPicked(choice.area)))
                self.ids.areas.add_widget(choice)
        for choice in self.ids.areas.children:
            choice.on = choice.area == state.area

    def _show_exchanges(self, exchanges: tuple[Exchange, ...]) -> None:
        for gone in set(self._boxes) - {exchange.number for exchange in exchanges}:
            self.ids.log.remove_widget(self._boxes.pop(gone)[1])
        for exchange in exchanges:
            shown = self._boxes.get(exchange.number)
            if shown is not None and shown[0] is exchange:
                continue
            if shown is None:
                box = ExchangeBox(exchange)
                self.ids.log.add_widget(box)
            else:
                box = shown[1]
                box.show(exchange)
            self._boxes[exchange.number] = (exchange, box)

    def _scroll_to_newest(self, *_: object) -> None:
        page = self.ids.page
        page.scroll_y = 0 if page.column.height > page.height else 1


class AreaChoice(Choice):
    """Where the person is; `area` None is anywhere."""

    area: str | None = None


def question_of(answer: Answer) -> str:
    """What the specialist asks back, or that it did nothing for doubt."""
    if answer.question:
        return answer.question
    return tr("Not sure enough to do anything.") if answer.unsure else ""


def verdict_of(answer: Answer) -> tuple[str, str]:
    """A router's label and what came next to it, or that there is nothing to do."""
    if answer.label is not None:
        others = [f"{name} {number(score * 100, '.0f')} %" for name, score in answer.scores if name != answer.label]
        return answer.label, tr("then {others}", others=", ".join(others)) if others else ""
    return "" if answer.calls or answer.unsure or answer.question else tr("Nothing to do."), ""


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
