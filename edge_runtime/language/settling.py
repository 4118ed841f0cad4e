"""What the words of a request settle by themselves, once a model said which tool is meant and which words are values.

A small model points well and counts badly: so which parameter a value belongs to is read from the name beside it, from its
kind and from the choices that are said; the model's own word counts where that leaves more than one. What the model left
out is found in the same way: a number by its name or because it is the only one, a text by its name.
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

_BEFORE = re.compile(r'\s*(?:(?:[:=]|is)\s*)?["“]?')  # "level = 33", "title "To do""
_BEHIND = re.compile(r"\W*(?:as|for)(?: the| its)?\W*")  # "33 as the level"
_YES = re.compile(r"\W*(?:on|yes|true)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:off|no|false)\b", re.IGNORECASE)
_WITHOUT = re.compile(r"\b(?:without|no|not)\s+$", re.IGNORECASE)  # "slow no, loud" says nothing about loud
_WITH = re.compile(r"\bwith\s+$", re.IGNORECASE)


def settled(reading: Reading, mark: str, tool: Tool, items: Sequence[tuple[int, str]]) -> dict[int, object]:
    """Parameter -> value. mark: of the tool; items: what the model wrote, parameter and value each."""
    return _Settling(reading, mark, tool).settle(items)


class _Settling:
    def __init__(self, reading: Reading, mark: str, tool: Tool) -> None:
        self._reading, self._mark, self._tool = reading, mark, tool
        self._named = [_own(unit, mark) for unit in reading.units]
        self._values: dict[int, object] = {}
        self._covered: set[int] = set()  # units that are part of a text
        self._used: set[int] = set()  # units that are a value
        self._asked = [at for at, unit in enumerate(reading.units) if unit.message == reading.last]

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
        self._find_texts()
        self._find_numbers()
        return self._values

    def _find_texts(self) -> None:
        """Texts that nobody pointed at: those that stand before "as the NAME", then those behind a name."""
        free = self._free("string", "other")
        for behind in (True, False):
            for place in free:
                spans = {
                    span
                    for at in self._asked
                    if place in self._named[at] and (span := self._text_at(at, behind=behind))
                }
                if place not in self._values and len(spans) == 1:
                    first, last = spans.pop()
                    self._take(place, first, last, ("string", "other"))
        free = self._free("string", "other")
        needed = [place for place in free if self._tool.parameters[place].required]
        left = self._left() if len(needed) == 1 else []
        if len(left) == 1:
            self._take(needed[0], *left[0], ("string", "other"))

    def _left(self) -> list[tuple[int, int]]:
        """What is quoted and unused, or else the words behind the tool's own that it doesn't know."""
        reading, units = self._reading, self._reading.units
        quoted = [(at, at) for at in self._asked if units[at].quoted and not self._taken((at, at))]
        if quoted:
            return quoted
        named = [at for at in self._asked if any(one[0] == self._mark for one in units[at].marks)]
        starts = [
            at
            for at in self._asked
            if named and at > named[0] and reading.is_plain(at, self._mark) and reading.run_start(at, self._mark) == at
        ]
        return [span for at in starts if not self._taken(span := (at, reading.run_end(at, self._mark)))]

    def _text_at(self, name: int, *, behind: bool) -> tuple[int, int] | None:
        """The words that a name stands behind, or before; None where there are none that aren't used."""
        reading, at = self._reading, name - 1 if behind else name + 1
        if name in self._covered or not 0 <= at < len(reading.units):
            return None
        one, other = reading.units[min(at, name)], reading.units[max(at, name)]
        between = reading.text_of(one)[one.end : other.start]
        if one.message != other.message or not (_BEHIND if behind else _BEFORE).fullmatch(between):
            return None
        if not reading.is_plain(at, self._mark):
            return None
        span = (reading.run_start(at, self._mark), at) if behind else (at, reading.run_end(at, self._mark))
        return None if self._taken(span) else span

    def _find_numbers(self) -> None:
        """Numbers that nobody pointed at: those with a name, then the only one that is left."""
        left = [at for at in self._asked if self._reading.is_digits(at) and not self._taken((at, at))]
        for at in list(left):
            place = self._beside(at, at)
            if place in self._free("integer", "number") and self._take(place, at, at, ("integer", "number")):
                left.remove(at)
        free = self._free("integer", "number")
        needed = [place for place in free if self._tool.parameters[place].required] or free
        if len(left) == len(needed) == 1:
            self._take(needed[0], left[0], left[0], ("integer", "number"))

    def _free(self, *kinds: str) -> list[int]:
        """Parameters of some kinds that have no value yet."""
        places = enumerate(self._tool.parameters)
        return [place for place, one in places if one.kind in kinds and place not in self._values]

    def _taken(self, span: tuple[int, int]) -> bool:
        return not (self._covered | self._used).isdisjoint(range(span[0], span[1] + 1))

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
        if parameter.kind in ("integer", "number"):
            last = first
        if not self._keep(place, lambda: self._reading.value_at(first, last, parameter)):
            return False
        self._used |= set(range(first, last + 1))
        return True

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
                if _NO.match(after) or (_WITHOUT.search(before) and not _YES.match(after)):
                    self._values[place] = False
                elif _YES.match(after) or _WITH.search(before) or hinted.get(place) is True:
                    self._values[place] = True
            made = sum(isinstance(value, bool) for value in self._values.values())
            if place in hinted and place not in self._values and sum(told.values()) > made:
                self._values[place] = hinted[place]


def _own(unit: Unit, mark: str) -> set[int]:
    """The parameters of a tool that a word names."""
    return {PLACES.index(one[1:]) for one in unit.marks if one.startswith(mark) and len(one) == 2}
