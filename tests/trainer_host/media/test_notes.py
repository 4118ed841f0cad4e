from __future__ import annotations

import math
import random

import fastjsonschema
import numpy as np
import pytest

from edge_runtime.media.notes import (
    HIGHEST,
    LOWEST,
    TAIL,
    Note,
    hertz,
    midi_of,
    notes_schema,
    pitch_name,
    play,
    read_notes,
    write_notes,
)
from edge_runtime.media.wav import PEAK, RATE, read_wav, refuse_bad_sound, write_wav
from tests.trainer_host.media.strictness import assert_strict, changed, nested, quick_and_small, refusal
from trainer_host.media.music_sampler import sample
from trainer_host.tasks import Json

NOTE: Json = {"pitch": "C4", "start": 0, "length": 0.5, "loudness": 0.6, "wave": "sine"}


def test_pitches_are_named_as_musicians_name_them() -> None:
    assert (midi_of("C4"), midi_of("A4"), midi_of("F#3"), midi_of("Bb5"), midi_of("Cb4")) == (60, 69, 54, 82, 59)
    assert all(
        midi_of(pitch_name(midi)) == midi_of(pitch_name(midi, flats=True)) == midi
        for midi in range(LOWEST, HIGHEST + 1)
    )
    assert [midi_of(wrong) for wrong in ("H4", "C9", "C", "c4", "C##4", "C4 ", "")] == [None] * 7
    assert hertz(69) == 440 and hertz(60) == pytest.approx(261.626, abs=0.001)


def test_the_schema_is_taken_by_strict_providers() -> None:
    assert_strict(notes_schema())


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_fits_the_schema_and_is_read_back_the_same(seed: int) -> None:
    written = write_notes(sample(random.Random(seed)).notes)
    fastjsonschema.compile(notes_schema())(written)
    assert write_notes(read_notes(written)) == written


@pytest.mark.parametrize(
    ("path", "to", "reason"),
    [
        (("pitch",), "H4", "wrong form"),
        (("pitch",), "C1", "wrong form"),
        (("pitch",), 60, "wrong form"),
        (("pitch",), "C" * 1_000_000, "too much"),
        (("start",), -1, "out of range"),
        (("start",), 3600, "out of range"),
        (("length",), 0.01, "out of range"),
        (("length",), 3600, "out of range"),
        (("length",), math.nan, "out of range"),
        (("loudness",), 0, "out of range"),
        (("loudness",), 11, "out of range"),
        (("wave",), "piano", "wrong form"),
        (("wave",), nested(5000), "wrong form"),
        (("pan",), 0, "wrong form"),
    ],
)
def test_a_note_out_of_bounds_is_refused(path: tuple[str | int, ...], to: object, reason: str) -> None:
    read_notes([NOTE])
    assert refusal(lambda: read_notes([changed(NOTE, *path, to=to)])).reason == reason


def test_notes_that_no_one_could_hear_apart_are_refused() -> None:
    assert refusal(lambda: read_notes([])).reason == "wrong form"
    assert "still sounds" in refusal(lambda: read_notes([NOTE, {**NOTE, "start": 0.3}])).detail
    names = [pitch_name(60 + number) for number in range(7)]
    assert "more than 6" in refusal(lambda: read_notes([{**NOTE, "pitch": name} for name in names])).detail
    assert refusal(lambda: read_notes([{**NOTE, "start": 19.8}])).reason == "too much"
    with quick_and_small():
        assert refusal(lambda: read_notes([NOTE] * 1_000_000)).reason == "too much"


def test_the_file_is_as_long_as_its_notes_and_never_clips() -> None:
    loud = tuple(Note(60 + 4 * number, 0.0, 1.5, 1.0, "sawtooth") for number in range(6))
    samples = read_wav(write_wav(play(loud)))
    assert len(samples) == pytest.approx((1.5 + TAIL) * RATE, abs=2)
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=0.001)
    refuse_bad_sound(samples)


def test_no_partial_is_above_what_the_rate_can_hold() -> None:
    """It would come back mirrored, out of tune."""
    spectrum = np.abs(np.fft.rfft(play((Note(HIGHEST, 0, 1.0, 1.0, "sawtooth"),))))
    frequencies = np.fft.rfftfreq(2 * len(spectrum) - 2, 1 / RATE)
    off = np.abs(frequencies / hertz(HIGHEST) - np.round(frequencies / hertz(HIGHEST)))
    between = (off > 0.2) & (frequencies > 500)
    assert spectrum[between].max() < 0.01 * spectrum.max()


def test_silent_and_clipped_sounds_and_other_files_are_refused() -> None:
    time = np.arange(RATE) / RATE
    assert refusal(lambda: refuse_bad_sound(np.zeros(RATE))).reason == "silent"
    assert refusal(lambda: refuse_bad_sound(np.zeros(0))).reason == "silent"
    clipped = np.clip(2 * np.sin(2 * np.pi * 300 * time), -1, 1)
    assert refusal(lambda: refuse_bad_sound(clipped)).reason == "clipped"
    for content in (b"", b"RIFF", b"\x89PNG" * 20, write_wav(np.zeros(10))[:20]):
        assert refusal(lambda content=content: read_wav(content)).reason == "wrong sound file"
