"""Slips of the keyboard in prompts: one letter left out, doubled, swapped with the next, or hit beside."""

from __future__ import annotations

import random
import re

from edge_runtime.media.words import mended

SHARE = 0.12  # of free prompts
_LEAST = 5  # letters of a word in which one slips
_BESIDE = {"a": "s", "e": "r", "i": "o", "n": "m", "o": "p", "r": "t", "s": "d", "t": "y", "l": "k", "u": "i", "c": "v"}


def typed(prompt: str, known: frozenset[str], rng: random.Random) -> str:
    """A prompt as it comes from a keyboard: `casual`, and with a slip in a share of `SHARE`."""
    made = casual(prompt, rng)
    return slipped(made, known, rng) if rng.random() < SHARE else made


def slipped(prompt: str, known: frozenset[str], rng: random.Random) -> str:
    """The prompt with a slip in one known word, from which a device finds back; as it is where there is none."""
    bare = re.sub(r'"[^"]*"', lambda quoted: " " * len(quoted[0]), prompt)
    words = [
        found for found in re.finditer(r"[A-Za-z]+", bare) if len(found[0]) >= _LEAST and found[0].lower() in known
    ]
    for word in rng.sample(words, min(3, len(words))):
        at = rng.randrange(1, len(word[0]) - 1)
        made = rng.choice((_left_out, _doubled, _swapped, _beside))(word[0], at)
        wrong = f"{prompt[: word.start()]}{made}{prompt[word.end() :]}"
        if made.lower() != word[0].lower() and mended(wrong, known).lower() == prompt.lower():
            return wrong
    return prompt


def casual(prompt: str, rng: random.Random) -> str:
    """The prompt as people type it: often in small letters, often without its last mark. Quotes stay."""
    if rng.random() < 0.5:
        prompt = "".join(
            part if number % 2 else part.lower() for number, part in enumerate(re.split(r'("[^"]*")', prompt))
        )
    return prompt.rstrip(".") if rng.random() < 0.6 else prompt


def _left_out(word: str, at: int) -> str:
    return word[:at] + word[at + 1 :]


def _doubled(word: str, at: int) -> str:
    return word[:at] + word[at] + word[at:]


def _swapped(word: str, at: int) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _beside(word: str, at: int) -> str:
    return word[:at] + _BESIDE.get(word[at], word[at]) + word[at + 1 :]
