"""What a voice's recording is made of, in the numbers that `edge_runtime.media.vocoder` makes sound of."""

from __future__ import annotations

import numpy as np

from edge_runtime.media.vocoder import BANDS, HOP, PITCH, QUIET, RATE, SHARES, SIZE, WIDTH, band_bins

_LONG = 1280  # samples that a pitch is looked for in
_LOW, _HIGH = 60.0, 400.0  # Hz
_OCTAVE = 0.02  # of a correlation that a lag twice as long must be better by
_LAGS, _NEAR = (
    90,
    3,
)  # lags that ways go through, evenly by their logarithm; samples around them that are looked at then
_JUMP = 2.0  # how much a change of pitch by a factor of e costs, in correlation
_AT_ONCE = 200  # frames
_VOICED = 0.5  # a correlation that is a voice's
_EDGES = (0.0, 1000.0, 2000.0, 4000.0, 6000.0, 8000.0)  # Hz, of the bands whose shares are told


def frames_of(samples: np.ndarray) -> np.ndarray:
    """float [n] at `RATE` -> float32 [n // HOP, WIDTH], see `edge_runtime.media.vocoder`; frame i lies around i * HOP + HOP / 2."""
    count = len(samples) // HOP
    made = np.zeros((count, WIDTH), np.float32)
    if not count:
        return made
    pitch, sure = pitch_of(samples, count)
    shares = _shares(samples, pitch, sure, count)
    made[:, :BANDS] = _bands(samples, pitch, count)
    made[:, PITCH] = np.log(pitch)
    made[:, PITCH + 1 :] = shares
    return made


