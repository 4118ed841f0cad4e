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

from edge_runtime.language.tool_parts import PLACES, Parameter, Span, Tool, Unit, Unreadable
from edge_runtime.language.tool_texts import APART, BESIDE, JOINED, OPENED

if TYPE_CHECKING:
    from edge_runtime.language.tool_marks import Reading

_COUNTS, _TEXTS = ("integer", "number"), ("string", "other")
_BEFORE = re.compile(r".{0,6}")
_BEFORE_NUMBER = re.compile(r"\W{0,3}|\s*(?:is|to|at|of|on)\s*")  # "level = 33"
_BEHIND = re.compile(r"\W*(?:as|for)(?: the| its)?\W*")  # "33 as the level"
_DIRECTLY = re.compile(r"[\s-]{0,2}")  # "3 minutes"
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
        spans: list[tuple[Span, int]] = []
        hints: list[tuple[int, str]] = []
        for place, text in items:
            for part in [text] if text.startswith("'") else text.split(","):
                span = self._reading.span(part, self._mark)
                if span is not None:
                    spans.append((span, place))
                else:
                    hints.append((place, part))
        units = self._reading.units
        several = [one for one in spans if one[0].first != one[0].last or not self._reading.counts(units[one[0].first])]
        single = [one for one in spans if one not in several]
        for span, _ in several:
            self._covered |= set(range(span.first, span.last + 1))
        self._point(several, _TEXTS)
        self._point(single, (*_COUNTS, *_TEXTS))
        self._choose(hints)
        self._switch(hints)
        for place, text in hints:
            if text.startswith("'") and place < len(self._tool.parameters) and place not in self._values:
                self._keep(place, functools.partial(self._reading.literal, text, self._tool.parameters[place]))
        self._find_texts()
        self._find_numbers()
        return self._values

    def _find_texts(self) -> None:
        """Texts that nobody pointed at: those with a name, then the surest one for the parameter that is left."""
        found = self._reading.texts(self._mark) if self._free(*_TEXTS) else []
        for place in self._free(*_TEXTS):
            named = [one for one in found if one.places == {place} and not self._is_used(one.span)]
            if named:
                self._take(place, next((one for one in named if one.quoted), named[-1]).span, _TEXTS)
        free = self._free(*_TEXTS)
        needed = [place for place in free if self._tool.parameters[place].required]
        if len(needed or free) != 1:
            return
        for rank in (JOINED, OPENED, BESIDE, APART) if needed else (JOINED, OPENED):
            left = [one for one in found if one.rank == rank and not self._is_used(one.span)]
            quoted = [one for one in left if one.quoted]
            if left and len(quoted) < 2:
                self._take((needed or free)[0], (quoted or left)[0].span, _TEXTS)
                return

    def _is_used(self, span: Span) -> bool:
        return any(self._taken(at) for at in range(span.first, span.last + 1))

    def _find_numbers(self) -> None:
        """Numbers that nobody pointed at: those with a name, then the only one that is left."""
        units = self._reading.units
        left = [at for at in self._asked if self._reading.counts(units[at]) and not self._taken(at)]
        spoken: set[int] = set()  # names that a number had: "3 minutes 30 seconds"
        for at in list(left):
            name = self._name_of(at, spoken)
            if name is not None and self._take(min(self._named[name]), self._reading.between(at, at), _COUNTS):
                left.remove(at)
                spoken.add(name)
        free = self._free(*_COUNTS)
        needed = [place for place in free if self._tool.parameters[place].required]
        digits = [at for at in left if self._reading.is_digits(at)]
        if needed and not digits:  # a word may be said for other reasons
            digits = [at for at in left if units[at].text.lower() != "one"]
        if len(digits) == len(needed or free) == 1:
            self._take((needed or free)[0], self._reading.between(digits[0], digits[0]), _COUNTS)

    def _name_of(self, at: int, spoken: set[int]) -> int | None:
        """The name of what a number counts: "as the level" behind it, else before it, else directly behind it."""
        told = at + 1 < len(self._named) and self._gap(at, _BEHIND)
        digits = self._reading.is_digits(at)
        before = digits and at > 0 and at - 1 not in spoken and self._gap(at - 1, _BEFORE_NUMBER)
        directly = at + 1 < len(self._named) and self._gap(at, _DIRECTLY)
        for name, there in ((at + 1, told), (at - 1, before), (at + 1, directly)):
            if there and len(self._named[name]) == 1:
                [place] = self._named[name]
                if place in self._free(*_COUNTS):
                    return name
        return None

    def _free(self, *kinds: str) -> list[int]:
        """Parameters of some kinds that have no value yet."""
        places = enumerate(self._tool.parameters)
        return [place for place, one in places if one.kind in kinds and place not in self._values]

    def _taken(self, at: int) -> bool:
        return at in self._covered or at in self._used

    def _point(self, spans: Sequence[tuple[Span, int]], kinds: tuple[str, ...]) -> None:
        """Give values that are pointed at to parameters: those that are named beside them first."""
        left = []
        for span, hint in spans:
            place = self._beside(span.first, span.last)
            if place is None or not self._take(place, span, kinds):
                left.append((span, hint))
        for span, hint in left:
            order = sorted(
                range(len(self._tool.parameters)), key=lambda at: (at != hint, not self._tool.parameters[at].required)
            )
            for kind in (kinds[:2], kinds[2:]):
                if any(self._take(place, span, kind) for place in order):
                    break

    def _take(self, place: int, span: Span, kinds: tuple[str, ...]) -> bool:
        parameter = self._tool.parameters[place]
        if parameter.kind not in kinds or (place in self._values and not parameter.items):
            return False
        if not self._keep(place, lambda: self._reading.value_at(span, parameter)):
            return False
        self._used |= set(range(span.first, span.last + 1))
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
        behind = self._named[last + 1] if last + 1 < len(self._named) and self._gap(last, _BEHIND) else set()
        before = self._named[first - 1] if first and self._gap(first - 1, _BEFORE) else set()
        found = behind or before
        return min(found) if len(found) == 1 else None

    def _gap(self, at: int, joint: re.Pattern[str]) -> bool:
        """Whether the words between a unit and the next one are of a kind."""
        one, other = self._reading.units[at], self._reading.units[at + 1]
        if one.message != other.message:
            return False
        return joint.fullmatch(self._reading.text_of(one)[one.end : other.start]) is not None

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
                if (
                    _NO.match(after)
                    or (_WITHOUT.search(before) and not _YES.match(after))
                    or (hinted.get(place) is False and not _YES.match(after) and not _WITH.search(before))
                ):
                    self._values[place] = False
                elif _YES.match(after) or _WITH.search(before) or hinted.get(place) is True or self._only_names(at):
                    self._values[place] = True
            made = sum(isinstance(value, bool) for value in self._values.values())
            if place in hinted and place not in self._values and sum(told.values()) > made:
                self._values[place] = hinted[place]

    def _only_names(self, at: int) -> bool:
        """Whether a word of the message that is answered names a parameter, and isn't what the tool itself is called."""
        unit = self._reading.units[at]
        return unit.message == self._reading.last and self._mark not in unit.marks


def _own(unit: Unit, mark: str) -> set[int]:
    """The parameters of a tool that a word names."""
    return {PLACES.index(one[1:]) for one in unit.marks if one.startswith(mark) and len(one) == 2}
