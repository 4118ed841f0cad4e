"""Exact values of arithmetic that is written as text, by sympy.

sympy's own `sympify` evaluates the text that it is given as Python, so that no text ever reaches it: it gets numbers
and operations of a tree whose size and powers are bounded first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.arithmetic import expressions
from edge_runtime.arithmetic.expressions import (
    FUNCTIONS,
    MAX_CHARS,
    TOO_BIG,
    UNREADABLE,
    Tree,
    numbers_in,
    operations_in,
)
from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import sympy

__all__ = ["FUNCTIONS", "MAX_CHARS", "Tree", "is_zero", "numbers_in", "operations_in", "parse", "solved", "value"]
MAX_BITS = 256  # of a power, a root's radicand or a factorial's result; school arithmetic stays far below
MAX_EXPONENT = 64


def parse(text: str, unknown: str | None = None, *, units: bool = False) -> Tree:
    """As `expressions.parse`; raises `Rejected`."""
    try:
        return expressions.parse(text, unknown, units=units)
    except expressions.Unreadable as cause:
        raise Rejected(cause.reason, cause.detail) from None


def value(tree: Tree, unknown: sympy.Expr | None = None) -> sympy.Expr:
    """The exact value; `unknown` stands for the letter. Raises `Rejected` for division by zero and too big powers."""
    import sympy

    parts = [value(part, unknown) for part in tree.parts]
    if any(part.free_symbols for part in parts) and not all(part.is_Rational or part.free_symbols for part in parts):
        raise Rejected(UNREADABLE, "Roots and pi can't stand beside an unknown.")
    if tree.op == "number":
        return sympy.Rational(tree.number.numerator, tree.number.denominator)
    if tree.op == "unknown":
        if unknown is None:
            raise Rejected(UNREADABLE, f"'{tree.name}' isn't a number.")
        return unknown
    if tree.op == "pi":
        return sympy.pi
    if tree.op == "neg":
        return -parts[0]
    if tree.op == "%":
        return parts[0] / 100
    if tree.op == "+":
        return parts[0] + parts[1]
    if tree.op == "-":
        return parts[0] - parts[1]
    if tree.op == "*":
        return parts[0] * parts[1]
    if tree.op == "/":
        if is_zero(parts[1]):
            raise Rejected("division by zero", "An expression divides by zero.")
        return parts[0] / parts[1]
    if tree.op == "^":
        return _power(parts[0], parts[1])
    return _applied(tree.op, parts)


def is_zero(number: sympy.Expr) -> bool:
    """Whether an exact value is 0; irrational ones are compared at 60 digits (expanding them may take for ever)."""
    import sympy

    if number.is_Rational:
        return bool(number == 0)
    if number.free_symbols:
        return bool(sympy.expand(number) == 0)
    return bool(abs(sympy.N(number, 60, maxn=200)) < sympy.Rational(1, 10**40))


def solved(left: Tree, right: Tree) -> sympy.Expr:
    """The one solution of an equation that is linear in its letter; raises `Rejected`."""
    import sympy

    x = sympy.Symbol("x")
    try:
        polynomial = sympy.Poly(value(left, x) - value(right, x), x)
    except sympy.PolynomialError:
        raise Rejected(
            UNREADABLE, "The unknown stands where it can't be solved for; write a linear equation."
        ) from None
    if polynomial.degree() != 1 or not all(number.is_number for number in polynomial.all_coeffs()):
        raise Rejected("not linear", "The equation must be linear, with one solution.")
    slope, offset = polynomial.all_coeffs()
    return -offset / slope


def _power(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    if not exponent.is_Integer or abs(exponent) > MAX_EXPONENT:
        raise Rejected(TOO_BIG, f"An exponent must be a whole number up to {MAX_EXPONENT}; for a root write sqrt().")
    if base.free_symbols and not 0 <= exponent <= 2:
        raise Rejected("not linear", "The unknown may not have an exponent.")
    if base.is_Rational and _bits(base) * abs(int(exponent)) > MAX_BITS:
        raise Rejected(TOO_BIG, f"A power has more than {MAX_BITS} binary digits.")
    if not base.is_Rational and not base.free_symbols and abs(exponent) > 8:
        raise Rejected(TOO_BIG, "A root or pi has an exponent above 8.")
    if exponent < 0 and is_zero(base):
        raise Rejected("division by zero", "An expression divides by zero.")
    return base**exponent


def _applied(name: str, parts: list[sympy.Expr]) -> sympy.Expr:
    import sympy

    if any(part.free_symbols for part in parts):
        raise Rejected(UNREADABLE, f"The unknown can't stand inside {name}().")
    first = parts[0]
    if name == "sqrt":
        if first < 0 or not first.is_Rational or _bits(first) > MAX_BITS:
            raise Rejected(UNREADABLE, "A root is only taken of a positive number.")
        return sympy.sqrt(first)
    if name == "factorial":
        if not first.is_Integer or not 0 <= first <= 20:
            raise Rejected(TOO_BIG, "A factorial is only taken of 0 to 20.")
        return sympy.factorial(first)
    if name == "round":
        return _rounded(first, parts[1] if len(parts) > 1 else sympy.Integer(0))
    if name in ("gcd", "lcm", "mod") and not all(part.is_Integer for part in parts):
        raise Rejected(UNREADABLE, f"{name} takes whole numbers.")
    if name == "mod":
        if parts[1] == 0:
            raise Rejected("division by zero", "An expression divides by zero.")
        return first % parts[1]
    if name in ("gcd", "lcm"):
        return (sympy.igcd if name == "gcd" else sympy.ilcm)(*map(int, parts)) * sympy.Integer(1)
    made = {"abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "min": sympy.Min, "max": sympy.Max}[name]
    return made(*parts)


def _rounded(number: sympy.Expr, digits: sympy.Expr) -> sympy.Expr:
    """To so many decimals, halves away from zero, as is taught at school."""
    import sympy

    if not digits.is_Integer or not 0 <= digits <= 10:
        raise Rejected(UNREADABLE, "round takes 0 to 10 decimals.")
    scale = sympy.Integer(10) ** digits
    return sympy.sign(number) * sympy.floor(sympy.Abs(number) * scale + sympy.Rational(1, 2)) / scale


def _bits(number: sympy.Expr) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())
