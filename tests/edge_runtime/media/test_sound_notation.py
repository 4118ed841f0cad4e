"""Sounds as short lines: what is asked for is kept, and nothing that a model may write does harm."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.media import Rejected
from edge_runtime.media.notes import Note
from edge_runtime.media.reference_notation import UNREADABLE
from edge_runtime.media.sound import Program, read_program, write_program
from edge_runtime.media.sound_notation import Key, Named, Pitch, Voice, numbered, read, write
from edge_runtime.media.speech import Utterance, available
from trainer_host.media import music_sampler, speech_sampler
from trainer_host.media.sound import heard
from trainer_host.media.sound_facts import unmet

D_MINOR, A3 = Key(2, "minor"), Pitch(57)
THINGS: tuple[Named, ...] = (D_MINOR, A3, 90.0, "It is late", "garden")


def music(program: Program) -> list[tuple[int, float]]:
    assert isinstance(program, tuple)
    return [(note.midi, round(note.start, 2)) for note in program]


@pytest.mark.parametrize("seed", range(24))
def test_built_in_music_keeps_its_notes_and_all_that_was_asked(seed: int) -> None:
    made = music_sampler.sample(random.Random(seed))
    _, things = numbered(made.request)
    text = write(made.notes, things)
    got = read(text, things)
    assert music(got) == music(made.notes)
    assert len(text) < 60 and text.count("\n") == 1
    if seed < 5:
        assert not unmet(made.facts, heard(got))


@pytest.mark.skipif(not available(), reason="espeak-ng isn't installed")
@pytest.mark.parametrize("seed", range(3))
def test_built_in_speech_keeps_its_words_and_how_they_are_said(seed: int) -> None:
    made = speech_sampler.sample(random.Random(seed))
    _, things = numbered(made.request)
    got = read(write(made.utterance, things), things)
    assert isinstance(got, Utterance) and got.text == made.utterance.text
    assert not unmet(made.facts, heard(got))


def test_what_is_named_is_a_letter_and_what_must_be_understood_stays() -> None:
    prompt, things = numbered(
        "Play a rising F sharp minor scale of 8 notes from F#4, then Bb5, at 132.5 beats a minute."
    )
    assert prompt == "Play a rising α scale of 8 notes from β, then γ, at δ beats a minute."
    assert things == (Key(6, "minor"), Pitch(66), Pitch(82), 132.5)
    prompt, things = numbered(
        'Say a sentence of 8 to 12 words with "garden", then "Mind the gap", sadly, as a woman. A minor thing.'
    )
    assert prompt == 'Say a sentence of 8 to 12 words with "α=garden", then β, sadly, as a γ. δ thing.'
    assert things == ("garden", "Mind the gap", Voice("woman"), Key(9, "minor"))


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("play γ in α\nsine: β u*2 d3 β", [57, 58, 60, 55, 57]),
        ("play γ\nsquare louder: α C4+E4 _:2 C4*2", [(62, 65, 69), (60, 64), 60, 60]),
    ],
)
def test_steps_chords_rests_and_repeats_are_what_they_say(text: str, notes: list[object]) -> None:
    got = read(text, THINGS)
    flat = [midi for note in notes for midi in (note if isinstance(note, tuple) else (note,))]
    assert [midi for midi, _ in music(got)] == flat
    assert write(got, THINGS) == text
    if "_" in text:
        assert sorted({start for _, start in music(got)}) == [0, 0.67, 2.67, 3.33]


def test_two_voices_keep_their_times_and_waves() -> None:
    tune = [Note(72 + step, 0.5 * at, 0.4, 0.6, "square") for at, step in enumerate((0, 2, 4, 5))]
    bass = [Note(48, 0, 0.9, 0.2, "sine"), Note(43, 1, 0.9, 0.2, "sine")]
    text = write((*tune, *bass), ())
    assert text == "play 120\nsine soft: C3:2 G2:2\nsquare: C5 D5 E5 F5"
    got = read(text, ())
    assert sorted(music(got)) == sorted(music((*tune, *bass)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "play",
        "play 60",
        "play 5\nsine: C4",
        "play δ\nsine: C4",  # a text is no tempo
        "play γ in γ\nsine: C4",
        "play γ\nsine: u",
        "play γ in α\nsine: u",  # up from nowhere
        "play γ in α\nsine: C#4 u",  # it isn't in the key
        "play γ\nviolin: C4",
        "play γ\nsine faster: C4",
        "play γ\nsine: H4",
        "play γ\nsine: γ",
        "play γ\nsine: ω",
        "play γ\nsine: C4*0",
        "say",
        "say man: ",
        "say child: hello",
        "say man bored: hello",
        "say man rate: hello",
        "say man: α",  # a key is no text
        "say man rate δ: hello",
        "say δ: hello",
    ],
)
def test_what_is_no_sound_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(text, THINGS)
    assert refused.value.reason == UNREADABLE and refused.value.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("play 60\nsine: C4*99", "too much"),
        ("play 60\nsine: C4*30", "too much"),  # 30 seconds
        ("play 60\n" + "sine: C4*60\n" * 20, "too much"),
        ("play 60\nsine: C7 C2 B7", "wrong form"),
        ("play 60\nsine:", "wrong form"),
        ("say man rate 999: hello", "out of range"),
        ("say man: 12345", "wrong form"),
        ("say man: caf\u00e9", "wrong form"),
        ("say man: " + "so " * 60, "too much"),
    ],
)
def test_what_can_not_be_played_is_refused_for_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(text, THINGS)
    assert refused.value.reason == reason and refused.value.detail


WORDS = st.sampled_from(["play 90", "play γ in α", "\nsine:", "\nsquare louder:", "β", "u2", "d", "C4", "α", "C4+G4:0.5", "_:2", "*3", "say man", "slow", ": δ", ":"])  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(WORDS, max_size=16).map(" ".join).map(lambda text: text.replace(" \n", "\n")) | st.text(max_size=60))
def test_any_text_is_a_sound_or_refused(text: str) -> None:
    try:
        made = read(text, THINGS)
    except Rejected:
        return
    assert read_program(write_program(made)) is not None
    again = read(write(made, THINGS), THINGS)
    if isinstance(made, Utterance):
        assert again == made
