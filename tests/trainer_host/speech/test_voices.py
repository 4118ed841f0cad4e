from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.audio.files import RATE
from tests.trainer_host.speech.needs import needs_speech
from trainer_host.errors import TrainerError
from trainer_host.speech import voices
from trainer_host.speech.voices import ESPEAK, FLITE, SIDES, Speaker, draw_speaker, say, say_all, voices_of


def test_nobody_speaks_on_two_sides() -> None:
    everyone = [voice for side in SIDES for voice in voices_of(side)]
    assert len(everyone) == len(set(everyone)) and all(len(voices_of(side)) > 7 for side in SIDES)
    rng = np.random.default_rng(1)
    drawn = {
        side: {draw_speaker(rng, side, [ESPEAK, FLITE]).voice.partition("+")[2] or "flite" for _ in range(300)}
        for side in SIDES
    }
    assert not drawn["train"] & drawn["heldout"] - {"flite"}


def test_families_of_voices_stay_together() -> None:
    sides = [set(voices_of(side)) for side in SIDES]
    assert any({"steph", "steph2", "steph3"} <= side for side in sides)


@needs_speech
def test_a_speaker_says_the_same_twice_and_another_speaker_another_sound() -> None:
    one, other = Speaker(ESPEAK, "en-us+m3", 160, 50, 22_000), Speaker(ESPEAK, "en-us+f2", 160, 50, 22_000)
    first, again, second = say_all([(one, "hey robot"), (one, "hey robot"), (other, "hey robot")])
    assert np.array_equal(first, again)
    assert len(first) != len(second) or not np.allclose(first, second, atol=0.05)
    assert 0.3 < len(first) / RATE < 1.5 and float(np.abs(first).max()) == pytest.approx(0.5)


@needs_speech
@pytest.mark.parametrize("accent", voices._ACCENTS)
def test_every_accent_heeds_the_voice(accent: str) -> None:
    one, other = (say(Speaker(ESPEAK, f"{accent}+{voice}", 160, 50, 22_050), "hey") for voice in ("m3", "f2"))
    assert len(one) != len(other) or not np.allclose(one, other, atol=0.05)


@needs_speech
def test_timbre_moves_the_spectrum_and_not_the_tempo() -> None:
    low, high = (say(Speaker(ESPEAK, "en-us+m3", 160, 50, rate), "hello my friend") for rate in (20_000, 24_000))
    assert len(low) == pytest.approx(len(high), rel=0.12)
    centre = [
        float((np.abs(np.fft.rfft(s)) * np.fft.rfftfreq(len(s))).sum() / np.abs(np.fft.rfft(s)).sum())
        for s in (low, high)
    ]
    assert centre[1] > centre[0] * 1.05


@needs_speech
def test_what_makes_no_sound_is_an_error_that_says_so() -> None:
    with pytest.raises(TrainerError, match="said nothing"):
        say(Speaker(ESPEAK, "en-us+m3", 160, 50, 22_000), "...")


def test_a_system_without_speech_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices.shutil, "which", lambda name: None)
    with pytest.raises(TrainerError, match="apt-get install espeak-ng"):
        voices.require_speech()
