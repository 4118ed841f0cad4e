"""Draws random sentences from hassil templates without expanding them: one walk per draw."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)
from hassil.parse_expression import parse_sentence


@dataclass(frozen=True)
class Slot:
    """A `{list:name}` in a drawn sentence."""

    list_name: str
    slot_name: str


Drawn = list[str | Slot]


@lru_cache(maxsize=4096)
def parsed(template: str) -> Expression:
    return parse_sentence(template).expression


def draw(expression: Expression, rules: dict[str, Sentence], rng: random.Random) -> Drawn:
    """One random sentence: texts and slots in order; optional parts appear half of the time."""
    out: Drawn = []
    _walk(expression, rules, rng, out)
    joined: Drawn = []
    for item in out:
        if isinstance(item, str) and joined and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


def _walk(expression: Expression, rules: dict[str, Sentence], rng: random.Random, out: Drawn) -> None:
    if isinstance(expression, TextChunk):
        out.append(expression.original_text)
    elif isinstance(expression, Alternative):
        _walk(rng.choice(expression.items), rules, rng, out)
    elif isinstance(expression, Permutation):
        for item in rng.sample(expression.items, len(expression.items)):
            out.append(" ")
            _walk(item, rules, rng, out)
            out.append(" ")
    elif isinstance(expression, Group):
        for item in expression.items:
            _walk(item, rules, rng, out)
    elif isinstance(expression, ListReference):
        out.append(Slot(expression.list_name, expression.slot_name))
    elif isinstance(expression, RuleReference):
        _walk(rules[expression.rule_name].expression, rules, rng, out)
