"""Listens for a phrase: features of the sound as it comes, a small network step by step, a threshold, and a pause.

A session holds what was heard last in a few tens of kilobytes, however long it listens. The network gives, each 30 ms,
the log-odds of the phrase's having just ended; their mean over the last steps is calibrated to a confidence.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP, Frontend
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, EngineError

STRIDE = 3  # frames of a step: 30 ms
STEP_SECONDS = STRIDE * HOP / RATE
# Inputs: FRAMES float32 [1, 3, 40], MEMORY float32 [1, steps, width]. Outputs: LOGIT float32 [1, 1], and the next memory.
FRAMES, MEMORY, LOGIT, KEPT = "frames", "memory", "logit", "kept"
SMOOTH = 10  # steps whose log-odds are averaged: one that is wrong alone wakes nobody
SMOOTH_BEFORE = 5  # of a bundle that doesn't say how many
LIMIT = 12.0  # of log-odds, so that a single step can't outweigh the others
PAUSE_SECONDS = 1.0  # after a phrase was heard; it is heard once
_AT_ONCE = 10 * RATE  # samples whose features are computed together, so that memory is bounded


@dataclass(frozen=True)
class Decision:
    """How log-odds become an answer: confidence = sigmoid(scale * mean + shift) (Platt 1999).

    threshold: from it on, the phrase was heard. unsure: from it on, it may have been.
    """

    threshold: float
    unsure: float
    scale: float = 1.0
    shift: float = 0.0

    def confidence(self, mean: float) -> float:
        """0 to 1."""
        return 1 / (1 + math.exp(-min(max(self.scale * mean + self.shift, -60.0), 60.0)))


@dataclass(frozen=True)
class Detection:
    """The phrase was heard at `seconds` since the session began, most often a tenth to a quarter after it had ended."""

    seconds: float
    confidence: float


@dataclass(frozen=True)
class WakeModel:
    """A network opened in a runtime. memory: float32 values that it keeps, (steps, width). smooth: see `SMOOTH`."""

    engine: Engine
    memory: tuple[int, int]
    decision: Decision
    smooth: int = SMOOTH_BEFORE


class WakeSession:
    """One stream of sound that is listened to; not for two threads at once.

    on_step: gets the confidence of each step, 30 ms.
    """

    def __init__(self, model: WakeModel, on_step: Callable[[float], None] | None = None) -> None:
        self._on_step = on_step
        self._frontend = Frontend()
        self._frames = np.zeros((0, BANDS), np.float32)
        self._steps = 0
        self._quiet_until = 0
        self._armed = True
        self.peak = 0.0  # the highest confidence so far
        self.use(model)

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._steps * STEP_SECONDS

    def use(self, model: WakeModel) -> None:
        """Go on with another model, as after an update; what the former one had heard of a phrase is lost."""
        self.model = model
        self._memory = np.zeros((1, *model.memory), np.float32)
        self._recent = deque([-LIMIT] * model.smooth, maxlen=model.smooth)

    def feed(self, samples: np.ndarray) -> list[Detection]:
        """float32 [n] at 16 kHz, within -1 to 1, of any length -> what was heard in it; raises `EngineError`."""
        found: list[Detection] = []
        for start in range(0, len(samples), _AT_ONCE):
            frames = self._frontend.feed(samples[start : start + _AT_ONCE])
            waiting = np.concatenate([self._frames, frames])
            whole = len(waiting) // STRIDE * STRIDE
            for place in range(0, whole, STRIDE):
                one = self._step(waiting[None, place : place + STRIDE])
                if one is not None:
                    found.append(one)
            self._frames = waiting[whole:]
        return found

    def _step(self, frames: np.ndarray) -> Detection | None:
        made = self.model.engine.run({FRAMES: frames, MEMORY: self._memory})
        logit, kept = made.get(LOGIT), made.get(KEPT)
        if logit is None or kept is None or kept.shape != self._memory.shape or not np.isfinite(logit).all():
            raise EngineError("The model gave no usable step; build the bundle again with this version.")
        self._memory = kept
        self._recent.append(min(max(float(logit[0, 0]), -LIMIT), LIMIT))
        self._steps += 1
        confidence = self.model.decision.confidence(sum(self._recent) / self.model.smooth)
        self.peak = max(self.peak, confidence)
        if self._on_step is not None:
            self._on_step(confidence)
        if confidence < self.model.decision.threshold:
            self._armed = True
            return None
        if not self._armed or self._steps < self._quiet_until:
            return None
        self._armed = False
        self._quiet_until = self._steps + round(PAUSE_SECONDS / STEP_SECONDS)
        return Detection(round(self.seconds, 2), round(confidence, 4))


def samples_of(piece: bytes) -> np.ndarray:
    """Raw PCM (16 bits, little-endian, mono, 16 kHz) -> float32 [n]; raises `BadRequest` for half a sample."""
    if len(piece) % 2:
        raise BadRequest("The sound ends within a sample; send PCM of 16 bits.")
    return np.frombuffer(piece, "<i2").astype(np.float32) / 32768
