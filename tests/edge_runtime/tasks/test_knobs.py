"""Knobs that are turned by saying so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.tasks.knobs import BOUNDS, Knobs, turn
from tests.edge_runtime.tasks.knob_phrases import LEFT, SECOND, SEEN, THIRD

MIDDLE = Knobs(temperature=0.7, top_p=0.8, max_tokens=400, repetition=1.2)


@pytest.mark.parametrize(
    ("phrase", "name", "direction"),
    [
        ("Be more creative", "temperature", 1),
        ("Sei kreativer!", "temperature", 1),
        ("Sé más creativo", "temperature", 1),
        ("less creative please", "temperature", -1),
        ("That was too wild", "temperature", -1),
        ("Don't be so boring", "temperature", 1),
        ("Nicht kreativ genug", "temperature", 1),
        ("shorter", "max_tokens", -1),
        ("zu lang", "max_tokens", -1),
        ("más largo", "max_tokens", 1),
        ("tell me more", "max_tokens", 1),
        ("You keep repeating yourself", "repetition", 1),
        ("no te repitas", "repetition", 1),
        ("lower the temperature", "temperature", -1),
    ],
)
def test_a_phrase_turns_its_knob(phrase: str, name: str, direction: int) -> None:
    found = turn(phrase, MIDDLE)
    assert {change.name: (change.after > change.before) - (change.after < change.before) for change in found.changes}[
        name
    ] == direction


def test_two_wishes_in_one_phrase_turn_two_knobs_and_nothing_else() -> None:
    found = turn("Shorter, and a bit more precise.", MIDDLE)
    assert {change.name for change in found.changes} == {"max_tokens", "temperature", "top_p"}
    assert found.knobs.max_tokens == 250
    assert 0.5 < found.knobs.temperature < 0.7  # "a bit"
    assert found.knobs.repetition == MIDDLE.repetition


@pytest.mark.parametrize(
    "phrase", ["", "Hello", "What is the capital of France?", "Wie spät ist es?", "purple", "x" * 5000, "¿Qué hora es?"]
)
def test_what_names_no_knob_changes_nothing(phrase: str) -> None:
    found = turn(phrase, MIDDLE)
    assert found.knobs is MIDDLE
    assert not found.understood
    assert not found.changes


def test_a_number_sets_a_knob_within_its_bounds() -> None:
    assert turn("Temperatur auf 0,9", MIDDLE).knobs.temperature == 0.9
    assert turn("set the temperature to 20", MIDDLE).knobs.temperature == BOUNDS["temperature"][1]
    assert turn("at most 100 tokens", MIDDLE).knobs.max_tokens == 100
    assert turn("top_p 0.5", MIDDLE).knobs.top_p == 0.5


def test_a_knob_at_its_bound_is_said_and_stays() -> None:
    found = turn("more precise", Knobs(temperature=0.0, top_p=0.3))
    assert found.understood
    assert not found.changes
    assert set(found.at_bound) == {"temperature", "top_p"}


def test_only_a_phrase_that_says_nothing_else_is_certain() -> None:
    assert turn("Please be more creative", MIDDLE).certain
    assert turn("Sei bitte etwas kürzer", MIDDLE).certain
    assert not turn("Write a shorter poem about the sea", MIDDLE).certain


def test_reset_goes_back_to_the_beginning() -> None:
    assert turn("reset", MIDDLE).knobs == Knobs()


@given(st.text(max_size=80), st.floats(-9, 9), st.floats(-9, 9), st.integers(-9, 99999), st.floats(-9, 9))
def test_bounds_are_kept_whatever_is_said(text: str, temperature: float, top: float, tokens: int, rep: float) -> None:
    before = Knobs(temperature, top, tokens, rep).bounded()
    for phrase in (text, f"much more {text} creative", f"as short as possible {text}", f"temperature {text} 7"):
        after = turn(phrase, before).knobs
        assert all(low <= getattr(after, name) <= high for name, (low, high) in BOUNDS.items())


def test_the_phrases_that_the_rules_were_improved_on_stay_right() -> None:
    for phrase, name, sign in SEEN + SECOND + THIRD:
        change = next((one for one in turn(phrase, MIDDLE).changes if one.name == name), None)
        assert (change is None) == (phrase in LEFT), phrase
        if change is None:
            continue
        assert (change.after > change.before) == (sign == "+"), phrase


ORDINARY = (
    "Guess what", "Let's play a game", "What's the topic?", "How do I trim a hedge?", "Who said that already?", "I dream a lot",
    "Spice up this recipe with something", "Spell it out for me: pneumonia", "What does 'in a nutshell' mean?",
    "Is one sentence enough for a summary of War and Peace?", "Tell me everything about Rome", "Erzähl mir ein Märchen",
    "Kannst du raten, wie alt ich bin?", "Schreib einen Vortrag über Bienen", "Cuéntame un cuento", "Write an essay about tea",
)  # fmt: skip


@pytest.mark.parametrize("message", ORDINARY)
def test_a_message_that_shares_words_with_a_wish_is_still_sent(message: str) -> None:
    assert not turn(message, MIDDLE).certain
