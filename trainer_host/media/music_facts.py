"""Statements about music ("rising", "in D minor", "at 120 beats a minute"), each checked on the notes that are heard."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.media.notes import CHORDS, KEYS, midi_of, pitch_name
from trainer_host.media.hearing import Heard

ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
CONTOURS = ("rising", "falling", "arch", "valley", "level")
DYNAMICS = ("louder", "softer", "even")
SWELL = 6.0  # decibels from the first notes to the last
TEMPO_OFF = 0.05
TOGETHER = 0.03  # seconds: notes that begin within it are one chord


@dataclass(frozen=True)
class Notes:
    """How many notes."""

    count: int


@dataclass(frozen=True)
class Tune:
    """The pitches one after the other."""

    pitches: tuple[str, ...]


@dataclass(frozen=True)
class InKey:
    """All notes belong to a scale."""

    root: str
    mode: str


@dataclass(frozen=True)
class Contour:
    """How the pitches go: up, down, up and down, down and up, or all the same."""

    contour: str


@dataclass(frozen=True)
class StartsOn:
    """The first pitch."""

    pitch: str


@dataclass(frozen=True)
class EndsOn:
    """The last pitch."""

    pitch: str


@dataclass(frozen=True)
class Tempo:
    """Beats a minute, where one note (or chord) begins on each beat."""

    tempo: int


@dataclass(frozen=True)
class Dynamics:
    """How the loudness goes."""

    dynamics: str


@dataclass(frozen=True)
class Played:
    """The waveform of most notes."""

    wave: str


@dataclass(frozen=True)
class Chords:
    """Chords one after the other, as in "C major": root and mode, each note of it sounding once or more."""

    chords: tuple[str, ...]


MusicFact = Notes | Tune | InKey | Contour | StartsOn | EndsOn | Tempo | Dynamics | Played | Chords


def problem(fact: MusicFact, notes: Sequence[Heard]) -> str | None:
    """Why a fact doesn't hold, as a sentence; None where it does."""
    pitches = [note.nearest for note in notes]
    match fact:
        case Notes():
            if len(notes) != fact.count:
                return f"{fact.count} notes must sound, but {len(notes)} do"
        case Tune():
            if pitches != [midi_of(name) for name in fact.pitches]:
                return f"the pitches must be {' '.join(fact.pitches)}, but are {' '.join(map(pitch_name, pitches))}"
        case InKey():
            scale = {(root_of(fact.root) + step) % 12 for step in KEYS[fact.mode]}
            outside = [pitch_name(pitch) for pitch in pitches if pitch % 12 not in scale]
            if outside:
                return f"{outside[0]} doesn't belong to {fact.root} {fact.mode}"
        case Contour():
            if contour_of(pitches) != fact.contour:
                return f"the pitches must be {_CONTOUR[fact.contour]}, but are {' '.join(map(pitch_name, pitches))}"
        case StartsOn():
            if pitches[0] != midi_of(fact.pitch):
                return f"the first note must be {fact.pitch}, not {pitch_name(pitches[0])}"
        case EndsOn():
            if pitches[-1] != midi_of(fact.pitch):
                return f"the last note must be {fact.pitch}, not {pitch_name(pitches[-1])}"
        case Tempo():
            return _tempo(fact, notes)
        case Dynamics():
            change = _swell(notes)
            if _dynamics(change) != fact.dynamics:
                wanted = {"louder": f"at least {SWELL:g} dB louder", "softer": f"at least {SWELL:g} dB softer"}
                return f"the end must be {wanted.get(fact.dynamics, 'as loud')} as the start, but differs by {change:+.1f} dB"
        case Played():
            wave, count = Counter(note.wave for note in notes).most_common(1)[0]
            if wave != fact.wave or 2 * count <= len(notes):
                return f"the notes must be {fact.wave} waves, but sound like {wave}"
        case Chords():
            return _chords(fact, notes)
    return None


_CONTOUR = {
    "rising": "each higher than the one before",
    "falling": "each lower than the one before",
    "arch": "rising to the highest and then falling",
    "valley": "falling to the lowest and then rising",
    "level": "all the same",
}


def root_of(name: str) -> int:
    """A root's place in the octave, 0 for C."""
    return (midi_of(f"{name}4") or 0) % 12


def contour_of(pitches: Sequence[int]) -> str | None:
    """One of `CONTOURS`; None where the pitches go another way."""
    steps = [after - before for before, after in itertools.pairwise(pitches)]
    if all(step == 0 for step in steps):
        return "level"
    if all(step > 0 for step in steps):
        return "rising"
    if all(step < 0 for step in steps):
        return "falling"
    turn = next((number for number, step in enumerate(steps) if (step > 0) != (steps[0] > 0)), 0)
    if 0 not in steps and all((step > 0) != (steps[0] > 0) for step in steps[turn:]):
        return "arch" if steps[0] > 0 else "valley"
    return None


def onsets(notes: Sequence[Heard]) -> list[float]:
    """When something begins: each note, or each chord once."""
    times = sorted(note.onset for note in notes)
    return [time for number, time in enumerate(times) if not number or time - times[number - 1] > TOGETHER]


def _tempo(fact: Tempo, notes: Sequence[Heard]) -> str | None:
    gaps = [after - before for before, after in itertools.pairwise(onsets(notes))]
    beat = 60 / fact.tempo
    # A wrong gap must not hide behind right ones; 20 ms is what an onset can be off.
    wrong = [gap for gap in gaps if abs(gap - beat) > max(0.02, TEMPO_OFF * beat)]
    if wrong or not gaps:
        found = f"one is {wrong[0]:.3f} s" if wrong else "there is one beat only"
        return f"at {fact.tempo} beats a minute the beats are {beat:.3f} s apart, but {found}"
    return None


def _swell(notes: Sequence[Heard]) -> float:
    """Decibels from the first two to the last two notes."""
    first, last = notes[:2], notes[-2:]
    return sum(note.level for note in last) / len(last) - sum(note.level for note in first) / len(first)


def _dynamics(change: float) -> str | None:
    if abs(change) < SWELL / 2:
        return "even"
    return None if abs(change) < SWELL else "louder" if change > 0 else "softer"


def _chords(fact: Chords, notes: Sequence[Heard]) -> str | None:
    times = onsets(notes)
    if len(times) != len(fact.chords):
        return f"{len(fact.chords)} chords must sound, but {len(times)} do"
    for time, name in zip(times, fact.chords, strict=True):
        sounding = {note.nearest % 12 for note in notes if 0 <= note.onset - time <= TOGETHER}
        root, mode = name.split()
        if sounding != {(root_of(root) + step) % 12 for step in CHORDS[mode]}:
            return f"the chord at {time:.2f} s must be {name}"
    return None
