"""The phrase that wakes a device, and what sounds nearly like it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from trainer_host.errors import DataError
from trainer_host.speech.texts import CONSONANTS, VOWELS, WORDS, sentence

LEAST_PHONEMES, MOST_WORDS, MOST_LETTERS = 5, 5, 40
# espeak-ng's phonemes of English, the longest first, so that "tS" is one.
_PHONEME = re.compile(
    r"aI@|aI3|aU@|i@3|eI|aI|aU|oU|OI|i:|u:|A:|O:|3:|A@|e@|i@|O@|o@|U@|@L|@2|tS|dZ|I2|a#|I#|0#|E2|t#|[a-zA-Z@03]"
)
# Sounds of one kind are mistaken for each other by people too; a near miss changes the kind, or two sounds.
_KINDS = ("ptk", "bdg", "fTsSh", "vDzZ", "mnN", "lrjw", ("tS", "dZ"))
_VOWEL_KINDS = (
    ("i:", "I", "I2", "eI", "i", "E", "e@", "I#"),
    ("a", "aI", "aU", "a#", "aa"),
    ("A:", "0", "O:", "V", "O@", "A@", "0#"),
    ("oU", "OI", "o@"),
    ("u:", "U"),
    ("3:", "3", "@", "@L", "@2"),
)
_TRIES = 50


def checked_phrase(text: str) -> str:
    """The phrase in small letters; raises `DataError` for what can't be said, or is too short or long to listen for."""
    phrase = " ".join(text.lower().split())
    if not re.fullmatch(r"[a-z][a-z' ]*", phrase):
        raise DataError('A wake phrase has English words in plain letters, as in "hey robot"; write numbers as words.')
    if len(phrase.split()) > MOST_WORDS or len(phrase) > MOST_LETTERS:
        raise DataError(f"A wake phrase has at most {MOST_WORDS} words and {MOST_LETTERS} letters; take a shorter one.")
    return phrase


def check_sounds(phrase: str, phonemes: str) -> None:
    """Raise `DataError` for a phrase that everyday talk is full of."""
    count = len(_PHONEME.findall(phonemes))
    if count < LEAST_PHONEMES:
        raise DataError(
            f"'{phrase}' has {count} sounds; a wake phrase needs {LEAST_PHONEMES} or more, or any talk would hold it. "
            'Put a word before it, as in "hey robot".'
        )


def altered(rng: np.random.Generator, phonemes: str) -> str:
    """The phrase with sounds changed so far that it is another one, in espeak-ng's phonemes between brackets."""
    tokens = re.findall(rf"{_PHONEME.pattern}|.", phonemes)
    places = [place for place, token in enumerate(tokens) if _kind(token) is not None]
    for _ in range(_TRIES):
        made = list(tokens)
        first = int(rng.choice(places))
        made[first] = _other(rng, tokens[first])
        for place in rng.permutation(places)[: int(rng.integers(1, 4))]:
            made[int(place)] = "" if rng.random() < 0.3 else _other(rng, tokens[int(place)])
        if sum(a != b for a, b in zip(made, tokens, strict=True)) >= 2:
            return f"[[{''.join(made)}]]"
    return f"[[{''.join(reversed(tokens))}]]"


def near_words(phrase: str, phonemes: Sequence[str]) -> dict[str, list[str]]:
    """For each word of the phrase, words that sound most like it. phonemes: of the phrase's words, then of `WORDS`."""
    words = phrase.split()
    sounds = [_PHONEME.findall(text) for text in phonemes]
    vocabulary = list(zip(WORDS, sounds[len(words) :], strict=True))
    found = {}
    for word, own in zip(words, sounds, strict=False):
        others = [(_distance(own, theirs), other) for other, theirs in vocabulary if theirs != own]
        found[word] = [other for _, other in sorted(others)[:12]]
    return found


def near_text(rng: np.random.Generator, phrase: str, near: dict[str, list[str]]) -> str:
    """Words that hold a part of the phrase, or sound like it, and not the phrase."""
    words = phrase.split()
    for _ in range(_TRIES):
        made = list(words)
        kind = int(rng.integers(5))
        if kind == 0:  # some words are others
            for place in rng.permutation(len(words))[: int(rng.integers(1, len(words) + 1))]:
                made[int(place)] = str(rng.choice(near[words[int(place)]]))
        elif kind == 1:  # some are missing, or said twice
            if len(words) > 1:
                del made[int(rng.integers(len(made)))]
                made = made * int(rng.integers(1, 3))
            else:
                made = [words[0][: max(2, len(words[0]) // 2)]]
        elif kind == 2:  # in another order
            made = made[::-1]
        elif kind == 3:  # a word of it in a sentence
            said = sentence(rng).split()
            said[int(rng.integers(len(said)))] = str(rng.choice(words)) if len(words) > 1 else near[words[0]][0]
            made = said
        else:  # two words from elsewhere around one of it
            middle = str(rng.choice(words)) if len(words) > 1 else near[words[0]][int(rng.integers(12))]
            made = [str(rng.choice(WORDS)), middle, str(rng.choice(WORDS))]
        text = " ".join(made)
        if not holds(text, phrase):
            return text
    return str(rng.choice(WORDS))


def holds(text: str, phrase: str) -> bool:
    """Whether somebody who says the text says the phrase."""
    plain = " ".join(re.findall(r"[a-z']+", text.lower()))
    return re.search(rf"(^| ){re.escape(phrase)}( |$)", plain) is not None


def _kind(token: str) -> int | None:
    for number, kind in enumerate((*_KINDS, *_VOWEL_KINDS)):
        if token in (kind if isinstance(kind, tuple) else tuple(kind)):
            return number
    return None


def _other(rng: np.random.Generator, token: str) -> str:
    """A sound of another kind: a vowel for a vowel, a consonant for a consonant."""
    own = _kind(token)
    choices = VOWELS if own is not None and own >= len(_KINDS) else CONSONANTS
    others = [choice for choice in choices if _kind(choice) != own]
    return others[int(rng.integers(len(others)))]


def _distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Edit distance (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for i, mine in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, theirs in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (mine != theirs))
    return row[-1]
