"""Rules for texts: what a refusal, a leak, a loop, a cut and a foreign language look like; and that people's texts pass."""

from __future__ import annotations

import contextlib
import time

import pytest

from trainer_host.tasks import Rejected
from trainer_host.tasks.wording import (
    check_echo,
    check_length,
    check_piece,
    check_wording,
    one_line,
    other_language,
    share_kept,
    text_of,
    words,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("As an AI, I don't have a body.", "refusal"),
        ("I am just a language model and have no opinion.", "refusal"),
        ("I'm sorry, but as a helpful assistant I won't say that.", "refusal"),
        ("Sorry, I can't do this.", "refusal"),
        ("I cannot fulfil this request.", "refusal"),
        ("Unfortunately, I'm unable to open the file.", "refusal"),
        ("This is against my guidelines.", "refusal"),
        ("Certainly! Here is the text.", "template leak"),
        ("Of course! I'll write it now.", "template leak"),
        ("Here are three examples of a message.", "template leak"),
        ("User: hello there", "template leak"),
        ("Dear [Your Name], hello", "template leak"),
        ("hello {name}, how are you", "template leak"),
        ("go to <insert place here> now", "template leak"),
        ("```json", "template leak"),
        ("no no no no no", "repetition"),
        ("a good day a good day a good day", "repetition"),
        ("I like to eat bread, and", "truncated"),
        ("I like it because", "truncated"),
        ("Bread, butter,", "truncated"),
        ("Bread [with butter", "truncated"),
    ],
)
def test_each_rule_names_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_wording(text, "text")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but the soup is cold.",
        "Sorry I'm late, the bus broke down!",
        "Do you think an AI can dream?",
        "Sure, why not?",
        "Of course we will come.",
        "Here is the house where I was born.",
        "no, no, no!",
        "Rephrase this so it sounds nicer: I won't come.",
        "where do these chairs go to",
        "Mr. O'Neil said “hello” (twice).",
        "I can't open the door.",
        "list[int] and dict[str, int] are types",
        "print <b>bold</b> text",
        "My favourite words are der and die.",
        "el niño is coming",
    ],
)
def test_what_people_say_passes(text: str) -> None:
    check_wording(text, "text")


@pytest.mark.parametrize(
    ("text", "language", "other"),
    [
        ("der Hund ist nicht in dem Haus und die Katze auch", "en", "de"),
        ("el perro no está en la casa, pero el gato está aquí", "en", "es"),
        ("je ne sais pas où est la gare, est-ce que vous pouvez m'aider", "en", "fr"),
        ("the dog is not in the house", "de", "en"),
        ("где находится вокзал", "en", "cyrillic"),
        ("where is the station", "ru", "latin"),
        ("駅はどこですか", "en", "kana"),
        ("where is the station", "ja", "latin"),
        ("birgitta-jähtol-birch-käälmäl-köttbullo-sören", "en", "latin with marks"),
    ],
)
def test_a_text_in_another_language_is_told(text: str, language: str, other: str) -> None:
    assert other_language(text, language) == other


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("der Hund ist nicht im Haus", "de"), ("где находится вокзал", "ru"), ("駅はどこですか", "ja"), ("东京在哪里", "zh"),
        ("ok", "de"), ("my café is in Zürich, near the Größe bridge", "en"), ("turn on the Licht in the Küche", "en"), ("12 + 30", "en"), ("", "en"), ("kde je nádraží", "cs"),
    ],
)  # fmt: skip
def test_a_text_in_its_own_language_or_too_short_to_tell_passes(text: str, language: str) -> None:
    assert other_language(text, language) is None


def test_marks_around_an_answer_are_taken_away_and_marks_within_kept() -> None:
    assert text_of('  "play chess"  ', "text") == "play chess"
    assert text_of("“play chess”", "text") == "play chess"
    assert text_of('say "hello" and "bye"', "text") == 'say "hello" and "bye"'
    assert text_of('"a" and "b"', "text") == '"a" and "b"'
    assert one_line(" two   words ", "text") == "two words"
    for bad in ("", ' "" ', "a\x00b", "\ud800", "a\nb"):
        with pytest.raises(Rejected):
            one_line(bad, "text")


def test_an_echo_needs_six_words_in_a_row() -> None:
    told = "Write one short message that a nurse would send to a friend about gardening."
    check_echo("a nurse would send to the doctor", told, "text")
    check_piece("gardening", told, "text")
    check_piece("a short message", told, "text")
    with pytest.raises(Rejected, match="quotes the instruction"):
        check_piece("One short message.", told, "text")
    with pytest.raises(Rejected, match="quotes the instruction"):
        check_echo("It is what a nurse would send to a friend.", told, "text")


def test_lengths_count_words_and_shares_count_pairs() -> None:
    assert words("It’s 50%, Mr. X!") == ["it's", "50", "mr", "x"]
    check_length("one two three", 3, 3, "text")
    for least, most, reason in ((4, 9, "too short"), (1, 2, "too long")):
        with pytest.raises(Rejected) as caught:
            check_length("one two three", least, most, "text")
        assert caught.value.reason == reason
    assert share_kept("turn on the lamp", "turn on the lamp") == 1
    assert share_kept("turn on the lamp", "please switch it") == 0


def test_long_and_odd_texts_take_no_time() -> None:
    started = time.process_time()
    for text in (
        "a " * 9_999,
        "sorry " * 3_000,
        "here is a " * 1_900,
        "[" * 19_999,
        "the same thing again " * 900,
        "x" * 19_999,
    ):
        with contextlib.suppress(Rejected):
            check_wording(text, "text")
    assert time.process_time() - started < 3
