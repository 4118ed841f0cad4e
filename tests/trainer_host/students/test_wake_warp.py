"""Clips as if other throats had said them at another pace: the phrase's end and the bands are where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP, bands_at, hertz_of
from trainer_host.students.wake_warp import warped

CLIPS, FRAMES, BAND = 60, 300, 20


def test_a_phrase_ends_where_it_is_said_to_end_and_no_band_moves_further_than_a_throat_can() -> None:
    ends = np.linspace(1.4, 2.0, CLIPS).astype(np.float32)
    ends[::3] = -1.0
    frames = np.arange(FRAMES)
    at = np.where(ends >= 0, ends, 1.8) * RATE / HOP
    clips = np.zeros((CLIPS, FRAMES, BANDS), np.float32)
    # A bump in time that is highest where the phrase ends, a bump over the bands, and both together in each clip.
    clips += np.exp(-(((frames - at[:, None]) / 6) ** 2))[:, :, None]
    clips *= np.exp(-(((np.arange(BANDS) - BAND) / 3) ** 2))
    made, after = warped(np.random.default_rng(1), clips, ends)
    assert made.shape == clips.shape and made.dtype == np.float32 and after.dtype == np.float32
    holds = ends >= 0
    assert (after[~holds] == -1).all()
    assert after[holds] == pytest.approx(made[holds].max(2).argmax(1) * HOP / RATE, abs=0.021)
    found = hertz_of(made.max(1).argmax(1)) / hertz_of(np.array([BAND]))
    a_band = hertz_of(np.array([BAND + 1])) / hertz_of(np.array([BAND]))
    assert 1.08 < found.max() < np.exp(0.12) * a_band and np.exp(-0.12) / a_band < found.min() < 0.93
    same = np.abs(made - clips).max((1, 2)) < 1e-3
    assert 0 < same.sum() < CLIPS / 2 and (after[same] == ends[same]).all()
    assert np.abs(after - ends)[holds & ~same].max() > 0.05


def test_bands_and_frequencies_are_each_other_turned_round() -> None:
    bands = np.array([-1.0, 0.0, 7.5, 39.0, 40.0])
    assert bands_at(hertz_of(bands)) == pytest.approx(bands)
    assert hertz_of(bands)[[0, -1]] == pytest.approx([60.0, 7_600.0])
