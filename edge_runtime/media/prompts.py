"""Prompts for pictures and films as a small model reads them: digits, and marks for what needn't be learnt.

"Two red circles left of the blue star on a white background. It says "Hello"." becomes "2 A left of the B on a P
background . it says [1] .": which colour and form A has, and how many there are, is code's to remember (as in the
number mapping of Wang et al. 2017). So what is learnt of two red circles is learnt of everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edge_runtime.media.colours import COLOURS
from edge_runtime.media.reference_notation import LETTERS
from edge_runtime.media.words import mended

T = TypeVar("T")

# What a person would call a shape's form.
KINDS = ("circle", "oval", "square", "rectangle", "triangle", "star", "pentagon", "hexagon", "line")
THINGS, GROUNDS = "ABCDEFGHIJKL", "PQRSTU"
MAX_QUOTES = 9
_LETTER, _OWN = re.compile(f"[{LETTERS}]"), str.maketrans(dict.fromkeys(LETTERS, "?"))  # those of a prompt's own
_OTHER_NOUNS = {"disc": "circle", "disk": "circle", "dot": "circle", "ball": "circle", "ellipse": "oval", "bar": "line"}
_OTHER_COLOURS = {
    "gray": "grey",
    "crimson": "red",
    "scarlet": "red",
    "violet": "purple",
    "turquoise": "cyan",
    "teal": "cyan",
    "magenta": "pink",
    "golden": "yellow",
    "silver": "grey",
}
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
    )
}
_TIMES = {"once": "1 times", "twice": "2 times", "thrice": "3 times"}
_NOUNS = {**{kind: kind for kind in KINDS}, **_OTHER_NOUNS}
_SHADES = {**{name: name for name in COLOURS}, **_OTHER_COLOURS}
COLOUR_WORDS, NUMBER_WORDS = _SHADES, _NUMBERS  # a word, and the colour or the digits that it means
# All that names a thing, how many, how large and of which colour.
NAMES = frozenset({*_NOUNS, *(f"{noun}s" for noun in _NOUNS), *_SHADES, *_NUMBERS, *_TIMES, "small", "little", "tiny"})
NAMES |= {"large", "big", "huge", "thrice", "some", "several", "few", "pair", "couple"}
_QUOTED = re.compile(r'["“”«»„]([^"“”«»„]{1,40})["“”«»“]')
_WORD = re.compile(rf"\b({'|'.join((*_NUMBERS, *_TIMES))})\b")
_SHADE = rf"(?:\b(?:{'|'.join(_SHADES)})\b|#[0-9a-f]{{6}}\b)"
# A canvas may be square, and things may stand in a line, without there being a square or a line to see.
_NOT_THINGS = re.compile(
    r"\bcanvas square\b|\bsquare (?=canvas|picture|image|format)|\bin (?:a|1) (?:straight )?line\b"
)
_SIZED = r"(?:small|little|tiny|large|big|huge)"
_THING = re.compile(
    rf"(?:\b(\d{{1,2}}|some|several|a few|a pair of|a couple of) )?((?:{_SIZED},? )?)(?:({_SHADE})[, ]+)?((?:{_SIZED},? )?)"
    rf"\b({'|'.join(_NOUNS)})(s?)\b|({_SHADE})"
)
_NOUN_OR_NOUNS = rf"(?:{'|'.join(_NOUNS)})s?"
# A colour behind its noun: "a square in blue", "a circle, green,", "a star that is red"; and "a green one".
_LINKS = r"(?: (?:in|of colou?r|(?:that|which) (?:is|are)|colou?red) |, )"
_BEHIND = re.compile(
    rf"(\S*) ?\b((?:{_SIZED} )?)({_NOUN_OR_NOUNS}){_LINKS}({_SHADE})"
    r"(?= ?(?:[,.;!?]|$)| (?:on|in|at|that|and|going|moving|which|with)\b)"
)
_EACH = re.compile(rf"\b(\d{{1,2}}) ({'|'.join(_NOUNS)})s ?[:,] ?((?:{_SHADE}(?:, and |, | and )?){{2,}})(?=\W|$)")
_ONE = re.compile(rf"({_SHADE}) 1\b(?! \w+ turn)|\b1 (?:in|that is|that's|which is) ({_SHADE})")
_PAIR, _SEVERAL = 2, 3  # how many are drawn of what is said to be a pair or a couple, or in the plural


@dataclass(frozen=True)
class Prompt:
    """said: the prompt with its marks. things: (kind, colour) of A, B ..., the colour "" where it is left open.

    counts: how many of each are named first. grounds: the colours P, Q ... that stand alone. quotes: the texts [1], [2] ...
    acts: what α, β ... stand for, "moves right"; plain: what is said with their words.
    """

    said: str
    things: tuple[tuple[str, str], ...]
    counts: tuple[int, ...]
    grounds: tuple[str, ...]
    quotes: tuple[str, ...]
    acts: tuple[str, ...] = ()
    plain: str = ""

    def thing_mark(self, kind: str, colour: str) -> str:
        """The mark of a thing; its colour and kind where the prompt doesn't name it."""
        for wanted in ((kind, colour), (kind, "")):
            if wanted in self.things:
                return THINGS[self.things.index(wanted)]
        return f"{colour} {kind}"

    def ground_mark(self, colour: str) -> str:
        """The mark of a colour that stands alone; itself where there is none."""
        return GROUNDS[self.grounds.index(colour)] if colour in self.grounds else colour

    def quote_mark(self, text: str) -> str:
        """The mark of a text; the text in quotes where the prompt doesn't quote it."""
        return f"[{self.quotes.index(text) + 1}]" if text in self.quotes else f'"{text}"'

    def thing(self, mark: str) -> tuple[str, str] | None:
        """What a mark stands for, None where it is none of this prompt."""
        at = THINGS.find(mark) if len(mark) == 1 else -1
        return self.things[at] if 0 <= at < len(self.things) else None

    def count(self, mark: str) -> int:
        """How many of a mark's thing the prompt asks for; 1 of what is no mark."""
        at = THINGS.find(mark) if len(mark) == 1 else -1
        return self.counts[at] if 0 <= at < len(self.counts) else 1

    def told(self, marks: str, words: Sequence[str] = ()) -> int:
        """The number of the sentence that tells of just these things, the first one first, with one of the words.

        The sentences that only list things don't; after all of them where none does.
        """
        sentences = re.split(r" [.!?](?: |$)", self.plain)
        for number, sentence in enumerate(sentences):
            found = re.findall(rf"\b[{THINGS}]\b", sentence)
            said = [mark for at, mark in enumerate(found) if mark not in found[:at]]
            if number and said == list(marks) and (not words or set(words) & set(sentence.split())):
                return number
        return len(sentences)

    def shortened(self, line: str, acts: re.Pattern[str]) -> str:
        """A plan's line with the letters of the acts that the prompt has."""
        return acts.sub(lambda found: LETTERS[self.acts.index(found[0])] if found[0] in self.acts else found[0], line)

    def lengthened(self, line: str) -> str:
        """A plan's line with the words of its acts; letters that stand for nothing stay."""
        return _LETTER.sub(
            lambda found: self.acts[LETTERS.index(found[0])] if LETTERS.index(found[0]) < len(self.acts) else found[0],
            line,
        )

    def ground(self, mark: str) -> str:
        """The colour of a mark; what is no mark stays."""
        at = GROUNDS.find(mark) if len(mark) == 1 else -1
        return self.grounds[at] if 0 <= at < len(self.grounds) else mark

    def quote(self, written: str) -> str | None:
        """The text that a mark or quotes stand for, None for what is neither."""
        found = re.fullmatch(r"\[([1-9])\]", written)
        if found:
            return self.quotes[int(found[1]) - 1] if int(found[1]) <= len(self.quotes) else None
        inner = written[1:-1]
        return inner if len(written) > 2 and written[0] == written[-1] == '"' and '"' not in inner else None


