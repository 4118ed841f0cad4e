"""Arithmetic as text: a tokenizer and parser of our own, bounded, and exact values by sympy.

sympy's own `sympify` evaluates the text that it is given as Python, so that no text ever reaches it: it gets numbers
and operations of a tree whose size and powers are bounded first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import sympy

MAX_CHARS = 240
MAX_TOKENS = 100
MAX_DEPTH = 24
MAX_DIGITS = 15
MAX_BITS = 256  # of a power, a root's radicand or a factorial's result; school arithmetic stays far below
MAX_EXPONENT = 64
UNREADABLE = "unreadable expression"
TOO_BIG = "expression too big"

# Function -> least and most arguments.
FUNCTIONS = {
    "sqrt": (1, 1),
    "abs": (1, 1),
    "floor": (1, 1),
    "ceil": (1, 1),
    "round": (1, 2),
    "factorial": (1, 1),
    "mod": (2, 2),
    "gcd": (2, 4),
    "lcm": (2, 4),
    "min": (2, 8),
    "max": (2, 8),
}
_SIGNS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^", "[": "(", "]": ")"}
_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<word>[A-Za-zµ°]+)|(?P<sign>\*\*|[-+*/^%!(),×·÷−–\[\]])|(?P<money>[$€£])|(?P<space>\s+)"
)


@dataclass(frozen=True)
class Tree:
    """op: "number", "unknown", "pi", "neg", "+", "-", "*", "/", "^", "%" (a percentage) or a function's name."""

    op: str
    parts: tuple[Tree, ...] = ()
    number: Fraction = Fraction(0)
    name: str = ""

    def walk(self) -> Iterator[Tree]:
        """The tree and all below it."""
        waiting = [self]
        while waiting:
            tree = waiting.pop()
            yield tree
            waiting += tree.parts


def parse(text: str, unknown: str | None = None, *, units: bool = False) -> Tree:
    """Read one expression; raises `Rejected`.

    Besides + - * / ^ ( ) it knows %, "of" (as in "15% of 80"), n!, pi and `FUNCTIONS`. unknown: the letter that may
    stand in it. units: skip words and signs of money, as in "3 apples * $2".
    """
    if len(text) > MAX_CHARS:
        raise Rejected(TOO_BIG, f"An expression has {len(text)} characters; at most {MAX_CHARS} are read.")
    tokens = _tokens(text, unknown, units)
    if len(tokens) > MAX_TOKENS:
        raise Rejected(TOO_BIG, f"An expression has {len(tokens)} parts; at most {MAX_TOKENS} are read.")
    reader = _Reader(tokens, text)
    tree = reader.sum(0)
    reader.end()
    return tree


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


def numbers_in(tree: Tree) -> set[Fraction]:
    """The numbers as they are written, a percentage as its number."""
    return {part.number for part in tree.walk() if part.op == "number"}


def operations_in(tree: Tree) -> int:
    """How many operations it takes; a minus sign and a % are none."""
    return sum(part.op not in ("number", "unknown", "pi", "neg", "%") for part in tree.walk())


def _tokens(text: str, unknown: str | None, units: bool) -> list[str]:
    made: list[str] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Rejected(UNREADABLE, f"{text[position]!r} isn't part of arithmetic in {text[:60]!r}.")
        position = found.end()
        token = found[0]
        if found.lastgroup == "number":
            if sum(char.isdigit() for char in token) > MAX_DIGITS:
                raise Rejected(TOO_BIG, f"A number has more than {MAX_DIGITS} digits.")
            made.append(token.replace(",", ""))
        elif found.lastgroup == "sign":
            made.append(_SIGNS.get(token, token))
        elif found.lastgroup == "word":
            lower = token.lower()
            if lower in FUNCTIONS or lower == "pi":
                made.append(lower)
            elif lower == "of":
                made.append("*")
            elif token == unknown:
                made.append(token)
            elif not units:
                raise Rejected(UNREADABLE, f"{token[:20]!r} isn't part of arithmetic; write numbers and signs only.")
        elif found.lastgroup == "money" and not units:
            raise Rejected(UNREADABLE, f"Write {text[:60]!r} without {token}.")
    return made


class _Reader:
    """Recursive descent over tokens; the depth is bounded by `MAX_DEPTH`."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text
        self._at = 0

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise Rejected(TOO_BIG, f"An expression is nested deeper than {MAX_DEPTH} levels.")
        tree = self._product(depth)
        while self._next() in ("+", "-"):
            sign = self._take()
            tree = Tree(sign, (tree, self._product(depth)))
        return tree

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong()

    def _product(self, depth: int) -> Tree:
        tree = self._signed(depth)
        while True:
            following = self._next()
            if following in ("*", "/"):
                self._take()
                tree = Tree(following, (tree, self._signed(depth)))
            elif following == "(" or following[:1].isalpha():  # 3x, 2(3 + 4), 5 sqrt(2)
                tree = Tree("*", (tree, self._power(depth)))
            else:
                return tree

    def _signed(self, depth: int) -> Tree:
        signs = 0
        while self._next() in ("+", "-"):
            signs += self._take() == "-"
        tree = self._power(depth)
        return Tree("neg", (tree,)) if signs % 2 else tree

    def _power(self, depth: int) -> Tree:
        tree = self._atom(depth)
        while self._next() in ("%", "!"):
            tree = Tree("%" if self._take() == "%" else "factorial", (tree,))
        if self._next() == "^":
            self._take()
            if depth >= MAX_DEPTH:
                raise Rejected(TOO_BIG, f"An expression is nested deeper than {MAX_DEPTH} levels.")
            negative = self._next() == "-" and bool(self._take())
            exponent = self._power(depth + 1)
            tree = Tree("^", (tree, Tree("neg", (exponent,)) if negative else exponent))
        return tree

    def _atom(self, depth: int) -> Tree:
        token = self._take()
        if token == "(":
            tree = self.sum(depth + 1)
            self._expect(")")
            return tree
        if token == "pi":
            return Tree("pi")
        if token in FUNCTIONS:
            return self._call(token, depth)
        if token[:1].isalpha():
            return Tree("unknown", name=token)
        if token[:1].isdigit() or token[:1] == ".":
            return Tree("number", number=Fraction(token))
        raise self._wrong()

    def _call(self, name: str, depth: int) -> Tree:
        self._expect("(")
        parts = [self.sum(depth + 1)]
        while self._next() == ",":
            self._take()
            parts.append(self.sum(depth + 1))
        self._expect(")")
        least, most = FUNCTIONS[name]
        if not least <= len(parts) <= most:
            raise Rejected(UNREADABLE, f"{name} doesn't take {len(parts)} numbers; put a space behind each comma.")
        return Tree(name, tuple(parts))

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next()
        if not token:
            raise self._wrong()
        self._at += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise self._wrong()
        self._at += 1

    def _wrong(self) -> Rejected:
        return Rejected(UNREADABLE, f"{self._text[:60]!r} isn't arithmetic that can be computed.")


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
