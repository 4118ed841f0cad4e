"""Lengths as sums of what a prompt names ("α-2β", "γ/2"), read by a device and found for the rows of a dataset."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul

from edge_runtime.media import Rejected
from edge_runtime.media.reference_notation import LETTERS, UNREADABLE, value

MAX_FORMULA = 40  # characters
MAX_NUMBERS = 8  # of a prompt, among which formulas are searched
_TERM = re.compile(rf"([+-]?)(\d{{1,5}}(?:\.\d{{1,3}})?)?([{LETTERS}])?(?:/([1-9]\d?))?")
_SAME = 1000  # numbers are the same that are equal in so many parts of one
# What a multiple costs: of formulas for the same number the cheapest is learnt, for it is the likeliest to be meant.
_COSTS: dict[Fraction, int] = {Fraction(1): 10, Fraction(2): 15, Fraction(1, 2): 15, Fraction(1, 3): 20, Fraction(1, 4): 20}  # fmt: skip
_COSTS |= {Fraction(many, parts): 40 for many in range(3, 13) for parts in (1, 2) if many % parts}
_COSTS |= {Fraction(many): 38 for many in range(3, 13)}
# What is left open follows from what is said: a cup's wall is a tenth of its width.
_COSTS |= {Fraction(many, parts): 45 for many, parts in ((1, 10), (1, 5), (3, 4), (4, 5), (9, 10))}
_IN_PAIRS = [Fraction(1), Fraction(2), Fraction(1, 2)]
_IN_THREES = [Fraction(1), Fraction(2)]
_MINUS, _PLUS = 5, 2
_EACH = 12  # for each number that an axis takes: less than what a multiple costs more than the number that was meant
_RIGHT_ANGLE = 90
_NAMED = 60  # a prompt names no length for nothing
_MANY = 4  # so many lengths that are all multiples of one number are so on purpose, as the steps of stairs
_LITERAL = 1000  # a number that the prompt doesn't name is what remains
Terms = tuple[tuple[int, Fraction], ...]  # (place of a number in the prompt, how many times it is taken)


@dataclass(frozen=True)
class Formula:
    """A sum of multiples of the prompt's numbers; without terms it is the number `rest`. cost: see `_COSTS`."""

    terms: Terms
    rest: float = 0.0
    cost: int = 0

    @property
    def numbers(self) -> frozenset[int]:
        """Places of the numbers that it takes."""
        return frozenset(place for place, _ in self.terms)

    def __str__(self) -> str:
        if not self.terms:
            return plain(self.rest)
        ordered = sorted(self.terms, key=lambda term: (term[1] < 0, term[0]))
        return "".join(_term(place, many, first=not at) for at, (place, many) in enumerate(ordered))


def plain(number: float) -> str:
    """A number as short as it can be written, in thousandths."""
    rounded = round(number, 3) + 0.0
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)


def evaluate(text: str, numbers: Sequence[float]) -> float:
    """What a formula comes to; raises `Rejected` where it can't be read or takes what the prompt doesn't name."""
    if not text or len(text) > MAX_FORMULA:
        raise Rejected(UNREADABLE, f"'{text[:MAX_FORMULA]}' isn't a length")
    total, at = 0.0, 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or not (found[2] or found[3]) or (at and not found[1]):
            raise Rejected(UNREADABLE, f"'{text}' isn't a length")
        many = float(found[2] or 1) / int(found[4] or 1) * (-1 if found[1] == "-" else 1)
        total += many * value(found[3], numbers) if found[3] else many
        at = found.end()
    return total


