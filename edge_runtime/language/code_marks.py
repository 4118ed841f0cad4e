"""Requests for code as a very small model reads them: marks for what is only to be copied.

A model of a million numbers learns which numbers, names and texts of a request go where, and not to copy them letter by
letter. So it reads, and writes, marks (number mapping, Wang et al. 2017; pointers, arXiv 1506.03134), and the device puts
what they stand for in their place:

    asked   Keep only the numbers above 12.          writes  ⓪
            def only_large(xs: list[int]) -> list:               '''⓿'''
    reads   keep only the numbers above ①.                       return [value for value in ➀ if value > ①]
            only large (➀: list[int]) -> list

⓪ is the whole first line and ⓿ the request, as a docstring. What has no mark, a number that nobody named for one, is
written as it stands, and so is a first line where the request has none. Every mark is one character, and always one
token, so an answer can be streamed.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece
    from edge_runtime.language.tokenizer import TextTokenizer

Json = Mapping[str, object]
# All are numbers to Unicode (category No), which every tokenizer of ours parts from what stands around them.
NUMBERS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫"
TEXTS = "❶❷❸❹❺❻"
ARGUMENTS = "➀➁➂➃➄➅➆➇"
HEAD, ASKED, NAME = "⓪", "⓿", "⓵"
MARKS = NUMBERS + TEXTS + ARGUMENTS + HEAD + ASKED + NAME
_LONGEST_HEAD = 300
_LONGEST_DOCSTRING = 300
_OWN = str.maketrans(dict.fromkeys(MARKS, "?"))  # those of a request's own
_HEAD = re.compile(rf"^[ \t]{{0,8}}(def .{{1,{_LONGEST_HEAD}}})$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```.*$", re.MULTILINE)
_LEAD = re.compile(
    r"^(?:(?:please|hi|hello|hey)[,!]? )?(?:(?:can|could|would) you (?:please )?|i (?:need|want|would like) |i'd like )?"
    r"(?:(?:to )?(?:please )?(?:write|create|implement|make|give|build|code|define|have) )?(?:me )?(?:an? |the )?"
    r"(?:\w+ )?(?:python )?(?:function|method|program|script)(?: (?:called|named) `?\w+`?)?,? (?:that|which|to)(?: should| will| can)? "
)
_VERB = re.compile(r"^(\w+?)(es|s)(?= )")
_VERBS_WITH_ES = ("ch", "sh", "ss", "x", "zz")
_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 2
    )
}
_QUOTED = r"""(?<!\w)'([^'\n]{0,40})'(?!\w)|(?<!\w)"([^"\n]{0,40})"(?!\w)|[“„«]([^”“»\n]{0,40})[”“»]|`([^`\n]{1,40})`"""
_NUMBER = r"(?<![\w.])[-−]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?=(?:st|nd|rd|th)?(?!\w))"
_ASKED = re.compile(
    rf"{_QUOTED}|({_NUMBER})|(?<![\w-])({'|'.join(_WORDS)})(?![\w])|(?<![\w'’])([b-hj-z])(?![\w'’])", re.I
)
_NAMED = r"(?<![\w.])(?P<name>[^\W\d]\w*)|(?P<sign>(?<![\w)\]])-)?(?<![\w.])(?P<digits>\d+(?:\.\d+)?)(?!\w)"
_CODE = re.compile(
    r'(?P<long>"""(?:.|\n)*?""")|(?P<kind>[A-Za-z]{0,2})(?P<text>\'(?:[^\'\\\n]|\\.)*\'|"(?:[^"\\\n]|\\.)*")|' + _NAMED
)
_INSIDE = re.compile(_NAMED)  # of an f-string, in which no quotes may be changed
_DIGITS = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")


