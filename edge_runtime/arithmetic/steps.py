"""Checks the lines of a chain of thought, as far as they compute: each is worked out again, exactly."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from edge_runtime.arithmetic.expressions import MAX_CHARS, Tree, Unreadable, parse
from edge_runtime.arithmetic.solve import BY_ZERO, Value, solve, value_of

MAX_LINES = 64  # that are worked out; no model that a device runs writes as many that compute
_EQUALS = re.compile(r"[=≈]")
_LETTER = re.compile(r"(?<![A-Za-z])[a-z](?![A-Za-z])")
_NEAR = 1e-9  # of values that have no end as decimals, relative


@dataclass(frozen=True)
class Line:
    """One line. holds: whether its sides are equal; None where it doesn't compute, as in "First the apples.".

    A line with a letter, as in 2x = 10, holds where the last such line has the same solution.
    """

    text: str
    holds: bool | None


def check_steps(thought: str) -> tuple[Line, ...]:
    """The lines of a thought that aren't empty, at most `MAX_LINES` of them worked out (the rest have None).

    A line's words and units are skipped, and so is what stands before a colon: "Together: 3 apples + 4 = 7" is
    3 + 4 = 7. After ≈ a number may be rounded to the places that it has.
    """
    texts = [text.strip() for text in thought.splitlines() if text.strip()]
    with_letter = [read for text in texts[:MAX_LINES] if (read := _solution(text)) is not None]
    last = with_letter[-1] if with_letter else None
    return tuple(Line(text, _holds(text, last) if at < MAX_LINES else None) for at, text in enumerate(texts))


def wrong_steps(thought: str) -> tuple[str, ...]:
    """The lines of a thought that compute, and are wrong."""
    return tuple(line.text for line in check_steps(thought) if line.holds is False)


def _computing(text: str) -> str | None:
    """The part of a line that may compute, None where it has no sign of equality between two numbers."""
    part = text.rpartition(":")[2]
    sides = _EQUALS.split(part)
    if len(part) > MAX_CHARS or not 2 <= len(sides) <= 8:
        return None
    return part if all(re.search(r"\d", side) or _LETTER.search(side) for side in sides) else None


def _solution(text: str) -> Value | None:
    """What a line with one letter says that it is."""
    part = _computing(text)
    if part is None or len(set(_LETTER.findall(part))) != 1:
        return None
    try:
        return solve(part).value
    except Unreadable:
        return None


def _holds(text: str, unknown: Value | None) -> bool | None:
    part = _computing(text)
    if part is None:
        return None
    if _LETTER.search(part):
        found = _solution(text)
        return None if found is None or unknown is None else _same(found, unknown)
    signs = _EQUALS.findall(part)
    try:
        trees = [parse(side, units=True) for side in _EQUALS.split(part)]
        if all(tree.op in ("number", "neg") for tree in trees):
            return None  # "Box 1 = 3 eggs"
        values = [value_of(tree) for tree in trees]
        return all(
            _same(left, right) or (sign == "≈" and _rounded(left, right, tree))
            for sign, left, right, tree in zip(signs, values[:-1], values[1:], trees[1:], strict=True)
        )
    except Unreadable as cause:
        return False if cause.reason == BY_ZERO else None
    except OverflowError:
        return None


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    return math.isclose(one, other, rel_tol=_NEAR, abs_tol=_NEAR)


def _rounded(exact: Value, written: Value, tree: Tree) -> bool:
    """Whether a number as written is the other one, rounded to its places."""
    if tree.op == "neg":
        tree, exact, written = tree.parts[0], -exact, -written
    if tree.op != "number":
        return False
    places = len(str(float(tree.number)).partition(".")[2]) if tree.number.denominator > 1 else 0
    return abs(Fraction(exact) - Fraction(written)) <= Fraction(1, 2 * 10**places)