Words = str | Callable[[re.Match[str]], str]
Wordings = tuple[tuple[re.Pattern[str], Words], ...]


@dataclass(frozen=True)
class Reading:
    """How a task reads prompts. known: its words, for which slips are taken, beside `NAMES`.

    before: what is said in many ways, and what a plan calls it, in a prompt in small letters whose numbers are digits.
    after: the same once there are marks. acts: what of that is a plan's own words, which become letters: a small model
    copies a letter, and needn't learn which way is which.
    """

    before: Wordings = ()
    after: Wordings = ()
    known: frozenset[str] = frozenset()
    acts: re.Pattern[str] | None = None


PLAIN = Reading()


def wordings(*pairs: tuple[str, Words]) -> Wordings:
    """What is said in many ways (a regular expression), and what a plan calls it: exact, so it needn't be learnt."""
    return tuple((re.compile(pattern), plain) for pattern, plain in pairs)


def marked(prompt: str, reading: Reading = PLAIN) -> Prompt:
    """The prompt as the model reads it, and what its marks stand for."""
    quotes: list[str] = []
    things: list[tuple[str, str]] = []
    counts: list[int] = []
    grounds: list[str] = []

    def quoted(found: re.Match[str]) -> str:
        if len(quotes) == MAX_QUOTES or not found[1].strip():
            return found[0]
        quotes.append(found[1].strip())
        return f" [{len(quotes)}] "

    def named(found: re.Match[str]) -> str:
        number, before, shade, between, noun, plural, alone = found.groups()
        if alone:
            return _place(grounds, GROUNDS, _SHADES.get(alone, alone)) or found[0]
        kind, colour = _NOUNS[noun], _SHADES.get(shade or "", shade or "")
        alike = [thing for thing in things if thing[0] == kind]
        thing = alike[0] if not colour and len(alike) == 1 else (kind, colour)  # "the circle", which is the red one
        mark = _place(things, THINGS, thing)
        if len(things) > len(counts):
            counts.append(_count(number or "", bool(plural)))
        return f"{number + ' ' if number else ''}{before}{between}{mark}" if mark else found[0]

    if reading.known:
        prompt = mended(prompt, reading.known)
    plain = _WORD.sub(lambda found: _NUMBERS.get(found[1]) or _TIMES[found[1]], _QUOTED.sub(quoted, prompt).lower())
    if reading.known:
        plain = _ordered(plain)
    for pattern, words in reading.before:
        plain = pattern.sub(words, plain)
    pieces: list[str] = []
    at = 0
    for left_out in _NOT_THINGS.finditer(plain):
        pieces += [_THING.sub(named, plain[at : left_out.start()]), left_out[0]]
        at = left_out.end()
    pieces.append(_THING.sub(named, plain[at:]))
    # Punctuation stands alone, so that a mark is the same token before a comma as before a word.
    said = " ".join(re.sub(r"([.,;:!?])(?=\s|$)", r" \1 ", "".join(pieces)).split())
    for pattern, words in reading.after:
        said = pattern.sub(words, said)
    short, acts = (said, ()) if reading.acts is None else named_by_letters(said, reading.acts)
    return Prompt(short, tuple(things), tuple(counts), tuple(grounds), tuple(quotes), acts, said)