def pitch_of(samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Hz of each frame, filled where there is no voice, and how alike its periods are, 0 to 1.

    The way through all frames' correlations that is best in all (Viterbi), as in RAPT (Talkin 1995).
    """
    first, last = int(RATE / _HIGH), int(RATE / _LOW)
    found = _alike(_band(samples, 0, 1000), count, first, last)
    lags = np.unique(np.round(np.geomspace(first, last, _LAGS)).astype(int))
    coarse = found[:, lags - first]
    score = coarse - _OCTAVE * np.log2(lags / first)
    cost = _JUMP * np.abs(np.log(lags)[:, None] - np.log(lags)[None])
    best = np.zeros((count, len(lags)), np.int32)
    total = score[0]
    for number in range(1, count):
        # Where nothing is alike, a jump costs nothing.
        ways = total[None] - cost * max(0.05, float(coarse[number].max()))
        best[number] = ways.argmax(1)
        total = ways[np.arange(len(lags)), best[number]] + score[number]
    path = np.zeros(count, np.int64)
    path[-1] = total.argmax()
    for number in range(count - 1, 0, -1):
        path[number - 1] = best[number, path[number]]
    # The top near the way, and where a parabola through it and its neighbours has its own.
    frames = np.arange(count)
    near = np.clip(lags[path][:, None] - first + np.arange(-_NEAR, _NEAR + 1), 1, last - first - 1)
    path = near[frames, found[frames[:, None], near].argmax(1)]
    before, top, after = (found[frames, path + off] for off in (-1, 0, 1))
    bend = before - 2 * top + after
    off = np.where(bend < -1e-9, (before - after) / np.minimum(2 * bend, -1e-9), 0.0)
    exact = path + first + np.clip(off, -0.5, 0.5)
    sure = np.clip(found[frames, path], 0, 1)
    voiced = (sure > _VOICED) & (_power(samples, count) > 1e-6)
    hertz = RATE / exact
    if not voiced.any():
        return np.full(count, 120.0), np.zeros(count)
    filled = np.exp(np.interp(np.arange(count), np.flatnonzero(voiced), np.log(hertz[voiced])))
    return filled, np.where(voiced, sure, 0.0)


def _alike(samples: np.ndarray, count: int, first: int, last: int) -> np.ndarray:
    """Normalised correlation of each frame with itself a lag later, [frames, lags]."""
    span = _LONG // 2
    padded = np.pad(samples, (span, span + last + HOP))
    at = np.arange(count)[:, None] * HOP + HOP // 2 + span - (span + last) // 2 + np.arange(span + last)
    parts = padded[at]
    size = 2048
    here = np.fft.rfft(parts[:, :span], size)
    both = np.fft.irfft(np.conj(here) * np.fft.rfft(parts, size), size)[:, first : last + 1]
    power = np.concatenate([np.zeros((count, 1)), np.cumsum(parts**2, 1)], 1)
    own = power[:, span] - power[:, 0]
    later = power[:, span + first : span + last + 1] - power[:, first : last + 1]
    return np.asarray(both / np.sqrt(own[:, None] * later + 1e-6))


def _shares(samples: np.ndarray, pitch: np.ndarray, sure: np.ndarray, count: int) -> np.ndarray:
    """How much of each band repeats itself a period later, [frames, SHARES]."""
    lags = np.round(RATE / pitch).astype(int)
    made = np.zeros((count, len(SHARES)))
    for number in range(len(SHARES)):
        part = _band(samples, _EDGES[number], _EDGES[number + 1])
        span = 400
        padded = np.pad(part, (span, span + 600))
        start = np.arange(count) * HOP + HOP // 2 + span - (span + lags) // 2
        at = start[:, None] + np.arange(span)
        one, two = padded[at], padded[at + lags[:, None]]
        # Within two samples of the period, as it is no whole number of them.
        tries = [(one * padded[at + lags[:, None] + off]).sum(1) for off in (-1, 0, 1)]
        power = np.sqrt((one**2).sum(1) * (two**2).sum(1) + 1e-12)
        made[:, number] = np.clip(np.max(tries, 0) / power, 0, 1)
    return made * (sure > 0)[:, None]


def _bands(samples: np.ndarray, pitch: np.ndarray, count: int) -> np.ndarray:
    """Log power by band without the pitch's own lines: windows of three periods, and means over two thirds of the pitch (CheapTrick, Morise 2015)."""
    bins = band_bins()
    weights = (bins / bins.sum(1, keepdims=True)).T
    made = [
        np.log(
            np.maximum(_smooth(samples, pitch, np.arange(begin, min(begin + _AT_ONCE, count))) @ weights, np.exp(QUIET))
        )
        for begin in range(0, count, _AT_ONCE)
    ]
    return np.concatenate(made).astype(np.float32)


def _smooth(samples: np.ndarray, pitch: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Power by bin, [frames, SIZE // 2 + 1]."""
    half = np.minimum(1.5 * RATE / pitch[frames], SIZE // 2 - 1)[:, None]
    around = np.arange(-SIZE // 2, SIZE // 2)
    window = np.where(np.abs(around) < half, 0.5 + 0.5 * np.cos(np.pi * around / half), 0.0)
    padded = np.pad(samples, (SIZE, SIZE))
    parts = padded[frames[:, None] * HOP + HOP // 2 + SIZE + around] * window
    power = np.abs(np.fft.rfft(parts)) ** 2 / (window**2).sum(1, keepdims=True)
    mirrored = np.concatenate([power[:, :0:-1], power, power[:, -2::-1]], 1)
    total = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(mirrored, 1)], 1)
    wide = np.maximum(1.0, pitch[frames] * 2 / 3 * SIZE / RATE)[:, None]
    middle = np.arange(power.shape[1]) + power.shape[1] - 0.5
    rows = np.arange(len(frames))[:, None]

    def until(at: np.ndarray) -> np.ndarray:
        low = at.astype(np.int64)
        return np.asarray(total[rows, low] + (at - low) * (total[rows, low + 1] - total[rows, low]))

    return np.asarray((until(middle + wide / 2) - until(middle - wide / 2)) / wide)


def _power(samples: np.ndarray, count: int) -> np.ndarray:
    return np.asarray((samples[: count * HOP].reshape(count, HOP) ** 2).mean(1))


def _band(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    size = 1 << int(np.ceil(np.log2(len(samples) + 256)))
    spectrum = np.fft.rfft(samples, size)
    hertz = np.arange(len(spectrum)) * RATE / size
    edge = 100.0
    gain = np.clip((hertz - low) / edge + 0.5, 0, 1) if low else np.ones(len(hertz))
    spectrum *= gain * np.clip((high - hertz) / edge + 0.5, 0, 1)
    return np.fft.irfft(spectrum, size)[: len(samples)]
