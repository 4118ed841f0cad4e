from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.media.notes import HIGHEST, LOWEST, WAVES, Note, hertz, play
from edge_runtime.media.wav import RATE, read_wav, write_wav
from tests.trainer_host.media.strictness import refusal
from trainer_host.media.hearing import Voice, hear, listen


def sixteen(seed: int) -> tuple[Note, ...]:
    """Sixteen notes one after the other: any pitch, short and long, repeated ones among them."""
    rng = random.Random(seed)
    notes: list[Note] = []
    at = 0.0
    for _ in range(16):
        midi = notes[-1].midi if notes and rng.random() < 0.3 else rng.randint(LOWEST, HIGHEST)
        length = rng.choice((0.1, 0.15, 0.25, 0.5))
        notes.append(Note(midi, round(at, 3), length, rng.uniform(0.2, 1), rng.choice(WAVES)))
        at += length + rng.choice((0, 0, 0.05))
    return tuple(notes)


@pytest.mark.parametrize("seed", range(12))
def test_sixteen_notes_are_heard_within_20_cents_and_20_milliseconds(seed: int) -> None:
    notes = sixteen(seed)
    for note, heard in zip(notes, hear(read_wav(write_wav(play(notes))), notes), strict=True):
        assert abs(heard.midi - note.midi) < 0.2
        assert abs(heard.onset - note.start) < 0.02
        assert heard.wave == note.wave


def test_the_pitch_of_the_file_is_right_by_counting_waves() -> None:
    """Another way to tell a pitch: zero crossings of a sine."""
    samples = read_wav(write_wav(play((Note(69, 0, 1.0, 0.5, "sine"),))))
    held = samples[2000:20000]
    crossings = int(((held[1:] >= 0) & (held[:-1] < 0)).sum())
    assert crossings / (len(held) / RATE) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("chord", [(48, 52, 55), (60, 63, 67), (60, 64, 67, 72), (72, 76, 79)])
def test_the_notes_of_a_chord_are_heard_each_for_itself(chord: tuple[int, ...]) -> None:
    notes = tuple(Note(midi, start, 0.5, 0.4, "triangle") for start in (0.0, 0.6) for midi in chord)
    heard = hear(read_wav(write_wav(play(notes))), notes)
    assert [found.nearest for found in heard] == [*chord, *chord]


SCORE = (Note(60, 0.0, 0.4, 0.8, "sine"), Note(64, 0.5, 0.4, 0.8, "sine"), Note(64, 1.0, 0.4, 0.8, "sine"))


@pytest.mark.parametrize(
    ("played", "reason"),
    [
        (replace(SCORE[1], midi=65), "unclear pitch"),
        (replace(SCORE[1], midi=76), "unclear pitch"),
        (replace(SCORE[1], loudness=0.0), "unclear pitch"),
        (replace(SCORE[1], start=0.56), "unclear onset"),
        (replace(SCORE[1], start=0.43), "unclear onset"),
    ],
    ids=["a semitone up", "an octave up", "silent", "late", "early"],
)
def test_a_note_that_is_played_wrongly_is_noticed(played: Note, reason: str) -> None:
    samples = play((SCORE[0], played, SCORE[2]))
    assert refusal(lambda: hear(samples, SCORE)).reason == reason


LONG_A = (Note(69, 0, 1.0, 0.5, "sine"),)


def test_a_note_40_cents_off_is_noticed_and_one_10_cents_off_is_not() -> None:
    time = np.arange(RATE) / RATE
    for cents, fine in ((10, True), (-10, True), (40, False), (-40, False)):
        samples = 0.5 * np.sin(2 * np.pi * hertz(69 + cents / 100) * time)
        if fine:
            assert hear(samples, LONG_A)[0].midi == pytest.approx(69 + cents / 100, abs=0.02)
        else:
            assert refusal(lambda samples=samples: hear(samples, LONG_A)).reason == "unclear pitch"


def test_repeated_notes_without_a_gap_are_heard_to_begin_again() -> None:
    notes = tuple(Note(45, 0.2 * number, 0.2, 0.5, "square") for number in range(6))
    assert len(hear(read_wav(write_wav(play(notes))), notes)) == 6


def test_a_voice_has_the_pitch_and_length_of_its_pulses() -> None:
    """Pulses through a resonance at 700 Hz, as a vowel is made, between two silences."""
    pulses = np.zeros(RATE)
    pulses[:: round(RATE / 120)] = 1
    time = np.arange(400) / RATE
    vowel = np.convolve(pulses, np.exp(-time * 400) * np.sin(2 * np.pi * 700 * time))[:RATE] * 0.5
    quiet = np.zeros(RATE // 2)
    voice = listen(np.concatenate([quiet, vowel, quiet]))
    assert voice.hertz == pytest.approx(120, rel=0.02)
    assert voice.seconds == pytest.approx(1.0, abs=0.03)
    assert listen(np.concatenate([quiet, vowel / 2, quiet])).level == pytest.approx(voice.level - 6.02, abs=0.2)


def test_noise_and_silence_are_no_voice() -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, RATE)
    for samples in (np.zeros(RATE), noise):
        assert refusal(lambda samples=samples: listen(samples)).reason == "no voice"
    assert isinstance(Voice(1, 100, -20), Voice)
