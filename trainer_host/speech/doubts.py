"""Recordings whose label may be wrong: one that sounds unlike the others of the phrase, or another that sounds like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import Frontend
from trainer_host.speech.kinds import PHRASE
from trainer_host.speech.recordings import Recording, Recordings, spoken_part

_FRAMES = 24  # that each spoken part is stretched or squeezed to
_LEAST = 8  # recordings of the phrase, to know how alike they are
_NEAREST = 3
_LONGEST = 1.8  # seconds of another recording's speech that could be the phrase
_FAR = 3.0  # times the usual spread (median absolute deviation) below the median


@dataclass(frozen=True)
class Doubt:
    """A file to listen to again, and why."""

    file: str
    label: str
    why: str


def doubts(recordings: Recordings) -> list[Doubt]:
    """What to listen to again. Cheap, and blunt: it knows how sounds follow each other, no words."""
    made = [
        Doubt(other, "phrase and other", f"the same sound as {one}, under another label")
        for one, other in recordings.torn
    ]
    said = [one for one in recordings.kept if one.kind == PHRASE]
    if len(said) < _LEAST:
        return made
    known = np.stack([_look(one.samples) for one in said])
    alike = known @ known.T
    np.fill_diagonal(alike, -1)
    near = _nearest(alike)
    middle = float(np.median(near))
    spread = max(float(np.median(np.abs(near - middle))), 0.01)
    made += [
        Doubt(one.file, "phrase", "sounds unlike the other recordings of the phrase")
        for one, likeness in zip(said, near, strict=True)
        if likeness < middle - _FAR * spread
    ]
    others = [(one, look) for one in recordings.kept if one.kind != PHRASE and (look := _short(one)) is not None]
    if others:
        close = _nearest(np.stack([look for _, look in others]) @ known.T)
        made += [
            Doubt(one.file, "other", "sounds like the phrase")
            for (one, _), likeness in zip(others, close, strict=True)
            if likeness >= middle - spread
        ]
    return made


def _nearest(alike: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sort(alike, 1)[:, -_NEAREST:].mean(1)
    return found


def _short(one: Recording) -> np.ndarray | None:
    part = spoken_part(one.samples)
    if part is None or part[1] - part[0] > _LONGEST * RATE:
        return None
    return _look(one.samples[part[0] : part[1]])


def _look(samples: np.ndarray) -> np.ndarray:
    """float32 [n], length 1: what is heard in `_FRAMES` moments of a sound, its bands' means taken away."""
    frames = Frontend().feed(np.pad(samples, RATE // 20))
    at = np.linspace(0, len(frames) - 1, _FRAMES)
    low = at.astype(int)
    high = np.minimum(low + 1, len(frames) - 1)
    share = (at - low)[:, None].astype(np.float32)
    look = frames[low] * (1 - share) + frames[high] * share
    look = (look - look.mean(0)).reshape(-1)
    made: np.ndarray = look / max(float(np.linalg.norm(look)), 1e-6)
    return made
