"""Changes the rate of samples by a windowed sinc, in numpy alone."""

from __future__ import annotations

import functools
import math

import numpy as np

RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
_ZEROS = 16  # zero crossings of the sinc on each side: the stop band is 70 dB down with this window
_BETA = 8.0  # of the Kaiser window
_ROLL_OFF = 0.94  # of the lower Nyquist frequency
_BLOCK = 160  # results that one product gives, at least
_AT_ONCE = 512  # blocks of one product: some megabytes


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """float32 [n] at `rate` -> float32 [ceil(n * target / rate)]; both are among `RATES`, or differ by small factors.

    Bandlimited interpolation (Smith, "Digital Audio Resampling"), one matrix for a block of results.
    """
    if rate == target or not len(samples):
        return samples.astype(np.float32, copy=False)
    matrix, step, made, left = _kernel(rate, target)
    count = -(-len(samples) * target // rate)
    blocks = -(-count // made)
    padded = np.zeros((blocks - 1) * step + matrix.shape[0], np.float32)
    padded[left : left + len(samples)] = samples[: len(padded) - left]
    windows = np.lib.stride_tricks.sliding_window_view(padded, matrix.shape[0])[::step]
    out = np.empty((blocks, made), np.float32)
    for start in range(0, blocks, _AT_ONCE):
        out[start : start + _AT_ONCE] = windows[start : start + _AT_ONCE] @ matrix
    return out.reshape(-1)[:count]


@functools.lru_cache(maxsize=32)
def _kernel(rate: int, target: int) -> tuple[np.ndarray, int, int, int]:
    """The matrix float32 [samples, results], samples and results of a block, and samples wanted before it."""
    common = math.gcd(rate, target)
    step, made = rate // common, target // common
    times = max(1, -(-_BLOCK // made))
    step, made = step * times, made * times
    cut = _ROLL_OFF * min(1.0, target / rate)  # of the Nyquist frequency at `rate`
    reach = math.ceil(_ZEROS / cut)
    at = np.arange(made) * (rate / target)
    distance = np.arange(-reach, step + reach)[:, None] - at[None, :]
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    window = np.where(np.abs(distance) <= reach, np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA), 0.0)
    return (cut * np.sinc(cut * distance) * window).astype(np.float32), step, made, reach
