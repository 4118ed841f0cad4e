"""When each sound of a recording ends whose words are known: pocketsphinx (extra `speech`) aligns them, in English."""

from __future__ import annotations

import difflib
import importlib.util
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer_host.errors import DataError
from trainer_host.speech.told import PAUSE, has_flite, sounds_of

FRAME = 0.01  # seconds
# A frame's window is longer than its step: what it tells lies half the difference, and half a step, behind its begin.
LATE = (0.025625 - FRAME) / 2
_DICTIONARY, _MODEL = "en-us/cmudict-en-us.dict", "en-us/en-us"
# The best way of a lattice may give a sound fewer frames than its states, and then the second pass finds none (as its issue 339 says).
_SEARCH = {"bestpath": False, "beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60, "silprob": 0.1}
_TRIES = 3  # with other noise
_NOISE = 3.0  # of 32,767: digital silence is like nothing that the model has heard
# flite tells two sounds apart that pocketsphinx's dictionary writes as one: a short, weak "a" and that of "cut".
_WEAK, _STRONG = "ax", "ah"

Way = tuple[str, ...]


@dataclass(frozen=True)
class Heard:
    """A sound where it was found. sound: of pocketsphinx, in small letters; `PAUSE` for silence and noise.

    word: its place in the text, -1 for a pause. begin, end: frames. score: how likely, the log of each frame's mean, at most 0.
    """

    sound: str
    word: int
    begin: int
    end: int
    score: float


class Aligner:
    """Aligns recordings with words of which it knows ways to say them."""

    def __init__(self, ways: Mapping[str, Iterable[Way]]) -> None:
        from pocketsphinx import Decoder, get_model_path

        lines = [
            f"{word}{f'({number})' if number > 1 else ''} {' '.join(way).upper()}\n"
            for word, own in sorted(ways.items())
            for number, way in enumerate(own, 1)
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "words.dict"
            path.write_text("".join(lines), "ascii", newline="\n")
            self._decoder = Decoder(hmm=get_model_path(_MODEL), dict=str(path), lm=None, loglevel="FATAL", **_SEARCH)

    def align(self, samples: np.ndarray, words: Sequence[str]) -> list[Heard] | None:
        """float32 [n] at `RATE`, -1 to 1; None where the words can't be found in it."""
        for number in range(_TRIES):
            noise = np.random.default_rng(number).normal(0, _NOISE, len(samples))
            content = np.clip(samples * 32767 + noise, -32768, 32767).astype("<i2").tobytes()
            try:
                self._decoder.set_align_text(" ".join(words))
                self._hear(content)
                if self._decoder.hyp() is None:
                    return None
                self._decoder.set_alignment()
                self._hear(content)
                return _told(self._decoder.get_alignment(), words)
            except RuntimeError:
                continue
        return None

    def _hear(self, content: bytes) -> None:
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(content, full_utt=True)
        finally:
            self._decoder.end_utt()


def require_pocketsphinx() -> None:
    """Raises `DataError` without it."""
    if importlib.util.find_spec("pocketsphinx") is None:
        raise DataError("Recordings are aligned with their texts by pocketsphinx: pip install 'enigma[speech]'.")


def ways_of(words: Iterable[str]) -> dict[str, dict[Way, Way]]:
    """How each word may be said: as pocketsphinx writes it -> the sounds that a voice has for it; its first is the usual one.

    The usual one is flite's where flite is installed, which spells any word, else that of pocketsphinx's dictionary; words that
    neither knows are left out.
    """
    wanted = sorted(set(words))
    known = _dictionary()
    taught = sounds_of(wanted) if has_flite() else {}
    made: dict[str, dict[Way, Way]] = {}
    for word in wanted:
        own = taught.get(word)
        ways: dict[Way, Way] = {} if own is None else {plain(own): own}
        for way in known.get(word) or _joined(word.split("_"), known):
            ways.setdefault(way, _named(way, own))
        if ways:
            made[word] = ways
    return made


def plain(sounds: Sequence[str]) -> Way:
    """A voice's sounds as pocketsphinx writes them."""
    return tuple(_STRONG if sound == _WEAK else sound for sound in sounds)


def _named(way: Way, taught: Way | None) -> Way:
    """A way with flite's names, as far as flite has its sounds in the same place; what else may be weak is."""
    if taught is None:
        return way
    made = [_WEAK if sound == _STRONG else sound for sound in way]
    for mine, other, size in difflib.SequenceMatcher(None, way, plain(taught), autojunk=False).get_matching_blocks():
        made[mine : mine + size] = taught[other : other + size]
    return tuple(made)


def _joined(parts: Sequence[str], known: Mapping[str, list[Way]]) -> list[Way]:
    if len(parts) < 2 or any(part not in known for part in parts):
        return []
    return [tuple(sound for part in parts for sound in known[part][0])]


def _dictionary() -> dict[str, list[Way]]:
    from pocketsphinx import get_model_path

    made: dict[str, list[Way]] = {}
    for line in Path(get_model_path(_DICTIONARY)).read_text("utf-8").splitlines():
        word, *sounds = line.lower().split()
        made.setdefault(word.partition("(")[0], []).append(tuple(sounds))
    return made


def _told(alignment: Iterable[Iterable[object]], words: Sequence[str]) -> list[Heard]:
    made: list[Heard] = []
    at = -1
    for word in alignment:
        name = str(word.name)  # type: ignore[attr-defined]
        spoken = name[:1] not in "<[" and at + 1 < len(words)
        at += spoken
        for sound in word:
            own = str(sound.name).lower()  # type: ignore[attr-defined]
            begin, count = int(sound.start), int(sound.duration)  # type: ignore[attr-defined]
            score = float(sound.score) / max(1, count)  # type: ignore[attr-defined]
            made.append(Heard(own if spoken else PAUSE, at if spoken else -1, begin, begin + count, score))
    return made
