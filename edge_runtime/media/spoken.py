"""What is said of a written English text: words in the letters a to z, and the marks where a voice pauses.

Numbers, times, dates, prices, units and the usual abbreviations become words; what can't be read in these letters is named.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MARKS = (",", ".", "?")  # a short pause, an end, a question's end
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_GREAT = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "ay",
            "bee",
            "see",
            "dee",
            "ee",
            "eff",
            "gee",
            "aitch",
            "eye",
            "jay",
            "kay",
            "ell",
            "em",
            "en",
            "oh",
            "pee",
            "cue",
            "are",
            "ess",
            "tee",
            "you",
            "vee",
            "double_you",
            "ex",
            "why",
            "zee",
        ],
        strict=True,
    )
)
_SHORT = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miz",
    "dr": "doctor",
    "st": "street",
    "prof": "professor",
    "vs": "versus",
    "etc": "et cetera",
    "approx": "approximately",
    "no": "number",
    "jan": "january",
    "feb": "february",
    "mar": "march",
    "apr": "april",
    "jun": "june",
    "jul": "july",
    "aug": "august",
    "sept": "september",
    "sep": "september",
    "oct": "october",
    "nov": "november",
    "dec": "december",
}
_UNITS = {
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "m": "meters",
    "kg": "kilograms",
    "g": "grams",
    "mg": "milligrams",
    "l": "liters",
    "ml": "milliliters",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "kw": "kilowatts",
    "kwh": "kilowatt hours",
    "w": "watts",
    "v": "volts",
    "hz": "hertz",
    "am": "ay em",
    "pm": "pee em",
    "ft": "feet",
    "lb": "pounds",
    "mph": "miles per hour",
    "km/h": "kilometers per hour",
    "m/s": "meters per second",
}
_UNITS |= {
    f"{short}{unit}": f"{said} {_UNITS[unit]}"
    for short, said in (("sq", "square"), ("cu", "cubic"))
    for unit in ("km", "m", "cm", "mm")
}
_NO_UNITS = ("G", "M", "H", "S")  # as in 5G
_ONE = {
    many: many.removesuffix("s")
    for name in _UNITS.values()
    for many in name.split()
    if many not in ("hertz", "celsius")
}
_ONE |= {"degrees": "degree", "feet": "foot"}
_DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "#": "number", "°": "degrees"}
_SIGNS |= {
    "-": "minus",
    "×": "times",
    "÷": "divided by",
    "<": "below",
    ">": "above",
    "≤": "at most",
    "≥": "at least",
    "~": "about",
}
_SIGNS |= {"°C": "degrees celsius", "°F": "degrees fahrenheit"}
_MONEY = {"$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("pound", "pounds")}
_AMOUNT = r"(?:\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_PART = re.compile(
    r"(?P<day>\b\d{4}-\d\d-\d\d\b)|(?P<time>\b\d{1,2}:\d\d(?::\d\d)?\b)"
    r"|(?P<version>\b\d+(?:\.\d+){2,})|(?P<part>\d+\u2044\d+|(?<![\d/])(?:[13]/[24]|[12]/3)(?![\d/]))"
    rf"|(?P<money>[$€£]\s?{_AMOUNT}(?:\s(?:thousand|million|billion)\b)?|{_AMOUNT}\s?[$€£](?!\s?\d))"
    rf"|(?P<number>{_AMOUNT})(?P<after>(?:st|nd|rd|th)\b)?"
    r"|(?P<word>km/h\b|m/s\b|[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<mark>[.!?;:,()\u2014\n]+)"
    rf"|(?P<sign>°[CF]\b|(?<![\w)])-(?=[$€£]?\d|\s\d[\d.,]*\s?=)|[<>≤≥~](?=\s?\d)|[&+=@%#°×÷])"
)
# Written in another way first: "3-5" (not a telephone number's "555-0199"), "20 m²", "7 a.m.".
_FIRST = (
    (re.compile(r"(?<=\d)\s?\u2013\s?(?=\d)|\u2212"), "-"),
    (re.compile(r"(?<![\w.,:/-])(\d{1,3}(?:\.\d+)?)-(\d{1,3}(?:\.\d+)?)(?![\w-]|[.,:/]\d)"), r"\1 to \2"),
    (re.compile(r"(?<![\d:-])(\d{1,2}:\d\d)\s?-\s?(?=\d{1,2}:\d\d(?![\d:-]))"), r"\1 to "),
    (re.compile(r"(?<=\d)([\u00bc-\u00be\u2150-\u215e])"), r" \1"),
    (re.compile(r"(?<=\d\s)([kcm]?m)²|(?<=\d)([kcm]?m)²"), r"sq\1\2"),
    (re.compile(r"(?<=\d\s)([kcm]?m)³|(?<=\d)([kcm]?m)³"), r"cu\1\2"),
    (re.compile(r"(?<=\w)²"), " squared"),
    (re.compile(r"(?<=\w)³"), " cubed"),
    (re.compile(r"\b([AaPp])\.\s?[Mm]\.(?=\s+[^A-Z\s]|[,;:)])"), r"\1m"),
    (re.compile(r"(?i)\b([ap])\.\s?m\b"), r"\1m"),
    (re.compile(r"(?i)\be\.\s?g\.,?"), "for example"),
    (re.compile(r"(?i)\bi\.\s?e\.,?"), "that is"),
)
_DOTTED = ("a.m", "p.m", "e.g", "i.e")
_END = re.compile(r"(?<![.!?])[.!?]+(?=\s)|\n+")
_NUMBERED = re.compile(r"\.\s?\d")
_MOST_DIGITS = 12  # of a number that is read as one; longer ones digit by digit


@dataclass(frozen=True)
class Phrase:
    """Words in small letters (an apostrophe may lie within one), and the mark behind them, one of `MARKS`."""

    words: tuple[str, ...]
    mark: str


@dataclass(frozen=True)
class Reading:
    """What is said of a text, sentence by sentence, and the first word that can't be read, as it stands there."""

    sentences: tuple[tuple[Phrase, ...], ...]
    foreign: str | None = None


