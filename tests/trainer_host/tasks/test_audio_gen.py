from __future__ import annotations

import io
import logging
import math
import pickle
import random
import wave
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import cast

import fastjsonschema
import pytest

from edge_runtime.errors import NotEquipped
from edge_runtime.media import speech
from edge_runtime.media.wav import RATE
from tests.trainer_host.media.strictness import (
    assert_draws_vary,
    assert_prompts_are_short,
    assert_strict,
    changed,
    nested,
    quick_and_small,
    refusal,
    reworded,
)
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, audio_gen, task_spec

MUSIC = task_spec("audio_gen", {"kinds": ["music"]})
spoken = pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")


def note(pitch: str, start: float, loudness: float = 0.6, **more: object) -> Json:
    return {"pitch": pitch, "start": start, "length": 0.4, "loudness": loudness, "wave": "square", **more}


SCALE: Json = {
    "request": "Play a rising C major scale of five notes that starts on C4 and ends on G4, with a square wave, getting "
    "louder and louder. Tempo 120, one on each beat.",
    "facts": [
        {"fact": "notes", "count": 5},
        {"fact": "starts on", "pitch": "C4"},
        {"fact": "ends on", "pitch": "G4"},
        {"fact": "key", "root": "C", "mode": "major"},
        {"fact": "contour", "contour": "rising"},
        {"fact": "tempo", "tempo": 120},
        {"fact": "played", "wave": "square"},
        {"fact": "dynamics", "dynamics": "louder"},
    ],
}
NOTES = [note(pitch, 0.5 * number, 0.1 + 0.2 * number) for number, pitch in enumerate(("C4", "D4", "E4", "F4", "G4"))]
TUNE: Json = {"kind": "music", "notes": NOTES}
# What is changed in the notes, and why it must be refused.
PLANTED: list[tuple[tuple[str | int, ...], object, str]] = [
    (("notes",), NOTES[:4], "wrong count"),
    (("notes",), [*NOTES, note("A4", 2.5, 1)], "wrong count"),
    (("notes", 0, "pitch"), "B3", "wrong start"),
    (("notes", 4, "pitch"), "A4", "wrong end"),
    (("notes", 3, "pitch"), "F#4", "wrong key"),
    (("notes", 2, "pitch"), "C4", "wrong contour"),
    (("notes", 2, "pitch"), "E5", "wrong contour"),
    (("notes", 2, "start"), 1.1, "wrong tempo"),
    (("notes", 4, "start"), 3, "wrong tempo"),
    (("notes",), [{**made, "start": 0.6 * i} for i, made in enumerate(NOTES)], "wrong tempo"),
    (("notes",), [{**made, "wave": "sine"} for made in NOTES], "wrong sound"),
    (("notes",), [{**made, "wave": "triangle"} for made in NOTES], "wrong sound"),
    (("notes",), [{**made, "loudness": 0.6} for made in NOTES], "wrong dynamics"),
    (("notes",), [{**made, "loudness": 0.9 - 0.2 * i} for i, made in enumerate(NOTES)], "wrong dynamics"),
    (("notes", 1, "start"), 0.0, "wrong tempo"),  # two at once
    (("notes",), [], "wrong form"),
    (("notes",), NOTES * 10**5, "too much"),
    (("notes", 0, "length"), 3600, "out of range"),
    (("notes", 0, "start"), 10**9, "out of range"),
    (("notes", 0, "loudness"), math.nan, "out of range"),
    (("notes", 0, "loudness"), 0, "out of range"),
    (("notes", 0, "pitch"), "do", "wrong form"),
    (("notes", 0, "pitch"), "C0", "wrong form"),
    (("notes", 0, "wave"), "piano", "wrong form"),
    (("notes", 1), note("C4", 0.2), "wrong form"),  # the same pitch while it sounds
    (("notes", 0), nested(10_000), "wrong form"),
    (("kind",), "video", "wrong form"),
    (("tempo",), 120, "wrong form"),
]

SAD: Json = {
    "request": 'Say "The train is late again." sadly in a woman\'s voice.',
    "facts": [
        {"fact": "says", "text": "The train is late again."},
        {"fact": "emotion", "emotion": "sad"},
        {"fact": "spoken by", "voice": "woman"},
    ],
}
WORDS: Json = {
    "kind": "speech",
    "text": "The train is late again.",
    "voice": "woman",
    "rate": 115,
    "pitch": 20,
    "loudness": 32,
}
PLANTED_WORDS: list[tuple[tuple[str | int, ...], object, str]] = [
    (("text",), "The train is late.", "wrong words"),
    (("text",), "The bus is late again.", "wrong words"),
    (("voice",), "man", "wrong voice"),
    (("rate",), 160, "wrong emotion"),
    (("rate",), 220, "wrong emotion"),
    (("pitch",), 50, "wrong emotion"),
    (("pitch",), 90, "wrong emotion"),
    (("loudness",), 60, "wrong emotion"),
    (("loudness",), 110, "wrong emotion"),
    (("voice",), "child", "wrong form"),
    (("rate",), 10_000, "out of range"),
    (("pitch",), -1, "out of range"),
    (("loudness",), 0, "out of range"),
    (("rate",), 99.5, "wrong form"),
    (("text",), "", "wrong form"),
    (("text",), "...", "wrong form"),
    (("text",), "Der Zug ist verspätet.", "wrong form"),
    (("text",), "late " * 10**6, "too much"),
    (("text",), "two\nlines", "wrong form"),
    (("ssml",), "<speak/>", "wrong form"),
]


