"""All that a person can make the app do, in one table; imports no Kivy.

Buttons, menus, keys of the keyboard, the command palette and the command line read it, so a command has one name, one
title and one rule about who may run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from companion_app.arguments import Schema
from companion_app.chords import may_bind, shown, written
from companion_app.i18n import tr
from companion_app.state.model import AppState
from edge_runtime.identity.grants import SCOPES

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Command:
    """One command.

    name: `place.verb`, as on a command line ("device.rollback").
    title: what it says on a button or in a menu, in English; shown through `i18n.tr`.
    run: called with what `arguments` describe, by keyword; returns at once and reports through the store.
    scope: what the pairing must allow for it to make sense; None where nobody has to be paired.
    of: whose pairing that is.
    shortcut: for example "ctrl+shift+p"; None where it has no key.
    arguments: JSON Schema properties, by argument; one without a default has to be given.
    dangerous: asks by a slide before it runs.
    choices: for arguments that are one of what the state holds: (value, what a person reads) each.
    when: whether it makes sense in this state; `lacks`, in English, is the sentence for where it does not.
    icon: of `theme.icons`.
    told: what the command line prints, text or JSON, once the state holds it; None before. Raises `CommandError` where
    it failed. A command without it needs the window.
    """

    name: str
    title: str
    run: Callable[..., object]
    scope: str | None = None
    shortcut: str | None = None
    arguments: Schema = field(default_factory=dict)
    choices: Mapping[str, Callable[[AppState], Choices]] = field(default_factory=dict)
    dangerous: bool = False
    when: Callable[[AppState], bool] = lambda state: True
    lacks: str = ""
    of: Literal["device", "host"] = "device"
    icon: str = ""
    told: Callable[[AppState], object] | None = None


class CommandError(Exception):
    """A command failed; the message is one sentence for the person."""


class Registry:
    """The commands by name.

    state: the current one, to say why a command can't run now. say: where that sentence goes.
    """

    def __init__(
        self,
        state: Callable[[], AppState] | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._commands: dict[str, Command] = {}
        self._state = state
        self._say = say

    def add(self, *commands: Command) -> None:
        """Raises ValueError for a name or a shortcut that another command has."""
        for command in commands:
            if command.name in self._commands:
                raise ValueError(f"There are two commands {command.name}.")
            if command.shortcut is not None:
                if command.shortcut != written(command.shortcut) or not may_bind(command.shortcut):
                    raise ValueError(
                        f"{command.shortcut} of {command.name} can't be a shortcut, or is written otherwise."
                    )
                other = next((known for known in self if known.shortcut == command.shortcut), None)
                if other is not None:
                    raise ValueError(f"{command.shortcut} is for {other.name} and for {command.name}.")
            self._commands[command.name] = command

    def __getitem__(self, name: str) -> Command:
        return self._commands[name]

    def __contains__(self, name: object) -> bool:
        return name in self._commands

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def run(self, name: str, /, **arguments: object) -> object:
        """Run a command by its name, and return what it returns; where it can't run now, say why, and return None."""
        command = self._commands[name]
        reason = self.why_not(command)
        if reason:
            self._say(reason)
            return None
        return command.run(**arguments)

    def why_not(self, command: Command) -> str:
        """Why a command can't run now, in a sentence; empty where it can."""
        return "" if self._state is None else why_not(command, self._state())

    def bindings(self) -> dict[str, str]:
        """The keys of each command that has some, by its name: its own, or what a person chose in their place."""
        chosen = dict(self._state().preferences.shortcuts) if self._state is not None else {}
        found = {command.name: command.shortcut or "" for command in self}
        found |= {name: keys for name, keys in chosen.items() if name in found}
        taken: set[str] = set()
        # A later version may bring a command whose own keys a person gave to another one: theirs come first.
        for name in sorted(found, key=lambda name: name not in chosen):
            if found[name] in taken:
                found[name] = ""
            taken.add(found[name])
        return {name: keys for name, keys in found.items() if keys}

    def command_of(self, keys: str) -> Command | None:
        """What these keys are for."""
        return next((self._commands[name] for name, own in self.bindings().items() if own == keys), None)

    def binding_problem(self, name: str, keys: str) -> str:
        """Why a command can't have these keys, in a sentence; empty where it can."""
        if not may_bind(keys):
            return tr("{keys} can't be a shortcut: use Ctrl or Alt with a letter, or an F key.", keys=shown(keys))
        other = self.command_of(keys)
        if other is not None and other.name != name:
            return tr(
                "{keys} is for “{title}” already; change that first, or choose other keys.",
                keys=shown(keys),
                title=tr(other.title),
            )
        return ""

    def matching(self, text: str) -> list[Command]:
        """The commands that a person may mean, the likeliest first, of those what can run now: all words occur in title or name."""
        words = text.lower().split()
        found: list[tuple[int, bool, str, Command]] = []
        for command in self:
            title = tr(command.title).lower()
            both = f"{title} {command.title.lower()} {command.name}"
            if all(word in both for word in words):
                starts = title.startswith(text.lower().strip())
                begins = all(any(part.startswith(word) for part in title.split()) for word in words)
                found.append((0 if starts else 1 if begins else 2, bool(self.why_not(command)), title, command))
        return [command for *_, command in sorted(found, key=lambda one: one[:3])]


def why_not(command: Command, state: AppState) -> str:
    """Why a command can't run in this state, in a sentence; empty where it can."""
    if command.scope is not None:
        reason = _scope_problem(command, state)
        if reason:
            return reason
    if not command.when(state):
        return tr(command.lacks) if command.lacks else tr("This can't be done now.")
    return ""


def covers(held: str, scope: str) -> bool:
    """Whether a pairing of this scope reaches as far as another one; "open" is a device here that asks for no token."""
    if held not in SCOPES:
        return scope in ("viewer", "operator") if held == "open" else True  # what isn't known, the other side decides
    return SCOPES.index(held) >= SCOPES.index(scope)


def _scope_problem(command: Command, state: AppState) -> str:
    scope = str(command.scope)
    if command.of == "host":
        if state.host is None:
            return tr("Pair with a host first.")
        held = state.host.scope
    else:
        if state.device is None:
            return tr("Pair with a device first.")
        held = state.device.role
    if covers(held, scope):
        return ""
    return tr("This needs a pairing with the scope {scope}; this one is {held}.", scope=scope, held=held)
