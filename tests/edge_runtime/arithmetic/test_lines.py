"""Calculations taken apart into lines, and put together again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.lines import put_together, taken_apart
from edge_runtime.arithmetic.places import PLACE, place
from edge_runtime.arithmetic.solve import solve
from tests.edge_runtime.arithmetic.sums import drawn


@pytest.mark.parametrize(
    ("expression", "written", "lines"),
    [
        ("12 * 8 - 17", ["①", "②", "③"], ("① * ②", "_ - ③")),
        ("4 * 3 + 2 * 9", ["①", "②", "③", "④"], ("① * ②", "③ * ④", "A + _")),
        ("50 - 15% * 80", ["①", "②", "③"], ("②% * ③", "① - _")),
        ("sqrt(9^2 + 4^2)", ["①", "2", "②", "2"], ("① ^ 2", "② ^ 2", "A + _", "sqrt(_)")),
        ("(1 + 2 + 3) / 3", ["①", "②", "③", "3"], ("① + ②", "_ + ③", "_ / 3")),
        ("1 - (2 - 3)", ["①", "②", "③"], ("② - ③", "① - _")),
        ("-(2 + 3)!", ["①", "②"], ("① + ②", "_!", "-_")),
    ],
)
def test_each_line_is_one_operation_on_numbers_and_earlier_results(
    expression: str, written: list[str], lines: tuple[str, ...]
) -> None:
    made = taken_apart(expression, written)
    assert made == lines
    numbers = {one: number for one, number in zip(written, _numbers(expression), strict=True) if PLACE.fullmatch(one)}
    again = put_together(made, [numbers[place(at)] for at in range(len(numbers))])
    assert solve(again).value == solve(expression).value


def _numbers(expression: str) -> list[str]:
    return ["".join(part) for part in "".join(c if c.isdigit() else " " for c in expression).split()]


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_what_is_put_together_comes_to_the_same(seed: int, count: int) -> None:
    rng = random.Random(seed)
    made = drawn(rng, count)
    if made is None:
        return
    numbers, expression, value = made
    lines = taken_apart(expression, [place(at) for at in range(count)])
    assert len(lines) == count - 1
    assert solve(put_together(lines, numbers)).value == value


@pytest.mark.parametrize(
    "lines",
    [
        [], [""], ["①"], ["① + ②", "① + ②"], ["_ + ①"], ["A + ①"], ["① + ②", "B + ①"], ["① + ④"],
        ["① + ② + ③"], ["① + ②", "_ + A + ①"], ["① + ②", "_"], ["① + ②", "_ = ③"], ["import os"],
        ["① + ②"] + ["_ + ①"] * 24,
    ],
)  # fmt: skip
def test_lines_that_lead_nowhere_are_unreadable(lines: list[str]) -> None:
    with pytest.raises(Unreadable):
        put_together(lines, ["3", "4", "5"])


def test_an_equation_and_numbers_that_are_not_the_expressions_are_not_taken_apart() -> None:
    for expression, written in (("3x + 5 = 20", ["3"]), ("1 + 2", ["①"]), ("1 + 2", ["1", "2", "3"]), ("7", ["①"])):
        with pytest.raises(Unreadable):
            taken_apart(expression, written)
