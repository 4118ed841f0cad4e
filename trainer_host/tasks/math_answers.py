"""Answers of sums as people write them: 12, 3/4, 2 1/2, 40%, $4.50, 12 apples, x = 5; and numbers inside questions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from trainer_host.tasks import Rejected
from trainer_host.tasks.math_expressions import is_zero, parse, value

if TYPE_CHECKING:
    import sympy

MAX_ANSWER = 60
# Unit -> (what it measures, how many of the base unit it is), for units that are written in several ways.
_SCALES: dict[str, tuple[str, Fraction]] = {
    "%": ("", Fraction(1, 100)),
    "mm": ("length", Fraction(1, 1000)),
    "cm": ("length", Fraction(1, 100)),
    "m": ("length", Fraction(1)),
    "km": ("length", Fraction(1000)),
    "g": ("mass", Fraction(1)),
    "kg": ("mass", Fraction(1000)),
    "ml": ("volume", Fraction(1, 1000)),
    "l": ("volume", Fraction(1)),
    "second": ("time", Fraction(1)),
    "minute": ("time", Fraction(60)),
    "hour": ("time", Fraction(3600)),
    "day": ("time", Fraction(86400)),
    "week": ("time", Fraction(604800)),
    "cent": ("dollar", Fraction(1, 100)),
    "dollar": ("dollar", Fraction(1)),
    "euro": ("euro", Fraction(1)),
    "pound": ("pound", Fraction(1)),
    "pence": ("pound", Fraction(1, 100)),
}
_SPELLED = {
    "percent": "%",
    "per cent": "%",
    "millimetre": "mm",
    "millimeter": "mm",
    "centimetre": "cm",
    "centimeter": "cm",
    "metre": "m",
    "meter": "m",
    "kilometre": "km",
    "kilometer": "km",
    "gram": "g",
    "kilogram": "kg",
    "kilo": "kg",
    "millilitre": "ml",
    "milliliter": "ml",
    "litre": "l",
    "liter": "l",
    "sec": "second",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "$": "dollar",
    "usd": "dollar",
    "€": "euro",
    "eur": "euro",
    "£": "pound",
    "penny": "pence",
    "¢": "cent",
}
_ANSWER = re.compile(
    r"(?:[A-Za-z] ?= ?)?(?P<sign>[-−]?) ?(?P<money>[$€£]?) ?"
    r"(?:(?P<whole>\d{1,9}) (?=\d+ ?/))?(?P<above>(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?|\.\d{1,15})"
    r"(?: ?/ ?(?P<below>\d{1,15}))?(?![\d/]|\.\d)"
    r" ?(?P<unit>%|[A-Za-z°µ¢€$£][A-Za-zÀ-ÿ .²³/°'-]{0,40})?\.?"
)
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = dict(zip(_ONES, range(20), strict=True)) | dict(zip(_TENS, range(20, 100, 10), strict=True))
_SHARES = {
    "half": Fraction(1, 2),
    "halves": Fraction(1, 2),
    "third": Fraction(1, 3),
    "thirds": Fraction(1, 3),
    "quarter": Fraction(1, 4),
    "quarters": Fraction(1, 4),
    "fifth": Fraction(1, 5),
    "fifths": Fraction(1, 5),
    "dozen": Fraction(12),
    "twice": Fraction(2),
    "double": Fraction(2),
    "triple": Fraction(3),
}
_SCALE_WORDS = {"hundred": 100, "thousand": 1000, "million": 10**6}
_NUMBER = re.compile(r"\d+ \d+/\d+|\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?|\.\d+|[A-Za-z]+")


@dataclass(frozen=True)
class Answer:
    """value: as written, 40 for "40%". unit: "" where there is none, else one spelling for all ("km", "apple")."""

    value: sympy.Expr
    unit: str


def read_answer(text: str) -> Answer:
    """The number and the unit of an answer; raises `Rejected`. Roots and pi are taken as expressions: "2 sqrt(3)"."""
    import sympy

    text = text.strip()
    if len(text) > MAX_ANSWER:
        raise Rejected("unreadable answer", f"The answer has {len(text)} characters; write a number and its unit.")
    found = _ANSWER.fullmatch(text)
    unit = unit_of(found["money"] or found["unit"] or "") if found else ""
    if found and unit.split()[:1] != ["pi"] and not unit.startswith("sqrt"):
        below = int(found["below"] or 1)
        if not below:
            raise Rejected("unreadable answer", "The answer divides by zero.")
        number = Fraction(found["above"].replace(",", "")) / below + int(found["whole"] or 0)
        number = -number if found["sign"] else number
        return Answer(sympy.Rational(number.numerator, number.denominator), unit)
    try:
        return Answer(value(parse(text.rpartition("=")[2], units=False)), "")
    except Rejected:
        raise Rejected(
            "unreadable answer", f"The answer {text[:40]!r} must be a number with at most a unit, as in '12 km'."
        ) from None


def unit_of(text: str) -> str:
    """One spelling for a unit: singular, lower-case, short for those that are known."""
    unit = " ".join(text.lower().strip(" .").split())
    if unit in _SPELLED:
        return _SPELLED[unit]
    single = _singular(unit)
    return _SPELLED.get(single, single)


def same_answer(wanted: Answer, got: Answer) -> bool:
    """Whether both say the same: 1/2 and 0.5, 40% and 0.4, 150 cm and 1.5 m; a unit may be left out, not swapped."""
    if wanted.unit == got.unit or not wanted.unit or not got.unit:
        if is_zero(wanted.value - got.value):
            return True
        if wanted.unit == got.unit:
            return False
    return _measure(wanted.unit) == _measure(got.unit) and is_zero(_scaled(wanted) - _scaled(got))


def numbers_of(text: str) -> set[Fraction]:
    """All numbers that a question names, in digits or words: "1,200", "3/4", "twenty-five", "half", "two hundred"."""
    found: set[Fraction] = set()
    before: Fraction | None = None
    for token in _NUMBER.findall(text.replace("−", "-")):
        lower = token.lower()
        now: Fraction | None = None
        if token[0].isdigit() or token[0] == ".":
            now = _written(token, found)
        elif lower in _WORDS:
            now = Fraction(_WORDS[lower])
            if before is not None and before >= 20 and before % 10 == 0 and 0 < now < 10:
                now += before
            elif before is not None and before >= 100 and before % 100 == 0:
                found.add(now)
                now += before
        elif lower in _SHARES:
            now = _SHARES[lower]
            if before is not None:
                found.add(before * now)
        elif lower in _SCALE_WORDS:
            now = (before if before is not None else 1) * Fraction(_SCALE_WORDS[lower])
        if now is not None:
            found.add(now)
        if lower not in ("and", "a"):
            before = now
    return found


def _written(token: str, found: set[Fraction]) -> Fraction | None:
    """A number in digits; the parts of a fraction are numbers of the question too."""
    whole, _, rest = token.replace(",", "").rpartition(" ")
    if len(rest) > 24:
        return None
    if "/" in rest:
        above, below = rest.split("/")
        found |= {Fraction(above), Fraction(below)}
        if not int(below):
            return None
    part = Fraction(rest) if "/" not in rest else Fraction(above) / Fraction(below)
    if not whole or len(whole) > 24:
        return part
    found.add(Fraction(whole))
    return Fraction(whole) + part


def _singular(unit: str) -> str:
    if unit.endswith(("ches", "shes", "sses", "xes")):
        return unit[:-2]
    if unit.endswith("ies") and len(unit) > 4:
        return f"{unit[:-3]}y"
    return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") and len(unit) > 1 else unit


def _measure(unit: str) -> str:
    return _SCALES[unit][0] if unit in _SCALES else unit


def _scaled(answer: Answer) -> sympy.Expr:
    import sympy

    scale = _SCALES[answer.unit][1] if answer.unit in _SCALES else Fraction(1)
    return answer.value * sympy.Rational(scale.numerator, scale.denominator)
