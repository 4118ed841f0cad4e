"""Tools for a very small model: it reads which words of a message belong to which tool, and points at values.

A model of a million numbers neither copies "living room" letter by letter nor knows a tool that it never saw. So the device
compares the words first. Tools and their parameters get marks, A1 is the first parameter of the first one. Each number becomes
a letter, and where a tool takes a text, each word that none of them knows gets one before it:

    tools  A set lamp 1 room =! 2 level #! 3 owner "    said    set the lamp in the hall to 33 % for tom jones now
    reads  A the A in the A1=2 to а % for α tom β jones now > A      writes  @A 3 α

Behind ">" stand the tools that could be called as it is; "<" is in its place where nothing is wanted (see `wishes`). What
the words settle by themselves (see `settling`: here the room and the level) isn't written at all, and a text is pointed at
by its first word where it ends with the words that follow it directly. The pointing is that of pointer networks (arXiv
1506.03134), the marks play the part of delexicalization (as in arXiv 1508.01745). `written` makes of a call what the model
must write, and `called` of what it wrote a call, valid by the tool's schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import combinations

from edge_runtime.errors import BadRequest
from edge_runtime.language.settling import settled
from edge_runtime.language.tool_parts import (
    JOINING,
    PLACES,
    SMALL,
    Parameter,
    Span,
    Tool,
    Unit,
    Unreadable,
    stemmed,
    tool_of,
    words_of,
)
from edge_runtime.language.tool_texts import NOWHERE, OPENED, Text, texts
from edge_runtime.language.tool_values import NUMBER, allows, checked, leaves_out, number_of, put, spelled, value_of

Json = Mapping[str, object]
CALL = "@"
READY = ">"
TALK = "<"
TOOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "".join(map(chr, range(0x531, 0x557)))  # then Armenian: 64 in all
LETTERS = "αβγδεζηθικλμνξοπρστυφχψω" + "".join(map(chr, range(0x561, 0x587)))  # of words; then Armenian
NUMBERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя"  # of numbers
_LEFT_OUT = 3  # values from which on a call is written whole, where fewer aren't enough
_COMMON_TO = 3  # a word that so many tools or more have says nothing about which is meant
_PIECE = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|[-−]?\d+(?:[.,]\d+)*|[^\W\d_]+(?:[\'’-][^\W\d_]+)*|\S')
_POINT = f" [{LETTERS}{NUMBERS}](?: [{LETTERS}{NUMBERS}])?"
_ONE = rf"(?:{_POINT}|[+-]|=[{PLACES}]|'(?:[^'\\]|\\.)*')"
_WRITTEN = re.compile(rf" ([{PLACES}])({_ONE}(?:,{_ONE})*)")


class Reading:
    """A conversation with tools as a model reads it."""

    def __init__(self, messages: Sequence[Json], tools: Sequence[Json], wanted: bool | None = None) -> None:
        """messages: {"role", "content", "tool_calls"?}; tools: OpenAI's form. wanted: whether the last message of a
        person wants anything done; None where nobody said so. Raises `BadRequest` for wrong ones.
        """
        self.wanted = wanted
        self._raw = tools[: len(TOOLS)]
        self.tools = [tool_of(raw) for raw in self._raw]
        known = {word for tool in self.tools for word in tool.words.union(*(one.words for one in tool.parameters))}
        self._small = SMALL | {word for word in JOINING if stemmed(word) not in known}
        self._messages = list(messages)
        self.units: list[Unit] = []
        self._marked: dict[int, list[Unit]] = {}
        for number in reversed(range(len(self._messages))):
            role, content = self._messages[number].get("role"), self._messages[number].get("content")
            if role in ("user", "tool") and isinstance(content, str):
                self._read(number, content)
        self.units.reverse()
        self.last = max(self._marked, default=-1)  # the message that is answered
        free = any(one.kind in ("string", "other") for tool in self.tools for one in tool.parameters)
        numbers = [unit for unit in self.units if NUMBER.fullmatch(unit.text) and not unit.quoted]
        # Words of the tools are inside of a text, but no text begins or ends with one, unless it is quoted.
        words = [unit for unit in self.units if free and (unit.quoted or not unit.marks) and unit not in numbers]
        self._letters: dict[int, str] = {}  # where there are too many, the last words have them
        for some, letters in ((numbers, NUMBERS), (words, LETTERS)):
            kept = some[-len(letters) :]
            self._letters |= {id(unit): letter for unit, letter in zip(kept, letters, strict=False)}
        self._texts: dict[str, list[Text]] = {}
        self._places = {letter: at for at, unit in enumerate(self.units) if (letter := self._letters.get(id(unit)))}

    def messages(self) -> list[dict[str, object]]:
        """What the model reads: a system message with the tools, and marked messages; calls as they are written."""
        made: list[dict[str, object]] = []
        listed = "\n".join(f"{mark} {tool.shown}" for mark, tool in zip(TOOLS, self.tools, strict=False))
        for number, message in enumerate(self._messages):
            if number in self._marked:
                parts = [part.text if part.small else self._shown(part) for part in self._marked[number]]
                if number == self.last and (self.wanted is not None or self._ready(number)):
                    parts += [TALK] if self.wanted is False else [READY, *self._ready(number)]
                made.append({**message, "content": f" {' '.join(parts)}"})  # letters are tokens with their space
            elif message.get("role") == "assistant":
                made.append(self._assistant(message))
            else:
                made.append(dict(message))
        if made and made[0].get("role") == "system":
            return [{"role": "system", "content": f"{made[0]['content']}\n{listed}"}, *made[1:]]
        return [{"role": "system", "content": listed}, *made]

    def parts(self, number: int) -> Sequence[Unit]:
        """What a message was parted into, the small words among them."""
        return self._marked.get(number, ())

    def tool(self, mark: str) -> Tool:
        """The tool of a mark."""
        return self.tools[TOOLS.index(mark)]

    def spoken_of(self, name: str) -> bool:
        """Whether anything that was said is a word, a parameter or a choice of a tool."""
        marks = {mark for mark, tool in zip(TOOLS, self.tools, strict=False) if tool.name == name}
        return any(one[0] in marks for unit in self.units for one in unit.marks)

    def schemas(self) -> list[tuple[Json, str]]:
        """The schema of each tool's parameters, and the tool's name."""
        functions = (raw.get("function", raw) for raw in self._raw)
        schemas = (one.get("parameters") if isinstance(one, Mapping) else None for one in functions)
        known = (one if isinstance(one, Mapping) else {} for one in schemas)
        return [(schema, tool.name) for schema, tool in zip(known, self.tools, strict=True)]

    def _ready(self, number: int) -> list[str]:
        """The tools that a message names, and whose every required value the words settle."""
        named = {one[0] for unit in self.units if unit.message == number for one in unit.marks}
        made = []
        for mark in sorted(named):
            try:
                self.called(CALL + mark)
            except Unreadable:
                continue
            made.append(mark)
        return made

    def written(self, name: str, arguments: Json) -> str:
        """What a model writes to call a tool, for training."""
        number = next((at for at, tool in enumerate(self.tools) if tool.name == name), None)
        if number is None:
            raise BadRequest(f"There is no tool '{name[:64]}' among the tools.")
        used: set[int] = set()
        parts: list[tuple[int, str]] = []
        for place, parameter in zip(PLACES, self.tools[number].parameters, strict=False):
            value, there = value_of(arguments, parameter.path)
            if there:
                at, text = self._value(value, parameter, TOOLS[number] + place, used)
                parts.append((at, f" {place}{text}"))
        parts.sort(key=lambda part: part[0])
        begun = CALL + TOOLS[number]
        wanted: list[dict[str, object]] = [{"name": name, "arguments": arguments}]
        # What the words settle anyhow needs no writing: the fewest values that are enough.
        whole = [text for _, text in parts]
        fewer = (list(some) for count in range(min(len(whole), _LEFT_OUT)) for some in combinations(whole, count))
        return begun + "".join(next((some for some in fewer if self._means(begun + "".join(some), wanted)), whole))

    def _means(self, text: str, wanted: list[dict[str, object]]) -> bool:
        try:
            return self.called(text) == wanted
        except Unreadable:
            return False

    def called(self, text: str) -> list[dict[str, object]]:
        """The calls that a model wrote, [{"name", "arguments"}]; raises `Unreadable`."""
        return [self._call(line) for line in text.strip().split("\n")]

    def _call(self, line: str) -> dict[str, object]:
        if not line.startswith(CALL) or (number := TOOLS.find(line[1:2] or " ")) < 0 or number >= len(self.tools):
            raise Unreadable("The model called no tool that there is.")
        tool, at, items = self.tools[number], 2, list[tuple[int, str]]()
        while at < len(line):
            found = _WRITTEN.match(line, at)
            if found is None:
                raise Unreadable("The model's call can't be read.")
            items.append((PLACES.index(found[1]), found[2]))
            at = found.end()
        made: dict[str, object] = {}
        values = settled(self, TOOLS[number], tool, items)
        for place in sorted(values):
            put(made, tool.parameters[place].path, values[place])
        if leaves_out(tool, made):
            raise Unreadable(f"The model's call of {tool.name} leaves out what is required.")
        return {"name": tool.name, "arguments": made}

    def allows(self, name: str, arguments: Json) -> bool:
        """Whether a tool's schema allows arguments, of which it knows every name."""
        tool = next((one for one in self.tools if one.name == name), None)
        return tool is not None and allows(tool, arguments)

    def _read(self, number: int, content: str) -> None:
        """Part a message into words with marks, the last message first."""
        parts: list[Unit] = []
        for found in _PIECE.finditer(content):
            quoted = found[1] or found[2]
            word = found[0]
            small = quoted is None and (
                word.lower() in self._small or not (word[0].isalnum() or NUMBER.fullmatch(word) is not None)
            )
            start = found.start() + (1 if quoted else 0)
            parts.append(Unit(number, start, start + len(quoted or word), quoted or word, quoted is not None, small))
        units = [part for part in parts if not part.small]
        self._mark(units)
        self.units += reversed(units)
        self._marked[number] = parts

    def _mark(self, units: list[Unit]) -> None:
        """Say of each word which tools, parameters and choices have it."""
        stems = [stemmed(unit.text) for unit in units]
        for at, (unit, stem) in enumerate(zip(units, stems, strict=True)):
            if unit.quoted:
                unit.marks += self._choices_of(unit.text)
                continue
            for mark, tool in zip(TOOLS, self.tools, strict=False):
                for place, parameter in zip(PLACES, tool.parameters, strict=False):
                    if stem in parameter.words:
                        unit.marks.append(mark + place)
                    for choice, value in zip(PLACES, parameter.choices, strict=False):
                        size = len(words := [stemmed(word) for word in words_of(str(value))])
                        if size and stems[at : at + size] == words:
                            unit.marks.append(f"{mark}{place}={choice}")
            joined = {stemmed(part) for part in words_of(unit.text)}  # e-mail
            having = [
                mark
                for mark, tool in zip(TOOLS, self.tools, strict=False)
                if stem in tool.words or (joined and joined <= tool.words)
            ]
            if len(having) < _COMMON_TO or len(having) < len(self.tools) / 2:
                unit.marks += having

    def _choices_of(self, text: str) -> list[str]:
        """The choices that a quoted text names as a whole."""
        words = [stemmed(word) for word in words_of(text)]
        return [
            f"{mark}{place}={choice}"
            for mark, tool in zip(TOOLS, self.tools, strict=False)
            for place, parameter in zip(PLACES, tool.parameters, strict=False)
            for choice, value in zip(PLACES, parameter.choices, strict=False)
            if words and words == [stemmed(word) for word in words_of(str(value))]
        ]

    def _shown(self, unit: Unit) -> str:
        """A word in the text: its letter, and its marks, or itself where it has none."""
        letter = self._letters.get(id(unit), "")
        marks = "/".join(unit.marks)
        if NUMBER.fullmatch(unit.text) and not unit.quoted:
            return f"{letter or '#'} {marks}".strip()
        plain = '"' if unit.quoted else unit.text.lower()
        return f"{letter} {marks or plain}".strip()

    def _assistant(self, message: Json) -> dict[str, object]:
        from edge_runtime.language.template import parse_tool_calls, render_tool_calls

        said = str(message.get("content") or "") + render_tool_calls(message.get("tool_calls"))
        found = parse_tool_calls(said)
        if not found.tool_calls:
            return dict(message)
        calls = []
        for call in found.tool_calls:
            arguments = call["arguments"]
            assert isinstance(arguments, Mapping)
            if all(tool.name != call["name"] for tool in self.tools):
                return dict(message)  # a tool that is no longer offered
            calls.append(self.written(str(call["name"]), arguments))
        kept = {key: value for key, value in message.items() if key != "tool_calls"}
        return {**kept, "content": "\n".join(calls)}

    def _value(self, value: object, parameter: Parameter, mark: str, used: set[int]) -> tuple[int, str]:
        """Where a value is said, and how it is written."""
        if parameter.items and isinstance(value, list) and value:
            parts = [self._one(item, parameter, mark, used) for item in value]
            return parts[0][0], ",".join(text for _, text in parts)
        return self._one(value, parameter, mark, used)

    def _one(self, value: object, parameter: Parameter, mark: str, used: set[int]) -> tuple[int, str]:
        """A choice by its place, yes or no, what is pointed at; else the value itself."""
        if isinstance(value, bool) and parameter.kind == "boolean":
            return self._first(mark), "+" if value else "-"
        choice = next(
            (at for at, one in enumerate(parameter.choices) if one == value and type(one) is type(value)), None
        )
        if choice is not None and choice < len(PLACES):
            return self._first(f"{mark}={PLACES[choice]}"), f"={PLACES[choice]}"
        if isinstance(value, str | int | float) and not isinstance(value, bool) and parameter.kind != "enum":
            found = self._spans(value, parameter, mark[0])
            if spans := {span: at for span, at in found.items() if span.first not in used} or found:
                span = min(spans, key=lambda span: (self._behind(span.first, mark), span))
                used |= set(range(span.first, span.last + 1))
                return span.first, "".join(f" {self._letters[id(self.units[at])]}" for at in spans[span])
        text = json.dumps(value, ensure_ascii=False).replace("\\", "\\\\").replace("'", "\\'")
        return self._first(mark), f"'{text}'"

    def _first(self, mark: str) -> int:
        """Where a mark is met first; behind all words where it isn't."""
        return next((at for at, unit in enumerate(self.units) if mark in unit.marks), len(self.units))

    def _behind(self, at: int, mark: str) -> int:
        """How many words a place is behind the last one that names the parameter; many where none does before it."""
        named = [other for other in range(at) if any(one == mark for one in self.units[other].marks)]
        return at - named[-1] if named else len(self.units)

    def _spans(self, value: object, parameter: Parameter, mark: str) -> dict[Span, tuple[int, ...]]:
        """The places whose words are a value, and the units that point at them."""
        made: dict[Span, tuple[int, ...]] = {}
        known = sorted(self._places.values())
        for number, first in enumerate(known):
            ends = [
                last for last in known[number : number + 24] if self.units[last].message == self.units[first].message
            ]
            spans = [
                (self._begun(first, mark), (first,)),
                *((self.between(first, last), (first, last)) for last in ends),
            ]
            for span, units in spans:
                try:
                    if span not in made and self._pointed(span, parameter.kind) == value:
                        made[span] = units
                except Unreadable:
                    continue
        return made

    def _pointed(self, span: Span, kind: str) -> object:
        """The value that words stand for; raises `Unreadable`."""
        text = str(self._messages[span.message]["content"])[span.start : span.end]
        if kind in ("integer", "number"):
            return number_of(text, kind)
        if kind not in ("string", "other"):
            raise Unreadable(f"The model points at {text[:40]!r}, which is no {kind}.")
        return text

    def span(self, text: str, mark: str) -> Span | None:
        """What is pointed at: of two letters all between, of one the text that it begins; None for another kind of value."""
        ends = text.split()
        if not ends or not all(letter in self._places for letter in ends):
            return None
        first, last = self._places[ends[0]], self._places[ends[-1]]
        if first > last or self.units[first].message != self.units[last].message:
            return None
        return self._begun(first, mark) if len(ends) == 1 else self.between(first, last)

    def between(self, first: int, last: int) -> Span:
        """Units from the first to the last."""
        return Span(self.units[first].message, first, last, self.units[first].start, self.units[last].end)

    def _begun(self, first: int, mark: str) -> Span:
        """The text of a tool whose first unit this is, else all units that follow it directly."""
        if self.is_digits(first) or self.units[first].quoted:
            return self.between(first, first)
        if self.units[first].message == self.last:
            for span, rank, _, _ in self.texts(mark):
                if rank < NOWHERE and span.first <= first <= span.last and (rank <= OPENED or span.first == first):
                    return span
        last = first
        while last + 1 < len(self.units) and self._follows(last):
            last += 1
        return self.between(first, last)

    def texts(self, mark: str) -> list[Text]:
        """See `tool_texts`; of a tool's mark."""
        if mark not in self._texts:
            self._texts[mark] = texts(self, mark)
        return self._texts[mark]

    def _follows(self, at: int) -> bool:
        """Whether the next unit is of the same run: plain words without anything between them."""
        one, other = self.units[at], self.units[at + 1]
        plain = not (other.quoted or other.marks or self.is_digits(at + 1))
        return plain and one.message == other.message and self.text_of(one)[one.end : other.start].isspace()

    def is_digits(self, at: int) -> bool:
        """Whether a unit is a number in digits."""
        unit = self.units[at]
        return not unit.quoted and NUMBER.fullmatch(unit.text) is not None

    def counts(self, unit: Unit) -> bool:
        """Whether a unit is a number, in digits or as a word."""
        return not unit.quoted and (NUMBER.fullmatch(unit.text) is not None or spelled(unit.text) is not None)

    def text_of(self, unit: Unit) -> str:
        """The message that a unit is of."""
        return str(self._messages[unit.message]["content"])

    def value_at(self, span: Span, parameter: Parameter) -> object:
        """What words mean as a parameter's value; raises `Unreadable`."""
        return checked(self._pointed(span, parameter.kind), parameter)

    def literal(self, text: str, parameter: Parameter) -> object:
        """A value that the model wrote out; raises `Unreadable`."""
        try:
            value = json.loads(re.sub(r"\\(.)", r"\1", text[1:-1]))
        except ValueError:
            raise Unreadable("The model's call can't be read.") from None
        return checked(value, parameter)
