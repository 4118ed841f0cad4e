"""Noise that is added to energies sounds as noise that is added to samples, and as loud."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, Frontend
from trainer_host.speech.acoustics import LEVEL, NOISES, Scene, heard, placed
from trainer_host.students.wake_mix import Noises, log_energies, mixed, noises

SECONDS, CLIPS = 3, 64
RNG = np.random.default_rng(1)
# Half a second of a chord that comes and goes, within three seconds.
AT = np.arange(SECONDS * RATE) / RATE
CHORD = sum(np.sin(2 * np.pi * hertz * AT) for hertz in (210, 420, 1_300, 2_700))
SPEECH = (0.1 * CHORD * ((AT > 1.5) & (AT < 2)) * np.sin(2 * np.pi * 4 * AT) ** 2).astype(np.float32)
SPEAKING = (AT > 1.5) & (AT < 2)
CROWD = [RNG.normal(0, 0.1, SECONDS * RATE).astype(np.float32)]


@pytest.fixture(scope="module")
def around() -> Noises:
    return noises(1, CROWD)


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_energies_that_are_mixed_are_those_of_mixed_sounds(around: Noises, snr: float) -> None:
    scene = Scene((snr, snr), dry=1.0, clear=0.0, clipped=0.0)
    said = log_energies(placed(RNG, SPEECH, [], scene, SPEAKING)).astype(np.float32)
    made = mixed(RNG, torch.from_numpy(np.stack([said] * CLIPS)), around, scene).numpy()
    waves = [Frontend().feed(heard(RNG, SPEECH, CROWD, scene, SPEAKING)) for _ in range(CLIPS)]
    there = np.stack(waves)
    assert made.shape == there.shape == (CLIPS, len(said), BANDS)
    settled = slice(60, None)
    for figure in (np.mean, np.std):
        by_band = [figure(one[:, settled], axis=(0, 1)) for one in (made, there)]
        assert np.corrcoef(*by_band)[0, 1] > 0.9
        assert by_band[0].mean() == pytest.approx(by_band[1].mean(), rel=0.25)


def test_without_noise_it_is_what_a_device_hears(around: Noises) -> None:
    scene = Scene(dry=1.0, clear=1.0, clipped=0.0)
    said = log_energies(placed(RNG, SPEECH, [], scene, SPEAKING)).astype(np.float32)
    made = mixed(RNG, torch.from_numpy(said[None]), around, scene)[0].numpy()
    there = Frontend().feed(SPEECH + RNG.normal(0, 1e-5, len(SPEECH)).astype(np.float32))
    assert np.corrcoef(made.ravel(), there.ravel())[0, 1] > 0.9


def test_what_is_placed_has_its_level_and_noises_theirs(around: Noises) -> None:
    made = placed(RNG, SPEECH, [], Scene(), SPEAKING)
    assert float(np.sqrt(np.square(made[SPEAKING]).mean())) == pytest.approx(LEVEL, rel=1e-3)
    assert len(around.logs) == len(around.powers) == len(NOISES)
    for logs, powers in zip(around.logs, around.powers, strict=True):
        assert logs.shape[:2] == powers.shape and np.isfinite(logs).all()
        assert powers.mean(1) == pytest.approx(LEVEL**2, rel=0.05)
