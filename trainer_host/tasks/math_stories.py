"""Word problems composed of a setting, a beginning, up to two events and a question: thousands of families of them.

A *structure* is the sequence of kinds, as in ("begin", "lose", "share"); it decides the expression. A
setting tells it in its own words, see `math_settings`. So a family, one structure or one setting with one structure, can
be left out of what is learnt while all its words stay in.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from edge_runtime.arithmetic.solve import solve
from trainer_host.tasks.math_problems import NAMES, Problem, money
from trainer_host.tasks.math_settings import SETTINGS, Setting

Structure = tuple[str, ...]
Numbers = tuple[int, ...] | None
Draw = Callable[[random.Random, Fraction], Numbers]

_EVENTS_SHARE = (0.25, 0.45, 0.30)  # of stories with none, one and two events
_TRIES = 4000  # of numbers that give whole results: most structures need a few, three divisions hundreds
_MOST = 5000  # that a story counts up to
_RATES = (5, 10, 15, 20, 25, 30, 40, 50, 60, 75)
_LINKS = ("Then {}", "Later {}", "After that {}", "The next day {}", "In the afternoon {}", "{}", "{}", "{}")
_BEGUN = ("{}, and {}", "{}, then {}", "{}; {}")  # a beginning and its first event in one sentence
_BEGUN_SHARE, _JOINED_SHARE = 0.25, 0.25
_JOINED = ("{}, and then {}", "{} and {}", "{}. Later {}")


class NoNumbers(Exception):
    """None of the numbers drawn for a structure have a whole result."""


@dataclass(frozen=True)
class Kind:
    """One kind of event. form: its expression; {s} is what was there, {m} the same with brackets where a factor needs
    them, {r} where a subtrahend, {d} where a divisor does. form is a sum where `adds`. draw: its numbers; None where
    none fit.
    """

    form: str
    draw: Draw
    adds: bool = False


@dataclass(frozen=True)
class Story:
    """A problem, and the family it is of."""

    setting: str
    structure: Structure
    problem: Problem


def _some(*ranges: tuple[int, int]) -> Draw:
    return lambda rng, s: tuple(rng.randint(low, high) for low, high in ranges)


def _begin(rng: random.Random, s: Fraction) -> Numbers:
    return (rng.choice((1, 1, 4, 10, 20)) * rng.randint(12, 40),)


def _lose(rng: random.Random, s: Fraction) -> Numbers:
    return (rng.randint(3, min(int(s) - 3, 90)),) if s >= 8 else None


def _of(rng: random.Random, s: Fraction) -> Numbers:
    whole = rng.choice((1, 1, 4, 10)) * rng.randint(20, 80)
    return whole, rng.randint(3, whole - 3)


def _lose_groups(rng: random.Random, s: Fraction) -> Numbers:
    a = rng.randint(3, 9)
    most = min(20, (int(s) - 2) // a)
    return (a, rng.randint(3, most)) if most >= 3 else None


def _more_than(rng: random.Random, s: Fraction) -> Numbers:
    """A rounder number above the state: a note, an aim."""
    notes = [note for note in (20, 50, 200, 500, 1000) if s < note] + [-(-int(s) // 10) * 10 + 10 * rng.randint(1, 9)]
    return (rng.choice((notes[0], notes[-1])),)


def _divisor(rng: random.Random, s: Fraction) -> Numbers:
    found = [n for n in range(3, 41) if s % n == 0 and s // n >= 2]
    return (rng.choice(found),) if found else None


def _even(rng: random.Random, s: Fraction) -> Numbers:
    return () if s % 2 == 0 else None


def _days(count: int) -> Draw:
    return _some(*[(8, 60)] * count)


def _rate(rng: random.Random, s: Fraction) -> Numbers:
    found = [rate for rate in _RATES if s * rate % 100 == 0]
    return (rng.choice(found),) if found else None


def _part(rng: random.Random, s: Fraction) -> Numbers:
    found = [(a, b) for b in range(3, 10) if s % b == 0 for a in range(2, b) if gcd(a, b) == 1]
    return rng.choice(found) if found else None


def _share_of(rng: random.Random, s: Fraction) -> Numbers:
    found = [n for n in range(3, int(s)) if n * 100 % s == 0]
    return (rng.choice(found),) if found else None


def _old(rng: random.Random, s: Fraction) -> Numbers:
    found = [n for n in range(10, int(s)) if (s - n) * 100 % n == 0]
    return (rng.choice(found),) if found else None


BEGINNINGS = {
    "begin": Kind("{a}", _begin),
    "groups": Kind("{a} * {b}", _some((3, 15), (4, 30))),
    "two": Kind("{a} + {b}", _some((8, 90), (8, 90)), adds=True),
    "of": Kind("{a} - {b}", _of, adds=True),
    "two days": Kind("{a} + {b}", _days(2), adds=True),
    "three days": Kind("{a} + {b} + {c}", _days(3), adds=True),
    "four days": Kind("{a} + {b} + {c} + {d}", _days(4), adds=True),
}
EVENTS = {
    "gain": Kind("{s} + {a}", _some((3, 90)), adds=True),
    "lose": Kind("{s} - {a}", _lose, adds=True),
    "gain groups": Kind("{s} + {a} * {b}", _some((3, 9), (3, 25)), adds=True),
    "lose groups": Kind("{s} - {a} * {b}", _lose_groups, adds=True),
    "times": Kind("{m} * {a}", _some((3, 6))),
    "double": Kind("{m} * 2", _some()),
    "half": Kind("{m} / 2", _even),
    "less": Kind("{m} * (1 - {a}%)", _rate),
    "more": Kind("{m} * (1 + {a}%)", _rate),
    "part": Kind("{m} * (1 - {a}/{b})", _part),
}
QUESTIONS = {
    "now": Kind("{s}", _some()),
    "together": Kind("{s} + {a}", _some((5, 90)), adds=True),
    "share": Kind("{m} / {a}", _divisor),
    "pack": Kind("{m} / {a}", _divisor),
    "a day": Kind("{m} / {a}", _divisor),
    "worth": Kind("{m} * {a}", _some((3, 15))),
    "many times": Kind("{m} * {a}", _some((3, 6))),
    "than": Kind("{s} - {a}", _lose, adds=True),
    "missing": Kind("{a} - {r}", _more_than, adds=True),
    "change": Kind("{a} - {r}", _more_than, adds=True),
    "percentage": Kind("{a} / {d} * 100", _share_of),
    "growth": Kind("({s} - {a}) / {a} * 100", _old),
    "percent of": Kind("{m} * {a}%", _rate),
    "part of": Kind("{m} * ({a}/{b})", _part),
    "half of": Kind("{m} / 2", _even),
    "average": Kind("{m} / {days}", _some()),
}
_DAYS = {"two days": 2, "three days": 3, "four days": 4}
_SCALES = ("times", "double", "half", "less", "more", "part")  # at most one in a story: numbers stay small
_LOSSES = ("of", "lose", "lose groups", "half", "less", "part")  # after which there is a rest
_ANSWERS = {"worth": "${v}", "percentage": "{v}%", "growth": "{v}%", "pack": "{v} {boxes}"}
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_KINDS = BEGINNINGS | EVENTS | QUESTIONS


def story(rng: random.Random, wanted: Callable[[str, Structure], bool] = lambda setting, structure: True) -> Story:
    """A story of any family that is `wanted`, which gets the setting's name and the structure."""
    while True:
        setting, structure = rng.choice(SETTINGS), drawn_structure(rng)
        if fits(setting.name, structure) and wanted(setting.name, structure):
            try:
                return told(rng, setting.name, structure)
            except NoNumbers:
                continue  # a rare one, as of three divisions


