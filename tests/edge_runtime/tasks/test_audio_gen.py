"""A prompt goes to the model without the names in it, and what it writes is a sound or one sentence that says why not."""

from __future__ import annotations

import io
import random
import wave

import numpy as np
import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media, described, speech
from edge_runtime.media.notes import midi_of
from edge_runtime.media.sound import read_program
from edge_runtime.tasks import audio_gen, task_module
from trainer_host.media.sound import heard
from trainer_host.students.audio_gen import as_written
from trainer_host.tasks import task_spec

Json = dict[str, object]
SCALE: Json = {"prompt": "Play a falling G minor scale of 6 notes that starts on Eb5, as square waves. Tempo 150."}
WRITTEN = "play γ in α\nsquare: β d*5"
SAID: Json = {"prompt": 'Say "Mind the gap" sadly in a man\'s voice.'}
NOT_UNDERSTOOD = "This prompt wasn't understood; say which notes are to be played and how fast, or what is to be said."


def test_the_task_is_known_by_its_name() -> None:
    assert task_module("audio_gen") is audio_gen


def test_names_are_letters_for_the_model_and_notes_for_the_sound() -> None:
    [asked] = audio_gen.messages(SCALE)
    assert asked["content"] == "play a falling α scale of 6 notes starts on β , as square waves . tempo γ ."
    got = audio_gen.answer(SCALE, WRITTEN)
    assert got["unsure"] is False and got["problem"] is None
    program = read_program(got["program"])
    sound = heard(program)
    assert isinstance(program, tuple) and as_written(program, sound), "20 cents and 20 ms"
    assert [note.midi for note in program] == [midi_of(name) for name in ("Eb5", "D5", "C5", "Bb4", "A4", "G4")]
    assert np.diff([note.start for note in program]).tolist() == pytest.approx([0.4] * 5)
    file = got["sound"]
    assert isinstance(file, Media) and file.content_type == "audio/wav"
    with wave.open(io.BytesIO(file.content)) as made:
        assert made.getnframes() / made.getframerate() == pytest.approx(2.42, abs=0.01)


def test_what_a_model_learns_to_write_sounds_as_was_asked() -> None:
    spec = task_spec("audio_gen", {"kinds": ["music"]})
    for seed in range(3):
        example = spec.built_in(random.Random(seed))
        got = audio_gen.answer(example.input, audio_gen.reply(example.input, example.output))
        assert spec.score(example.output, got) == 1


@pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")
def test_quoted_words_are_said_as_they_stand() -> None:
    [asked] = audio_gen.messages(SAID)
    assert asked["content"] == "say α sad in a β ."
    got = audio_gen.answer(SAID, "say β slow low soft: α")
    assert isinstance(got["program"], dict) and got["program"]["text"] == "Mind the gap"
    assert isinstance(got["sound"], Media) and len(got["sound"].content) > 20_000 and got["unsure"] is False
    assert audio_gen.answer(SAID, "say β: Hello")["problem"] == (
        'The prompt names "Mind the gap", but nothing in this sound follows from it.'
    )
    asked = {"prompt": 'Say a sentence with the word "garden".'}
    assert audio_gen.answer(asked, "say man: My garden is late.")["unsure"] is False


def test_without_a_voice_the_words_come_back_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    got = audio_gen.answer(SAID, "say β slow low soft: α")
    assert got["sound"] is None and got["unsure"] is True and got["problem"] == speech.MISSING
    assert isinstance(got["program"], dict) and got["program"]["text"] == "Mind the gap"
    assert audio_gen.answer(SCALE, WRITTEN)["unsure"] is False, "music needs none"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", NOT_UNDERSTOOD),
        ("play γ in α\nsquare: β d*", NOT_UNDERSTOOD),
        ("say man: β", NOT_UNDERSTOOD),
        ("say β: Hello", NOT_UNDERSTOOD),
        (
            "play γ in α\nsquare: β u*40",
            'What the prompt seems to ask for can\'t be made: notes[13].pitch must be a name like "C4", "F#3" or "Bb5", '
            "from C2 to C7.",
        ),
    ],
)
def test_what_is_no_sound_is_unsure_with_one_sentence(written: str, sentence: str) -> None:
    got = audio_gen.answer(SCALE, written)
    assert got == {"program": None, "sound": None, "problem": sentence, "unsure": True}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("play γ\nsquare: β*3", "The prompt names G minor, but nothing in this sound follows from it."),
        ("play 90 in α\nsquare: β d", "The prompt names 150, but nothing in this sound follows from it."),
        ("play γ in α\nsquare: C4", "The prompt names D#5, but nothing in this sound follows from it."),
    ],
)
def test_a_sound_that_leaves_out_what_was_named_is_unsure(written: str, sentence: str) -> None:
    got = audio_gen.answer(SCALE, written)
    assert isinstance(got["sound"], Media) and got["unsure"] is True and got["problem"] == sentence


def test_bad_prompts_are_refused_with_what_to_send() -> None:
    for request in ({}, {"prompt": ""}, {"prompt": ["a"]}, {"prompt": "x" * 601}, {"prompt": "a tone", "more": 1}):
        with pytest.raises(BadRequest):
            audio_gen.messages(request)
    with pytest.raises(BadRequest, match="program can't be read: kind must be one of music, speech"):
        audio_gen.reply(SCALE, {"program": {}})


def test_golden_answers_are_compared_by_their_programs() -> None:
    got = described(audio_gen.answer(SCALE, WRITTEN))
    assert isinstance(got, dict) and audio_gen.agrees(got, audio_gen.answer(SCALE, WRITTEN))
    assert not audio_gen.agrees(got, audio_gen.answer(SCALE, "play γ in α\nsquare: β d*4"))