def test_the_right_tune_passes() -> None:
    example = MUSIC.verify(SCALE, [{"program": TUNE}])
    MUSIC.check(example)
    assert example.input == {"prompt": SCALE["request"]}
    assert MUSIC.score(example.output, {"program": TUNE}) == 1
    assert MUSIC.stratum(example) == "music"


@pytest.mark.parametrize(("path", "to", "reason"), PLANTED)
def test_a_planted_mistake_in_a_tune_is_refused_for_its_reason(
    path: tuple[str | int, ...], to: object, reason: str
) -> None:
    answer = {"program": changed(TUNE, *path, to=to)}
    with quick_and_small(megabytes=40):
        assert refusal(lambda: MUSIC.verify(SCALE, [answer])).reason == reason


@spoken
def test_the_right_words_pass() -> None:
    spec = task_spec("audio_gen", {"kinds": ["speech"]})
    example = spec.verify(SAD, [{"program": WORDS}])
    spec.check(example)
    assert spec.score(example.output, {"program": WORDS}) == 1
    assert spec.stratum(example) == "speech"
    assert refusal(lambda: spec.verify(SAD, [{"program": TUNE}])).reason == "wrong kind"
    assert refusal(lambda: spec.verify(SCALE, [{"program": WORDS}])).reason == "wrong kind"
    assert spec.score(example.output, {"program": TUNE}) == 0


@spoken
@pytest.mark.parametrize(("path", "to", "reason"), PLANTED_WORDS)
def test_a_planted_mistake_in_speech_is_refused_for_its_reason(
    path: tuple[str | int, ...], to: object, reason: str
) -> None:
    with quick_and_small(megabytes=40):
        assert refusal(lambda: MUSIC.verify(SAD, [{"program": changed(WORDS, *path, to=to)}])).reason == reason


@spoken
@pytest.mark.parametrize(
    ("emotion", "rate", "pitch", "loudness"),
    [("neutral", 160, 50, 60), ("happy", 215, 80, 60), ("angry", 215, 80, 108), ("afraid", 215, 80, 32)],
)
def test_each_emotion_is_told_from_all_others(emotion: str, rate: int, pitch: int, loudness: int) -> None:
    words = {**WORDS, "rate": rate, "pitch": pitch, "loudness": loudness}
    for other in ("neutral", "happy", "sad", "angry", "afraid"):
        drawn = {"request": "Say it.", "facts": [{"fact": "emotion", "emotion": other}]}
        if other == emotion:
            MUSIC.verify(drawn, [{"program": words}])
        else:
            assert refusal(lambda drawn=drawn: MUSIC.verify(drawn, [{"program": words}])).reason == "wrong emotion"


@spoken
@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"fact": "mentions", "word": "train"}, None),
        ({"fact": "mentions", "word": "bus"}, "missing word"),
        ({"fact": "length", "least": 4, "most": 6}, None),
        ({"fact": "length", "least": 6, "most": 9}, "wrong length"),
        ({"fact": "manner", "of": "rate", "level": "slow"}, None),
        ({"fact": "manner", "of": "rate", "level": "fast"}, "wrong manner"),
        ({"fact": "manner", "of": "pitch", "level": "normal"}, "wrong manner"),
        ({"fact": "manner", "of": "loudness", "level": "soft"}, None),
    ],
)
def test_other_facts_about_speech(fact: Json, reason: str | None) -> None:
    drawn = {"request": "Say it.", "facts": [fact]}
    if reason is None:
        MUSIC.verify(drawn, [{"program": WORDS}])
    else:
        assert refusal(lambda: MUSIC.verify(drawn, [{"program": WORDS}])).reason == reason


