"""Small material for a wake word's training, which sounds like nothing."""

from __future__ import annotations

import numpy as np

from edge_runtime.audio.frontend import BANDS
from edge_runtime.audio.wake import STRIDE
from trainer_host.speech.acoustics import NOISES
from trainer_host.students.wake_data import BEFORE_FRAMES, CLIP_STEPS, Clips, Material
from trainer_host.students.wake_mix import Noises

FRAMES = BEFORE_FRAMES + CLIP_STEPS * STRIDE


def some_material() -> Material:
    """Eight clips of each kind, log energies."""
    logs = np.random.default_rng(1).uniform(-9, 0, (8, FRAMES, BANDS)).astype(np.float16)
    return Material(
        Clips(logs, np.full(8, 2.1, np.float32)), Clips(logs[::-1], np.full(8, -1.0, np.float32)), [logs[0]]
    )


def some_noises() -> Noises:
    """Two of each kind, all alike."""
    logs = np.random.default_rng(2).uniform(-9, -3, (2, FRAMES + 20, BANDS)).astype(np.float16)
    powers = np.full(logs.shape[:2], 0.0025, np.float32)
    return Noises([logs] * len(NOISES), [powers] * len(NOISES))
