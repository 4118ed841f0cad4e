"""Samples music: a kind of tune with its key, tempo and sound, the words that ask for it, and its notes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.media.notes import CHORDS, KEYS, WAVES, Note, pitch_name
from trainer_host.media.music_facts import (
    ROOTS,
    Chords,
    Contour,
    Dynamics,
    EndsOn,
    InKey,
    MusicFact,
    Notes,
    Played,
    StartsOn,
    Tempo,
    Tune,
    contour_of,
    root_of,
)
from trainer_host.media.picture_words import NUMBERS

KINDS = ("scale", "arpeggio", "tune", "melody", "beat", "chords")
_TEMPOS = (60, 72, 80, 90, 100, 110, 120, 132, 144, 160, 180)
_PROGRESSIONS = {
    "major": ((0, "major"), (5, "major"), (7, "major"), (9, "minor")),
    "minor": ((0, "minor"), (5, "minor"), (7, "minor"), (8, "major")),
}


@dataclass(frozen=True)
class Sample:
    """What is asked, and notes that sound so."""

    kind: str
    difficulty: float
    request: str
    facts: tuple[MusicFact, ...]
    notes: tuple[Note, ...]


def sample(rng: random.Random) -> Sample:
    """One piece of music; one note or chord begins on each beat."""
    kind = rng.choice(KINDS)
    root, mode, wave, tempo = rng.choice(ROOTS), rng.choice([*KEYS]), rng.choice(WAVES), rng.choice(_TEMPOS)
    facts: list[MusicFact] = []
    if kind == "chords":
        names = progression(rng, root, mode)
        groups = [chord(name) for name in names]
        facts += [Chords(tuple(names))]
        body = f"the chords {', '.join(names)}, one after the other"
        difficulty = 0.7
    else:
        pitches, body, difficulty = _line(rng, kind, root, mode)
        groups = [[pitch] for pitch in pitches]
        facts += [Notes(len(pitches)), StartsOn(pitch_name(pitches[0]))]
        if kind == "tune":
            facts.append(Tune(tuple(map(pitch_name, pitches))))
        if kind in ("scale", "arpeggio", "melody"):
            facts.append(InKey(root, mode))
        contour = contour_of(pitches)
        if contour is not None and kind != "tune":
            facts.append(Contour(contour))
        if kind == "melody":
            facts.append(EndsOn(pitch_name(pitches[-1])))
    facts += [Tempo(tempo), Played(wave)]
    dynamics = rng.choice(("even", "even", "louder", "softer")) if len(groups) > 3 else "even"
    tail = ""
    if dynamics != "even":
        facts.append(Dynamics(dynamics))
        tail = rng.choice(_GETS[dynamics])
        difficulty += 0.1
    said = rng.choice(
        (
            f"{rng.choice(_OPENINGS)} {body}, at {tempo} beats a minute, one on each beat, {_on(wave, rng)}{tail}.",
            f"{rng.choice(_OPENINGS)} {body}, {_on(wave, rng)}{tail}. Tempo {tempo}, one on each beat.",
        )
    )
    notes = played(groups, 60 / tempo, wave, dynamics, rng.uniform(0.6, 0.95))
    return Sample(kind, min(1.0, difficulty), said, tuple(facts), notes)


_OPENINGS = ("Play", "Please play", "I'd like to hear", "Make", "Compose", "Sound")
_GETS = {
    "louder": (", getting louder and louder", ", from soft to loud", ", with a crescendo"),
    "softer": (", getting softer and softer", ", from loud to soft", ", with a diminuendo"),
}


def _on(wave: str, rng: random.Random) -> str:
    return rng.choice((f"with {'a' if wave != 'sine' else 'a pure'} {wave} wave", f"as {wave} waves"))


def scale(root: str, mode: str, low: int, high: int) -> list[int]:
    """The pitches of a key from `low` to `high`."""
    steps = {(root_of(root) + step) % 12 for step in KEYS[mode]}
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in steps]


def _line(rng: random.Random, kind: str, root: str, mode: str) -> tuple[list[int], str, float]:
    """Pitches one after the other, the words for them, and how hard they are."""
    start = 12 * rng.randint(4, 6) + root_of(root)
    flats = in_flats(root, mode)
    match kind:
        case "scale":
            up = scale(root, mode, start, start + 12)[: rng.choice((5, 6, 8))]
            contour, pitches = rng.choice(
                (("rising", up), ("falling", up[::-1]), ("rising and then falling", [*up, *up[-2::-1]]))
            )
            words = f"a {contour} {root} {mode} scale of {_count(len(pitches), rng)} notes that starts on {pitch_name(pitches[0], flats=flats)}"
            return pitches, words, 0.2
        case "arpeggio":
            chord = [start + step for step in CHORDS[mode]] + [start + 12]
            contour, pitches = rng.choice(
                (("rising", chord), ("falling", chord[::-1]), ("rising and then falling", [*chord, *chord[-2::-1]]))
            )
            words = f"a {contour} {root} {mode} arpeggio of {_count(len(pitches), rng)} notes from {pitch_name(pitches[0], flats=flats)}"
            return pitches, words, 0.3
        case "tune":
            around = scale(root, mode, start - 3, start + 12)
            pitches = [rng.choice(around) for _ in range(rng.randint(3, 8))]
            return pitches, f"the notes {' '.join(map(pitch_name, pitches))}", 0.1 + 0.03 * len(pitches)
        case "melody":
            steps = scale(root, mode, start - 5, start + 12)
            at = steps.index(start)
            pitches = [start]
            for _ in range(rng.randint(4, 9)):
                at = max(0, min(len(steps) - 1, at + rng.choice((-2, -1, -1, 1, 1, 2))))
                pitches.append(steps[at])
            pitches.append(start)
            name = pitch_name(start, flats=flats)
            words = f"a melody of {_count(len(pitches), rng)} notes in {root} {mode} that starts and ends on {name}"
            turns = {"arch": ", first rising, then falling", "valley": ", first falling, then rising"}
            return pitches, words + turns.get(contour_of(pitches) or "", ""), 0.5
        case _:
            count, first = rng.randint(3, 10), pitch_name(start)
            words = rng.choice(
                (f"{first} {_count(count, rng)} times", f"{_count(count, rng)} equal notes, all {first}")
            )
            return [start] * count, words, 0.0


def in_flats(root: str, mode: str) -> bool:
    """Whether a key is written with flats (the circle of fifths)."""
    return root.endswith("b") or root == "F" or (mode == "minor" and root in ("C", "D", "G"))


def _count(count: int, rng: random.Random) -> str:
    return rng.choice((NUMBERS[count], str(count))) if count < len(NUMBERS) else str(count)


def progression(rng: random.Random, root: str, mode: str) -> list[str]:
    """Two to four chords of a key, its own first."""
    home = root_of(root)
    chords = [f"{ROOTS[(home + step) % 12]} {kind}" for step, kind in _PROGRESSIONS[mode]]
    return [chords[0], *(rng.choice(chords[1:]) for _ in range(rng.randint(1, 3)))]


def chord(name: str) -> list[int]:
    """In close position around C4: low enough to sound full, high enough to be told apart."""
    root, mode = name.split()
    base = 60 + root_of(root) - (12 if root_of(root) > 6 else 0)
    return [base + step for step in CHORDS[mode]]


def played(groups: Sequence[list[int]], beat: float, wave: str, dynamics: str, share: float) -> tuple[Note, ...]:
    """One group on each beat, sounding for a share of it."""
    notes = []
    last = max(1, len(groups) - 1)
    for number, pitches in enumerate(groups):
        along = number / last
        loudness = {"louder": 0.12 + 0.68 * along, "softer": 0.8 - 0.68 * along}.get(dynamics, 0.6)
        loudness /= len(pitches) ** 0.5
        for pitch in pitches:
            length = max(0.12, share * beat)
            notes.append(Note(pitch, round(number * beat, 4), round(length, 4), round(loudness, 3), wave))
    return tuple(notes)
