"""The API keys on the host: which there are, which is used, a new one; a key is typed here and shown nowhere."""

from __future__ import annotations

from pathlib import Path

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import N_, tr
from companion_app.screens.base import AppScreen
from companion_app.screens.keys.move import MoveCard
from companion_app.state import host_actions as hact
from companion_app.state.checks import WIRES, NewKey
from companion_app.state.host import CUSTOM, Host, KeyForm, KeyWay, Provider, StoredKey
from companion_app.state.model import AppState
from companion_app.state.phase import Phase
from companion_app.state.teaching import host_problem, key_choices, key_line, keyless, readable_on_its_way
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Choice, Column

WIRE_NAMES = {"openai": N_("Like OpenAI"), "anthropic": N_("Like Anthropic")}


class StoredRow(Column):
    """Something stored on the host. `leaving` asks whether to delete it: nothing else does."""

    title = StringProperty("")
    about = StringProperty("")
    in_use = BooleanProperty(False)
    usable = BooleanProperty(False)
    deletable = BooleanProperty(False)
    leaving = BooleanProperty(False)
    question = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        for event in ("on_use", "on_delete"):
            self.register_event_type(event)
        super().__init__(**kwargs)
        self._parts = {name: self.ids[name].__self__ for name in ("use", "bin", "confirm")}
        self.bind(usable=self._fit, deletable=self._fit, leaving=self._fit)
        self._fit()

    def on_use(self) -> None:
        """It shall be used."""

    def on_delete(self) -> None:
        """It shall be deleted, and that was confirmed."""

    def _fit(self, *_: object) -> None:
        reveal(self.ids.acts, self._parts["bin"], self.deletable, top=False)
        reveal(self.ids.acts, self._parts["use"], self.usable)
        reveal(self, self._parts["confirm"], self.leaving, top=False)


class KeysScreen(AppScreen):
    """The keys, and the form for a new one."""

    keeps = ("wire",)

    problem = StringProperty("")
    warning = StringProperty("")
    empty = StringProperty("")
    busy = BooleanProperty(False)
    refused = StringProperty("")
    saved = StringProperty("")
    taken = BooleanProperty(False)
    custom = BooleanProperty(False)
    away = BooleanProperty(True)
    wire = StringProperty(WIRES[0])

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[tuple[str, str], StoredRow] = {}
        self._form: KeyForm | None = None
        self._parts = {name: self.ids[name].__self__ for name in ("welcome", "stored", "form", "move")}
        self._mover: MoveCard = self.ids.move.__self__
        self._custom = self.ids.custom_fields.__self__
        self._replace = self.ids.replace.__self__
        for wire in WIRES:
            choice = Choice(text=tr(WIRE_NAMES[wire]))
            choice.bind(on_release=lambda _, wire=wire: setattr(self, "wire", wire))
            self.bind(wire=lambda _, now, choice=choice, wire=wire: setattr(choice, "on", now == wire))
            choice.on = wire == self.wire
            self.ids.wires.add_widget(choice)

    def show(self, state: AppState) -> None:
        host = state.host
        self.problem = host_problem(host)
        self.away = host is None or host.phase is not Phase.ONLINE
        self.warning = unprotected(host)
        parts = ("welcome",) if host is None else ("stored", "form", "move")
        arrange(self.ids.parts, [self._parts[name] for name in parts])
        if host is not None:
            self._show_stored(host)
            self.ids.provider.options = key_choices(host)
        self._show_form(state.key_form)
        self._mover.show(state.key_move)

    def on_leave(self, *args: object) -> None:
        """What was typed and not saved is nobody's."""
        self.ids.key.forget()
        self._mover.forget()
        for row in self._rows.values():
            row.leaving = False

    def save(self, replacing: bool = False) -> None:
        """Send what is in the form."""
        ids = self.ids
        new = NewKey(
            provider=self.ids.provider.value,
            name=ids.name.text.strip(),
            endpoint=ids.endpoint.text.strip(),
            base_url=ids.base_url.text.strip().rstrip("/"),
            wire=self.wire,
            model=ids.model.text.strip(),
        )
        self.hosting.save_key(new, ids.key.entry.text, replacing=replacing)

    def pick(self, provider: str) -> None:
        """The key is this provider's; what was typed stays."""
        self.app.store.dispatch(hact.KeyProviderPicked(provider))

    def pick_way(self, way: KeyWay) -> None:
        """Open the form for that way, or close it where it is open."""
        self.app.store.dispatch(hact.KeyMovePicked(None if self._mover.way == way else way))

    def move(self) -> None:
        """Export or import, with what is in the card's fields."""
        ids = self._mover.ids
        if self._mover.way == KeyWay.EXPORT:
            self.hosting.export_keys(ids.path.text, ids.passphrase.entry.text, ids.again.entry.text)
        else:
            self.hosting.import_keys(ids.path.text, ids.passphrase.entry.text, replacing=ids.replace.on)

    def _show_form(self, form: KeyForm) -> None:
        if form == self._form:
            return
        if form.saved and self._form is not None:
            self.ids.key.forget()
            for name in ("name", "endpoint", "base_url", "model"):
                self.ids[name].entry.text = ""
        self._form = form
        self.busy = form.busy
        self.refused = form.refused or ""
        self.saved = form.saved or ""
        self.taken = form.taken
        self.custom = form.provider == CUSTOM
        self.ids.provider.value = form.provider
        reveal(self.ids.custom, self._custom, self.custom)
        reveal(self.ids.saving, self._replace, self.taken, top=False)
        problems = dict(form.problems)
        for name in ("provider", "name", "endpoint", "base_url", "model", "key"):
            self.ids[name].problem = problems.get(name, "")

    def _show_stored(self, host: Host) -> None:
        wanted: dict[tuple[str, str], StoredKey | Provider] = {(key.provider, key.name): key for key in host.offer.keys}
        wanted |= {(provider.name, ""): provider for provider in keyless(host)}
        self.empty = "" if wanted else tr("None yet. Add one below, and the host can ask its provider.")
        self._rows = {which: self._rows.get(which) or self._row(*which) for which in wanted}
        arrange(self.ids.rows, list(self._rows.values()))
        for which, stored in wanted.items():
            row = self._rows[which]
            if isinstance(stored, StoredKey):
                row.title = f"{stored.provider}: {stored.name}"
                row.about = key_line(stored)
                row.in_use = stored.in_use
                row.deletable = stored.source == "vault"
                row.usable = row.deletable and not stored.in_use
            else:
                row.title = stored.name
                row.about = "  ·  ".join((stored.base_url, stored.model, tr("no key")))
                row.deletable = True

    def _row(self, provider: str, name: str) -> StoredRow:
        if name:
            question = tr("The host forgets the key '{name}' of {provider} for good.", name=name, provider=provider)
        else:
            question = tr("The host forgets {provider} and its address for good.", provider=provider)
        row = StoredRow(question=question)
        row.bind(on_use=lambda _: self.app.registry.run("key.use", provider=provider, name=name))
        row.bind(on_delete=lambda _: self.app.registry.run("key.delete", provider=provider, name=name))
        return row


def unprotected(host: Host | None) -> str:
    """A warning where a key could be read on its way to the host."""
    if host is None or not readable_on_its_way(host):
        return ""
    return tr(
        "The way to {name} is not encrypted. Save keys from here only in a network that you trust.", name=host.name
    )


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