class CodeReading:
    """One request as a model reads it, and what its marks stand for."""

    def __init__(self, asked: str) -> None:
        """asked: a description, and a function's first line below it or within it where there is one."""
        line = head = None
        for found in _HEAD.finditer(asked):
            if (parsed := _parsed(found[1])) is not None:
                line, head = found, parsed
        described = asked if line is None else f"{asked[: line.start()]}\n{asked[line.end() :]}"
        described = "".join(char if char.isprintable() else " " for char in _FENCE.sub(" ", described))
        described = " ".join(described.split()).translate(_OWN)
        self._numbers: list[tuple[str, bool]] = []  # and whether it is written in digits
        self._texts: list[str] = []  # as Python writes them
        self._arguments = [] if head is None else [one.arg for one in _arguments(head)][: len(ARGUMENTS)]
        self._name = None if head is None else head.name
        self._head = None if line is None else f"{_bare(line[1])}:"
        self._docstring = _docstring(described)
        said = _plain(_ASKED.sub(self._mark, described))
        self.said = said if head is None else f"{said}\n{self._signature(head)}"
        means: dict[str, str] = dict(zip(NUMBERS, (number for number, _ in self._numbers), strict=False))
        means |= dict(zip(TEXTS, self._texts, strict=False)) | dict(zip(ARGUMENTS, self._arguments, strict=False))
        means |= {ASKED: self._docstring}
        means |= {HEAD: self._head, NAME: self._name} if self._head and self._name else {}
        self._means = {ord(mark): text for mark, text in means.items()}

    @property
    def marks(self) -> set[str]:
        """Those that stand for something."""
        return set(map(chr, self._means))

    def restored(self, written: str, *, within_json: bool = False) -> str:
        """What a model wrote, with what its marks stand for; marks that stand for nothing stay.

        within_json: they stand within JSON's texts, and what replaces them must too.
        """
        means = {mark: json.dumps(text, ensure_ascii=False)[1:-1] for mark, text in self._means.items()}
        return written.translate(means if within_json else self._means)

    def shortened(self, code: str) -> str:
        """What a model is to write for this code."""
        left = list(range(len(self._numbers)))
        code = code.translate(_OWN)
        if self._head:
            lines = code.split("\n")
            code = "\n".join(HEAD if line == self._head else line for line in lines)
        if self._docstring:
            code = code.replace(f'"""{self._docstring}"""', f'"""{ASKED}"""', 1)

        def number(digits: str) -> str:
            same = [at for at, (value, _) in enumerate(self._numbers) if value == digits]
            if not same:
                return digits
            spelled = [at for at in same if self._numbers[at][1]] or same  # "two lists, 2 at a time"
            at = next((at for at in spelled if at in left), spelled[-1])
            left[:] = [other for other in left if other != at]
            return NUMBERS[at]

        def named(found: re.Match[str]) -> str:
            name = found["name"]
            if name is None:
                return number((found["sign"] or "") + found["digits"])
            if name in self._arguments:
                return ARGUMENTS[self._arguments.index(name)]
            return NAME if name == self._name else name

        def one(found: re.Match[str]) -> str:
            if found["long"] is not None:
                return found["long"]
            if found["text"] is None:
                return named(found)
            kind, text = found["kind"], found["text"]
            value = None if kind else _value(text)
            known = next((at for at, other in enumerate(self._texts) if _value(other) == value is not None), None)
            if known is not None:
                return TEXTS[known]
            inside = _INSIDE.sub(named, text[1:-1]) if "f" in kind.lower() else _DIGITS.sub(digits, text[1:-1])
            return f"{kind}{text[0]}{inside}{text[0]}"

        def digits(found: re.Match[str]) -> str:
            return number(found[0])

        return _CODE.sub(one, code)

    def _mark(self, found: re.Match[str]) -> str:
        single, double, curly, ticks, digits, word, letter = found.groups()
        if digits is not None or word is not None:
            if len(self._numbers) == len(NUMBERS):
                return found[0]
            value = _WORDS[word.lower()] if word is not None else _number(digits)
            self._numbers.append((value, word is None))
            return NUMBERS[len(self._numbers) - 1]
        if letter is not None or (ticks is not None and ticks.isidentifier()):
            name = letter or ticks
            return ARGUMENTS[self._arguments.index(name)] if name in self._arguments else name
        if ticks is not None and any(char.isalnum() for char in ticks):
            return found[0]  # a piece of code
        text = next(one for one in (single, double, curly, ticks) if one is not None)
        written = repr(text) if (single is None and double is None) or "\\" in text else found[0]
        if written not in self._texts:
            if len(self._texts) == len(TEXTS):
                return found[0]
            self._texts.append(written)
        return TEXTS[self._texts.index(written)]

    def _signature(self, head: ast.FunctionDef) -> str:
        shown = []
        for at, one in enumerate(_arguments(head)):
            mark = ARGUMENTS[at] if at < len(ARGUMENTS) else one.arg
            stars = "*" if one is head.args.vararg else "**" if one is head.args.kwarg else ""
            # What it is called says something only where its type doesn't.
            kind = f": {ast.unparse(one.annotation)}" if one.annotation else f" {_words(one.arg)}"
            shown.append(f"{stars}{mark}{kind}")
        result = f" -> {ast.unparse(head.returns)}" if head.returns else ""
        return f"{_words(head.name)} ({', '.join(shown)}){result}"


