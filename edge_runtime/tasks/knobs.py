"""How an answer is drawn, as named knobs, and how they are turned by saying so: "be more creative", "nicht so lang".

Deterministic: a phrase is cut into clauses; a word of a clause names an axis and a direction (`knob_words`), and what
stands around it ("less", "too", "don't be", "not … enough", "much") turns the direction and says how far.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields

from edge_runtime.tasks.knob_words import (
    AROUND,
    BETWEEN,
    ENOUGH,
    IDIOMS,
    LESS,
    MAY,
    MEANS,
    MORE,
    NEEDS,
    NOT,
    RESET,
    SLIGHT,
    STRONG,
    TOO,
    UTMOST,
)

MOST_CHARS = 300
# Beyond these, small models write nonsense, or nothing.
BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 1.5),
    "top_p": (0.3, 1.0),
    "max_tokens": (16, 4096),
    "repetition": (1.0, 1.5),
}
_STEPS = {"temperature": 0.25, "top_p": 0.05, "repetition": 0.1}
_LONGER = 1.6  # a step of length, as a factor
_STRONG, _SLIGHT, _UTMOST = 2.0, 0.5, 8.0
_AXES = {
    "creative": (("temperature", 1), ("top_p", 1)),
    "temperature": (("temperature", 1),),
    "top_p": (("top_p", 1),),
    "length": (("max_tokens", 1),),
    "repetition": (("repetition", -1),),  # more repetition is less of the penalty on it
}
_NUMBERS = (
    ("temperature", re.compile(r"\btemperatur[ea]?\b\D{0,12}?(\d+(?:[.,]\d+)?)")),
    ("top_p", re.compile(r"\btop[ _-]?p\b\D{0,12}?(\d+(?:[.,]\d+)?)")),
    ("max_tokens", re.compile(r"\b(?:length|max[ _]tokens|lange|laenge|longitud)\b\D{0,12}?(\d+)|\b(\d+) tokens?\b")),
    ("repetition", re.compile(r"\brepetition(?:[ _]penalty)?\b\D{0,6}?(\d+(?:[.,]\d+)?)")),
)


@dataclass(frozen=True)
class Knobs:
    """How tokens are drawn. temperature: 0 is always the likeliest. top_p: the share of likely tokens to draw from.
    max_tokens: the longest answer. repetition: the penalty on what was written before; 1 is none."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    repetition: float = 1.0

    def bounded(self) -> Knobs:
        """The same within `BOUNDS`."""
        return _with(self, {})

    def request(self) -> dict[str, object]:
        """The members of a body for POST /v1/chat/completions."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "repetition_penalty": self.repetition,
        }


@dataclass(frozen=True)
class Change:
    """One knob that was turned."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Turned:
    """What came of a phrase. understood: whether it names a knob at all; where not, nothing is changed. certain: it says
    nothing else. at_bound: knobs that would go on, and are at their bound."""

    knobs: Knobs
    changes: tuple[Change, ...] = ()
    understood: bool = False
    certain: bool = False
    at_bound: tuple[str, ...] = ()


def turn(phrase: str, knobs: Knobs) -> Turned:
    """Read a phrase, and turn what it names; bounds are kept. A phrase that names nothing changes nothing."""
    text = _plain(phrase[:MOST_CHARS])
    if len(phrase) > MOST_CHARS:
        return Turned(knobs)
    if (named := _numbers(text)) is not None:
        return _result(knobs, _with(knobs, named), True, tuple(named))
    text = re.sub(r"[^\w,.;:!?]+|_", " ", text)
    for pattern, meant in IDIOMS:
        text = re.sub(pattern, meant, text)
    clauses = [found for part in re.split(BETWEEN, text) if (found := part.split())]
    wishes = [wish for clause in clauses for wish in _wishes(clause)]
    words = [word for clause in clauses for word in clause]
    certain = all(_known(word) for word in words)
    if not wishes:
        if RESET.intersection(words):
            return _result(knobs, Knobs(), certain, ())
        return Turned(knobs)
    pulls: dict[str, float] = {}
    for axis, pull in wishes:
        for name, sign in _AXES[axis]:
            pulls[name] = pulls.get(name, 0.0) + sign * pull
    moved = _with(knobs, {name: _moved(name, getattr(knobs, name), pull) for name, pull in pulls.items()})
    return _result(knobs, moved, certain, tuple(name for name, pull in pulls.items() if pull))


