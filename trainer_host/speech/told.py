"""A teacher's voice that tells what it says: flite gives a text's sounds and when each ends, besides their sound."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer_host.errors import TrainerError
from trainer_host.speech.voices import side_by_side

VOICES = ("slt", "rms", "awb", "kal16")  # of 16,000 samples a second
PAUSE = "pau"
_READER = "kal16"  # says words quickest, in the same sounds as the voices (kal says "ah" as "aa")
_AT_ONCE = 40  # words
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Told:
    """A text as it was said. sounds: with `PAUSE` between and around. ends: seconds. wav: the file."""

    sounds: tuple[str, ...]
    ends: tuple[float, ...]
    wav: bytes


def has_flite() -> bool:
    """Whether flite is installed."""
    return shutil.which("flite") is not None


def require_flite() -> str:
    """Where flite is; raises `TrainerError`."""
    path = shutil.which("flite")
    if path is None:
        raise TrainerError("A voice is learnt from flite's; install it (on Debian: apt-get install flite).")
    return path


def tell(voice: str, text: str) -> Told:
    """Let a teacher say a text; raises `TrainerError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        lines = _called(["-voice", voice, "-psdur", "-o", str(path)], text)
        parts = [part.rpartition(":") for part in lines.split() if ":" in part]
        wav = path.read_bytes()
    sounds = tuple(sound for sound, _, _ in parts)
    return Told(sounds, tuple(float(end) for _, _, end in parts), wav)


def tell_all(voice: str, texts: Sequence[str]) -> Iterator[Told]:
    """`tell` for many, `side_by_side`: who takes one after another needs no memory for the sounds of all."""
    return side_by_side(lambda text: tell(voice, text), texts)


def sounds_of(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """How each word is said alone; words that flite reads as none or as several are left out. Raises `TrainerError`."""
    made: dict[str, tuple[str, ...]] = {}
    parts = [words[at : at + _AT_ONCE] for at in range(0, len(words), _AT_ONCE)]
    for part in parts:
        said = _apart(part)
        if len(said) != len(part):  # one of them holds a pause: each for itself
            each = [_apart([word]) for word in part]
            said = [one[0] if len(one) == 1 else () for one in each]
        made.update((word, sounds) for word, sounds in zip(part, said, strict=True) if sounds)
    return made


def owners(sounds: Sequence[str], words: Sequence[Sequence[str]]) -> list[int]:
    """Which word each sound of a sentence is of: the way with the fewest changes (Levenshtein 1966); a pause is of none (-1).

    words: how each is said alone, which may differ a little.
    """
    flat = [(sound, number) for number, word in enumerate(words) for sound in word]
    spoken = [place for place, sound in enumerate(sounds) if sound != PAUSE]
    wide = len(flat) + 1
    cost = [list(range(wide))]
    for row, place in enumerate(spoken, 1):
        last, now = cost[-1], [row]
        for at, (sound, _) in enumerate(flat, 1):
            now.append(min(last[at - 1] + (sound != sounds[place]), last[at] + 1, now[-1] + 1))
        cost.append(now)
    made = [-1] * len(sounds)
    row, at = len(spoken), len(flat)
    while row and flat:
        swapped = at and cost[row][at] == cost[row - 1][at - 1] + (flat[at - 1][0] != sounds[spoken[row - 1]])
        if swapped or not at or cost[row][at] == cost[row - 1][at] + 1:
            row, at = row - 1, at - 1 if swapped else at
            made[spoken[row]] = flat[min(at, len(flat) - 1)][1]
        else:
            at -= 1
    return made


def most_said(found: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """How each word is said most often."""
    counts: dict[str, Counter[tuple[str, ...]]] = {}
    for word, sounds in found:
        counts.setdefault(word, Counter())[sounds] += 1
    return {word: max(each.items(), key=lambda item: (item[1], item[0]))[0] for word, each in counts.items()}


def _apart(words: Sequence[str]) -> list[tuple[str, ...]]:
    lines = _called(["-voice", _READER, "-ps", "-o", "none"], ". ".join(words) + ".")
    made: list[tuple[str, ...]] = []
    now: list[str] = []
    for sound in lines.split():
        if sound != PAUSE:
            now.append(sound)
        elif now:
            made.append(tuple(now))
            now = []
    return made


def _called(options: Sequence[str], text: str) -> str:
    try:
        done = subprocess.run(
            [require_flite(), *options, "-t", text], capture_output=True, timeout=_DEADLINE_SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as cause:
        raise TrainerError(f"flite failed ({cause}); check that it speaks: flite -t hello") from None
    return done.stdout.decode("utf-8", "replace")