def read(text: str) -> Reading:
    """What is said of a text; no sentences where there is nothing to say."""
    whole, text = text, _plain(text)
    sentences: list[tuple[Phrase, ...]] = []
    phrases: list[Phrase] = []
    words: list[str] = []
    foreign: str | None = None

    def close(mark: str) -> None:
        if words:
            phrases.append(Phrase(tuple(words), mark))
            words.clear()
        if mark != "," and phrases:
            sentences.append((*phrases[:-1], Phrase(phrases[-1].words, mark)))
            phrases.clear()

    number, short = "", False  # the number that stands before, and whether an abbreviation does
    end = 0  # of the last word
    for found in _PART.finditer(text):
        kind, said = found.lastgroup, found.group()
        if kind == "mark":
            number = ""
            if said == "." and short and found.start() == end:
                continue  # of an abbreviation
            close(_mark(said, found.end() == len(text)))
            continue
        if kind == "word":
            if not said.isascii():
                foreign = foreign or said
                continue
            short = _abbreviates(said, text[found.end() : found.end() + 3])
            words += _word(said, number, short)
            number, end = "", found.end()
        elif kind == "sign":
            words += _counted(_SIGNS[said].split(), number)
            number = ""
        else:
            words += ["and"] if kind == "part" and number else []
            words += _figures(found)
            number = said if kind in ("time", "part", "number") else ""
    close(".")
    left = next((letter for letter in text if letter.isalpha() and not letter.isascii()), None)
    return Reading(tuple(sentences), _as_written(foreign or left, whole))


def _as_written(foreign: str | None, text: str) -> str | None:
    """A word that `_plain` took the accents from, with its accents."""
    if foreign is None or foreign in text:
        return foreign
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", unicodedata.normalize("NFC", text))
    return next((word for word in words if foreign in _plain(word)), foreign)


def apart(text: str, most: int) -> list[str]:
    """The sentences of a text that say something, each of at most `most` letters; longer ones are cut between words."""
    made: list[str] = []
    begin = 0
    for found in _END.finditer(text):
        before = text[begin : found.start()].rsplit(maxsplit=1)
        behind = text[found.start() : found.start() + 3]
        if before and (
            _abbreviates(before[-1], behind) or (before[-1][-3:].lower() in _DOTTED and behind[2:].islower())
        ):
            continue
        made.append(text[begin : found.end()])
        begin = found.end()
    made.append(text[begin:])
    pieces: list[str] = []
    for sentence in made:
        while len(sentence) > most:
            cut = sentence.rfind(" ", 1, most)
            cut = cut if cut > 0 else most
            pieces.append(sentence[:cut])
            sentence = sentence[cut:]
        pieces.append(sentence)
    return [piece for piece in pieces if read(piece).sentences]


