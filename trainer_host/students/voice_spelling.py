"""Which sounds each letter of a word stands for: the way that is likeliest over all words (expectation and maximisation)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

_MOST = 2  # sounds of a letter, as x has
_ROUNDS = 6
_LEAST = 8  # words that a spelling occurs in
# At first a letter is likeliest one sound.
_BEGIN = {0: 0.15, 1: 0.8, 2: 0.05}


def aligned(said: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each letter of each word its sounds, as "k s" or ""; words that don't fit are left out."""
    counts: Counter[tuple[str, str]] = Counter()
    letters: Counter[str] = Counter()
    made: dict[str, list[str]] = {}
    for number in range(_ROUNDS):
        made = {}
        for word, sounds in said.items():
            if len(sounds) > len(word) + 1:
                continue  # read letter by letter, as "xml" is
            way = _way(word, sounds, counts, letters, number == 0)
            if way is not None:
                made[word] = way
        counts = Counter((letter, own) for word, way in made.items() for letter, own in zip(word, way, strict=True))
        letters = Counter(letter for word in made for letter in word)
    return made


def spellings_of(ways: Mapping[str, Sequence[str]]) -> list[str]:
    """What letters stand for, in several words; sorted, the silent one first."""
    counts = Counter(own for way in ways.values() for own in set(way))
    return sorted({"", *(own for own, count in counts.items() if count >= _LEAST)})


def _way(
    word: str, sounds: Sequence[str], counts: Counter[tuple[str, str]], letters: Counter[str], first: bool
) -> list[str] | None:
    """The likeliest sounds of each letter."""
    count = len(sounds)
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for letter in word:
        now: dict[int, tuple[float, int]] = {}
        for at, (score, _) in best[-1].items():
            for taken in range(min(_MOST, count - at) + 1):
                own = " ".join(sounds[at : at + taken])
                if first:
                    chance = _BEGIN[taken] * (4.0 if taken == 1 and _alike(letter, own) else 1.0)
                else:
                    chance = (counts[letter, own] + 0.05 * _BEGIN[taken]) / (letters[letter] + 1)
                total = score + math.log(chance)
                if at + taken not in now or total > now[at + taken][0]:
                    now[at + taken] = (total, taken)
        best.append(now)
    if count not in best[-1]:
        return None
    way: list[str] = []
    at = count
    for row in reversed(best[1:]):
        taken = row[at][1]
        way.append(" ".join(sounds[at - taken : at]))
        at -= taken
    return way[::-1]


def _alike(letter: str, sound: str) -> bool:
    """A first guess: vowels stand for vowels, other letters for the sounds that are called like them."""
    vowel = letter in "aeiouy"
    return (vowel and sound[0] in "aeiou") or (not vowel and sound[0] == letter)
