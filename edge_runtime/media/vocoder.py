"""A voice of numbers: 200 times a second how loud each band is, how high the voice and how much of it is noise; and their sound.

A source and a filter: pulses at the pitch and noise, mixed by band, through a filter of minimum phase whose size is the
bands' (as in mixed excitation, McCree and Barnwell 1995). Numpy alone, a few hundredths of the sound's time.
"""

from __future__ import annotations

import functools

import numpy as np

RATE = 16_000  # samples a second
HOP = 80  # samples of a frame: 5 ms
BANDS = 40  # of the spectrum, evenly spaced in mel
# Where the shares of the voice are told, in Hz; between them they are interpolated.
SHARES = (500.0, 1500.0, 3000.0, 5000.0, 7000.0)
PITCH = BANDS  # a frame: log power of each band, the pitch's log (Hz), and how much of each band is voice, 0 to 1
WIDTH = BANDS + 1 + len(SHARES)
SIZE = 1024  # samples that a filter may ring
LOWEST, HIGHEST = 50.0, 500.0  # Hz of the pitch
QUIET = -18.0  # log power of a band in silence, of samples of -1 to 1
_PULSE = 8  # samples around a pulse, which lies between two of them


def sound_of(frames: np.ndarray, seed: int = 0, sharper: float = 0.0) -> np.ndarray:
    """float32 [frames, WIDTH] -> float32 [frames * HOP]. sharper: so much are the spectrum's peaks raised, 0 to 0.5."""
    count = len(frames)
    if not count:
        return np.zeros(0, np.float32)
    shares = np.clip(frames[:, PITCH + 1 :], 0, 1).astype(np.float64) @ _share_bins()
    pitch = np.exp(np.clip(frames[:, PITCH], np.log(LOWEST), np.log(HIGHEST)).astype(np.float64))
    filters = filters_of(frames[:, :BANDS].astype(np.float64), sharper)
    length = (count + 2) * HOP
    noise = np.random.RandomState(seed).standard_normal(length)
    pulses = _pulses(pitch, length)
    # Each frame's part of the source fades in and out over two hops; its filter rings on behind it.
    window = np.hanning(2 * HOP + 1)[:-1]
    made = np.zeros(length + SIZE)
    for begin in range(0, count, _AT_ONCE):
        some = slice(begin, min(begin + _AT_ONCE, count))
        at = np.arange(some.start, some.stop)[:, None] * HOP + np.arange(2 * HOP)
        voiced = np.fft.rfft(pulses[at] * window, SIZE) * np.sqrt(shares[some])
        rough = np.fft.rfft(noise[at] * window, SIZE) * np.sqrt(1 - shares[some])
        parts = np.fft.irfft((voiced + rough) * filters[some], SIZE)
        for number, part in enumerate(parts, some.start):
            made[number * HOP : number * HOP + SIZE] += part
    return made[HOP // 2 : HOP // 2 + count * HOP].astype(np.float32)


def filters_of(bands: np.ndarray, sharper: float = 0.0) -> np.ndarray:
    """Log power by band [frames, BANDS] -> complex spectra of minimum phase [frames, SIZE // 2 + 1]."""
    logs = np.maximum(bands, QUIET) @ band_bins() / 2
    # Minimum phase: the cepstrum's second half is folded onto its first (Oppenheim and Schafer 1989).
    cepstrum = np.fft.irfft(logs, SIZE)
    half = SIZE // 2
    cepstrum[:, 1:half] *= 2
    cepstrum[:, half + 1 :] = 0
    if sharper:
        lift = np.ones(SIZE)
        lift[2:half] += sharper
        before = np.log(np.exp(2 * logs).mean(1))
        cepstrum *= lift
        spectrum = np.fft.rfft(cepstrum, SIZE)
        after = np.log(np.exp(2 * spectrum.real).mean(1))
        spectrum += ((before - after) / 2)[:, None]
        return np.exp(spectrum)
    return np.exp(np.fft.rfft(cepstrum, SIZE))


@functools.cache
def centres() -> np.ndarray:
    """The bands' middles in Hz, [BANDS]; the first and last are those of the whole range."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS)
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


@functools.cache
def band_bins() -> np.ndarray:
    """How much each band counts for each bin of a spectrum, [BANDS, SIZE // 2 + 1]; each column's sum is 1."""
    return _between(centres())


@functools.cache
def _share_bins() -> np.ndarray:
    return _between(np.array(SHARES))


def _between(middles: np.ndarray) -> np.ndarray:
    bins = np.arange(SIZE // 2 + 1) * RATE / SIZE
    return np.stack([np.interp(bins, middles, row) for row in np.eye(len(middles))])


def _pulses(pitch: np.ndarray, length: int) -> np.ndarray:
    """Pulses of power 1 a sample at a pitch (Hz, by frame), each between two samples where it falls."""
    middles = (np.arange(len(pitch)) + 1) * HOP
    hertz = np.interp(np.arange(length), middles, pitch)
    turns = np.cumsum(hertz / RATE)
    at = np.flatnonzero(np.diff(np.floor(turns))) + 1
    late = (turns[at] - np.floor(turns[at])) * RATE / hertz[at]  # samples since the pulse was due
    made = np.zeros(length + 2 * _PULSE)
    near = np.arange(-_PULSE, _PULSE)
    shape = np.sinc(near + late[:, None]) * np.cos(np.pi * (near + late[:, None]) / (2 * _PULSE + 2)) ** 2
    np.add.at(made, at[:, None] + near + _PULSE, shape * np.sqrt(RATE / hertz[at])[:, None])
    return made[_PULSE:-_PULSE]


_AT_ONCE = 400  # frames, so that a long text needs little memory