def number_words(value: int) -> list[str]:
    """A whole number below 10**12 in words, as in "two hundred five"."""
    for size, name in _GREAT:
        if value >= size:
            rest = value % size
            return [*number_words(value // size), name, *(number_words(rest) if rest else [])]
    if value < 20:
        return [_ONES[value]]
    return [_TENS[value // 10], *([_ONES[value % 10]] if value % 10 else [])]


def ordinal_words(value: int) -> list[str]:
    """As in "twenty first"."""
    *before, last = number_words(value)
    made = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last.removesuffix('t')}th")
    return [*before, made]


def spelt(letters: str) -> list[str]:
    """The names of letters."""
    return [part for letter in letters.lower() for part in LETTERS[letter].split("_")]


def _plain(text: str) -> str:
    """Accents off Latin letters, typographic marks as plain ones, and what `_FIRST` has."""
    for found, other in _FIRST:
        text = found.sub(other, text)
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u2026", ".").replace("\u2013", ", ")
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def _mark(said: str, last: bool) -> str:
    if "?" in said:
        return "?"
    if any(one in said for one in ".!\n"):
        return "."
    return "." if last else ","


def _abbreviates(said: str, behind: str) -> bool:
    """Whether a word with a dot behind it is short for another; "no." is so before a number alone."""
    return behind.startswith(".") and said.lower() in _SHORT and (said.lower() != "no" or bool(_NUMBERED.match(behind)))


def _counted(many: list[str], number: str) -> list[str]:
    """A unit's name as behind a number: "degrees celsius", but "1 degree celsius"."""
    return [_ONE.get(word, word) for word in many] if number == "1" else many


def _word(said: str, number: str, short: bool) -> list[str]:
    small = said.lower()
    if (number or "/" in said) and small in _UNITS and said not in _NO_UNITS:
        return _counted(_UNITS[small].split(), number)
    if short:
        return _SHORT[small].split()
    if small in ("a", "i", "o"):
        return [small]
    letters = small.replace("'", "")
    if (said.isupper() and 1 < len(said) <= 3) or not set(letters) & set("aeiouy") or len(letters) == 1:
        return spelt(letters)
    return [small]


def _figures(found: re.Match[str]) -> Iterator[str]:
    said = found.group()
    if found.group("day"):
        year, month, day = (int(part) for part in said.split("-"))
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield from (_MONTHS[month - 1], *ordinal_words(day), *_year(year))
            return
        yield from (word for part in (year, month, day) for word in number_words(part))
    elif found.group("time"):
        hour, minute, *seconds = (int(part) for part in said.split(":"))
        yield from number_words(hour)
        if minute:
            yield from (["oh"] if minute < 10 else []) + number_words(minute)
        elif hour <= 12 and not seconds:
            yield "o'clock"
        for second in seconds:
            yield from ("and", *number_words(second), "second" if second == 1 else "seconds")
    elif found.group("part"):
        over, under = (int(part[-_MOST_DIGITS:]) for part in re.split("[/\u2044]", said))
        once = ordinal_words(under)
        one, many = _DENOMINATORS.get(under, (once[-1], f"{once[-1]}s"))
        yield from (*number_words(over), *([] if under in _DENOMINATORS else once[:-1]), one if over == 1 else many)
    elif found.group("money"):
        one, many = next(names for sign, names in _MONEY.items() if sign in said)
        amount, *great = said.strip("".join(_MONEY)).replace(",", "").split()
        whole, _, cents = amount.partition(".")
        yield from _digits(whole)
        if cents and (great or len(cents) != 2):
            yield from ("point", *(_ONES[int(digit)] for digit in cents))
            cents = ""
        yield from (*great, one if amount in ("1", "1.00") and not great else many)
        if cents and int(cents):
            yield from number_words(int(cents))
    elif found.group("version"):
        for at, part in enumerate(said.split(".")):
            yield from (["point"] if at else []) + _digits(part)
    else:
        whole, _, part = found.group("number").replace(",", "").partition(".")
        if found.group("after"):
            yield from ordinal_words(int(whole[-_MOST_DIGITS:]))
            return
        if len(whole) == 4 and not part and "," not in said and 1100 <= int(whole) < 2100:
            yield from _year(int(whole))
            return
        yield from _digits(whole)
        if part:
            yield "point"
            yield from (_ONES[int(digit)] for digit in part)


def _digits(whole: str) -> list[str]:
    """A number without a sign; digit by digit where it begins with 0 or is very long."""
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > _MOST_DIGITS:
        return [_ONES[int(digit)] for digit in whole]
    return number_words(int(whole))


def _year(value: int) -> list[str]:
    high, low = divmod(value, 100)
    if 2000 <= value < 2010 or value < 1100 or (low == 0 and high % 10 == 0):
        return number_words(value)
    rest = ["hundred"] if not low else ["oh", *number_words(low)] if low < 10 else number_words(low)
    return [*number_words(high), *rest]


def expansions() -> list[str]:
    """All words that abbreviations, units, signs and money are read as."""
    money = [word for pair in _MONEY.values() for word in pair]
    return [
        *_SHORT.values(),
        *_UNITS.values(),
        *_SIGNS.values(),
        *_MONTHS,
        *money,
        "point",
        "o'clock",
        "hundred",
        "thousand",
        "million",
        "billion",
    ]
