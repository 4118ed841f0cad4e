"""The language of music: notes with pitch, start, length, loudness and waveform; and its synthesis."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import Json, Rejected, reading
from edge_runtime.media.reading import TOO_MUCH, WRONG_FORM, strict_list, strict_object
from edge_runtime.media.wav import PEAK, RATE

if TYPE_CHECKING:
    import numpy as np

WAVES = ("sine", "triangle", "square", "sawtooth")
MAX_NOTES = 64
MAX_SECONDS = 20.0
MIN_LENGTH = 0.1  # seconds: the shortest note whose pitch can be measured within a few cents
LOWEST, HIGHEST = 36, 96  # C2 to C7, as MIDI numbers: 65 to 2093 Hz
MAX_AT_ONCE = 6
TAIL = 0.1  # seconds of silence after the last note

_ATTACK, _RELEASE = 0.008, 0.03  # seconds; without them each note would click
_SUSTAIN = 0.35  # of the loudness is left at the end of a note: a repeated one can be heard to begin
_PARTIALS = 24
# Semitones above the root.
KEYS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7)}
_PITCH = re.compile(r"([A-G])([#b]?)([1-7])")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Note:
    """midi: pitch as a MIDI number (A4 = 69 = 440 Hz). start, length: seconds. loudness: 0.05 to 1."""

    midi: int
    start: float
    length: float
    loudness: float
    wave: str

    @property
    def hertz(self) -> float:
        return hertz(self.midi)

    @property
    def end(self) -> float:
        return self.start + self.length


def hertz(midi: float) -> float:
    """Equal temperament on A4 = 440 Hz (ISO 16)."""
    return 440.0 * 2 ** ((midi - 69) / 12)


def midi_of(name: str) -> int | None:
    """The number of a pitch named like "C4", "F#3" or "Bb5"; None where it isn't one."""
    found = _PITCH.fullmatch(name)
    if found is None:
        return None
    return _STEPS[found[1]] + {"": 0, "#": 1, "b": -1}[found[2]] + 12 * (int(found[3]) + 1)


def pitch_name(midi: int, *, flats: bool = False) -> str:
    """As "F#3", or "Gb3" with flats."""
    return f"{(_FLATS if flats else _NAMES)[midi % 12]}{midi // 12 - 1}"


def notes_schema() -> Json:
    """JSON Schema of a list of notes, as strict providers take it."""
    number = reading.NUMBER
    note = strict_object(
        pitch=reading.STRING, start=number, length=number, loudness=number, wave=reading.one_of(*WAVES)
    )
    return strict_list(note)


def read_notes(value: object) -> tuple[Note, ...]:
    """Notes from JSON, in the order of their starts; raises `Rejected`."""
    notes = reading.items(value, "notes", _note, MAX_NOTES, least=1)
    notes = tuple(sorted(notes, key=lambda note: (note.start, note.midi)))
    for number, note in enumerate(notes):
        together = [other for other in notes[:number] if other.end > note.start + 1e-6]
        if any(other.midi == note.midi for other in together):
            raise Rejected(
                WRONG_FORM, f"{pitch_name(note.midi)} begins at {note.start:g} s while it still sounds; end it before"
            )
        if len(together) >= MAX_AT_ONCE:
            raise Rejected(TOO_MUCH, f"more than {MAX_AT_ONCE} notes sound at {note.start:g} s")
    return notes


def write_notes(notes: tuple[Note, ...]) -> list[Json]:
    """The notes as JSON; `read_notes` reads them back."""
    return [
        {
            "pitch": pitch_name(note.midi),
            "start": _round(note.start),
            "length": _round(note.length),
            "loudness": _round(note.loudness),
            "wave": note.wave,
        }
        for note in notes
    ]


def play(notes: tuple[Note, ...]) -> np.ndarray:
    """Synthesise: float64 [n] at `RATE`, as long as the last note and `TAIL`; scaled down where it would clip."""
    import numpy as np

    seconds = max(note.end for note in notes) + TAIL
    mix = np.zeros(round(seconds * RATE))
    for note in notes:
        sound = _sound(note)
        start = round(note.start * RATE)
        mix[start : start + len(sound)] += sound[: len(mix) - start]
    peak = float(np.abs(mix).max())
    return mix * (PEAK / peak) if peak > PEAK else mix


def partials(wave: str) -> list[float]:
    """Amplitudes of a waveform's partials, the fundamental first (its Fourier series, without the signs)."""
    numbers = range(1, _PARTIALS + 1)
    match wave:
        case "sine":
            return [1.0]
        case "triangle":
            return [1 / n**2 if n % 2 else 0.0 for n in numbers]
        case "square":
            return [1 / n if n % 2 else 0.0 for n in numbers]
        case _:
            return [1 / n for n in numbers]


def _sound(note: Note) -> np.ndarray:
    import numpy as np

    count = round(note.length * RATE)
    time = np.arange(count) / RATE
    sound = np.zeros(count)
    for number, amplitude in enumerate(partials(note.wave), start=1):
        if amplitude and number * note.hertz < 0.45 * RATE:
            sound += amplitude * np.sin(2 * np.pi * number * note.hertz * time)
    rise = np.minimum(1.0, time / _ATTACK)
    fall = np.minimum(1.0, (note.length - time) / min(_RELEASE, note.length / 4))
    return 0.5 * note.loudness * sound * rise * np.maximum(0.0, fall) * _SUSTAIN ** (time / note.length)


def _note(value: object, where: str) -> Note:
    found = reading.fields(value, where, ("pitch", "start", "length", "loudness", "wave"))
    midi = midi_of(reading.text(found["pitch"], f"{where}.pitch", 3))
    if midi is None or not LOWEST <= midi <= HIGHEST:
        low, high = pitch_name(LOWEST), pitch_name(HIGHEST)
        raise Rejected(WRONG_FORM, f'{where}.pitch must be a name like "C4", "F#3" or "Bb5", from {low} to {high}')
    start = reading.number(found["start"], f"{where}.start", 0, MAX_SECONDS)
    length = reading.number(found["length"], f"{where}.length", MIN_LENGTH, MAX_SECONDS)
    if start + length > MAX_SECONDS:
        raise Rejected(TOO_MUCH, f"{where} ends at {start + length:g} s; at most {MAX_SECONDS:g} s are allowed")
    loudness = reading.number(found["loudness"], f"{where}.loudness", 0.05, 1)
    return Note(midi, start, length, loudness, reading.choice(found["wave"], f"{where}.wave", WAVES))


def _round(value: float) -> float | int:
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def cents(one: float, other: float) -> float:
    """How far a frequency is above another, in hundredths of a semitone."""
    return 1200 * math.log2(one / other)
