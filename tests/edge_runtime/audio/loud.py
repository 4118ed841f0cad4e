"""A stand-in for a wake word's network: it says yes where the sound is loud."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS
from edge_runtime.audio.wake import FRAMES, KEPT, LIMIT, LOGIT, MEMORY, STRIDE, Decision, WakeModel

MODEL_MEMORY = (4, 2)


class Loud:
    """An engine that says yes where a step is loud; `broken` makes it give no number."""

    runtime, version = "test", "1"

    def __init__(self) -> None:
        self.broken = False

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert inputs[FRAMES].shape == (1, STRIDE, BANDS) and inputs[MEMORY].shape == (1, *MODEL_MEMORY)
        loud = float(inputs[FRAMES].mean()) > 0.6
        logit = np.nan if self.broken else LIMIT if loud else -LIMIT
        return {LOGIT: np.full((1, 1), logit, np.float32), KEPT: inputs[MEMORY] + 1}

    def close(self) -> None:
        pass


def model(engine: Loud | None = None, threshold: float = 0.5) -> WakeModel:
    return WakeModel(engine or Loud(), MODEL_MEMORY, Decision(threshold, 0.1))


def bursts(*starts: float, seconds: float = 6.0, length: float = 0.4) -> np.ndarray:
    """A hiss with louder parts, whose loudness changes all the time so that it never is steady."""
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.001, int(seconds * RATE)).astype(np.float32)
    for start in starts:
        part = slice(int(start * RATE), int((start + length) * RATE))
        swell = np.linspace(0.02, 0.5, part.stop - part.start) ** 2
        sound[part] += (rng.normal(0, 1, part.stop - part.start) * swell).astype(np.float32)
    return np.clip(sound, -1, 1)
