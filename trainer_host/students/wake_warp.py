"""More speakers than there are: clips as if said quicker or slower, unevenly, and by longer and shorter throats.

Vocal tract length perturbation (Jaitly and Hinton 2013) and a warp of time, both on log energies, anew in each step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP, bands_at, hertz_of

_AS_THEY_ARE = 0.2  # the share of clips
_TEMPO, _THROAT = 0.18, 0.12  # at most, as natural logarithms of what it is multiplied with
_UNEVEN = 0.25  # at most, what the tempo rises and falls by within a clip
_SWINGS = (1.5, 4.0)  # times that it does so
_SHIFT = 0.15  # seconds that a phrase's end moves by at most
_ENDS = (1.1, 2.6)  # seconds within which it stays
_MIDDLE = 1.8  # seconds: what stays near its place in clips without the phrase


def warped(draw: np.random.Generator, features: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Other clips float32 [clips, frames, 40], and seconds float32 [clips] at which the phrase ends in them, or -1."""
    clips, frames, _ = features.shape
    times = np.arange(frames) * HOP / RATE
    holds = ends >= 0
    before = np.where(holds, ends, _MIDDLE)
    after = np.clip(before + draw.uniform(-_SHIFT, _SHIFT, clips), *_ENDS)
    tempo = np.exp(draw.uniform(-_TEMPO, _TEMPO, clips))
    throat = np.exp(draw.uniform(-_THROAT, _THROAT, clips))
    swing = draw.uniform(*_SWINGS, (clips, 1)) * 2 * np.pi / times[-1]
    strength = draw.uniform(0, _UNEVEN, (clips, 1)) / swing
    phase = draw.uniform(0, 2 * np.pi, (clips, 1))
    since = times - after[:, None]
    uneven = np.sin(swing * since + phase) - np.sin(phase)
    from_times = before[:, None] + since * tempo[:, None] + strength * uneven
    from_bands = bands_at(hertz_of(np.arange(BANDS)) * throat[:, None])
    same = draw.random(clips) < _AS_THEY_ARE
    from_times[same], from_bands[same] = times, np.arange(BANDS)
    across = from_bands / (BANDS - 1) * 2 - 1
    down = from_times / times[-1] * 2 - 1
    grid = np.empty((clips, frames, BANDS, 2), np.float32)
    grid[..., 0], grid[..., 1] = across[:, None, :], down[:, :, None]
    made = functional.grid_sample(
        torch.from_numpy(features)[:, None], torch.from_numpy(grid), padding_mode="border", align_corners=True
    )
    return made[:, 0].numpy(), np.where(holds & ~same, after, ends).astype(np.float32)
