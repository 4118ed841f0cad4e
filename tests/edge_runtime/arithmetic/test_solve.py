"""What a device computes is what the host's verifier, which uses sympy, finds right: value, steps and all."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.solve import number, solve
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.math_problems import problem


@pytest.mark.parametrize("level", range(1, 7))
def test_the_verifier_finds_what_the_device_computes_right(level: int) -> None:
    spec = task_spec("math")
    rng = random.Random(level)
    for _ in range(60):
        made = problem(rng, level)
        found = solve(made.expression)
        output = {"steps": list(found.steps), "answer": made.answer, "expression": made.expression}
        spec.check(Example({"question": made.question}, output))  # raises `Rejected` for a wrong step or answer
        assert spec.score(output, {"answer": found.text}) == 1


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_written_so_that_it_is_read_as_the_same(value: Fraction) -> None:
    for as_decimals in (True, False):
        assert Fraction(number(value, as_decimals)) == value


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("12 * 8 - 17", "79"), ("1.92 + 8.28", "10.2"), ("5 * 1/2", "5/2"), ("15% of 80", "12"), ("sqrt(169) * 12", "156"),
        ("7x + 18 = 6x + 26", "8"), ("x + x + 7 = 57", "25"), ("2^10", "1024"), ("-5^2", "-25"), ("round(10/3, 2)", "3.33"),
        ("sqrt(2)", "1.4142"), ("mod(17, 5)", "2"), ("gcd(12, 18)", "6"), ("5!", "120"), ("x / 4 - 2 = 3", "20"),
    ],
)  # fmt: skip
def test_expressions_and_equations_have_their_values(expression: str, text: str) -> None:
    assert solve(expression).text == text


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 / 0",
        "x * x = 4",
        "2 + ",
        "9^9^9",
        "import os",
        "x = y",
        "1 = 1 = 1",
        "x - x = 3",
        "(" * 40,
        "factorial(99)",
    ],
)
def test_what_can_not_be_computed_says_why(expression: str) -> None:
    with pytest.raises(Unreadable) as found:
        solve(expression)
    assert str(found.value).endswith(".")
