from __future__ import annotations

import re

import numpy as np
import pytest

from tests.trainer_host.speech.needs import needs_speech
from trainer_host.errors import DataError
from trainer_host.speech.phrases import altered, check_sounds, checked_phrase, holds, near_text, near_words
from trainer_host.speech.texts import WORDS, foreign, jumbled, paragraph, read_aloud, sentence
from trainer_host.speech.voices import phonemes_of


@pytest.mark.parametrize("text", ["", "hey robot 2", "héy robot", "a b c d e f", "x" * 41, "-v", "hey; rm"])
def test_what_cannot_be_said_is_no_phrase(text: str) -> None:
    with pytest.raises(DataError):
        checked_phrase(text)


def test_a_phrase_is_written_in_one_way() -> None:
    assert checked_phrase("  Hey   ROBOT ") == "hey robot"


def test_a_phrase_of_few_sounds_is_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="Put a word before it"):
        check_sounds("hi", "h'aI")
    check_sounds("hey robot", "h'eI r'oUb0t")


def test_an_altered_phrase_differs_in_two_sounds_at_least() -> None:
    rng = np.random.default_rng(1)
    made = {altered(rng, "h'eI r'oUb0t") for _ in range(100)}
    assert len(made) > 90 and all(re.fullmatch(r"\[\[.+\]\]", text) for text in made)
    assert "[[h'eI r'oUb0t]]" not in made


@needs_speech
def test_near_texts_never_hold_the_phrase_and_often_a_part_of_it() -> None:
    near = near_words("hey robot", phonemes_of(["hey", "robot", *WORDS]))
    rng = np.random.default_rng(1)
    made = [near_text(rng, "hey robot", near) for _ in range(300)]
    assert not any(holds(text, "hey robot") for text in made)
    assert sum("robot" in text or "hey" in text for text in made) > 150
    assert "day" in near["hey"]


def test_the_phrase_is_found_in_sentences_whatever_their_marks() -> None:
    assert holds("Well, hey Robot! Come here.", "hey robot")
    assert not holds("they robot", "hey robot") and not holds("hey robots", "hey robot")


def test_talk_has_many_different_sentences_and_sounds() -> None:
    rng = np.random.default_rng(1)
    assert len({sentence(rng) for _ in range(500)}) > 480
    assert paragraph(rng, 3).count(".") == 3
    aloud = [read_aloud(rng, 3) for _ in range(300)]
    assert {text.count(".") for text in aloud} == {3} and len(set(aloud)) == 300
    assert all(re.fullmatch(r"[A-Za-z ,'.]+", text) for text in aloud)  # nothing that a program would spell out
    assert len(foreign(rng, 5).split()) == 5
    mixed = [jumbled(rng, 3) for _ in range(100)]
    assert all(re.fullmatch(r"([a-z'\- ]+\.){3}", text) for text in mixed)
    assert len({word for text in mixed for word in text.split()}) > 1_000
    assert "{" not in " ".join(sentence(rng) for _ in range(500))
