"""Statements about sounds: those about music and those about speech, as JSON, and whether they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from edge_runtime.media import reading
from edge_runtime.media.notes import CHORDS, KEYS, MAX_NOTES, WAVES, midi_of, pitch_name
from edge_runtime.media.speech import MAX_TEXT, VOICES
from trainer_host.media import music_facts, speech_facts
from trainer_host.media.hearing import Heard
from trainer_host.media.music_facts import (
    CONTOURS,
    DYNAMICS,
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
)
from trainer_host.media.speech_facts import (
    EMOTIONS,
    LEVELS,
    Emotion,
    Length,
    Manner,
    Mentions,
    Says,
    SpeechFact,
    Spoken,
    SpokenBy,
)
from trainer_host.tasks import Json, Rejected

MAX_FACTS = 24

Fact = MusicFact | SpeechFact
Sound = tuple[Heard, ...] | Spoken

# Each fact's name in JSON, and the reason that is counted where it doesn't hold.
_NAMES: dict[str, tuple[type[Fact], str]] = {
    "notes": (Notes, "wrong count"),
    "tune": (Tune, "wrong tune"),
    "key": (InKey, "wrong key"),
    "contour": (Contour, "wrong contour"),
    "starts on": (StartsOn, "wrong start"),
    "ends on": (EndsOn, "wrong end"),
    "tempo": (Tempo, "wrong tempo"),
    "dynamics": (Dynamics, "wrong dynamics"),
    "played": (Played, "wrong sound"),
    "chords": (Chords, "wrong chords"),
    "says": (Says, "wrong words"),
    "mentions": (Mentions, "missing word"),
    "length": (Length, "wrong length"),
    "spoken by": (SpokenBy, "wrong voice"),
    "emotion": (Emotion, "wrong emotion"),
    "manner": (Manner, "wrong manner"),
}


def write_fact(fact: Fact) -> Json:
    """A fact as JSON."""
    name = next(name for name, (made, _) in _NAMES.items() if isinstance(fact, made))
    values = asdict(fact)
    return {"fact": name, **{key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}}


def read_facts(value: object, where: str = "shows") -> tuple[Fact, ...]:
    """Facts from JSON; raises `Rejected`."""
    return reading.items(value, where, _read_fact, MAX_FACTS)


def unmet(facts: Sequence[Fact], sound: Sound) -> list[Rejected]:
    """The facts that don't hold, each with its sentence."""
    found = []
    for fact in facts:
        if isinstance(fact, SpeechFact) != isinstance(sound, Spoken):
            kind = "speech" if isinstance(fact, SpeechFact) else "music"
            found.append(Rejected("wrong kind", f"{kind} was asked for; write a program of that kind"))
        elif sentence := _problem(fact, sound):
            found.append(Rejected(next(reason for made, reason in _NAMES.values() if isinstance(fact, made)), sentence))
    return found


def _problem(fact: Fact, sound: Sound) -> str | None:
    if isinstance(fact, SpeechFact):
        assert isinstance(sound, Spoken)
        return speech_facts.problem(fact, sound)
    assert not isinstance(sound, Spoken)
    return music_facts.problem(fact, sound)


def facts_of(sound: Sound) -> tuple[Fact, ...]:
    """What a sound shows for certain, for sounds that say nothing: its pitches, or its words and how they are said."""
    if isinstance(sound, Spoken):
        manners = [Manner(of, speech_facts.level_of(of, sound)) for of in LEVELS]
        return (Says(sound.words.text), SpokenBy(sound.words.voice), *manners)
    wave = Counter(note.wave for note in sound).most_common(1)[0][0]
    return Notes(len(sound)), Tune(tuple(pitch_name(note.nearest) for note in sound)), Played(wave)


_QUOTED = re.compile(r"[\"“]([^\"”]{3,})[\"”]")
_NAMED = re.compile(r"\b[A-G][#b]?[1-7]\b")


def said(prompt: str, sound: Sound) -> None:
    """Compare a prompt's words with a sound: quoted words must be spoken, named pitches heard; raises `Rejected`."""
    if isinstance(sound, Spoken):
        spoken = " ".join(speech_facts.words_of(sound.words.text))
        for quoted in _QUOTED.findall(prompt):
            if " ".join(speech_facts.words_of(quoted)) not in spoken:
                raise Rejected("not as asked", f"the prompt wants '{quoted[:60]}' to be said, but it isn't")
        return
    pitches = {note.nearest for note in sound}
    for name in _NAMED.findall(prompt):
        if midi_of(name) not in pitches:
            raise Rejected("not as asked", f"the prompt speaks of {name}, but that can't be heard")


def _read_fact(value: object, where: str) -> Fact:
    name = reading.choice(value.get("fact") if isinstance(value, dict) else None, f"{where}.fact", _NAMES)
    made = _NAMES[name][0]
    found = reading.fields(value, where, ("fact", *made.__dataclass_fields__))
    return made(**{key: _READ[key](found[key], f"{where}.{key}") for key in made.__dataclass_fields__})  # type: ignore[arg-type]


def _pitch(value: object, where: str) -> str:
    name = reading.text(value, where, 3)
    if midi_of(name) is None:
        raise Rejected(reading.WRONG_FORM, f"{where} must be a pitch like C4, F#3 or Bb5")
    return name


def _one_of(choices: Collection[str]) -> Callable[[object, str], str]:
    return lambda value, where: reading.choice(value, where, choices)


def _between(low: int, high: int) -> Callable[[object, str], int]:
    return lambda value, where: reading.integer(value, where, low, high)


_CHORD_NAMES = [f"{root} {mode}" for root in ROOTS for mode in CHORDS]
_READ: dict[str, Callable[[object, str], object]] = {
    "count": _between(1, MAX_NOTES),
    "pitches": lambda value, where: reading.items(value, where, _pitch, MAX_NOTES, 1),
    "root": _one_of(ROOTS),
    "mode": _one_of(KEYS),
    "contour": _one_of(CONTOURS),
    "pitch": _pitch,
    "tempo": _between(20, 600),
    "dynamics": _one_of(DYNAMICS),
    "wave": _one_of(WAVES),
    "chords": lambda value, where: reading.items(value, where, _one_of(_CHORD_NAMES), 16, 1),
    "text": lambda value, where: reading.text(value, where, MAX_TEXT),
    "word": lambda value, where: reading.text(value, where, 24),
    "least": _between(1, 40),
    "most": _between(1, 40),
    "voice": _one_of(VOICES),
    "emotion": _one_of(EMOTIONS),
    "of": _one_of(LEVELS),
    "level": _one_of([level for levels in LEVELS.values() for level in levels]),
}