class Formulas:
    """All formulas over a prompt's numbers, by what they come to."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._found: dict[int, dict[tuple[int, ...], tuple[int, tuple[Fraction, ...]]]] = {}
        kept = list(enumerate(numbers[:MAX_NUMBERS]))
        for size, ways in _WAYS.items():
            for group in itertools.combinations(kept, size):
                places = tuple(place for place, _ in group)
                values = [number * _SAME for _, number in group]
                for multiples, factors, cost in ways:
                    at = self._found.setdefault(round(sum(map(mul, values, factors))), {})
                    if places not in at or cost < at[places][0]:
                        at[places] = (cost, multiples)

    def of(self, wanted: float) -> list[Formula]:
        """For each set of numbers that suffices, the cheapest formula."""
        return [
            Formula(tuple(zip(places, multiples, strict=True)), cost=cost)
            for places, (cost, multiples) in self._found.get(_key(wanted), {}).items()
        ]


def _ways(multiples: Sequence[Fraction], size: int) -> list[tuple[tuple[Fraction, ...], tuple[float, ...], int]]:
    """Each way to take `size` numbers: how many times each, the same as floats, and what that costs."""
    made = []
    for many in itertools.product([*multiples, *(-times for times in multiples)], repeat=size):
        cost = sum(_COSTS[abs(times)] + (_MINUS if times < 0 else _PLUS * (size > 1)) for times in many)
        made.append((many, tuple(map(float, many)), cost))
    return made


_WAYS = {1: _ways([*_COSTS], 1), 2: _ways(_IN_PAIRS, 2), 3: _ways(_IN_THREES, 3)}


@dataclass(frozen=True)
class Cell:
    """A place that needs a formula. wanted: the numbers of which one must be made, each with its price.

    angle: it is one of the prompt's numbers as it stands, or a number of its own.
    """

    wanted: tuple[tuple[float, int], ...]
    angle: bool = False


def solve(
    cells: Sequence[Cell], formulas: Formulas, used: frozenset[int], missing: frozenset[int] = frozenset()
) -> tuple[list[tuple[int, Formula]], frozenset[int]]:
    """For each cell, which of its numbers is made and how, all of as few of the prompt's numbers as will do.

    A length that is another's sum by chance is seldom so for all lengths along an axis. used: numbers that other axes
    have taken; of two that are equal, the other one is meant. missing: numbers that no axis takes so far, though the
    prompt names them. The second result is the numbers taken.
    """
    options = [_options(cell, formulas) for cell in cells]
    sets = {frozenset[int]()} | {numbers for cell in options for numbers, *_ in cell}
    for _ in range(2):
        sets |= {one | other for one in sets for other in sets if len(one | other) <= 3}
    best: tuple[tuple[object, ...], list[tuple[int, Formula]]] | None = None
    for taken in sorted(sets, key=lambda numbers: (len(numbers), sorted(numbers))):
        cheapest = [min(_allowed(cell, taken), key=lambda option: option[0]) for cell in options]
        chosen = [(which, formula) for _, which, formula in cheapest]
        literals = sum(cost >= _LITERAL for cost, _, _ in cheapest)
        price = _EACH * len(taken) + sum(cost for cost, _, _ in cheapest)
        if len(taken) == 1 and len(cells) >= _MANY:
            price = price * 2 // 3
        price -= _NAMED * len(missing & _numbers(chosen))
        score = (literals, price, len(taken & used), len(taken), sorted(taken))
        if best is None or score < best[0]:
            best = score, chosen
    assert best is not None
    return best[1], _numbers(best[1])


def _options(cell: Cell, formulas: Formulas) -> list[tuple[frozenset[int], int, int, Formula]]:
    made = []
    for which, (wanted, price) in enumerate(cell.wanted):
        free = _key(wanted) == 0 or (cell.angle and wanted % _RIGHT_ANGLE == 0)
        made.append((frozenset[int](), price if free else _LITERAL + price, which, Formula((), wanted)))
        made += [
            (formula.numbers, formula.cost + price, which, formula)
            for formula in formulas.of(wanted)
            if not free and (not cell.angle or formula.cost == _COSTS[Fraction(1)])
        ]
    return made


def _allowed(
    options: Iterable[tuple[frozenset[int], int, int, Formula]], taken: frozenset[int]
) -> list[tuple[int, int, Formula]]:
    return [(cost, which, formula) for numbers, cost, which, formula in options if numbers <= taken]


def _numbers(chosen: Iterable[tuple[int, Formula]]) -> frozenset[int]:
    return frozenset[int]().union(*(formula.numbers for _, formula in chosen))


def _term(place: int, many: Fraction, *, first: bool) -> str:
    sign = "-" if many < 0 else "" if first else "+"
    count = "" if abs(many.numerator) == 1 else str(abs(many.numerator))
    parts = "" if many.denominator == 1 else f"/{many.denominator}"
    return f"{sign}{count}{LETTERS[place]}{parts}"


def _key(number: float) -> int:
    return round(number * _SAME)
