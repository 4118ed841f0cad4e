"""The other kind of the task `audio_gen`: a text is said by a network's own voice, on a device without a program for speech.

Words of a lexicon are said as it tells, others as the network spells them; it tells how long each sound lasts and, 200
times a second, what the voice is like then (as FastSpeech does, arXiv 1905.09263), of which `edge_runtime.media.vocoder`
makes the sound.
"""

from __future__ import annotations

import io
import math
import sys
import wave
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media, spoken
from edge_runtime.media.script import (
    FRAMES,
    INNER,
    LETTERS,
    LINKED,
    MARKED,
    PAUSE,
    SOUNDS,
    STEP,
    Script,
    lettered,
    marked,
    placed,
    scripts,
    steps_of,
    windows,
)
from edge_runtime.media.vocoder import PITCH, RATE, WIDTH, sound_of
from edge_runtime.media.wav import write_wav
from edge_runtime.tasks import Steps, driven

NAME = "audio_gen"
LEXICON = "lexicon.txt"  # a word and its sounds on each line
# The graph: SPELLING int32 [1, LETTERS] -> SPELT float32 [1, LETTERS, spellings]; SCRIPT int32 [1, SOUNDS] (0: none) and MARKS
# float32 [1, SOUNDS, MARKED] -> LASTING float32 [1, SOUNDS], log steps, and TOLD float32 [1, SOUNDS, told]; PLACED float32 [1, FRAMES,
# told + INNER] -> VOICED float32 [1, FRAMES, STEP * WIDTH].
SPELLING, SCRIPT, MARKS, PLACED = "spelling", "script", "marks", "placed"
SPELT, LASTING, TOLD, VOICED = "spelt", "lasting", "told", "voiced"
MAX_TEXT, MAX_LONG = 600, 20_000  # letters of one answer, and of one that is streamed
FOREIGN_WORDS = 3  # that no lexicon has, from which on a text may be of another language: names are fewer
MAX_WORDS = 8  # that are named in an answer
SPEEDS, PITCHES, LEVELS = (0.5, 2.0), (-12.0, 12.0), (-30.0, 6.0)
SHARPER = 0.1  # a mean of many voices' spectra is flatter than each
WAV, PCM = "audio/wav", "audio/pcm"
PARTS = 16  # of a sound, whose levels an answer tells
TOLERANCE = 3.0  # dB, on average, between int8 runtimes that round differently
_MOST_TOLD = 1024
_Made = TypeVar("_Made")
_Asking = Generator[Mapping[str, np.ndarray], dict[str, np.ndarray], _Made]  # as `Steps`, for a part of an answer
Json = dict[str, object]
ASKED: Json = {
    "speed": {"type": "number", "minimum": SPEEDS[0], "maximum": SPEEDS[1], "description": "of a voice: 1 as learnt"},
    "pitch": {
        "type": "number",
        "minimum": PITCHES[0],
        "maximum": PITCHES[1],
        "description": "of a voice: semitones up",
    },
    "level": {"type": "number", "minimum": LEVELS[0], "maximum": LEVELS[1], "description": "of a voice: dB louder"},
}
FIELDS: Json = {
    "sounds": {"type": "string", "description": "what a voice said, in its teacher's sounds"},
    "seconds": {"type": "number"},
    "levels": {"type": "array", "items": {"type": "number"}, "description": f"of {PARTS} parts, in dB"},
    "guessed": {"type": "array", "items": {"type": "string"}, "description": "words that aren't in the lexicon"},
}