def drawn_structure(rng: random.Random) -> Structure:
    """A structure that makes sense, whether or not a setting has words for all of it."""
    while True:
        begin = rng.choice(list(BEGINNINGS))
        events = rng.choices(list(EVENTS), k=rng.choices(range(len(_EVENTS_SHARE)), _EVENTS_SHARE)[0])
        question = rng.choice(["now", "now", *QUESTIONS])
        made = (begin, *events, question)
        if sum(kind in _SCALES for kind in events) > 1 or made == ("begin", "now"):
            continue
        if begin in _DAYS and (
            question not in ("now", "average", "worth", "together") or set(events) - {"times", "double", "more"}
        ):
            continue  # what is sold on three days isn't there to be lost
        if begin not in _DAYS and question == "average":
            continue
        return made


def fits(setting: str, structure: Structure) -> bool:
    """Whether a setting has words for a structure."""
    return set(structure) <= _BY_NAME[setting].words.keys()


def setting_names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(_BY_NAME)


def told(rng: random.Random, setting: str, structure: Structure) -> Story:
    """A story of one family; raises `NoNumbers`, and `KeyError` where the setting has no words for it."""
    chosen = _BY_NAME[setting]
    for _ in range(_TRIES):
        made = _computed(rng, structure)
        if made is not None:
            expression, numbers = made
            break
    else:
        raise NoNumbers(f"No numbers fit {structure}.")
    solution = solve(expression)
    slots = {**chosen.slots, **dict(zip(("who", "other", "third"), rng.sample(NAMES, 3), strict=True))}
    question = _sentences(rng, chosen, structure, numbers, slots)
    answer = _ANSWERS.get(structure[-1], chosen.answer)
    number = money(int(solution.value * 100)) if answer.startswith("$") else solution.text
    problem = Problem(question, expression, solution.steps, answer.format(v=number, **slots))
    return Story(setting, structure, problem)