def _result(before: Knobs, after: Knobs, certain: bool, pulled: tuple[str, ...]) -> Turned:
    changes = tuple(
        Change(one.name, getattr(before, one.name), getattr(after, one.name))
        for one in fields(Knobs)
        if getattr(before, one.name) != getattr(after, one.name)
    )
    changed = {change.name for change in changes}
    return Turned(after, changes, True, certain, tuple(name for name in pulled if name not in changed))


def _wishes(clause: list[str]) -> list[tuple[str, float]]:
    """(axis, pull) of what a clause names; the pull is in steps."""
    words = set(clause)
    said = [meant for word in clause if (meant := _meaning(word, MEANS)) is not None]
    more, less, too = bool(words & MORE), bool(words & LESS), bool(words & TOO)
    refused = bool(words & NOT)
    if not said and (more or less or too or _many(words)):
        said = [meant for word in clause if (meant := _meaning(word, NEEDS)) is not None][:1]
    far = _UTMOST if words & UTMOST else _STRONG if words & STRONG else _SLIGHT if words & SLIGHT else 1.0
    found: list[tuple[str, float]] = []
    for axis, direction in dict.fromkeys(said):
        if axis == "repetition":
            # Who speaks of repetition complains of it, but for one who wants more of it.
            turned = 1 if (more or words & MAY) and not (refused or less or too) else -1
        elif words & ENOUGH or (refused and "bastante" in words):
            turned = 1 if refused else -1
        else:
            turned = (-1 if refused or too else 1) * (-1 if less else 1)
        found.append((axis, direction * turned * far))
    return found


def _many(words: set[str]) -> bool:
    return bool(
        words & {"many", "much", "viele", "vielen", "viel", "mucho", "mucha", "muchas", "muchos", "tanto", "tanta"}
    )


def _meaning(word: str, table: dict[str, tuple[str, int]]) -> tuple[str, int] | None:
    """Of the beginnings that a word has, the longest one's; short ones must be the whole word."""
    for length in range(len(word), 1, -1):
        found = table.get(word[:length])
        if found is not None and (length == len(word) or length >= 4):
            return found
    return None


def _known(word: str) -> bool:
    common = (AROUND, MORE, LESS, TOO, NOT, ENOUGH, MAY, STRONG, SLIGHT, UTMOST, RESET)
    return any(word in words for words in common) or any(_meaning(word, table) for table in (MEANS, NEEDS))


def _numbers(text: str) -> dict[str, float] | None:
    """Knobs that a phrase sets to a number, as in "temperature 0.7"; None where there is none."""
    found: dict[str, float] = {}
    for name, pattern in _NUMBERS:
        if match := pattern.search(text):
            number = float(next(group for group in match.groups() if group).replace(",", "."))
            found[name] = number
    return found or None


def _moved(name: str, value: float, pull: float) -> float:
    if name == "max_tokens":
        return value * _LONGER**pull
    return round(value + _STEPS[name] * pull, 2)


def _with(knobs: Knobs, values: Mapping[str, float]) -> Knobs:
    made = {name: _bounded(name, values.get(name, getattr(knobs, name))) for name in BOUNDS}
    return Knobs(made["temperature"], made["top_p"], round(made["max_tokens"]), made["repetition"])


def _bounded(name: str, value: float) -> float:
    low, high = BOUNDS[name]
    return min(max(value, low), high)


def _plain(text: str) -> str:
    """In lower case, without accents and apostrophes."""
    parts = unicodedata.normalize("NFKD", text.casefold().replace("'", "").replace("’", ""))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
