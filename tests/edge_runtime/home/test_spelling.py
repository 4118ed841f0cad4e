from __future__ import annotations

import pytest

from edge_runtime.home.spelling import Spelling

WORDS = "".join(f"{word}\n" for word in ("", "\u2047", "0", "turn", "lights", "brightness", "light", "möbel", "tea"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("liggts", "lights"), ("tirn", "turn"), ("brihgtnes", "brightness"), ("mööbel", "möbel"), ("ligt", "light")],
)
def test_a_slip_is_read_as_the_most_usual_word_near_it(written: str, meant: str) -> None:
    assert Spelling(WORDS.encode()).meant(written) == meant


@pytest.mark.parametrize("written", ["te", "tae", "umbrella", "x" * 1000, "21", "%", "rights", ""])
def test_other_words_stay_as_they_are(written: str) -> None:
    assert Spelling(WORDS.encode()).meant(written) == written


def test_rare_words_are_never_meant_and_an_empty_vocabulary_means_nothing() -> None:
    many = "".join(f"w{'a' * (i % 7)}{i}\n" for i in range(2000)) + "curtain\n"
    assert Spelling(many.encode()).meant("curtian") == "curtian"
    assert Spelling(b"").meant("curtian") == "curtian"
