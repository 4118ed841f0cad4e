"""Free words for sounds are read as a model learns them, and a sound that has something else than was asked is doubted."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media import speech
from edge_runtime.media.sound_notation import read
from edge_runtime.media.sound_words import asked, doubt
from trainer_host.media import sound_phrases
from trainer_host.media.sound import heard
from trainer_host.media.sound_facts import unmet


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("D minor scale going up at 90 bpm", "α scale rising at β beats a minute"),
        ("play c4 d4 e4, then stop", "play α β γ , then stop"),
        ("C D E with a saw wave", "α β γ with a sawtooth wave"),
        ("f sharp minor scael downwards", "α scale falling"),
        ("Say good night in a sad voice", "say α sad"),
        ("could you read out: the train is late", "could you read out : α"),
        ('a lady\'s voice? "No, by a man"', "a lady's voice ? α"),
        ("say a sentence with five words", "say a sentence with 5 words"),  # that is nothing to quote
    ],
)
def test_free_words_are_read_as_notes_texts_and_manners(prompt: str, said: str) -> None:
    assert asked(prompt).said == said


@pytest.mark.parametrize(
    ("prompt", "notation", "right"),
    [
        ("a C major scale", "play 120 in α\nsine: r u*7", True),
        ("a C major scale", "play 120 in α\nsine: R d*7", False),
        ("a C major scale, square wave", "play 120 in α\nsine: r u*7", False),
        ("A4 four times", "play 120\nsine: α*4", True),
        ("A4 four times", "play 120\nsine: α*3", False),
        ("C4 E4 G4", "play 120\nsine: α γ β", False),
        ("C4 E4 G4 getting louder", "play 120\nsine: α β γ", False),
        ("a C major scale on the piano", "play 120 in α\nsine: r u*7", False),
        ('say "good morning" sadly', "say woman slow low soft: α", True),
        ('say "good morning" sadly', "say woman: α", False),
        ('say "good morning"', "say woman loud: α", False),
        ('say "good morning"', "say woman: α again", False),
        ('say "good morning"', "play 120\nsine: C4", False),
    ],
)
def test_a_sound_that_has_something_else_than_the_prompt_says_is_doubted(
    prompt: str, notation: str, right: bool
) -> None:
    asking = asked(prompt)
    assert (doubt(read(notation, asking.things), asking) is None) is right


def test_free_music_is_heard_as_asked_and_written_over_its_prompt() -> None:
    from edge_runtime.tasks import audio_gen

    for seed in range(40):
        made = sound_phrases.music(random.Random(seed))
        assert not unmet(made.facts, heard(made.notes)), made.request
        request = {"prompt": made.request}
        program = {"kind": "music", "notes": audio_gen.write_program(made.notes)["notes"]}
        answer = audio_gen.answer(request, audio_gen.reply(request, {"program": program}))
        assert answer["unsure"] is False, (made.request, answer["problem"])


@pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")
def test_free_speech_is_heard_as_asked() -> None:
    heard_as_asked = [
        not unmet(made.facts, heard(made.utterance))
        for made in (sound_phrases.speech(random.Random(n)) for n in range(30))
    ]
    assert all(heard_as_asked)
