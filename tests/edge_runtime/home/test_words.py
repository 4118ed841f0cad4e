from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.home.words import distance_at_most, numbers, percent, similar, stem, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 50%, Mr. X!", ["it's", "50", "%", ",", "mr", ".", "x", "!"]),
        ("Tom’s lamp", ["tom's", "lamp"]),
        ("Küche 21.5°", ["küche", "21.5", "°"]),
        ("‘boys’ room’", ["boys", "room"]),
        ("", []),
    ],
)
def test_tokenize_splits_words_numbers_and_marks(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@given(st.text())
def test_tokens_of_any_text_are_stable_and_have_stems(text: str) -> None:
    tokens = tokenize(text)
    assert tokenize(" ".join(tokens)) == tokens
    assert all(stem(token) for token in tokens)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("thirty five percent", 35), ("half", 50), ("a quarter", 25), ("three quarters", 75), ("one hundred", 100),
        ("42 %", 42), ("full", 100), ("two thirds", 66), ("nothing", None), ("seventy", 70),
    ],
)  # fmt: skip
def test_percent_reads_what_people_say(said: str, value: float | None) -> None:
    assert percent(tokenize(said)) == value


def test_numbers_reads_spelled_and_written_numbers_in_order() -> None:
    assert numbers(tokenize("twenty one point five then 7 and one hundred and twelve")) == [21.5, 7.0, 112.0]


@given(st.text("abcd", max_size=7), st.text("abcd", max_size=7))
def test_distance_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert distance_at_most(a, b, 2) == distance_at_most(b, a, 2)
    assert distance_at_most(a, b, 0) == (a == b)


def test_similar_forgives_one_slip_but_never_a_digit() -> None:
    assert similar("kitchen", "kithcen")
    assert not similar("row1", "row2")
    assert not similar("bed", "bad")
