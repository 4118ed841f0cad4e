"""Calculations that are drawn: any tree over some numbers."""

from __future__ import annotations

import random

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.solve import Value, solve


def drawn(rng: random.Random, count: int) -> tuple[list[str], str, Value] | None:
    """`count` numbers, a calculation with all of them in their order, and what it comes to; None if it divides by zero."""
    numbers = [str(rng.randint(1, 20)) for _ in range(count)]
    parts = list(numbers)
    while len(parts) > 1:
        at = rng.randrange(len(parts) - 1)
        parts[at : at + 2] = [f"({parts[at]} {rng.choice('+-*/')} {parts[at + 1]})"]
    try:
        return numbers, parts[0], solve(parts[0]).value
    except Unreadable:
        return None