class Voice:
    """Answers `{"prompt", "speed", "pitch", "level"}`: says the prompt, word for word.

    sounds: those that the network knows; the first is 1 to it. spellings: what a letter may stand for, as in "k s" or "". said: how
    the words of the lexicon are said.
    """

    def __init__(
        self,
        sounds: Sequence[str],
        spellings: Sequence[str],
        told: int,
        said: Mapping[str, tuple[str, ...]],
        engine: Engine,
    ) -> None:
        self._ids = {sound: number for number, sound in enumerate(sounds, 1)}
        self._spellings = [tuple(each.split()) for each in spellings]
        self._told, self._said, self.engine = told, said, engine

    def run(self, request: Json) -> Json:
        """Say one text."""
        return driven(self.engine, self.steps(request))

    def parts(self, request: Json) -> tuple[list[Json], bool]:
        """A request whose text may have `MAX_LONG` letters as requests of a sentence each; see `Speaks`."""
        asked = _read(request, MAX_LONG)
        how = {key: request[key] for key in ASKED if key in request}
        parts: list[Json] = [{**how, "prompt": sentence} for sentence in spoken.apart(asked.text, MAX_TEXT)]
        return parts, spoken.read(asked.text).foreign is not None

    def steps(self, request: Json) -> Steps:
        """See `Stepwise`."""
        asked = _read(request, MAX_TEXT)
        reading = spoken.read(asked.text)
        words = dict.fromkeys(word for sentence in reading.sentences for phrase in sentence for word in phrase.words)
        said = {name: self._said[name] for word in words for name in (word, word + LINKED) if name in self._said}
        guessed = [word for word in words if word not in said]
        said.update((yield from self.spelt(guessed)))
        pieces, sounds = [], []
        for sentence in reading.sentences:
            for script in scripts(sentence, said):
                frames = yield from self.voiced(script, asked.speed)
                frames[:, PITCH] += np.float32(asked.pitch * math.log(2) / 12)
                pieces.append(sound_of(frames, sharper=SHARPER))
                sounds.append(" ".join(script.sounds))
        samples = np.concatenate(pieces) * np.float32(10 ** (asked.level / 20))
        problem = None
        if reading.foreign is not None:
            problem = f"This voice reads the letters a to z; it left out '{reading.foreign[:40]}'."
        elif len(guessed) >= FOREIGN_WORDS and 2 * len(guessed) > len(words):
            problem = "Most of these words aren't in this voice's lexicon; in another language it can't say them."
        return {
            "sound": Media(WAV, wav_of(samples)),
            "sounds": " ".join(sounds),
            "seconds": round(len(samples) / RATE, 3),
            "levels": levels_of(samples),
            "guessed": guessed[:MAX_WORDS],
            "problem": problem,
            "unsure": problem is not None,
        }

    def spelt(self, words: Sequence[str]) -> _Asking[dict[str, tuple[str, ...]]]:
        """How words are said that no lexicon has."""
        made: dict[str, tuple[str, ...]] = dict.fromkeys(words, ())
        for row, places in lettered(words):
            logits = _checked((yield {**self._empty(), SPELLING: row}), SPELT, (1, LETTERS, len(self._spellings)))
            best = logits[0].argmax(1)
            for word, begin, end in places:
                made[word] += tuple(sound for at in best[begin:end] for sound in self._spellings[at])
        # A word of silent letters is still a word.
        return {word: sounds or ("ax",) for word, sounds in made.items()}

    def voiced(self, script: Script, speed: float = 1.0, steps: np.ndarray | None = None) -> _Asking[np.ndarray]:
        """Frames of the vocoder, float32 [frames, WIDTH], of a script; steps: how long each sound lasts, where that is known."""
        count = len(script.sounds)
        found = yield self._given(script)
        told = _checked(found, TOLD, (1, SOUNDS, self._told))[0, :count]
        if steps is None:
            steps = steps_of(_checked(found, LASTING, (1, SOUNDS))[0, :count] - math.log(speed))
        row = placed(told, steps)
        made = np.zeros((len(row), STEP * WIDTH), np.float32)
        for first, end, begin, kept in windows(len(row)):
            given = np.zeros((1, FRAMES, self._told + INNER), np.float32)
            given[0, : end - first] = row[first:end]
            voiced = _checked((yield {**self._empty(), PLACED: given}), VOICED, (1, FRAMES, STEP * WIDTH))
            made[begin:kept] = voiced[0, begin - first : kept - first]
        return made.reshape(-1, WIDTH)

    def lasting(self, script: Script) -> _Asking[np.ndarray]:
        """How long each sound of a script lasts, float32 [sounds], the logarithm of steps of 10 ms."""
        return _checked((yield self._given(script)), LASTING, (1, SOUNDS))[0, : len(script.sounds)]

    def _given(self, script: Script) -> dict[str, np.ndarray]:
        count = len(script.sounds)
        ids, beside = np.zeros((1, SOUNDS), np.int32), np.zeros((1, SOUNDS, MARKED), np.float32)
        ids[0, :count] = [self._ids.get(sound, self._ids[PAUSE]) for sound in script.sounds]
        beside[0, :count] = marked(script)
        return {**self._empty(), SCRIPT: ids, MARKS: beside}

    def _empty(self) -> dict[str, np.ndarray]:
        return {
            SPELLING: np.zeros((1, LETTERS), np.int32),
            SCRIPT: np.zeros((1, SOUNDS), np.int32),
            MARKS: np.zeros((1, SOUNDS, MARKED), np.float32),
            PLACED: np.zeros((1, FRAMES, self._told + INNER), np.float32),
        }


@dataclass(frozen=True)
class _Asked:
    text: str
    speed: float
    pitch: float
    level: float


def wav_of(samples: np.ndarray) -> bytes:
    """float [n] of -1 to 1 -> a WAV of 16 bits at `RATE`; what is louder is cut off."""
    return write_wav(np.clip(samples, -1, 1), RATE)