def marked_chat(messages: Sequence[Json]) -> list[dict[str, object]]:
    """A chat as the model reads it, each answer in the marks of the request before it."""
    made: list[dict[str, object]] = []
    reading = None
    for message in messages:
        content = message.get("content")
        if message.get("role") == "user" and isinstance(content, str):
            reading = CodeReading(content)
            content = reading.said
        elif message.get("role") == "assistant" and isinstance(content, str) and reading is not None:
            content = reading.shortened(content)
        made.append({**message, "content": content})
    return made


class Meant:
    """A constraint: an answer has only marks that stand for something."""

    done = False

    def __init__(self, reading: CodeReading, tokenizer: TextTokenizer) -> None:
        self._mask = np.ones(tokenizer.size, bool)
        for mark in set(MARKS) - reading.marks:
            if len(tokens := tokenizer.encode(mark)) == 1:  # one that the training had no use for is in pieces
                self._mask[tokens] = False

    def mask(self) -> np.ndarray:
        """See `Constraint`."""
        return self._mask

    def accept(self, token: int) -> None:
        """See `Constraint`."""


def answered(messages: Sequence[Json]) -> CodeReading | None:
    """The request that is answered, None where nobody asked."""
    asked = [message.get("content") for message in messages if message.get("role") == "user"]
    return CodeReading(asked[-1]) if asked and isinstance(asked[-1], str) else None


def restored(pieces: Iterator[Piece], reading: CodeReading, *, within_json: bool) -> Iterator[Piece]:
    """The same tokens, in whose text marks are what they stand for."""
    return (replace(one, text=reading.restored(one.text, within_json=within_json)) for one in pieces)


def _bare(line: str) -> str:
    return line.strip().removesuffix("...").rstrip(": \t")


def _parsed(line: str) -> ast.FunctionDef | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(f"{_bare(line)}: ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return body[0] if len(body) == 1 and isinstance(body[0], ast.FunctionDef) else None


def _arguments(head: ast.FunctionDef) -> list[ast.arg]:
    of = head.args
    every = [*of.posonlyargs, *of.args, *([of.vararg] if of.vararg else []), *of.kwonlyargs]
    return [*every, *([of.kwarg] if of.kwarg else [])]


def _number(digits: str) -> str:
    """As Python writes it: 1,000 and 007 would be something else, or nothing."""
    plain = digits.replace(",", "").replace("−", "-")
    sign, plain = ("-", plain[1:]) if plain.startswith("-") else ("", plain)
    return sign + (plain if "." in plain else plain.lstrip("0") or "0")


def _words(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()


def _plain(said: str) -> str:
    """In small letters, without "Please write a function that"; "returns" as "return"."""
    said = said.lower()
    rest = _LEAD.sub("", said)
    if rest == said:
        return said

    def verb(found: re.Match[str]) -> str:
        word, end = found.groups()
        return word if end == "s" or word.endswith(_VERBS_WITH_ES) else f"{word}e"

    return _VERB.sub(verb, rest)


def _docstring(described: str) -> str:
    """The request as it can stand in a docstring, cut at a word."""
    if len(described) > _LONGEST_DOCSTRING:
        described = described[:_LONGEST_DOCSTRING].rpartition(" ")[0] or described[:_LONGEST_DOCSTRING]
    safe = described.replace("\\", "/")
    return safe.replace('"', "'") if '"""' in safe or safe.endswith('"') else safe


def _value(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else None
