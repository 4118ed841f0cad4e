"""Statements about speech ("said sadly", "by a woman"), each checked on what is heard beside the same words said plainly."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge_runtime.media.sound_words import EMOTIONS
from edge_runtime.media.speech import Utterance
from trainer_host.media.hearing import Voice

LEVELS = {
    "rate": ("slow", "normal", "fast"),
    "pitch": ("low", "normal", "high"),
    "loudness": ("soft", "normal", "loud"),
}
# What counts as more and as less, beside the same words said plainly: times as fast, semitones, decibels.
MORE = {"rate": 1.12, "pitch": 1.5, "loudness": 3.0}
LESS = {"rate": 0.9, "pitch": -1.5, "loudness": -3.0}
OCTAVE_APART = 160.0  # hertz, between the two voices said plainly


@dataclass(frozen=True)
class Spoken:
    """Speech that was heard, and the same words and voice without expression."""

    words: Utterance
    voice: Voice
    plain: Voice


@dataclass(frozen=True)
class Says:
    """Exactly these words."""

    text: str


@dataclass(frozen=True)
class Mentions:
    """A word that is said."""

    word: str


@dataclass(frozen=True)
class Length:
    """How many words are said."""

    least: int
    most: int


@dataclass(frozen=True)
class SpokenBy:
    """Whose voice."""

    voice: str


@dataclass(frozen=True)
class Emotion:
    """The feeling, by pace, pitch and loudness."""

    emotion: str


@dataclass(frozen=True)
class Manner:
    """One side of how it is said, and how much."""

    of: str
    level: str


SpeechFact = Says | Mentions | Length | SpokenBy | Emotion | Manner


def problem(fact: SpeechFact, sound: Spoken) -> str | None:
    """Why a fact doesn't hold, as a sentence; None where it does."""
    words = words_of(sound.words.text)
    match fact:
        case Says():
            if words != words_of(fact.text):
                return f"it must say exactly: {fact.text}"
        case Mentions():
            if fact.word not in words:
                return f"the word '{fact.word}' must be said"
        case Length():
            if not fact.least <= len(words) <= fact.most:
                return f"it must be {fact.least} to {fact.most} words long, but is {len(words)}"
        case SpokenBy():
            heard = "man" if sound.plain.hertz < OCTAVE_APART else "woman"
            if heard != fact.voice:
                return f"a {fact.voice} must speak, but a {heard} does"
        case Emotion():
            for of, wanted in zip(LEVELS, EMOTIONS[fact.emotion], strict=True):
                sentence = _manner(of, LEVELS[of][wanted + 1], sound)
                if sentence is not None:
                    return f"to sound {fact.emotion}, {sentence}"
        case Manner():
            return _manner(fact.of, fact.level, sound)
    return None


def level_of(of: str, sound: Spoken) -> str:
    """One of `LEVELS[of]`, by comparison with the same words said plainly."""
    less, normal, more = LEVELS[of]
    change = _change(of, sound)
    return more if change >= MORE[of] else less if change <= LESS[of] else normal


def _change(of: str, sound: Spoken) -> float:
    """Times as fast, semitones above, decibels above the plain way."""
    match of:
        case "rate":
            return sound.plain.seconds / sound.voice.seconds
        case "pitch":
            return 12 * math.log2(sound.voice.hertz / sound.plain.hertz)
        case _:
            return sound.voice.level - sound.plain.level


_SHOWN = {"rate": "{:.2f} times as fast", "pitch": "{:+.1f} semitones", "loudness": "{:+.1f} dB"}


def _manner(of: str, wanted: str, sound: Spoken) -> str | None:
    found = level_of(of, sound)
    if found == wanted:
        return None
    shown = _SHOWN[of].format(_change(of, sound))
    return f"the {of} must be {wanted}, but is {found} ({shown} beside the plain way)"


def words_of(text: str) -> list[str]:
    """The words of a sentence in small letters."""
    return re.findall(r"[a-z0-9']+", text.lower())
