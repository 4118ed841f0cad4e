"""Written English is read as words: numbers, dates, prices, abbreviations; what no letter of a to z writes is named."""

from __future__ import annotations

import pytest

from edge_runtime.media.spoken import apart, number_words, ordinal_words, read


def said(text: str) -> str:
    return " ".join(" ".join(phrase.words) + phrase.mark for sentence in read(text).sentences for phrase in sentence)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Turn on the light, please!", "turn on the light, please."),
        ("Dr. Smith paid $3.50, didn't he?", "doctor smith paid three dollars fifty, didn't he?"),
        (
            "It is 25°C and 12% of 1,234.",
            "it is twenty five degrees celsius and twelve percent of one thousand two hundred thirty four.",
        ),
        ("At 7:30 pm on 2026-03-04", "at seven thirty pee em on march fourth twenty twenty six."),
        ("the 3rd, 21st and 100th", "the third, twenty first and one hundredth."),
        ("5 km at 3.14 m", "five kilometers at three point one four meters."),
        ("In 1999, 2005 and 1900", "in nineteen ninety nine, two thousand five and nineteen hundred."),
        ("GPU and NASA", "gee pee you and nasa."),
        ("0123 & 7:00", "zero one two three and seven o'clock."),
        ("Café naïve", "cafe naive."),
        ("7" * 14, "seven " * 13 + "seven."),
        ("2026-99-99", "two thousand twenty six ninety nine ninety nine."),
        ("$1", "one dollar."),
        ("No. That is bus No. 7.", "no. that is bus number seven."),
        ("It is -5 °C, or \u22121.", "it is minus five degrees celsius, or minus one."),
        ("12 - 5 = 7, 3 × 4 and 2-3 days", "twelve minus five equals seven, three times four and two to three days."),
        ("From 9:00 to 5, 7:30-8:15", "from nine o'clock to five, seven thirty to eight fifteen."),
        ("Call 555-0199", "call five hundred fifty five zero one nine nine."),
        (
            "1½ cups, ½ km, 3/4 and 1/8/2026",
            "one and one half cups, one half kilometers, three quarters and one eight twenty twenty six.",
        ),
        ("20 m² at 60 km/h", "twenty square meters at sixty kilometers per hour."),
        ("1 km at 1°C", "one kilometer at one degree celsius."),
        ("5 €, $1.5 million, $5, 1.00€", "five euros, one point five million dollars, five dollars, one euro."),
        (
            "At 7:30 am, i.e. 7 a.m. today. I am on 5G",
            "at seven thirty ay em, that is seven ay em today. i am on five gee.",
        ),
        ("192.168.1.20", "one hundred ninety two point one hundred sixty eight point one point twenty."),
    ],
)
def test_what_is_written_is_read_as_words(text: str, words: str) -> None:
    assert said(text) == words and read(text).foreign is None


@pytest.mark.parametrize(
    ("text", "words", "foreign"),
    [
        ("Привет", "", "Привет"),
        ("Hello 你好 there", "hello there.", "你好"),
        ("Schöne Grüße", "schone.", "Grüße"),
        ("...", "", None),
        ("", "", None),
        ("🙂 ok", "ok.", None),
    ],
)
def test_other_scripts_are_named(text: str, words: str, foreign: str | None) -> None:
    assert (said(text), read(text).foreign) == (words, foreign)


def test_numbers() -> None:
    assert " ".join(number_words(10**11 + 15)) == "one hundred billion fifteen"
    assert ordinal_words(12) == ["twelfth"] and ordinal_words(30) == ["thirtieth"]


def test_a_text_falls_apart_into_sentences_that_say_something() -> None:
    made = [one.strip() for one in apart("Dr. No came. He left! ...\nYes", 100)]
    assert made == ["Dr. No came.", "He left!", "Yes"]
    assert [one.strip() for one in apart("I said no. Go to No. 3.", 100)] == ["I said no.", "Go to No. 3."]
    long = apart("word " * 1000, 100)
    assert all(len(one) <= 100 for one in long) and sum(len(one.split()) for one in long) == 1000
    assert len(apart("a" * 1000, 100)) == 10


def test_a_hundred_thousand_letters_are_read_in_time_that_grows_with_them() -> None:
    for text in ("a b, c. " * 12_500, "a" * 100_000, "1" * 100_000, "$" + "9" * 5000, "Dr. " * 25_000):
        assert read(text).sentences
    for text in ("a" + "." * 100_000, "Dr. " * 25_000, "a. " * 25_000):
        assert apart(text, 600)
