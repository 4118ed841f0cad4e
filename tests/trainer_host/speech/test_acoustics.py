from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.audio.files import RATE
from trainer_host.speech.acoustics import NOISES, Scene, convolved, heard, in_room, noise

SPEECH = np.zeros(2 * RATE, np.float32)
SPEECH[RATE // 2 : RATE] = 0.3 * np.sin(2 * np.pi * 500 * np.arange(RATE // 2) / RATE)
SPEAKING = np.abs(SPEECH) > 0


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


@pytest.mark.parametrize("kind", NOISES)
def test_each_noise_is_heard_and_repeats_with_its_seed(kind: str) -> None:
    first, again = (noise(np.random.default_rng(3), kind, RATE, [SPEECH]) for _ in range(2))
    assert len(first) == RATE and np.array_equal(first, again) and np.isfinite(first).all() and level(first) > 0


def test_the_louder_the_noise_the_less_is_left_of_the_speech() -> None:
    left = []
    for snr in (0.0, 20.0):
        scene = Scene(snr_db=(snr, snr), dry=1.0, clear=0.0, clipped=0.0)
        made = [heard(np.random.default_rng(seed), SPEECH, [SPEECH[::-1]], scene, SPEAKING) for seed in range(8)]
        left.append(np.mean([level(one[SPEAKING]) / level(one[~SPEAKING]) for one in made]))
    assert left[1] > 3 * left[0]


def test_what_is_heard_fits_into_a_file_at_any_loudness() -> None:
    made = [heard(np.random.default_rng(seed), SPEECH, [], Scene(), SPEAKING) for seed in range(20)]
    assert all(one.dtype == np.float32 and float(np.abs(one).max()) <= 1 and len(one) == len(SPEECH) for one in made)
    loud = [level(one) for one in made]
    assert max(loud) > 5 * min(loud)


def test_a_room_rings_on_and_comes_not_before_the_sound() -> None:
    made = in_room(np.random.default_rng(1), SPEECH)
    assert level(made[: RATE // 2 - 10]) < 1e-4 < level(made[RATE + 200 : RATE + 2_000])


def test_convolution_is_that_of_the_textbook() -> None:
    sound, response = np.random.default_rng(1).normal(size=(2, 50)).astype(np.float32)
    assert np.allclose(convolved(sound, response), np.convolve(sound, response)[:50], atol=1e-4)
