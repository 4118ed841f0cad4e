"""What the words of a request settle by themselves, once a model said which tool is meant and which words are values.

A small model points well and counts badly: so which parameter a value belongs to is read from the name beside it, from its
kind and from the choices that are said; the model's own word counts where that leaves more than one.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge_runtime.language.tool_parts import PLACES, Parameter, Tool, Unit, Unreadable

if TYPE_CHECKING:
    from edge_runtime.language.tool_marks import Reading

_BEHIND = re.compile(r"\W*(?:as|for)(?: the| its)?\W*")  # "33 as the level"
_YES = re.compile(r"\W*(?:on|yes|true)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:off|no|false)\b", re.IGNORECASE)
_WITHOUT = re.compile(r"\b(?:without|no|not)\W*$", re.IGNORECASE)
_WITH = re.compile(r"\bwith\W*$", re.IGNORECASE)


def settled(reading: Reading, mark: str, tool: Tool, items: Sequence[tuple[int, str]]) -> dict[int, object]:
    """Parameter -> value. mark: of the tool; items: what the model wrote, parameter and value each."""
    return _Settling(reading, mark, tool).settle(items)


class _Settling:
    def __init__(self, reading: Reading, mark: str, tool: Tool) -> None:
        self._reading, self._mark, self._tool = reading, mark, tool
        self._named = [_own(unit, mark) for unit in reading.units]
        self._values: dict[int, object] = {}
        self._covered: set[int] = set()

    def settle(self, items: Sequence[tuple[int, str]]) -> dict[int, object]:
        spans: list[tuple[int, int, int]] = []
        hints: list[tuple[int, str]] = []
        for place, text in items:
            for part in [text] if text.startswith("'") else text.split(","):
                span = self._reading.span(part)
                if span is not None:
                    spans.append((*span, place))
                else:
                    hints.append((place, part))
        several = [span for span in spans if span[0] != span[1] or not self._reading.is_number(span[0])]
        single = [span for span in spans if span not in several]
        for first, last, _ in several:
            self._covered |= set(range(first, last + 1))
        self._point(several, ("string", "other"))
        self._point(single, ("integer", "number", "string", "other"))
        self._choose(hints)
        self._switch(hints)
        for place, text in hints:
            if text.startswith("'") and place < len(self._tool.parameters) and place not in self._values:
                self._keep(place, functools.partial(self._reading.literal, text, self._tool.parameters[place]))
        return self._values

    def _point(self, spans: Sequence[tuple[int, int, int]], kinds: tuple[str, ...]) -> None:
        """Give values that are pointed at to parameters: those that are named beside them first."""
        left = []
        for first, last, hint in spans:
            place = self._beside(first, last)
            if place is None or not self._take(place, first, last, kinds):
                left.append((first, last, hint))
        for first, last, hint in left:
            order = sorted(
                range(len(self._tool.parameters)), key=lambda at: (at != hint, not self._tool.parameters[at].required)
            )
            for kind in (kinds[:2], kinds[2:]):
                if any(self._take(place, first, last, kind) for place in order):
                    break

    def _take(self, place: int, first: int, last: int, kinds: tuple[str, ...]) -> bool:
        parameter = self._tool.parameters[place]
        if parameter.kind not in kinds or (place in self._values and not parameter.items):
            return False
        return self._keep(place, lambda: self._reading.value_at(first, last, parameter))

    def _keep(self, place: int, read: Callable[[], object]) -> bool:
        """Keep what `read` gives; whether it gave anything that the schema allows."""
        try:
            value = read()
        except Unreadable:
            return False
        if self._tool.parameters[place].items and not isinstance(value, list):
            had = self._values.get(place, [])
            value = [*had, value] if isinstance(had, list) else [value]
        self._values[place] = value
        return True

    def _beside(self, first: int, last: int) -> int | None:
        """The parameter whose name stands right behind a value ("33 as the level") or before it."""
        behind = self._named[last + 1] if last + 1 < len(self._named) and self._gap(last, behind=True) else set()
        before = self._named[first - 1] if first and self._gap(first - 1, behind=False) else set()
        found = behind or before
        return min(found) if len(found) == 1 else None

    def _gap(self, at: int, *, behind: bool) -> bool:
        """Whether the words between a unit and the next one join a value to a name."""
        one, other = self._reading.units[at], self._reading.units[at + 1]
        if one.message != other.message:
            return False
        between = self._reading.text_of(one)[one.end : other.start]
        return bool(_BEHIND.fullmatch(between)) if behind else len(between) <= 6

    def _choose(self, hints: Sequence[tuple[int, str]]) -> None:
        """Choices that are said; one that isn't, where the model knows of more than are said."""
        used: set[int] = set()
        said = 0
        hinted = [(place, PLACES.index(text[1])) for place, text in hints if text.startswith("=")]
        for place, parameter in enumerate(self._tool.parameters):
            if parameter.kind != "enum":
                continue
            found = self._said(place, parameter, used)
            said += len(found)
            if not found:
                continue
            if parameter.items:
                self._values[place] = [parameter.choices[choice] for choice in found]
            else:
                chosen = [choice for at, choice in hinted if at == place and choice in found]
                self._values[place] = parameter.choices[(chosen or found)[0]]
        for place, choice in hinted if len(hinted) > said else ():
            if place < len(self._tool.parameters) and place not in self._values:
                parameter = self._tool.parameters[place]
                if choice < len(parameter.choices):
                    value = parameter.choices[choice]
                    self._values[place] = [value] if parameter.items else value

    def _said(self, place: int, parameter: Parameter, used: set[int]) -> list[int]:
        found = []
        prefix = f"{self._mark}{PLACES[place]}="
        for at, unit in enumerate(self._reading.units):
            marks = [one for one in unit.marks if one.startswith(prefix)]
            if marks and at not in self._covered and at not in used:
                beside = self._beside(at, at)
                others = any(one.startswith(self._mark) and "=" in one for one in unit.marks if one not in marks)
                if others and beside is not None and beside != place:
                    continue  # the word is a choice of two parameters, and the other one is named
                used.add(at)
                found.append(PLACES.index(marks[0][-1]))
        return found

    def _switch(self, hints: Sequence[tuple[int, str]]) -> None:
        """What is turned on or off."""
        told = Counter(text for _, text in hints if text in ("+", "-"))
        hinted = {place: text == "+" for place, text in hints if text in ("+", "-")}
        for place, parameter in enumerate(self._tool.parameters):
            if parameter.kind != "boolean":
                continue
            for at, unit in enumerate(self._reading.units):
                if place not in self._named[at] or at in self._covered:
                    continue
                text = self._reading.text_of(unit)
                before, after = text[: unit.start], text[unit.end : unit.end + 12]
                if _NO.match(after) or _WITHOUT.search(before):
                    self._values[place] = False
                elif _YES.match(after) or _WITH.search(before) or hinted.get(place) is True:
                    self._values[place] = True
            made = sum(isinstance(value, bool) for value in self._values.values())
            if place in hinted and place not in self._values and sum(told.values()) > made:
                self._values[place] = hinted[place]


def _own(unit: Unit, mark: str) -> set[int]:
    """The parameters of a tool that a word names."""
    return {PLACES.index(one[1:]) for one in unit.marks if one.startswith(mark) and len(one) == 2}
