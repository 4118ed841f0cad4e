"""Frames become a sound of that pitch, loudness and noise; a script's places, lengths and windows are what the network needs."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.media.script import (
    FRAMES,
    LETTERS,
    MARGIN,
    SOUNDS,
    lettered,
    marked,
    placed,
    scripts,
    steps_of,
    windows,
)
from edge_runtime.media.spoken import Phrase
from edge_runtime.media.vocoder import BANDS, HOP, PITCH, QUIET, RATE, WIDTH, filters_of, sound_of


def frames(count: int, hertz: float, share: float, level: float = -8.0) -> np.ndarray:
    made = np.full((count, WIDTH), level, np.float32)
    made[:, PITCH], made[:, PITCH + 1 :] = np.log(hertz), share
    return made


@pytest.mark.parametrize("hertz", [90.0, 180.0, 333.0])
def test_a_voice_has_its_pitch(hertz: float) -> None:
    sound = sound_of(frames(200, hertz, 1.0))[2000:-2000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17))
    lines = np.arange(len(spectrum)) * RATE / (1 << 17)
    near = (lines > 0.7 * hertz) & (lines < 1.4 * hertz)
    assert lines[near][spectrum[near].argmax()] == pytest.approx(hertz, rel=0.01)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_loudness_is_that_of_the_bands_whatever_is_noise(share: float) -> None:
    sound = sound_of(frames(400, 150, share))
    assert len(sound) == 400 * HOP
    assert np.log((sound[2000:-2000].astype(np.float64) ** 2).mean()) == pytest.approx(-8.0, abs=0.5)
    sharp = sound_of(frames(400, 150, share), sharper=0.3)
    assert np.log((sharp[2000:-2000].astype(np.float64) ** 2).mean()) == pytest.approx(-8.0, abs=0.5)


def test_filters_have_the_bands_sizes_and_silence_is_silent() -> None:
    bands = np.full((1, BANDS), -6.0)
    bands[0, :20] = -2.0
    size = 2 * np.log(np.abs(filters_of(bands)[0]))
    assert size[10] == pytest.approx(-2.0, abs=0.1) and size[-10] == pytest.approx(-6.0, abs=0.1)
    assert np.abs(sound_of(frames(100, 150, 0.0, QUIET))).max() < 0.002 and len(sound_of(frames(0, 100, 0))) == 0
    wild = frames(50, 1e9, 7.0, 3.0)
    assert np.isfinite(sound_of(wild)).all()


def test_a_long_sentence_is_parted_between_phrases_and_words() -> None:
    said = {"one": ("w", "ah", "n"), "two": ("t", "uw")}
    short = list(scripts([Phrase(("one", "two"), ","), Phrase(("two",), "?")], said))
    assert len(short) == 1 and short[0].sounds == ("pau", "w", "ah", "n", "t", "uw", "pau", "t", "uw", "pau")
    assert short[0].owners == (-1, 0, 0, 0, 1, 1, -1, 2, 2, -1) and short[0].marks == (",", "?")
    beside = marked(short[0])
    assert beside[1, :2].tolist() == [1, 0] and beside[3, :2].tolist() == [0, 1]
    assert beside[5, 5:].tolist() == [1, 0, 0] and beside[7, 5:].tolist() == [0, 0, 1] and beside[0].sum() == 0
    long = list(scripts([Phrase(("one",) * 100, "."), Phrase(("two",) * 40, ".")], said))
    assert all(len(one.sounds) <= SOUNDS for one in long)
    assert sum(one.sounds.count("w") for one in long) == 100 and sum(one.sounds.count("t") for one in long) == 40
    assert len(next(scripts([Phrase(("huge",), ".")], {"huge": ("t",) * 500})).sounds) <= SOUNDS


def test_a_word_is_said_before_a_vowel_as_the_lexicon_has_it_for_that() -> None:
    said = {"the": ("dh", "ax"), "the_": ("dh", "iy"), "end": ("eh", "n", "d"), "dog": ("d", "ao", "g")}
    (script,) = scripts([Phrase(("the", "end", "the", "dog", "the"), ","), Phrase(("end", "the"), ".")], said)
    assert [script.sounds[at + 1] for at, sound in enumerate(script.sounds) if sound == "dh"] == [
        "iy",
        "ax",
        "ax",
        "ax",
    ]
    (plain,) = scripts([Phrase(("the", "end"), ".")], {"the": said["the"], "end": said["end"]})
    assert plain.sounds == ("pau", "dh", "ax", "eh", "n", "d", "pau")


def test_lengths_keep_their_sum_and_frames_their_places() -> None:
    steps = steps_of(np.log(np.array([2.4, 2.4, 2.4, 0.1])))
    assert steps.tolist() == [2, 3, 2, 1]
    assert steps_of(np.array([99.0, -99.0])).tolist() == [80, 1]
    row = placed(np.eye(2, dtype=np.float32), np.array([2, 3]))
    assert row.shape == (5, 6) and row[:, :2].argmax(1).tolist() == [0, 0, 1, 1, 1]
    assert row[:, 2].tolist() == pytest.approx([0.25, 0.75, 1 / 6, 0.5, 5 / 6])


@pytest.mark.parametrize("count", [1, FRAMES, FRAMES + 1, 3 * FRAMES, 1000])
def test_windows_cover_all_steps_once_with_what_each_may_see(count: int) -> None:
    kept: list[int] = []
    for first, end, begin, until in windows(count):
        assert end - first <= FRAMES and begin - first == min(MARGIN, begin)
        assert end == count or until == end - MARGIN
        kept += range(begin, until)
    assert kept == list(range(count))


def test_letters_of_many_words_lie_apart() -> None:
    words = ["don't", "antidisestablishmentarianism", "ox"] * 5
    seen: dict[str, int] = {}
    for row, places in lettered(words):
        assert row.shape == (1, LETTERS)
        for word, begin, end in places:
            seen[word] = seen.get(word, 0) + end - begin
            assert (row[0, begin:end] > 0).all() and not row[0, end : end + 2].any()
    assert seen == {word: 5 * len(word) for word in words[:3]}
