"""Updates that want this machine's signature: what each is, and a slide that says yes; and the key that signs."""

from __future__ import annotations

from pathlib import Path

from kivy.core.clipboard import Clipboard
from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import tr
from companion_app.screens.base import AppScreen
from companion_app.state.host import Host
from companion_app.state.model import AppState
from companion_app.state.signing import Ask, Bundle, Signing
from companion_app.state.signing_words import (
    begin_command,
    bundle_facts,
    facts_of,
    first_line,
    grouped,
    not_covered,
    other_changes,
    replace_command,
    scores_line,
    title_of,
    who_asks,
)
from companion_app.state.teaching import host_problem
from companion_app.theme.children import arrange, reveal
from companion_app.theme.slide import Slide
from companion_app.theme.widgets import Card, Column, Fact, Prose

__all__ = ["SignScreen", "Slide"]  # the rules of this screen use the slide


class BundlePart(Column):
    """A bundle of an update: what it is, and its hash to compare. alone: the card's own title names it."""

    title = StringProperty("")
    alone = BooleanProperty(False)
    sha256 = StringProperty("")
    scores = StringProperty("")

    def show(self, bundle: Bundle) -> None:
        """Fill it in."""
        self.title = f"{bundle.specialist} {bundle.version}"
        self.sha256, self.scores = grouped(bundle.sha256), scores_line(bundle)
        arrange(self.ids.facts, [Fact(name=name, value=value) for name, value in bundle_facts(bundle)])


class AskCard(Card):
    """One update; `on_sign` when its slide was drawn to the end."""

    title = StringProperty("")
    asks = StringProperty("")
    covers = StringProperty("")
    first = StringProperty("")
    obstacle = StringProperty("")
    refused = StringProperty("")
    busy = BooleanProperty(False)
    away = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_sign")
        super().__init__(**kwargs)
        self._slide = self.ids.slide.__self__
        self._ask: Ask | None = None

    def on_sign(self) -> None:
        """A person meant it."""

    def show(self, ask: Ask, host: Host, signing: Signing) -> None:
        """Bring the card in line with the state."""
        self.busy = signing.busy == ask.role
        role, sentence = signing.refused or ("", "")
        self.refused = sentence if role == ask.role else ""
        reveal(self.ids.confirm, self._slide, bool(signing.public) and not ask.obstacle)
        self.asks = who_asks(host.address, host.name)
        if ask == self._ask:
            return
        self._ask = ask
        self.title, self.obstacle = title_of(ask), ask.obstacle
        self.covers, self.first = not_covered(ask), first_line(ask)
        arrange(self.ids.facts, [Fact(name=name, value=value) for name, value in facts_of(ask)])
        parts = [BundlePart(alone=len(ask.bundles) == 1) for _ in ask.bundles]
        for part, bundle in zip(parts, ask.bundles, strict=True):
            part.show(bundle)
        arrange(self.ids.bundles, parts)
        arrange(self.ids.changes, [Prose(text=line) for line in other_changes(ask)])


class SignScreen(AppScreen):
    """What waits, and the key."""

    problem = StringProperty("")
    refused = StringProperty("")
    done = StringProperty("")
    empty = StringProperty("")
    public = StringProperty("")
    begin = StringProperty("")
    replace = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._cards: dict[str, AskCard] = {}
        self._parts = {name: self.ids[name].__self__ for name in ("welcome", "nothing", "key", "no_key")}

    def show(self, state: AppState) -> None:
        host, signing = state.host, state.signing
        self.problem = host_problem(host) or signing.problem or ""
        # What doesn't wait any more has no card that could say it.
        role, sentence = signing.refused or ("", "")
        self.refused = sentence if role not in {ask.role for ask in signing.asks} else ""
        self.done = signing.done or ""
        self.public = signing.public
        self.begin, self.replace = begin_command(signing.public), replace_command(signing.public)
        parts = []
        if host is None:
            parts.append(self._parts["welcome"])
        else:
            self._cards = {ask.role: self._cards.get(ask.role) or self._card(ask.role) for ask in signing.asks}
            for ask in signing.asks:
                self._cards[ask.role].away = bool(self.problem)
                self._cards[ask.role].show(ask, host, signing)
            if signing.public:
                parts += list(self._cards.values())
                if not signing.asks:
                    parts.append(self._parts["nothing"])
            else:
                # Without a key nothing can be signed, so the key comes first.
                parts += [self._parts["no_key"], *self._cards.values()]
            self.empty = tr("Nothing waits for a signature.") if signing.known else tr("Asking the host …")
        if signing.public:
            parts.append(self._parts["key"])
        arrange(self.ids.parts, parts)

    def copy(self, text: str) -> None:
        """Take a command to where it is typed; it holds nothing secret."""
        Clipboard.copy(text)

    def _card(self, role: str) -> AskCard:
        card = AskCard()
        card.bind(on_sign=lambda _: self.app.registry.run("sign.update", role=role))
        return card


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
