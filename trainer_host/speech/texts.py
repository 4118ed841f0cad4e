"""What synthetic speakers say besides the phrase: sentences of a small grammar, and words that nobody has."""

from __future__ import annotations

import re
from importlib import resources

import numpy as np

from trainer_host.tasks.phrases import fillers

_CHOICES = fillers("trainer_host.speech", "words.txt")
VOWELS, CONSONANTS = _CHOICES["vowels"], _CHOICES["consonants"]
_CODAS = (*_CHOICES["codas"], "", "", "", "")
WORDS = tuple(
    dict.fromkeys(
        [
            *_CHOICES["nouns"],
            *_CHOICES["adjectives"],
            *(verb.split(":")[0] for verb in _CHOICES["verbs"]),
            *_CHOICES["names"],
            *_CHOICES["numbers"],
        ]
    )
)
_SENTENCES = tuple((resources.files("trainer_host.speech") / "sentences.txt").read_text(encoding="utf-8").splitlines())

_SPOKEN = sorted(
    {
        *re.findall(r"[a-z']{2,}", " ".join(_SENTENCES).lower()),
        *" ".join(WORDS).lower().split(),
    }
)


def sentence(rng: np.random.Generator) -> str:
    """One sentence without marks at its end."""

    def one(name: str) -> str:
        choices = _CHOICES[name]
        return choices[int(rng.integers(len(choices)))]

    verb, verb2 = one("verbs").split(":"), one("verbs").split(":")
    return one("frames").format(
        a=one("adjectives"),
        a2=one("adjectives"),
        n=one("nouns"),
        n2=one("nouns"),
        v=verb[0],
        w=verb[1],
        w2=verb2[1],
        p=one("places"),
        k=one("numbers"),
        k2=one("numbers"),
        N=one("names"),
        M=one("names"),
    )


def foreign(rng: np.random.Generator, words: int) -> str:
    """Words that no language has, in espeak-ng's phonemes: every sound beside every other."""
    made = []
    for _ in range(words):
        syllables = int(rng.integers(1, 4))
        stressed = int(rng.integers(syllables))
        parts = [
            ("'" if place == stressed else "")
            + CONSONANTS[int(rng.integers(len(CONSONANTS)))]
            + VOWELS[int(rng.integers(len(VOWELS)))]
            + _CODAS[int(rng.integers(len(_CODAS)))]
            for place in range(syllables)
        ]
        made.append("".join(parts))
    return f"[[{' '.join(made)}]]"


def paragraph(rng: np.random.Generator, sentences: int) -> str:
    """Several sentences, to be said in one breath of the program."""
    return " ".join(f"{sentence(rng)}." for _ in range(sentences))


def read_aloud(rng: np.random.Generator, sentences: int) -> str:
    """Several sentences of a manual, drawn at random."""
    return " ".join(f"{_SENTENCES[int(rng.integers(len(_SENTENCES)))]}." for _ in range(sentences))


def jumbled(rng: np.random.Generator, sentences: int) -> str:
    """Words of the manual and of the grammar in any order, in sentences: every word beside every other."""
    lengths = rng.integers(6, 13, sentences)
    return " ".join(f"{' '.join(rng.choice(_SPOKEN, length))}." for length in lengths)
