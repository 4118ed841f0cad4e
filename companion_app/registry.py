"""All that a person can make the app do, in one table; imports no Kivy.

Buttons, menus, keys of the keyboard, the command palette and the command line read it, so a command has one name, one
title and one rule about who may run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from companion_app.state.model import AppState


@dataclass(frozen=True)
class Command:
    """One command.

    name: `place.verb`, as on a command line ("device.rollback").
    title: what it says on a button or in a menu, in English; shown through `i18n.tr`.
    run: called with what `arguments` describe, by keyword; returns at once and reports through the store.
    scope: what the pairing must allow for it to make sense; None where nobody has to be paired.
    shortcut: for example "ctrl+shift+p"; None where it has no key.
    arguments: JSON Schema properties, by argument.
    dangerous: asks by a slide before it runs.
    when: whether it makes sense in this state.
    """

    name: str
    title: str
    run: Callable[..., object]
    scope: str | None = None
    shortcut: str | None = None
    arguments: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    dangerous: bool = False
    when: Callable[[AppState], bool] = lambda state: True


class Registry:
    """The commands by name."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def add(self, *commands: Command) -> None:
        """Raises ValueError for a name or a shortcut that another command has."""
        for command in commands:
            if command.name in self._commands:
                raise ValueError(f"There are two commands {command.name}.")
            other = next((known for known in self if command.shortcut and known.shortcut == command.shortcut), None)
            if other is not None:
                raise ValueError(f"{command.shortcut} is for {other.name} and for {command.name}.")
            self._commands[command.name] = command

    def __getitem__(self, name: str) -> Command:
        return self._commands[name]

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def run(self, name: str, **arguments: object) -> None:
        """Run a command by its name."""
        self._commands[name].run(**arguments)
