"""Reads a table of TOML key by key: each is checked and bounded, and one that nobody asked for is a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_runtime.errors import BadRequest

LONGEST_TEXT = 1000
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Table:
    """One table. where: how sentences call it. Every method raises `BadRequest` with the key's name."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise BadRequest(f"{where} must be a table, as in [{where}].")
        self._raw: Mapping[str, object] = raw
        self.where = where
        self._asked: list[str] = []

    def key(self, name: str) -> str:
        """How a sentence calls a key."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Whether the key is there."""
        return name in self._raw

    def raw(self, name: str, default: object = None) -> object:
        """The value as it is."""
        self._asked.append(name)
        return self._raw.get(name, default)

    def need(self, name: str) -> None:
        """Raise where the key isn't there."""
        if name not in self._raw:
            raise BadRequest(f"{self.key(name)} is missing.")

    def text(self, name: str, default: str | None = None, longest: int = LONGEST_TEXT) -> str:
        """A text on one line; without a default the key must be there."""
        if default is None:
            self.need(name)
        value = self.raw(name, default)
        if not isinstance(value, str) or len(value) > longest or (value and not value.isprintable()):
            raise BadRequest(f"{self.key(name)} must be a text on one line, up to {longest:,} characters.")
        if not value and default is None:
            raise BadRequest(f"{self.key(name)} is empty.")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of some texts."""
        value = self.text(name, default)
        if value not in choices:
            raise BadRequest(f"{self.key(name)} must be {', '.join(choices[:-1])} or {choices[-1]}.")
        return value

    def name(self, name: str, default: str | None = None) -> str:
        """The name of a specialist, a model or a pipeline."""
        value = self.text(name, default, 64)
        if not NAME.fullmatch(value):
            raise BadRequest(f"{self.key(name)} must be a name of small letters, digits and ._-, as 'home-en'.")
        return value

    def number(self, name: str, default: float | None, low: float, high: float) -> float:
        """A number within bounds; without a default the key must be there."""
        if default is None:
            self.need(name)
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadRequest(f"{self.key(name)} must be a number from {low:g} to {high:g}.")
        return float(value)

    def whole(self, name: str, default: int | None, low: int, high: int) -> int:
        """A whole number within bounds."""
        if default is None:
            self.need(name)
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadRequest(f"{self.key(name)} must be a whole number from {low} to {high}.")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise BadRequest(f"{self.key(name)} must be true or false.")
        return value

    def path(self, name: str, folder: Path) -> Path:
        """A path; one that isn't absolute is within `folder`."""
        return folder / self.text(name)

    def names(self, name: str) -> tuple[str, ...]:
        """One name, or a list of names; nothing where the key isn't there."""
        value = self.raw(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) and NAME.fullmatch(each) for each in listed):
            raise BadRequest(f"{self.key(name)} must be the name of a model, or a list of such names.")
        return tuple(listed)

    def table(self, name: str) -> Table | None:
        """A table within; None where the key isn't there."""
        return Table(self.raw(name), self.key(name)) if self.has(name) else None

    def tables(self, name: str, most: int) -> Iterator[Table]:
        """The tables of a list, as [[models]] makes it."""
        value = self.raw(name, [])
        if not isinstance(value, list) or len(value) > most:
            raise BadRequest(f"{self.key(name)} must be a list of up to {most} tables, each begun by [[{name}]].")
        for at, each in enumerate(value):
            yield Table(each, f"{self.key(name)}[{at}]")

    def items(self) -> Iterator[tuple[str, object]]:
        """All keys and values, of a table whose keys are free."""
        for name in self._raw:
            yield name, self.raw(name)

    def done(self) -> None:
        """Raise where there is a key that nobody asked for."""
        if unknown := next((name for name in self._raw if name not in self._asked), None):
            raise BadRequest(
                f"There is no key {self.key(unknown)[:120]}; here are {', '.join(sorted(set(self._asked)))}."
            )
