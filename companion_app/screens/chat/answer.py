"""A message and its answers on the page: blocks of text that grow, side by side where there is room for two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kivy.app import App
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app import i18n
from companion_app.i18n import bidi, tr
from companion_app.services.chat_markdown import Block, Growing, markup
from companion_app.state.chat import TIE, Conversation, Reply, ReplyPhase, Turn, hidden, shown_order
from companion_app.theme.accessible import Role
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card, Choice, Column, Flow, Prose, RoundAct

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

MONO = "RobotoMono-Regular"
# Two answers beside each other are readable from here on; below, one is shown at a time.
BESIDE = 600
NAMES = ("A", "B")


class BlockText(Prose):
    """A paragraph in our own markup; what a model wrote is escaped in it."""

    heading = BooleanProperty(False)
    quoted = BooleanProperty(False)


class BlockView(BoxLayout):
    """A paragraph, a heading or a list's item."""

    depth = NumericProperty(0)
    marker = StringProperty("")
    heading = BooleanProperty(False)
    quoted = BooleanProperty(False)

    def __init__(self, block: Block, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.show(block)

    def show(self, block: Block) -> None:
        """Fill in."""
        self.depth = min(block.depth + (1 if block.quoted else 0), 6)
        self.marker, self.heading, self.quoted = block.marker, block.kind == "heading", block.quoted
        self.ids.words.halign = "right" if bidi.base_direction(block.plain) == "R" else "left"
        self.ids.words.text = markup(block, MONO)


class CodeView(Column):
    """A block of code, as it stands."""

    code = StringProperty("")
    side = StringProperty("left")
    language = StringProperty("")

    def __init__(self, block: Block, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.show(block)

    def show(self, block: Block) -> None:
        """Fill in."""
        self.code, self.language = block.plain, block.language
        # Code begins at the left in every language; plain labels change sides in one from the right.
        self.side = "right" if i18n.right_to_left() else "left"


class RuleView(Widget):
    """A line across."""

    def __init__(self, block: Block, **kwargs: object) -> None:
        super().__init__(**kwargs)

    def show(self, block: Block) -> None:
        """Nothing to fill in."""


View = BlockView | CodeView | RuleView
VIEWS: dict[str, type[View]] = {"code": CodeView, "rule": RuleView}


class Thumb(RoundAct):
    """Up or down; on: this is what a person thought."""

    role = Role("checkbox")
    on = BooleanProperty(False)


class ReplyCard(Card):
    """One answer. who: its model, or a letter while that is hidden."""

    who = StringProperty("")
    badge = StringProperty("")
    badge_tone = StringProperty("plain")
    note = StringProperty("")
    problem = StringProperty("")
    running = BooleanProperty(True)
    finished = BooleanProperty(False)
    last = BooleanProperty(False)
    likable = BooleanProperty(False)
    liked = StringProperty("")  # good, bad, or nothing

    def __init__(self, number: int, model: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.number, self.model = number, model
        self._reply: Reply | None = None
        self._growing = Growing()
        self._shown: list[tuple[Block, View]] = []

    def show(self, reply: Reply) -> None:
        """Fill in what came by now; only what changed is drawn anew."""
        if reply is self._reply:
            return
        if self._reply is None or reply.text != self._reply.text:
            self._show_blocks(self._growing.blocks(reply.text))
        written_now = self._reply is not None and self._reply.phase is ReplyPhase.RUNNING
        self._reply = reply
        self.running = reply.phase is ReplyPhase.RUNNING
        self.finished = not self.running
        self.likable = reply.likable
        self.liked = "" if reply.liked is None else "good" if reply.liked else "bad"
        # Read out once, when it becomes whole: nobody can listen to a text that grows, nor wants all old ones.
        if self.finished and written_now:
            self.ids.blocks.live = "polite"
        self.ids.blocks.spoken = reply.text if self.finished else ""
        self.note = tr("Writing…") if self.running else ""
        self.problem = reply.problem
        self.badge, self.badge_tone = {
            ReplyPhase.STOPPED: (tr("Stopped"), "plain"),
            ReplyPhase.CUT: (tr("Cut short"), "plain"),
            ReplyPhase.BROKEN: (tr("Incomplete"), "warn"),
        }.get(reply.phase, ("", "plain"))

    def copy(self) -> None:
        """To the clipboard, as it was written."""
        if self._reply is not None:
            _copy(self._reply.text)

    def like(self, liked: bool) -> None:
        """Find it good or bad; the same again takes that back."""
        _app().registry.run("chat.judge", answer=f"{self.number}.{self.model}", good=liked)

    def retry(self) -> None:
        """Ask again."""
        _app().registry.run("chat.retry", answer=f"{self.number}.{self.model}")

    def _show_blocks(self, found: tuple[Block, ...]) -> None:
        for at, block in enumerate(found):
            kind = VIEWS.get(block.kind, BlockView)
            if at < len(self._shown):
                before, view = self._shown[at]
                if before == block:
                    continue
                if isinstance(view, kind):
                    view.show(block)
                    self._shown[at] = (block, view)
                    continue
                for _, gone in self._shown[at:]:
                    self.ids.blocks.remove_widget(gone)
                del self._shown[at:]
            view = kind(block)
            self.ids.blocks.add_widget(view)
            self._shown.append((block, view))
        for _, gone in self._shown[len(found) :]:
            self.ids.blocks.remove_widget(gone)
        del self._shown[len(found) :]


class MessageBox(Column):
    """What a person said."""

    sentence = StringProperty("")
    picture = StringProperty("")

    def __init__(self, number: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.number = number

    def show(self, turn: Turn) -> None:
        """Fill in, with what was seen on a picture."""
        self.sentence = turn.text
        self.picture = picture_line(turn)

    def copy(self) -> None:
        """To the clipboard."""
        _copy(self.sentence)

    def edit(self) -> None:
        """Take it into the field below."""
        _app().chats.edit_begin(self.number)


class TurnBox(Column):
    """A message and what came of it."""

    wide = BooleanProperty(False)

    def __init__(self, number: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._turn: Turn | None = None
        self._conversation: Conversation | None = None
        self._last = False
        self.tab = 0
        self._message = MessageBox(number)
        self._cards: list[ReplyCard] = []
        self._pair = BoxLayout(size_hint_y=None, spacing=dp(12))
        self._tabs = Flow()
        self._votes = Flow()
        self.add_widget(self._message)
        self.bind(width=self._fit)

    def show(self, conversation: Conversation, turn: Turn, last: bool) -> None:
        """Bring it in line."""
        if turn is self._turn and last == self._last and conversation.models is self._models:
            return
        renamed = self._turn is None or self._turn.vote != turn.vote
        self._turn, self._conversation, self._last = turn, conversation, last
        self._message.show(turn)
        while len(self._cards) < len(turn.replies):
            card = ReplyCard(turn.number, len(self._cards))
            card.bind(height=self._grow)
            self._cards.append(card)
        for at, card in enumerate(self._cards):
            card.show(turn.replies[at])
            card.last = last
            card.who = self._name(at)
        if renamed or self._votes_shown() != bool(self._votes.children):
            self._show_votes()
        self._fit()

    @property
    def _models(self) -> object:
        return self._conversation.models if self._conversation is not None else None

    def _name(self, model: int) -> str:
        assert self._conversation is not None and self._turn is not None
        if hidden(self._conversation, self._turn):
            return tr("Answer {letter}", letter=NAMES[self._order.index(model)])
        return self._conversation.models[model].label

    @property
    def _order(self) -> tuple[int, ...]:
        assert self._conversation is not None and self._turn is not None
        return shown_order(self._conversation, self._turn)

    def _votes_shown(self) -> bool:
        return self._turn is not None and self._turn.votable

    def _show_votes(self) -> None:
        assert self._turn is not None
        self._votes.clear_widgets()
        if not self._votes_shown():
            return
        number = self._turn.number
        for at in (*self._order, TIE):
            text = tr("Neither is better") if at == TIE else tr("{name} is better", name=self._name(at))
            choice = Choice(text=text)
            choice.on = self._turn.vote == at
            choice.bind(on_release=lambda _, at=at: _app().registry.run("chat.vote", better=f"{number}.{at}"))
            self._votes.add_widget(choice)

    def _fit(self, *_: object) -> None:
        """Two answers beside each other, or one with tabs for both."""
        if self._turn is None:
            return
        beside = len(self._cards) == 2 and self.width >= dp(BESIDE)
        cards = [self._cards[at] for at in self._order if at < len(self._cards)]
        if beside:
            arrange(self._pair, cards)
            self._grow()
            parts: list[Widget] = [self._pair]
        elif len(cards) == 2:
            self._pair.clear_widgets()
            self._show_tabs()
            parts = [self._tabs, cards[self.tab]]
        else:
            parts = list(cards)
        arrange(self, [self._message, *parts, *([self._votes] if self._votes.children else [])])

    def _show_tabs(self) -> None:
        if len(self._tabs.children) != 2:
            self._tabs.clear_widgets()
            for at in range(2):
                choice = Choice()
                choice.bind(on_release=lambda _, at=at: self._pick(at))
                self._tabs.add_widget(choice)
        for at, choice in enumerate(reversed(self._tabs.children)):
            choice.text, choice.on = self._name(self._order[at]), at == self.tab

    def _pick(self, tab: int) -> None:
        self.tab = tab
        self._fit()

    def _grow(self, *_: object) -> None:
        self._pair.height = max((card.height for card in self._pair.children), default=0)


def picture_line(turn: Turn) -> str:
    """What is said of a picture that was sent along."""
    picture = turn.picture
    if picture is None:
        return ""
    if picture.pending:
        return tr("{name}: being looked at…", name=picture.name)
    if picture.problem:
        return tr("{name}: {problem}", name=picture.name, problem=picture.problem)
    return tr("{name}: {specialist} sees {seen}", name=picture.name, specialist=picture.specialist, seen=picture.seen)


def _copy(text: str) -> None:
    from kivy.core.clipboard import Clipboard  # it looks for programs of the system, which takes a while

    Clipboard.copy(text)


def _app() -> CompanionApp:
    app: CompanionApp = App.get_running_app()
    return app


Builder.load_file(str(Path(__file__).with_name("answer.kv")))