def pcm_of(content: bytes) -> bytes:
    """The samples of a WAV that `wav_of` wrote, as they lie in it."""
    with wave.open(io.BytesIO(content), "rb") as file:
        return file.readframes(file.getnframes())


def endless_header() -> bytes:
    """The first bytes of a WAV whose length isn't known yet: players read on to its end."""
    header = bytearray(wav_of(np.zeros(0)))
    header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
    return bytes(header)


def levels_of(samples: np.ndarray) -> list[float]:
    """dB of `PARTS` parts of equal length, silence being -90."""
    power = [
        float((part.astype(np.float64) ** 2).mean()) if len(part) else 0.0 for part in np.array_split(samples, PARTS)
    ]
    return [round(10 * math.log10(max(one, 1e-9)), 1) for one in power]


def load(manifest: Manifest, folder: Path, engine: Engine) -> Voice:
    """A specialist as the manifest's options say: `sounds`, `spellings`, `told`. The bundle holds `LEXICON` too.

    Raises `BundleError`.
    """
    sounds, spellings, told = (manifest.options.get(name) for name in ("sounds", "spellings", "told"))
    named = all(
        isinstance(each, list) and 0 < len(each) <= 1000 and all(isinstance(one, str) for one in each)
        for each in (sounds, spellings)
    )
    if not named or not isinstance(told, int) or not 0 < told <= _MOST_TOLD or PAUSE not in cast("list[str]", sounds):
        raise BundleError("A bundle of a voice needs the options sounds, spellings and told; build it again.")
    known = set(cast("list[str]", sounds))
    if any(part not in known for each in cast("list[str]", spellings) for part in each.split()):
        raise BundleError("A spelling of this bundle of a voice has a sound that it doesn't know.")
    said = read_lexicon(folder / LEXICON)
    if any(sound not in known for each in said.values() for sound in each):
        raise BundleError(f"The {LEXICON} of a bundle of a voice has a sound that it doesn't know.")
    return Voice(cast("list[str]", sounds), cast("list[str]", spellings), told, said, engine)


def read_lexicon(path: Path) -> dict[str, tuple[str, ...]]:
    """How each word is said, from lines of a word and its sounds; raises `BundleError`."""
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BundleError(f"The {path.name} of a bundle of a voice can't be read; build it again.") from None
    parts = [line.split() for line in lines if line.strip()]
    return {word: tuple(map(sys.intern, sounds)) for word, *sounds in parts if sounds}


def agrees(expected: Json, got: Json) -> bool:
    """Whether the same was said, about as long and as loud, with the same doubt."""
    if any(expected.get(name) != got.get(name) for name in ("sounds", "problem", "unsure")):
        return False
    try:
        wanted, given = (float(cast(float, each["seconds"])) for each in (expected, got))
        levels = [np.array(each["levels"], np.float64) for each in (expected, got)]
    except (KeyError, TypeError, ValueError):
        return False
    if levels[0].shape != levels[1].shape or abs(wanted - given) > 0.05 * max(wanted, given):
        return False
    heard = np.maximum(levels, -50.0)
    return float(np.abs(heard[0] - heard[1]).mean()) <= TOLERANCE


def _read(request: Json, most: int) -> _Asked:
    if extra := sorted(request.keys() - {"text", "prompt", "speed", "pitch", "level"}):
        raise BadRequest(f'A voice reads "prompt", "speed", "pitch" and "level"; leave out "{extra[0][:40]}".')
    text = request.get("prompt", request.get("text"))
    if not isinstance(text, str) or not text.strip():
        raise BadRequest('A voice needs a "prompt" that is to be said.')
    if len(text) > most:
        long = f", or {MAX_LONG:,} with the header 'Accept: {WAV}'" if most < MAX_LONG else ""
        raise BadRequest(f'The "prompt" has {len(text):,} characters; say at most {most:,} at once{long}.')
    if not spoken.read(text).sentences:
        raise BadRequest('The "prompt" has nothing that this voice reads: English in the letters a to z, and numbers.')
    asked = []
    for name, (low, high), usual in (("speed", SPEEDS, 1.0), ("pitch", PITCHES, 0.0), ("level", LEVELS, 0.0)):
        value = request.get(name, usual)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise BadRequest(f'The "{name}" must be a number from {low:g} to {high:g}.')
        asked.append(float(value))
    return _Asked(text, *asked)


def _checked(made: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = made.get(name)
    if value is None or value.shape != shape or not np.isfinite(value).all():
        raise EngineError(f"The model gave no usable '{name}' of shape {list(shape)}; build the bundle again.")
    return value
