"""What a model hears: per-channel energy of 40 mel bands, 100 times a second, in numpy alone.

The same code runs where a model is trained and where it listens. Per-channel energy normalisation (PCEN; Wang et al.,
"Trainable frontend for robust and far-field keyword spotting", 2017) divides each band by what it had lately, so that
how loud a voice is, and steady noise, hardly count.
"""

from __future__ import annotations

import functools

import numpy as np

from edge_runtime.audio.files import RATE

HOP = 160  # samples: 10 ms
WINDOW = 480  # samples: 30 ms
BANDS = 40
_FFT = 512
_BLOCK = 24  # frames that are worked on at once: few enough for a small cache, and for one thread of the BLAS
_LOWEST, _HIGHEST = 60.0, 7_600.0  # Hz
SMOOTHING = 0.025  # of the running mean per frame, 0.4 s
ALPHA, DELTA = 0.98, 2.0  # the paper's values, as is the square root
# Between the energy of rounding to 16 bits (1e-7) and that of a quiet room (1e-4), so that silence is silent.
FLOOR = 1e-5


class Frontend:
    """Turns samples into frames as they come; holds at most 30 ms of them."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.float32)
        self._mean: np.ndarray | None = None

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n] at 16 kHz, within -1 to 1 -> float32 [frames, 40] that are complete now, maybe none."""
        waiting = np.concatenate([self._left, samples])
        count = max(0, (len(waiting) - WINDOW) // HOP + 1)
        made = np.empty((count, BANDS), np.float32)
        for first in range(0, count, _BLOCK):
            some = min(_BLOCK, count - first)
            made[first : first + some] = self._normalised(_energies(waiting[first * HOP :], some))
        self._left = waiting[count * HOP :].copy()
        return made

    def _normalised(self, energy: np.ndarray) -> np.ndarray:
        means = np.empty_like(energy)
        mean = self._mean if self._mean is not None else energy[0].copy()
        for frame, now in enumerate(energy):
            mean += SMOOTHING * (now - mean)
            means[frame] = mean
        self._mean = mean
        return np.sqrt(energy * (means + FLOOR) ** -ALPHA + DELTA) - _ROOT_OF_DELTA


def energies(samples: np.ndarray) -> np.ndarray:
    """float32 [n] at 16 kHz -> float32 [frames, 40]: what each band has in each complete window, not normalised."""
    count = max(0, (len(samples) - WINDOW) // HOP + 1)
    made = np.empty((count, BANDS), np.float32)
    for first in range(0, count, _BLOCK):
        some = min(_BLOCK, count - first)
        made[first : first + some] = _energies(samples[first * HOP :], some)
    return made


def energy_of_white_noise() -> np.ndarray:
    """float32 [40]: the mean energy of each band where samples are independent, of variance 1."""
    _, hann, mel = _tables()
    made: np.ndarray = mel.sum(0) * np.square(hann).sum()
    return made


def hertz_of(bands: np.ndarray) -> np.ndarray:
    """The middles of bands in Hz; bands are numbers from 0 to 39, and may lie between two."""
    made: np.ndarray = 700 * (10 ** ((_mel(_LOWEST) + (bands + 1) * _mel_apart()) / 2595) - 1)
    return made


def bands_at(hertz: np.ndarray) -> np.ndarray:
    """The bands whose middles frequencies are, `hertz_of` turned round; they may lie outside of 0 to 39."""
    made: np.ndarray = (2595 * np.log10(1 + hertz / 700) - _mel(_LOWEST)) / _mel_apart() - 1
    return made


def _energies(samples: np.ndarray, count: int) -> np.ndarray:
    """Of the first `count` windows, at most `_BLOCK`."""
    places, hann, mel = _tables()
    spectrum = np.fft.rfft(samples[places[:count]] * hann, _FFT)
    return np.asarray((spectrum.real**2 + spectrum.imag**2) @ mel, np.float32)


def _mel_apart() -> float:
    """From one band to the next."""
    return (_mel(_HIGHEST) - _mel(_LOWEST)) / (BANDS + 1)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _filters() -> np.ndarray:
    """Triangles, evenly spaced in mel (O'Shaughnessy 1987): float32 [bins, bands]."""
    edges = 700 * (10 ** (np.linspace(_mel(_LOWEST), _mel(_HIGHEST), BANDS + 2) / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1) * RATE / _FFT
    up = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down)).astype(np.float32)


@functools.cache  # a device that hears nothing needs none of it
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of a block's samples [frames, window], the window's weights, and the bands' filters."""
    places = np.arange(_BLOCK)[:, None] * HOP + np.arange(WINDOW)
    return places, np.hanning(WINDOW + 1)[:-1].astype(np.float32), _filters()


_ROOT_OF_DELTA = np.float32(DELTA**0.5)
