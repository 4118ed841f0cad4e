"""Speech that was said once, in another noise and through another microphone each time that it is learnt from.

A sound is kept as the energies of its bands, and noise is added to these: the energy of a sum is that of both and what
they share, whose phase is drawn. So a clip is heard anew in a fraction of a millisecond, and no noise is learnt by heart.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import (
    ALPHA,
    BANDS,
    DELTA,
    FLOOR,
    HOP,
    SMOOTHING,
    energies,
    energy_of_white_noise,
    hertz_of,
)
from trainer_host.speech.acoustics import LEVEL, LOUDNESS_DB, NOISES, SELF_NOISE, Scene, microphone_gain, noise

_SECONDS = 10  # of each noise
_SOUNDS = {"babble": 100, "music": 40}  # of these kinds; of the others:
_FEW = 12
_PHASES = 256  # clips of what two sounds share
_QUIETEST = 1e-12
SILENCE = -27.6  # log energy
_APART = 50.0  # Hz: what is nearer isn't independent in a window


@dataclass(frozen=True)
class Noises:
    """By kind, as in `NOISES`. logs: float16 [sounds, frames, 40] each, `log_energies`. powers: float32 [sounds, frames]."""

    logs: list[np.ndarray]
    powers: list[np.ndarray]


def log_energies(samples: np.ndarray) -> np.ndarray:
    """float32 [n] at 16 kHz -> float16 [frames, 40]: natural logarithms of `energies`."""
    return np.log(energies(samples) + _QUIETEST).astype(np.float16)


def noises(seed: int, babble: Sequence[np.ndarray]) -> Noises:
    """Some minutes of each kind. babble: other people's speech, float32 [n] each."""
    rng, logs, powers = np.random.default_rng([seed, 4]), [], []
    for kind in NOISES:
        made, power = [], []
        for _ in range(_SOUNDS.get(kind, _FEW)):
            sound = noise(rng, kind, _SECONDS * RATE, babble)
            sound *= np.float32(LEVEL / max(float(np.sqrt(np.square(sound).mean())), _QUIETEST))
            made.append(log_energies(sound))
            power.append(np.square(sound[: len(made[-1]) * HOP]).reshape(-1, HOP).mean(1))
        logs.append(np.stack(made))
        powers.append(np.stack(power))
    return Noises(logs, powers)


def mixed(draw: np.random.Generator, clips: Tensor, around: Noises, scene: Scene) -> Tensor:
    """Log energies float32 [clips, frames, 40] of speech at `LEVEL` -> features, as `Frontend` makes them of the mixture."""
    speech = torch.exp(clips)
    count, frames, _ = clips.shape
    logs = np.empty((count, frames, BANDS), np.float16)
    scale = np.zeros((count, 1, 1), np.float32)
    for place, kind in enumerate(draw.integers(0, len(NOISES), count)):
        sound = int(draw.integers(len(around.logs[kind])))
        first = int(draw.integers(0, around.logs[kind].shape[1] - frames + 1))
        logs[place] = around.logs[kind][sound, first : first + frames]
        power = float(around.powers[kind][sound, first : first + frames].mean())
        if draw.random() >= scene.clear:
            scale[place] = LEVEL**2 * 10 ** (-float(draw.uniform(*scene.snr_db)) / 10) / max(power, _QUIETEST)
    other = torch.exp(torch.from_numpy(logs.astype(np.float32))) * torch.from_numpy(scale)
    phases = _phases(frames)[torch.from_numpy(draw.integers(0, _PHASES, count))]
    both = speech + other + 2 * torch.sqrt(speech * other) * phases
    gain = np.stack([microphone_gain(draw, hertz_of(np.arange(BANDS))) for _ in range(count)])
    gain *= 10 ** (draw.uniform(*LOUDNESS_DB, (count, 1)) / 20) / LEVEL
    hiss = torch.from_numpy((energy_of_white_noise() * SELF_NOISE**2).astype(np.float32))
    return _normalised(both * torch.from_numpy(np.square(gain).astype(np.float32))[:, None] + hiss)


def _normalised(energy: Tensor) -> Tensor:
    """What `Frontend` makes of energies, for many sounds at once."""
    means, mean = torch.empty_like(energy), energy[:, 0]
    for frame in range(energy.shape[1]):
        mean = torch.lerp(mean, energy[:, frame], SMOOTHING)
        means[:, frame] = mean
    # The logarithm and its inverse take a third of the time of a power.
    return torch.sqrt(energy * torch.exp(-ALPHA * torch.log(means + FLOOR)) + DELTA) - DELTA**0.5


@functools.lru_cache(maxsize=1)
def _phases(frames: int) -> Tensor:
    """float32 [`_PHASES`, frames, 40]: the cosine between two sounds in a band, smaller where it is wide."""
    edges = hertz_of(np.arange(-1, BANDS + 1))
    parts = np.maximum(1, (edges[2:] - edges[:-2]) / 2 / _APART)
    drawn = np.random.default_rng(1).uniform(0, 2 * np.pi, (_PHASES, frames, BANDS))
    return torch.from_numpy((np.cos(drawn) / np.sqrt(parts)).astype(np.float32))
