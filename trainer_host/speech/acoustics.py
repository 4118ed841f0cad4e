"""Rooms, noises and microphones: what a voice goes through before a device hears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.resample import resample
from edge_runtime.media.notes import WAVES, Note, play
from edge_runtime.media.wav import RATE as PLAYED

NOISES = ("white", "pink", "brown", "hum", "fan", "babble", "music", "knocks")
LOUDNESS_DB = (-40.0, -8.0)  # of the speech's root mean square, full scale being 0
SELF_NOISE = 1e-4  # of a microphone, its root mean square
LEVEL = 0.05  # the speech's root mean square where it is only `placed`
_SOUND = 343.0  # metres a second
_QUIETEST = 1e-9


@dataclass(frozen=True)
class Scene:
    """How bad it gets. snr_db: of speech over noise. dry: the share without a room. clear: the share without noise."""

    snr_db: tuple[float, float] = (0.0, 30.0)
    dry: float = 0.3
    clear: float = 0.15
    clipped: float = 0.03


def heard(
    rng: np.random.Generator, speech: np.ndarray, babble: Sequence[np.ndarray], scene: Scene, speaking: np.ndarray
) -> np.ndarray:
    """Speech in a room, with noise, through a microphone: float32 [n] -> float32 [n].

    babble: other people's speech to mix from. speaking: bool [n], where the loudness of speech is measured.
    """
    made = speech if rng.random() < scene.dry else in_room(rng, speech)
    level = float(np.sqrt(np.square(made[speaking], dtype=np.float64).mean())) if speaking.any() else 0.05
    if rng.random() >= scene.clear:
        kind = NOISES[int(rng.integers(len(NOISES)))]
        sound = noise(rng, kind, len(made), babble)
        wanted = level * 10 ** (-float(rng.uniform(*scene.snr_db)) / 20)
        made = made + sound * np.float32(wanted / max(float(np.sqrt(np.square(sound).mean())), _QUIETEST))
    made = _tilted(rng, made)
    gain = 10 ** (float(rng.uniform(*LOUDNESS_DB)) / 20) / max(level, _QUIETEST)
    if rng.random() < scene.clipped:
        gain = 4.0 / max(float(np.abs(made).max()), _QUIETEST)
    made = made * np.float32(gain) + np.float32(SELF_NOISE) * rng.standard_normal(len(made), np.float32)
    return np.clip(made, -1, 1).astype(np.float32)


def placed(
    rng: np.random.Generator, speech: np.ndarray, babble: Sequence[np.ndarray], scene: Scene, speaking: np.ndarray
) -> np.ndarray:
    """As `heard` but before noise and microphone, at `LEVEL`: in a room, some of it clipped."""
    made = speech if rng.random() < scene.dry else in_room(rng, speech)
    if rng.random() < scene.clipped:
        most = float(np.abs(made).max()) / 4
        made = np.clip(made, -most, most)
    level = float(np.sqrt(np.square(made[speaking], dtype=np.float64).mean())) if speaking.any() else LEVEL
    return np.asarray(made * np.float32(LEVEL / max(level, _QUIETEST)), np.float32)


def in_room(rng: np.random.Generator, speech: np.ndarray) -> np.ndarray:
    """With the early reflections of a box (image sources; Allen and Berkley 1979) and a tail that decays."""
    size = rng.uniform((2.5, 2.5, 2.2), (8.0, 7.0, 3.5))
    source, ear = (rng.uniform(0.4, size - 0.4) for _ in range(2))
    decay = float(rng.uniform(0.12, 0.6))  # seconds to fall by 60 dB
    length = int(min(decay, 0.4) * RATE)
    response = np.zeros(length, np.float32)
    reflects = float(np.exp(-13.8 * float(size.mean()) / _SOUND / decay))  # what a wall gives back, Sabine turned round
    straight = float(np.linalg.norm(source - ear))
    for index in np.ndindex(3, 3, 3):
        order = np.array(index) - 1
        image = np.where(order == 0, source, np.where(order < 0, -source, 2 * size - source))
        way = float(np.linalg.norm(image - ear))
        place = int((way - straight) / _SOUND * RATE)
        if 0 <= place < length:
            response[place] += reflects ** int(np.abs(order).sum()) * straight / max(way, 0.1)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / RATE / decay)
    start = int(0.015 * RATE)
    tail[:start] = 0
    strength = float(rng.uniform(0.05, 0.7)) * np.sqrt(float(np.square(response).sum()) / np.square(tail).sum())
    return convolved(speech, response + (strength * tail).astype(np.float32))


def noise(rng: np.random.Generator, kind: str, count: int, babble: Sequence[np.ndarray]) -> np.ndarray:
    """float32 [count], not scaled."""
    at = np.arange(count) / RATE
    if kind in ("white", "pink", "brown", "fan"):
        slope = {"white": 0.0, "pink": -0.5, "brown": -1.0, "fan": -0.7}[kind]
        made = _coloured(rng, count, slope)
        if kind == "fan":
            made = made * (1 + 0.3 * np.sin(2 * np.pi * float(rng.uniform(2, 12)) * at))
    elif kind == "hum":
        made = np.zeros(count)
        base = float(rng.choice((50, 60))) * (1 + float(rng.normal(0, 0.002)))
        for k in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15):
            phase = float(rng.uniform(0, 6))
            made += float(rng.uniform(0.1, 1)) / k * np.sin(2 * np.pi * k * base * at + phase)
    elif kind == "music":
        made = _music(rng, count)
    elif kind == "knocks":
        made = np.zeros(count)
        for place in rng.integers(0, max(1, count - 800), max(1, int(count / RATE * rng.uniform(1, 5)))):
            ring = np.exp(-np.arange(800) / float(rng.uniform(30, 250)))
            tone = np.sin(2 * np.pi * float(rng.uniform(200, 3000)) * np.arange(800) / RATE) + rng.normal(0, 0.5, 800)
            made[place : place + 800] += (ring * tone)[: count - place] * float(rng.uniform(0.3, 1))
    else:
        made = np.zeros(count)
        for _ in range(int(rng.integers(3, 7))):
            if babble:
                voice = np.resize(babble[int(rng.integers(len(babble)))], count)
                made += np.roll(voice, int(rng.integers(count))) * float(rng.uniform(0.3, 1))
    return np.asarray(made, np.float32)


def microphone_gain(rng: np.random.Generator, hertz: np.ndarray) -> np.ndarray:
    """What a microphone multiplies the amplitude of each frequency with."""
    low, high = float(rng.uniform(20, 200)), float(rng.uniform(3_800, 8_000))
    gain = (hertz / 1000) ** float(rng.uniform(-0.25, 0.25))
    gain *= 1 / np.sqrt(1 + (low / hertz) ** 4) / np.sqrt(1 + (hertz / high) ** 8)
    return np.asarray(gain)


def convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """float32 [n], as long as the sound."""
    size = 1 << (len(sound) + len(response) - 1).bit_length()
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size), np.float32)[
        : len(sound)
    ]


def _coloured(rng: np.random.Generator, count: int, slope: float) -> np.ndarray:
    """Noise whose amplitude falls with frequency to the power `slope`."""
    size = 1 << max(1, count - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0)
    return np.asarray(np.fft.irfft(spectrum * frequency**slope, size)[:count])


def _music(rng: np.random.Generator, count: int) -> np.ndarray:
    """A tune with chords below it, round and round."""
    wave, beat = WAVES[int(rng.integers(len(WAVES)))], float(rng.uniform(0.15, 0.5))
    root, notes = int(rng.integers(45, 65)), []
    for step in range(8):
        notes.append(Note(root + 12 + int(rng.choice((0, 2, 4, 5, 7, 9, 11, 12))), step * beat, beat, 0.5, wave))
        if step % 4 == 0:
            notes += [
                Note(root + k + int(rng.choice((0, 5, 7))), step * beat, 4 * beat, 0.2, "sine") for k in (0, 4, 7)
            ]
    tune = resample(np.asarray(play(tuple(notes)), np.float32), PLAYED, RATE)
    return np.resize(tune, count)


def _tilted(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """A microphone: it hears some frequencies better, and none above or below what it is made for."""
    size = 1 << max(1, len(sound) - 1).bit_length()
    gain = microphone_gain(rng, np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0))
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, size) * gain.astype(np.float32), size), np.float32)[: len(sound)]