def named_by_letters(said: str, acts: re.Pattern[str]) -> tuple[str, tuple[str, ...]]:
    """What is said with a letter for each act, the same for the same, and the acts in their order."""
    known: list[str] = []

    def letter(found: re.Match[str]) -> str:
        if found[0] not in known and len(known) < len(LETTERS):
            known.append(found[0])
        return LETTERS[known.index(found[0])] if found[0] in known else found[0]

    return acts.sub(letter, said.translate(_OWN)), tuple(known)


def parts_of(line: str) -> list[str]:
    """The parts of a plan or a scene, which semicolons divide where they aren't in quotes; at least one."""
    return [part.strip() for part in re.findall(r'(?:"[^"]*"|[^;])+', line)] or [""]


def _ordered(plain: str) -> str:
    """Colours before their nouns, wherever they stood."""

    def each(found: re.Match[str]) -> str:
        shades = re.findall(_SHADE, found[3])
        if len(shades) != int(found[1]):
            return found[0]
        return ", ".join(f"1 {shade} {found[2]}" for shade in shades)

    def before(found: re.Match[str]) -> str:
        first, size, noun, shade = found.groups()
        return found[0] if first in _SHADES else f"{first} {size}{shade} {noun}".strip()

    def one(found: re.Match[str]) -> str:
        nouns = re.findall(rf"\b{_NOUN_OR_NOUNS}\b", found.string[: found.start()])
        return f"{found[1] or f'1 {found[2]}'} {nouns[-1].removesuffix('s')}" if nouns else found[0]

    return _ONE.sub(one, _BEHIND.sub(before, _EACH.sub(each, plain)))


def _count(number: str, plural: bool) -> int:
    if number.isdigit():
        return int(number)
    if number.startswith("a ") and not number.endswith("few"):
        return _PAIR
    return _SEVERAL if number or plural else 1


def _place(known: list[T], marks: str, value: T) -> str:
    """The mark of a value, new or not; nothing where there are no marks left."""
    if value not in known:
        if len(known) == len(marks):
            return ""
        known.append(value)
    return marks[known.index(value)]
