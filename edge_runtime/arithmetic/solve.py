"""Computes an expression or a linear equation exactly, with the steps that a person would write down."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from edge_runtime.arithmetic.expressions import TOO_BIG, UNREADABLE, Tree, Unreadable, parse

MAX_BITS = 256  # of a power or a factorial, as the host's verifier allows
MAX_EXPONENT = 64
MAX_STEPS = 12
DECIMALS = 4  # of a result that isn't a fraction
Value = Fraction | float
_LETTER = re.compile(r"(?<![A-Za-z])[a-z](?![A-Za-z])")
BY_ZERO = "division by zero"
_NOT_LINEAR = "not linear"


@dataclass(frozen=True)
class Solution:
    """value: exact, or a float where roots or pi make it irrational. steps: "expression = result", the last has the value.
    unknown: the letter that was sought. text: the value as it is written, "≈" left out."""

    value: Value
    steps: tuple[str, ...]
    unknown: str | None
    text: str


def solve(expression: str) -> Solution:
    """Compute one expression, or solve an equation that is linear in its one letter; raises `Unreadable`."""
    sides = expression.split("=")
    letters = sorted(set(_LETTER.findall(expression)))
    if len(sides) > 2 or len(letters) > 1 or len(letters) != len(sides) - 1:
        raise Unreadable(UNREADABLE, f"{expression[:60]!r} is neither one sum nor one equation with one letter.")
    unknown = letters[0] if letters else None
    trees = [parse(side, unknown) for side in sides]
    as_decimals = any(mark in expression for mark in (".", "%", "round"))
    steps: list[str] = []
    if unknown is None:
        value = _computed(trees[0], steps, as_decimals)
        if not steps:
            steps.append(f"{expression.strip()} {_sign(value)} {number(value, as_decimals)}")
    else:
        value = _solved(trees, unknown, steps, as_decimals)
    return Solution(value, tuple(steps[-MAX_STEPS:]), unknown, number(value, as_decimals))


def value_of(tree: Tree) -> Value:
    """What a tree without an unknown comes to; raises `Unreadable`."""
    return _computed(tree, [], True)


def number(value: Value, as_decimals: bool = True) -> str:
    """A value as text: 12, 2.5 where that is exact and wanted, 5/2, or four decimals of what has no end."""
    if isinstance(value, float):
        return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    if value.denominator == 1:
        return str(value.numerator)
    places = _places(value.denominator)
    if as_decimals and places is not None:
        sign = "-" if value < 0 else ""
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator}"


def _places(denominator: int) -> int | None:
    """How many decimals such a fraction has, None where they don't end (or there are more than 12)."""
    left, places = denominator, [0, 0]
    for index, prime in enumerate((2, 5)):
        while left % prime == 0:
            left //= prime
            places[index] += 1
    return max(places) if left == 1 and max(places) <= 12 else None


def _sign(value: Value) -> str:
    return "≈" if isinstance(value, float) else "="


def _computed(tree: Tree, steps: list[str], as_decimals: bool) -> Value:
    """The value; each operation adds its line. A percentage of a number and a plain fraction are part of a line."""
    if tree.op == "number":
        return tree.number
    if tree.op == "pi":
        return math.pi
    if tree.op == "unknown":
        raise Unreadable(UNREADABLE, f"'{tree.name}' isn't a number.")
    values = [_computed(part, steps, as_decimals) for part in tree.parts]
    if tree.op == "neg":
        return -values[0]
    if tree.op == "%":
        return values[0] / 100
    value = _applied(tree.op, values)
    texts = [
        f"{number(part.parts[0].number)}%"
        if part.op == "%" and part.parts[0].op == "number"
        else number(known, as_decimals)
        for part, known in zip(tree.parts, values, strict=True)
    ]
    simple = tree.op == "/" and all(part.op == "number" for part in tree.parts) and isinstance(value, Fraction)
    line = f"{_joined(tree.op, texts, values)} {_sign(value)} {number(value, as_decimals)}"
    if not (simple and line.replace(" ", "") == f"{texts[0]}/{texts[1]}={number(value, as_decimals)}"):
        steps.append(line)
    return value


def _joined(op: str, texts: list[str], values: list[Value]) -> str:
    if op in ("+", "-", "*", "/", "^"):
        bound = [
            f"({text})" if text.startswith("-") or ("/" in text and op in ("/", "^")) else text for text in texts[1:]
        ]
        first = f"({texts[0]})" if op == "^" and (texts[0].startswith("-") or "/" in texts[0]) else texts[0]
        return f"{first}^{bound[0]}" if op == "^" else f"{first} {op} {bound[0]}"
    return f"{op}({', '.join(texts)})"


