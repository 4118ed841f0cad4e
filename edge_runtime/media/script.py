"""What a voice's network is given: sounds with their places in words and phrases, letters of unknown words, frames of sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.media.spoken import MARKS, Phrase

PAUSE = "pau"
SOUNDS = 96  # of a script, at most
MARKED = 8  # values beside a sound
LETTERS = 128  # of unknown words at once
LONGEST = 24  # letters of a word's piece
GAP = 4  # places between words, so that none sees its neighbour
ALPHABET = "abcdefghijklmnopqrstuvwxyz'"
FRAMES = 256  # steps at once
STEP = 2  # frames of the vocoder in a step of 10 ms
MARGIN = 12  # steps that a step may see on each side
INNER = 4  # values of a step's place in its sound
LINKED = "_"  # behind a word in a lexicon: how it is said before a vowel, as "the" is
_FAR = 24  # sounds: what lies farther from a pause is as far
_STEPS = (1, 80)  # of one sound


@dataclass(frozen=True)
class Script:
    """Sounds, the word each is of (-1: a pause), and the marks of the pauses behind the phrases, in their order."""

    sounds: tuple[str, ...]
    owners: tuple[int, ...]
    marks: tuple[str, ...]


def is_vowel(sound: str) -> bool:
    """Of the sounds of English, whose vowels alone are written with a vowel's letter first."""
    return sound[0] in "aeiou"


def linked(words: Sequence[str], said: Mapping[str, Sequence[str]]) -> list[Sequence[str]]:
    """The sounds of a phrase's words, those before a vowel as the lexicon has them with `LINKED` behind."""
    own = [said[word] for word in words]
    for number, word in enumerate(words[:-1]):
        if word + LINKED in said and is_vowel(own[number + 1][0]):
            own[number] = said[word + LINKED]
    return own


def scripts(phrases: Sequence[Phrase], said: Mapping[str, Sequence[str]]) -> Iterator[Script]:
    """A sentence in pieces of at most `SOUNDS`, parted between phrases where that goes, else between words."""
    sounds, owners = [PAUSE], [-1]
    marks: list[str] = []
    words = 0

    def taken() -> Script:
        made = Script(tuple(sounds), tuple(owners), tuple(marks))
        sounds[:], owners[:] = [PAUSE], [-1]
        marks.clear()
        return made

    for phrase in phrases:
        every = linked(phrase.words, said)
        if len(sounds) > 1 and len(sounds) + sum(map(len, every)) + 1 > SOUNDS:
            yield taken()
        for own in every:
            own = own[: SOUNDS - 2]
            if len(sounds) + len(own) + 1 > SOUNDS:
                sounds.append(PAUSE)
                owners.append(-1)
                marks.append(",")
                yield taken()
            sounds += own
            owners += [words] * len(own)
            words += 1
        sounds.append(PAUSE)
        owners.append(-1)
        marks.append(phrase.mark)
    if len(sounds) > 1:
        yield taken()


def marked(script: Script) -> np.ndarray:
    """float32 [sounds, MARKED]: where each sound lies in its word and its phrase, and how that ends."""
    count = len(script.sounds)
    made = np.zeros((count, MARKED), np.float32)
    pauses = [place for place, sound in enumerate(script.sounds) if sound == PAUSE]
    for place, owner in enumerate(script.owners):
        if owner < 0:
            continue
        first = place == 0 or script.owners[place - 1] != owner
        last = place == count - 1 or script.owners[place + 1] != owner
        made[place, :2] = first, last
        made[place, 2] = script.owners.count(owner) / 10
    behind = [place for place in pauses if place > 0]
    for number, end in enumerate(behind):
        begin = pauses[pauses.index(end) - 1] if pauses.index(end) else 0
        mark = script.marks[number] if number < len(script.marks) else ","
        within = np.arange(begin + 1, end + 1)
        made[within, 3] = np.minimum(within - begin, _FAR) / _FAR
        made[within, 4] = np.minimum(end - within, _FAR) / _FAR
        made[within, 5 + MARKS.index(mark)] = 1
    return made


def steps_of(lengths: np.ndarray) -> np.ndarray:
    """Log lengths of sounds in steps -> whole steps int64 [sounds], whose sum is that of the lengths."""
    plain = np.clip(np.exp(np.clip(lengths.astype(np.float64), -3, 6)), *_STEPS)
    ends = np.round(np.cumsum(plain)).astype(np.int64)
    made: np.ndarray = np.maximum(np.diff(ends, prepend=0), 1)
    return made


def placed(told: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """What the network tells of each sound [sounds, width], and its steps -> float32 [all steps, width + INNER]."""
    sound = np.repeat(np.arange(len(steps)), steps)
    since = np.arange(len(sound)) - np.repeat(np.cumsum(steps) - steps, steps)
    size = steps[sound]
    inner = np.stack(
        [(since + 0.5) / size, np.minimum(since, 10) / 10, np.minimum(size - 1 - since, 10) / 10, np.log(size) / 3], 1
    )
    return np.concatenate([told[sound], inner], 1).astype(np.float32)


def windows(count: int) -> Iterator[tuple[int, int, int, int]]:
    """How `count` steps are asked for, at most `FRAMES` at once: first and end of what is given, and of what is kept of it."""
    begin = 0
    while begin < count:
        first = max(0, begin - MARGIN)
        end = min(count, first + FRAMES)
        kept = count if end == count else end - MARGIN
        yield first, end, begin, kept
        begin = kept


def lettered(words: Sequence[str]) -> Iterator[tuple[np.ndarray, list[tuple[str, int, int]]]]:
    """Rows int32 [1, LETTERS] of letters (0: none), and of each the words' pieces with their first place and end."""
    places: list[tuple[str, int, int]] = []
    row, at = np.zeros((1, LETTERS), np.int32), 0
    for word in words:
        for begin in range(0, len(word), LONGEST):
            piece = word[begin : begin + LONGEST]
            if at + len(piece) > LETTERS:
                yield row, places
                row, places, at = np.zeros((1, LETTERS), np.int32), [], 0
            row[0, at : at + len(piece)] = [ALPHABET.index(letter) + 1 for letter in piece]
            places.append((word, at, at + len(piece)))
            at += len(piece) + GAP
    if places:
        yield row, places
