"""Samples speech: what is said by whom and how, the words that ask for it, and an utterance that sounds so."""

from __future__ import annotations

import random
from dataclasses import dataclass

from edge_runtime.media.speech import NORMAL_LOUDNESS, NORMAL_PITCH, NORMAL_RATE, VOICES, Utterance
from trainer_host.media.speech_facts import (
    EMOTIONS,
    LEVELS,
    Emotion,
    Length,
    Manner,
    Mentions,
    Says,
    SpeechFact,
    SpokenBy,
    words_of,
)

# What the three levels of each side are for espeak-ng; measured, they are well beyond what counts as more or less.
_SETTINGS = {
    "rate": (115, NORMAL_RATE, 215),
    "pitch": (20, NORMAL_PITCH, 80),
    "loudness": (32, NORMAL_LOUDNESS, 108),
}
_SPREAD = {"rate": 8, "pitch": 5, "loudness": 5}


@dataclass(frozen=True)
class Sample:
    """What is asked, and an utterance that sounds so."""

    kind: str
    difficulty: float
    request: str
    facts: tuple[SpeechFact, ...]
    utterance: Utterance


def sample(rng: random.Random) -> Sample:
    """One utterance: a given text or one about a word, with a feeling or with a plain manner."""
    text = sentence(rng)
    voice = rng.choice([*VOICES])
    facts: list[SpeechFact] = []
    levels = {"rate": 0, "pitch": 0, "loudness": 0}
    given = rng.random() < 0.5
    if given:
        facts.append(Says(text))
        what = rng.choice(
            (f'Say "{text}"', f'Please say "{text}"', f'Read aloud: "{text}"', f'Speak these words: "{text}"')
        )
    else:
        words = words_of(text)
        word = max(words, key=len)
        least, most = max(2, len(words) - rng.randint(0, 2)), len(words) + rng.randint(0, 3)
        facts += [Mentions(word), Length(least, most)]
        opening = rng.choice(("Say something", "Say a sentence", "Speak a sentence", "I'd like to hear a sentence"))
        what = f'{opening} of {least} to {most} words with the word "{word}"'
    if rng.random() < 0.6:
        emotion = rng.choice([*EMOTIONS])
        facts.append(Emotion(emotion))
        levels = dict(zip(LEVELS, EMOTIONS[emotion], strict=True))
        how = rng.choice(_FEELINGS[emotion])
    else:
        sides = rng.sample([*LEVELS], rng.choice((1, 2)))
        for of in sides:
            levels[of] = rng.choice((-1, 1))
            facts.append(Manner(of, LEVELS[of][levels[of] + 1]))
        how = " and ".join(rng.choice(_MANNERS[LEVELS[of][levels[of] + 1]]) for of in sides)
    by = ""
    if rng.random() < 0.7:
        facts.append(SpokenBy(voice))
        by = rng.choice((f" in a {voice}'s voice", f" as a {voice}"))
    request = f"{what} {how}{by}."
    utterance = Utterance(text, voice, **{of: setting(of, level, rng) for of, level in levels.items()})
    return Sample("given text" if given else "own text", 0.2 if given else 0.4, request, tuple(facts), utterance)


def setting(of: str, level: int, rng: random.Random) -> int:
    """A setting of espeak-ng for a level, -1, 0 or 1, of one side."""
    spread = _SPREAD[of] if level else 2
    return _SETTINGS[of][level + 1] + rng.randint(-spread, spread)


_FEELINGS = {
    "neutral": ("in a neutral way", "without any feeling", "matter-of-factly"),
    "happy": ("happily", "with joy", "in a happy way"),
    "sad": ("sadly", "with sorrow", "in a sad way"),
    "angry": ("angrily", "with anger", "in an angry way"),
    "afraid": ("fearfully", "as if afraid", "in a frightened way"),
}
_MANNERS = {
    "slow": ("slowly", "at a slow pace"),
    "fast": ("fast", "quickly"),
    "low": ("with a low pitch", "in a deep tone"),
    "high": ("with a high pitch", "in a high tone"),
    "soft": ("softly", "quietly"),
    "loud": ("loudly", "with a loud voice"),
}

_WHO = ("The kettle", "My neighbour", "Our train", "The garden", "Your parcel", "The doctor", "The weather", "This window", "The robot", "A stranger", "The library", "Her bicycle", "The concert", "Dinner", "The battery", "The kitchen", "His brother", "The market", "The river", "The museum")  # fmt: skip
_IS = ("is", "was", "will be", "may be", "must be", "can be", "should be")
_WHAT = ("ready", "late", "very quiet", "open again", "almost empty", "in the wrong place", "on its way", "much better", "too expensive", "closed for repairs", "full of people", "back at home", "out of order", "near the station", "a great surprise")  # fmt: skip
_WHEN = (
    "",
    " today",
    " again",
    " tomorrow morning",
    " this evening",
    " now",
    " at seven",
    " after lunch",
    " on Sunday",
)
_MORE = ("", "", ", and nobody knows why", ", so please wait", ", but that is fine", ", as you can see", ", I believe", ", of course")  # fmt: skip


def sentence(rng: random.Random) -> str:
    """An English sentence of four to fifteen words."""
    return f"{rng.choice(_WHO)} {rng.choice(_IS)} {rng.choice(_WHAT)}{rng.choice(_WHEN)}{rng.choice(_MORE)}."
