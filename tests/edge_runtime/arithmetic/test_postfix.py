"""Calculations in the order in which a question tells them, and back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.places import MOST, filled, index, place, unplaced
from edge_runtime.arithmetic.postfix import from_postfix, to_postfix
from edge_runtime.arithmetic.solve import solve
from tests.edge_runtime.arithmetic.sums import drawn

PLACES = [place(at) for at in range(MOST)]


@pytest.mark.parametrize(
    ("expression", "written", "postfix"),
    [
        ("12 * 8 - 17", PLACES[:3], "① ② * ③ -"),
        ("5 + 4 * 3", PLACES[:3], "① ② ③ * +"),
        ("50 - (3 + 4)", ["③", "①", "②"], "① ② + ③ ~-"),
        ("50 / (3 + 4) * 100", ["③", "①", "②", "100"], "① ② + ③ ~/ 100 *"),
        ("80 * (1 - 15%)", ["①", "1", "②"], "① 1 ② % - *"),
        ("6 - (5 - 4)", ["①", "②", "③"], "① ② ③ - -"),
    ],
)
def test_each_part_adds_its_own_end(expression: str, written: list[str], postfix: str) -> None:
    assert to_postfix(expression, written) == postfix
    numbers = "".join(c if c.isdigit() else " " for c in expression).split()
    named = {index(one): number for one, number in zip(written, numbers, strict=True) if one in PLACES}
    assert filled(str(from_postfix(postfix)), [named[at] for at in sorted(named)]) == expression


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_what_is_read_back_comes_to_the_same(seed: int, count: int) -> None:
    rng = random.Random(seed)
    made = drawn(rng, count)
    if made is None:
        return
    numbers, expression, value = made
    order = rng.sample(range(count), count)  # of the numbers in the question
    told = [""] * count
    for at, number in zip(order, numbers, strict=True):
        told[at] = number
    text = to_postfix(expression, [place(at) for at in order])
    assert solve(filled(str(from_postfix(text)), told)).value == value


@pytest.mark.parametrize(
    "text",
    ["", "①", "①%", "① + ②", "① ②", "① ② + +", "① ② + ③", "① % %", "① ② ?", "(① ② +)", "① ② + import", "1.2.3 4 +"],
)
def test_what_isnt_postfix_is_none(text: str) -> None:
    assert from_postfix(text) is None


def test_what_has_no_postfix_form_is_refused() -> None:
    for expression, written in (("3x + 5 = 20", ["3"]), ("sqrt(9) + 1", ["①", "②"]), ("7", ["①"]), ("1 + 2", ["①"])):
        with pytest.raises(Unreadable):
            to_postfix(expression, written)


def test_fifty_places_each_one_sign() -> None:
    assert len(set(PLACES)) == 50 and [index(one) for one in PLACES] == list(range(50)) and PLACES[-1] == "㊿"
    assert unplaced("① and ㊿") == "1 and 50"
    with pytest.raises(Unreadable, match="has no number ③"):
        filled("① + ③", ["1", "2"])