def _computed(rng: random.Random, structure: Structure) -> tuple[str, list[tuple[int, ...]]] | None:
    """(expression, the numbers of each kind); None where those drawn don't fit each other."""
    text, strength, value = "", "", Fraction(0)
    drawn: list[tuple[int, ...]] = []
    for at, name in enumerate(structure):
        kind = _KINDS[name]
        numbers = kind.draw(rng, value)
        if numbers is None:
            return None
        drawn.append(numbers)
        bracketed = f"({text})"
        parts = {
            "s": text,
            "m": bracketed if strength == "sum" else text,
            "r": bracketed if strength == "sum" else text,
            "d": bracketed if strength else text,
            "days": str(_DAYS.get(structure[0], 0)),
            **dict(zip("abcd", map(str, numbers), strict=False)),
        }
        if name != "now":
            strength = "sum" if kind.adds else "product" if at or len(numbers) > 1 else ""
        text = kind.form.format(**parts)
        value = Fraction(solve(text).value) if at or len(numbers) > 1 else Fraction(numbers[0])
        if value.denominator > 1 or not 2 <= value <= _MOST:
            return None
    used = [number for numbers in drawn for number in numbers]
    constants = {int(n) for name in structure for n in re.findall(r"\d+", _KINDS[name].form)}
    constants.add(_DAYS.get(structure[0], 2))
    if len(set(used)) < len(used) or constants & set(used):
        return None  # which of two equal numbers is meant couldn't be told from the expression
    return text, drawn


def _sentences(
    rng: random.Random, setting: Setting, structure: Structure, numbers: list[tuple[int, ...]], slots: dict[str, str]
) -> str:
    def said(kind: str, some: tuple[int, ...], before: str = "") -> str:
        them = rng.choice(setting.rest if before in _LOSSES else setting.them)
        return rng.choice(setting.words[kind]).format(**dict(zip("abcd", some, strict=False)), them=them, **slots)

    begin, *events, question = structure
    clauses = [said(*one) for one in zip(events, numbers[1:-1], structure, strict=False)]
    sentences = [said(begin, numbers[0])]
    if clauses and rng.random() < _BEGUN_SHARE:
        sentences = [rng.choice(_BEGUN).format(sentences[0].rstrip("."), clauses.pop(0)) + "."]
    while clauses:
        clause = clauses.pop(0)
        if clauses and rng.random() < _JOINED_SHARE:
            clause = rng.choice(_JOINED).format(clause, clauses.pop(0))
        sentences.append(rng.choice(_LINKS).format(clause) + ".")
    ending = question
    if question == "now":
        last = events[-1] if events else begin
        way = "now up" if last in ("gain", "gain groups", "two", "groups") or last in _DAYS else "now down"
        way = way if last not in ("times", "double", "more") else "now"
        ending = way if rng.random() < 0.7 or last in _DAYS else "now"
    sentences.append(said(ending, numbers[-1], structure[-2]))
    return re.sub(r"(?:^|(?<=[.?] ))[a-z]", lambda found: found[0].upper(), " ".join(sentences))