def test_tunes_and_chords_are_heard_note_by_note() -> None:
    tune = {"request": "Play C4 E4 G4.", "facts": [{"fact": "tune", "pitches": ["C4", "E4", "G4"]}]}
    chords = {"request": "Play C major, A minor.", "facts": [{"fact": "chords", "chords": ["C major", "A minor"]}]}

    def music(*notes: Json) -> list[Json]:
        return [{"program": {"kind": "music", "notes": list(notes)}}]

    MUSIC.verify(tune, music(note("C4", 0), note("E4", 0.5), note("G4", 1)))
    assert (
        refusal(lambda: MUSIC.verify(tune, music(note("C4", 0), note("G4", 0.5), note("E4", 1)))).reason == "wrong tune"
    )
    first = [note(pitch, 0, 0.3) for pitch in ("C4", "E4", "G4")]
    MUSIC.verify(chords, music(*first, *(note(pitch, 0.6, 0.3) for pitch in ("A3", "C4", "E4"))))
    for wrong in (("A3", "C#4", "E4"), ("A3", "C4"), ("A3", "C4", "E4", "G4")):
        answer = music(*first, *(note(pitch, 0.6, 0.3) for pitch in wrong))
        assert refusal(lambda answer=answer: MUSIC.verify(chords, answer)).reason == "wrong chords"


def test_100_built_in_examples_are_right_and_nearly_all_different() -> None:
    spec = task_spec("audio_gen")
    validate = fastjsonschema.compile(spec.example_schema)
    seen = set()
    for seed in range(100):
        example = spec.built_in(random.Random(seed))
        spec.check(example)
        validate({"input": example.input, "output": example.output})
        seen.add(spec.key(example))
    assert len(seen) >= 97


def test_an_example_is_checked_without_its_draw() -> None:
    example = MUSIC.verify(SCALE, [{"program": TUNE}])
    wrong = reworded(example, program=changed(cast("Json", example.output["program"]), "notes", 0, "pitch", to="B3"))
    assert refusal(lambda: MUSIC.check(wrong)).reason == "wrong start"
    bare = Example({"prompt": "Play C4 and then B5."}, {"program": TUNE})
    assert refusal(lambda: MUSIC.check(bare)).reason == "not as asked"
    MUSIC.check(Example({"prompt": "Play C4 and four more."}, {"program": TUNE}))


@spoken
def test_quoted_words_of_a_persons_prompt_must_be_said() -> None:
    MUSIC.check(Example({"prompt": 'Whisper "the train is late"!'}, {"program": WORDS}))
    wrong = Example({"prompt": 'Whisper "the bus is late"!'}, {"program": WORDS})
    assert refusal(lambda: MUSIC.check(wrong)).reason == "not as asked"


def test_the_score_is_the_share_of_what_was_asked() -> None:
    wanted = MUSIC.verify(SCALE, [{"program": TUNE}]).output
    flat = changed(TUNE, "notes", to=[{**made, "wave": "sine", "loudness": 0.6} for made in NOTES])
    assert MUSIC.score(wanted, {"program": flat}) == pytest.approx(1 - 2 / 8)
    for nothing in ({}, {"program": None}, {"program": {"kind": "music", "notes": nested(5000)}}):
        assert MUSIC.score(wanted, nothing) == 0
    assert MUSIC.score({"program": TUNE}, {"program": TUNE}) == 1
    assert MUSIC.score({"program": TUNE}, {"program": flat}) == pytest.approx(2 / 3)


@pytest.mark.parametrize("kinds", [["music"], pytest.param(["speech"], marks=spoken)])
def test_draws_vary_and_prompts_are_short_and_strict(kinds: list[str]) -> None:
    spec = task_spec("audio_gen", {"kinds": kinds})
    assert_draws_vary(spec)
    assert_prompts_are_short(spec)
    assert_strict(spec.answer_schema)


def test_the_rendered_file_is_a_wav_of_the_right_length() -> None:
    [(name, content)] = MUSIC.render(MUSIC.verify(SCALE, [{"program": TUNE}])).items()
    assert name.endswith(".wav")
    with wave.open(io.BytesIO(content)) as file:
        assert file.getparams()[:4] == (1, 2, RATE, round((2.4 + 0.1) * RATE))


def test_verifying_runs_in_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        example = pool.submit(MUSIC.verify, SCALE, [{"program": TUNE}]).result(120)
    assert example == pickle.loads(pickle.dumps(MUSIC)).verify(SCALE, [{"program": TUNE}])


def test_without_espeak_music_still_works_and_speech_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    audio_gen._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        spec = task_spec("audio_gen")
    assert "Speech is left out" in caplog.text
    assert all("notes" in cast("Json", spec.built_in(random.Random(seed)).output["program"]) for seed in range(10))
    spec.verify(SCALE, [{"program": TUNE}])
    with pytest.raises(DataError, match="Speech needs espeak-ng"):
        task_spec("audio_gen", {"kinds": ["speech"]})
    with pytest.raises(NotEquipped, match="Speech needs espeak-ng"):
        spec.verify(SAD, [{"program": WORDS}])


@pytest.mark.parametrize(
    "options", [{"voice": "man"}, {"kinds": []}, {"kinds": "music"}, {"kinds": ["song"]}, {"kinds": [1]}]
)
def test_options_that_are_none_are_refused(options: Json) -> None:
    with pytest.raises(DataError):
        task_spec("audio_gen", options)
