"""Sums of several numbers, bare and in stories: what a model that works line by line is to learn."""

from __future__ import annotations

import random

from trainer_host.tasks.math_problems import NAMES, THINGS, Problem

FEWEST, MOST = 3, 8  # numbers of a built-in sum that is bare
MOST_TOLD = 12  # of one in a story
LARGEST = 60
_ASKS = (
    "What is {s}?", "Work out {s}.", "Calculate {s}.", "Evaluate {s}.", "How much is {s}?", "Find {s}.",
)  # fmt: skip
# Numbers before a sum, and sums that aren't asked for. More of them slowed the learning of plain sums down.
_BEFORE = ("Exercise {a}: ", "{a}. ", "Page {a}, exercise {b}: ", "Task {a} of {b}: ", "Question {a}, {b} points: ",
           "In room {a} at {b}, {c} children are asked: ")  # fmt: skip
_TWO = (
    ("First comes {a}, then {b}. What is the first?", "First comes {a}, then {b}. What is the second?"),
    ("Here are two sums: {a}, and {b}. Work out the one in front.", "Here are two sums: {a}, and {b}. Work out the last."),
)  # fmt: skip
_BEFORE_SHARE, _TWO_SHARE, _STORY_SHARE = 0.1, 0.2, 0.35
# How a story begins, what adds to it, what takes away, and how it ends.
_STORIES = (
    ("A bus starts with {n} people.", "Then {n} get on.", "Then {n} get off.",
     "How many people are on it then?", ""),
    ("{who} has {n} {what}.", "Then {n} more turn up.", "Then {n} are given away.", "How many {what} are left?", " {what}"),
    ("A jar holds {n} {what}.", "Somebody puts {n} in.", "Somebody takes {n} out.", "How many {what} are in it now?", " {what}"),
    ("{who} saved ${n}.", "Then {who} earns ${n}.", "Then {who} spends ${n}.", "How much does {who} have?", "$"),
)  # fmt: skip


def long_sum(rng: random.Random, fewest: int = FEWEST, largest: int = LARGEST) -> Problem:
    """A sum of `fewest` numbers or more, from 1 to `largest`, whose results are never below zero: bare, or in a story."""
    if rng.random() < _STORY_SHARE:
        return _story(rng, *_terms(rng, rng.randint(fewest, MOST_TOLD), largest))
    terms, value = _terms(rng, rng.randint(fewest, MOST), largest)
    question = rng.choice(_ASKS).format(s=_text(terms))
    if rng.random() < _TWO_SHARE:
        other, _ = _terms(rng, rng.randint(2, MOST), largest)
        at = rng.randrange(2)
        first, second = (terms, other) if at == 0 else (other, terms)
        question = rng.choice(_TWO)[at].format(a=_text(first), b=_text(second))
    if rng.random() < _BEFORE_SHARE:
        a, b, c = (rng.randint(1, LARGEST) for _ in range(3))
        question = rng.choice(_BEFORE).format(a=a, b=b, c=c) + question
    return Problem(question, _text(terms), _steps(terms), str(value))


def plain_sum(rng: random.Random, numbers: int, largest: int = LARGEST) -> Problem:
    """The same without a story, and with nothing beside it."""
    terms, value = _terms(rng, numbers, largest)
    return Problem(rng.choice(_ASKS).format(s=_text(terms)), _text(terms), _steps(terms), str(value))


def _terms(rng: random.Random, numbers: int, largest: int) -> tuple[list[tuple[str, int]], int]:
    value = rng.randint(1, largest)
    terms = [("", value)]
    for _ in range(numbers - 1):
        number = rng.randint(1, largest)
        sign = "-" if number <= value and rng.random() < 0.4 else "+"
        terms.append((sign, number))
        value += number if sign == "+" else -number
    return terms, value


def _text(terms: list[tuple[str, int]]) -> str:
    return " ".join(f"{sign} {number}" if sign else str(number) for sign, number in terms)


def _steps(terms: list[tuple[str, int]]) -> tuple[str, ...]:
    value, made = terms[0][1], list[str]()
    for sign, number in terms[1:]:
        result = value + number if sign == "+" else value - number
        made.append(f"{value} {sign} {number} = {result}")
        value = result
    return tuple(made)


def _story(rng: random.Random, terms: list[tuple[str, int]], value: int) -> Problem:
    begins, more, less, asks, unit = rng.choice(_STORIES)
    who, what = rng.choice(NAMES), rng.choice(THINGS)
    parts = [
        (more if sign == "+" else less if sign else begins).format(n=number, who=who, what=what)
        for sign, number in terms
    ]
    question = " ".join([*parts, asks.format(who=who, what=what)])
    answer = f"${value}" if unit == "$" else f"{value}{unit.format(what=what)}"
    return Problem(question, _text(terms), _steps(terms), answer)
