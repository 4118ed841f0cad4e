"""The knobs of a conversation: by hand, by saying so, and what a phrase changed, with a way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import N_, tr
from companion_app.i18n.figures import number
from companion_app.screens.chat.commands import KNOBS as TITLES
from companion_app.state.chat import Chat
from companion_app.theme.widgets import Act, Card, Prose
from edge_runtime.tasks.knobs import BOUNDS, Change, Knobs, Turned

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

# name -> (what it does, a step)
KNOBS = {
    "temperature": (N_("How much chance is in it"), 0.1),
    "top_p": (N_("The share of likely words to choose from"), 0.05),
    "max_tokens": (N_("Tokens at most"), 64),
    "repetition": (N_("What was said before counts less"), 0.05),
}


class KnobRow(BoxLayout):
    """One knob."""

    title = StringProperty("")
    meaning = StringProperty("")
    value = StringProperty("")

    def __init__(self, name: str, **kwargs: object) -> None:
        meaning, self._step = KNOBS[name]
        super().__init__(title=tr(TITLES[name]), meaning=tr(meaning), **kwargs)
        self._name = name
        self._now = 0.0

    def show(self, knobs: Knobs) -> None:
        """Its value."""
        self._now = getattr(knobs, self._name)
        self.value = shown(self._name, self._now)

    def step(self, direction: int) -> None:
        """Less or more."""
        low, high = BOUNDS[self._name]
        value = min(max(self._now + direction * self._step, low), high)
        _app().registry.run("chat.knob", knob=self._name, value=value)


class KnobPanel(Card):
    """All of them."""

    def on_kv_post(self, base_widget: object) -> None:
        """The rule has made the rest."""
        self._rows = [KnobRow(name) for name in KNOBS]
        for row in self._rows:
            self.ids.rows.add_widget(row)

    def show(self, knobs: Knobs) -> None:
        """Their values."""
        for row in self._rows:
            row.show(knobs)

    def say(self) -> None:
        """Turn what is typed."""
        if self.ids.phrase.text.strip():
            _app().registry.run("chat.adjust", phrase=self.ids.phrase.text)
            self.ids.phrase.text = ""


class KnobDiff(Card):
    """What came of a phrase: knob by knob, before and after; and a way back."""

    heading = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._told: tuple[Turned, str] | None = None

    def show(self, chat: Chat) -> None:
        """Bring it in line; `chat.turned` is not None."""
        assert chat.turned is not None
        if self._told == (chat.turned, chat.phrase):
            return
        self._told = chat.turned, chat.phrase
        self.heading, lines = told(chat.turned, chat.phrase)
        self.ids.lines.clear_widgets()
        for line in lines:
            self.ids.lines.add_widget(Prose(text=line, font_size="14sp"))
        self.ids.acts.clear_widgets()
        app = _app()
        if chat.turned.changes:
            self._act(tr("Undo"), lambda: app.registry.run("chat.undo_adjusting"), "undo")
        if chat.turned.certain or not chat.turned.understood:
            self._act(tr("Send it as a message"), lambda: app.registry.run("chat.send", text=chat.phrase), "send")
        self._act(tr("Fine"), lambda: app.chats.knobs_seen(), "check")

    def _act(self, text: str, run: object, icon: str) -> None:
        act = Act(text=text, kind="quiet", icon=icon)
        act.bind(on_release=lambda _: run())  # type: ignore[operator]
        self.ids.acts.add_widget(act)


def told(turned: Turned, phrase: str) -> tuple[str, list[str]]:
    """(what happened in a sentence, each change) after a phrase."""
    lines = [changed(change) for change in turned.changes]
    lines += [
        tr(
            "{knob} is at its bound already: {value}",
            knob=tr(TITLES[name]),
            value=shown(name, getattr(turned.knobs, name)),
        )
        for name in turned.at_bound
    ]
    if not turned.understood:
        said = phrase if len(phrase) <= 60 else f"{phrase[:59]}…"
        return tr("“{phrase}” names nothing that can be adjusted; nothing was changed.", phrase=said), []
    if turned.changes:
        return tr("Adjusted, because you said “{phrase}”:", phrase=phrase), lines
    return tr("Nothing was changed:"), lines or [tr("All is as at the beginning already.")]


def changed(change: Change) -> str:
    """One change, before and after."""
    before, after = shown(change.name, change.before), shown(change.name, change.after)
    return tr("{knob}: {before} → {after}", knob=tr(TITLES[change.name]), before=before, after=after)


def shown(name: str, value: float) -> str:
    """A knob's value."""
    return number(value, ".0f") if name == "max_tokens" else number(value, ".2f")


def _app() -> CompanionApp:
    app: CompanionApp = App.get_running_app()
    return app


Builder.load_file(str(Path(__file__).with_name("knobs.kv")))
