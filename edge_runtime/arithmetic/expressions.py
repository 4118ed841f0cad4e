"""Arithmetic as text: a tokenizer and parser, bounded, and never evaluated as Python.

Teachers' answers are checked with it, and devices compute with it what a model of the task `math` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MAX_CHARS = 240
MAX_TOKENS = 100
MAX_DEPTH = 24
MAX_DIGITS = 15
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


class Unreadable(Exception):
    """A text that can't be computed. reason: a few words, the same for all of a kind; detail: one sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
    """Read one expression; raises `Unreadable`.

    Besides + - * / ^ ( ) it knows %, "of" (as in "15% of 80"), n!, pi and `FUNCTIONS`. unknown: the letter that may
    stand in it. units: skip words and signs of money, as in "3 apples * $2".
    """
    if len(text) > MAX_CHARS:
        raise Unreadable(TOO_BIG, f"An expression has {len(text)} characters; at most {MAX_CHARS} are read.")
    tokens = _tokens(text, unknown, units)
    if len(tokens) > MAX_TOKENS:
        raise Unreadable(TOO_BIG, f"An expression has {len(tokens)} parts; at most {MAX_TOKENS} are read.")
    reader = _Reader(tokens, text)
    tree = reader.sum(0)
    reader.end()
    return tree


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
            raise Unreadable(UNREADABLE, f"{text[position]!r} isn't part of arithmetic in {text[:60]!r}.")
        position = found.end()
        token = found[0]
        if found.lastgroup == "number":
            if sum(char.isdigit() for char in token) > MAX_DIGITS:
                raise Unreadable(TOO_BIG, f"A number has more than {MAX_DIGITS} digits.")
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
                raise Unreadable(UNREADABLE, f"{token[:20]!r} isn't part of arithmetic; write numbers and signs only.")
        elif found.lastgroup == "money" and not units:
            raise Unreadable(UNREADABLE, f"Write {text[:60]!r} without {token}.")
    return made


class _Reader:
    """Recursive descent over tokens; the depth is bounded by `MAX_DEPTH`."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text
        self._at = 0

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise Unreadable(TOO_BIG, f"An expression is nested deeper than {MAX_DEPTH} levels.")
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
                raise Unreadable(TOO_BIG, f"An expression is nested deeper than {MAX_DEPTH} levels.")
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
            raise Unreadable(UNREADABLE, f"{name} doesn't take {len(parts)} numbers; put a space behind each comma.")
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

    def _wrong(self) -> Unreadable:
        return Unreadable(UNREADABLE, f"{self._text[:60]!r} isn't arithmetic that can be computed.")