def _applied(op: str, values: list[Value]) -> Value:
    first = values[0]
    try:
        if op == "+":
            return first + values[1]
        if op == "-":
            return first - values[1]
        if op == "*":
            return first * values[1]
        if op == "/":
            if not values[1]:
                raise Unreadable(BY_ZERO, "The sum divides by zero.")
            return first / values[1]
        if op == "^":
            return _power(first, values[1])
        if op == "sqrt":
            return _root(first)
        return _function(op, values)
    except OverflowError:
        raise Unreadable(TOO_BIG, "The result is too big.") from None


def _power(base: Value, exponent: Value) -> Value:
    if not isinstance(exponent, Fraction) or exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise Unreadable(TOO_BIG, f"An exponent must be a whole number up to {MAX_EXPONENT}.")
    if exponent < 0 and not base:
        raise Unreadable(BY_ZERO, "The sum divides by zero.")
    whole = int(exponent)
    if isinstance(base, Fraction) and _bits(base) * abs(whole) > MAX_BITS:
        raise Unreadable(TOO_BIG, f"A power has more than {MAX_BITS} binary digits.")
    return base**whole


def _root(value: Value) -> Value:
    if value < 0:
        raise Unreadable(UNREADABLE, "A root is only taken of a positive number.")
    if isinstance(value, Fraction):
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above**2 == value.numerator and below**2 == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _function(name: str, values: list[Value]) -> Value:
    if name == "abs":
        return -values[0] if values[0] < 0 else values[0]
    if name in ("min", "max"):
        return min(values) if name == "min" else max(values)
    if name in ("floor", "ceil"):
        return Fraction(math.floor(values[0]) if name == "floor" else math.ceil(values[0]))
    if name == "round":
        return _rounded(values[0], values[1] if len(values) > 1 else Fraction(0))
    whole = [int(value) for value in values if isinstance(value, Fraction) and value.denominator == 1]
    if len(whole) != len(values):
        raise Unreadable(UNREADABLE, f"{name} takes whole numbers.")
    if name == "factorial":
        if not 0 <= whole[0] <= 20:
            raise Unreadable(TOO_BIG, "A factorial is only taken of 0 to 20.")
        return Fraction(math.factorial(whole[0]))
    if name == "mod":
        if not whole[1]:
            raise Unreadable(BY_ZERO, "The sum divides by zero.")
        return Fraction(whole[0] % whole[1])
    chosen: Callable[..., int] = math.gcd if name == "gcd" else math.lcm
    return Fraction(chosen(*whole))


def _rounded(value: Value, digits: Value) -> Value:
    """To so many decimals, halves away from zero, as is taught at school."""
    if not isinstance(digits, Fraction) or digits.denominator != 1 or not 0 <= digits <= 10:
        raise Unreadable(UNREADABLE, "round takes 0 to 10 decimals.")
    scale = 10 ** int(digits)
    whole = math.floor(abs(Fraction(value)) * scale + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole, scale)


def _solved(sides: list[Tree], unknown: str, steps: list[str], as_decimals: bool) -> Value:
    slopes = [_linear(side) for side in sides]
    slope, offset = slopes[0][0] - slopes[1][0], slopes[1][1] - slopes[0][1]
    if not slope:
        raise Unreadable(_NOT_LINEAR, "The equation must be linear, with one solution.")
    value = offset / slope
    if any(part.op in ("+", "-", "*", "/") for part in (*sides[0].walk(), *sides[1].walk())) and slope != 1:
        steps.append(f"{_times(slope, as_decimals)}{unknown} = {number(offset, as_decimals)}")
    steps.append(f"{unknown} = {number(value, as_decimals)}")
    return value


def _times(slope: Fraction, as_decimals: bool) -> str:
    text = number(slope, as_decimals)
    return f"({text})" if "/" in text else text


def _linear(tree: Tree) -> tuple[Fraction, Fraction]:
    """(a, b) where the tree is a times the unknown plus b."""
    if tree.op == "unknown":
        return Fraction(1), Fraction(0)
    parts = [_linear(part) for part in tree.parts]
    if not any(a for a, _ in parts):
        value = _computed(tree, [], True)
        if isinstance(value, float):
            raise Unreadable(UNREADABLE, "Roots and pi can't stand beside an unknown.")
        return Fraction(0), value
    if tree.op == "neg":
        return -parts[0][0], -parts[0][1]
    if tree.op in ("+", "-"):
        sign = 1 if tree.op == "+" else -1
        return parts[0][0] + sign * parts[1][0], parts[0][1] + sign * parts[1][1]
    if tree.op == "*" and not (parts[0][0] and parts[1][0]):
        (a, b), (_, c) = (parts[0], parts[1]) if parts[0][0] else (parts[1], parts[0])
        return a * c, b * c
    if tree.op == "/" and not parts[1][0] and parts[1][1]:
        return parts[0][0] / parts[1][1], parts[0][1] / parts[1][1]
    if tree.op == "%":
        return parts[0][0] / 100, parts[0][1] / 100
    raise Unreadable(_NOT_LINEAR, "The equation must be linear, with one solution.")


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
