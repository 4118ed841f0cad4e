from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP, WINDOW, Frontend

RNG = np.random.default_rng(1)
NOISE = RNG.normal(0, 0.05, RATE).astype(np.float32)


def chirp() -> np.ndarray:
    at = np.arange(RATE) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 1_500 * at) * at)).astype(np.float32) * (at > 0.5)


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=30))
@settings(max_examples=25)
def test_frames_do_not_depend_on_how_the_sound_is_cut(lengths: list[int]) -> None:
    whole = Frontend().feed(NOISE)
    frontend, place, parts = Frontend(), 0, []
    for length in [*lengths, RATE]:
        parts.append(frontend.feed(NOISE[place : place + length]))
        place += length
    assert np.allclose(np.concatenate(parts), whole, atol=1e-4)
    assert whole.shape == ((RATE - WINDOW) // HOP + 1, BANDS)


def test_loudness_hardly_counts() -> None:
    sound = chirp() + NOISE * 0.2
    loud, soft = Frontend().feed(sound), Frontend().feed(sound * np.float32(0.1))
    energy = np.abs(Frontend().feed(sound)).mean()
    assert np.abs(loud - soft).mean() < 0.15 * energy  # 20 dB


def test_silence_is_nothing_and_steady_noise_fades_to_little() -> None:
    assert np.abs(Frontend().feed(np.zeros(RATE, np.float32))).max() < 1e-3
    sound = np.concatenate([NOISE, NOISE + chirp()])
    frames = Frontend().feed(sound)
    assert frames[60:95].mean() * 3 < frames[150:190].max(1).mean()


def test_a_tone_is_in_its_band() -> None:
    at = np.arange(RATE // 4) / RATE
    low, high = (
        int(Frontend().feed((0.3 * np.sin(2 * np.pi * hertz * at)).astype(np.float32))[0].argmax())
        for hertz in (300.0, 3_000.0)
    )
    assert low < 10 < 20 < high
