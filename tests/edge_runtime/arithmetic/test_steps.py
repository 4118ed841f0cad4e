"""The step checker: each line that computes is worked out again, and nothing that a model may write stops it."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.arithmetic.steps import check_steps, wrong_steps
from trainer_host.tasks.math_problems import problem


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("3 + 4 = 7", True), ("3 + 4 = 8", False), ("Together: 3 apples + 4 apples = 7 apples", True),
        ("Together: 3 apples + 4 = 8", False), ("12 × 8 − 17 = 79", True), ("15% of 80 = 12 = 24/2", True),
        ("15% of 80 = 12 = 25/2", False), ("10/3 ≈ 3.33", True), ("10/3 ≈ 3.34", False), ("10/3 = 3.33", False),
        ("-10/3 ≈ -3.3", True), ("sqrt(2) ≈ 1.4142", True), ("1,250 * 2 = 2,500", True), ("$3 * 4 = $12", True),
        ("First the apples.", None), ("", None), ("Box 1 = 3 eggs", None), ("(((=", None), ("1/0 = 3", False),
        ("2 + 2 =", None), ("= 4", None), ("2 +* 2 = 4", None), ("9" * 300 + " + 1 = 2", None),
    ],
)  # fmt: skip
def test_a_line_holds_where_its_sides_are_the_same_number(line: str, holds: bool | None) -> None:
    found = check_steps(f"\n{line}\n")
    assert [one.holds for one in found] == ([holds] if line else [])
    assert wrong_steps(line) == ((line,) if holds is False else ())


def test_lines_with_a_letter_hold_where_they_have_the_solution_of_the_last() -> None:
    thought = "3x + 1 = 16\n3x = 15\nx = 6\n\nSo it is five:\nx = 5"
    assert [line.holds for line in check_steps(thought)] == [True, True, False, None, True]


@pytest.mark.parametrize("level", range(1, 7))
def test_the_steps_of_problems_hold_and_a_changed_result_is_found(level: int) -> None:
    rng = random.Random(level)
    checked = found = 0
    for _ in range(60):
        for step in problem(rng, level).steps:
            assert not wrong_steps(step), step
            if check_steps(step)[0].holds and "x" not in step and not re.search(r"[a-z]", step):
                checked += 1
                found += bool(wrong_steps(re.sub(r"(\d)$", lambda digit: str((int(digit[1]) + 1) % 10), step)))
    assert checked >= 30 and found == checked


@given(st.text(alphabet="0123456789+-*/^%!().,=≈:x a\n√", max_size=80) | st.text(max_size=60))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    assert all(line.text in text for line in check_steps(text))


def test_of_a_thought_without_end_only_the_first_lines_are_worked_out() -> None:
    long = "2^64 * 3^40 * 7^60 / 11^50 + 1 = 9\n" * 20_000
    found = check_steps(long)
    assert len(found) == 20_000 and sum(line.holds is not None for line in found) == 64
    assert wrong_steps("(" * 50_000 + "=1") == ()
