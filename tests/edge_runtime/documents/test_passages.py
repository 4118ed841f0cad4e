from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.documents.passages import MOST_WORDS, Passage, passages, sentences


def test_paragraphs_stand_below_their_headings() -> None:
    text = "Before.\n\n# Care\n\nClean it.\n\nDry it.\n\nFaults\n======\nIt beeps."
    assert passages(text) == [
        Passage("", "Before."),
        Passage("Care", "Clean it.\n\nDry it."),
        Passage("Faults", "It beeps."),
    ]


def test_what_is_too_long_is_cut_between_sentences() -> None:
    text = " ".join(f"Sentence {number} says nothing at all." for number in range(100))
    made = passages(text)
    assert len(made) == 4 and all(len(part.text.split()) <= MOST_WORDS for part in made)
    assert all(part.text.endswith("at all.") for part in made)
    assert [part for one in made for part in sentences(one.text)] == sentences(text)


@given(st.text(alphabet=string.ascii_letters + " .\n#-é", max_size=3000))
def test_no_word_is_lost_or_made(text: str) -> None:
    made = " ".join(f"{part.heading} {part.text}" for part in passages(text))
    marks = str.maketrans("", "", "#-= ")
    assert sorted(made.translate(marks).split()) == sorted(text.translate(marks).split()) or (
        "".join(sorted(made.translate(marks).split())) == "".join(sorted(text.translate(marks).split()))
    )
