"""A sound as a picture: time to the right, frequency up on a mel-like scale, louder is brighter."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HEIGHT, WIDTH = 128, 480  # pixels
LOWEST, DEEPEST = 60.0, 70.0  # Hz at the bottom, decibels below the loudest that are still seen
_WINDOW = 0.032  # seconds
_SILENT = -50.0  # decibels (power of a frame): what is nowhere louder stays dark
# Dark blue, violet, orange, light yellow: growing in lightness alone, so that it reads without colours too.
_STOPS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))


def spectrogram(samples: np.ndarray, rate: int) -> bytes:
    """A PNG of a sound; float [n] of -1 to 1, `rate` samples a second. The y-axis is mels (Stevens et al. 1937, O'Shaughnessy 1987)."""
    import numpy as np
    from PIL import Image

    size = max(64, round(_WINDOW * rate))
    padded = np.pad(np.asarray(samples, np.float32), (0, max(0, size - len(samples))))
    starts = np.linspace(0, len(padded) - size, WIDTH).astype(int)
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, 4 * size)) ** 2
    hertz = np.linspace(0, rate / 2, power.shape[1])
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(rate / 2), HEIGHT + 1))
    places = np.clip(np.searchsorted(hertz, edges), 0, len(hertz) - 1)
    rows = np.stack([power[:, low : max(low + 1, high)].max(axis=1) for low, high in itertools.pairwise(places)])
    loud = 10 * np.log10(rows + 1e-12)
    shade = np.clip((loud - max(float(loud.max()), _SILENT) + DEEPEST) / DEEPEST, 0, 1)[::-1]
    stops = np.array(_STOPS, np.float64)
    at = shade * (len(stops) - 1)
    low = np.minimum(at.astype(int), len(stops) - 2)
    colours = stops[low] + (stops[low + 1] - stops[low]) * (at - low)[..., None]
    held = io.BytesIO()
    Image.fromarray(colours.round().astype(np.uint8)).save(held, "PNG", optimize=True)
    return held.getvalue()


def _mel(hertz: float) -> float:
    import math

    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mels: np.ndarray) -> np.ndarray:
    made: np.ndarray = 700 * (10 ** (mels / 2595) - 1)
    return made
