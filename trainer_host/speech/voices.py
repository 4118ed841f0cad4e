"""Synthetic speakers: espeak-ng and flite, as the system has them, each called as a program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from edge_runtime.audio.files import RATE, read_sound
from edge_runtime.audio.resample import resample
from edge_runtime.errors import BadRequest
from trainer_host.errors import TrainerError
from trainer_host.speech.made_voices import MADE, data_for, is_made, made_name

_Asked = TypeVar("_Asked")
_Made = TypeVar("_Made")
TRAIN, CHECK, HELD_OUT = "train", "check", "heldout"
SIDES = (TRAIN, CHECK, HELD_OUT)
ESPEAK, FLITE = "espeak-ng", "flite"
# All accents of English that espeak-ng has: whoever speaks with one that wasn't learnt is missed ten times as often, so
# none is held out; voices are. "en" is its British English, which heeds no voice behind a plus where it is called "en-gb".
_ACCENTS = (
    "en-us",
    "en",
    "en-029",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us-nyc",
)
# Variants of espeak-ng 1.51 that sound like somebody, without robots, demons and announcers.
_VARIANTS = [
    "Alex",
    "Alicia",
    "Andrea",
    "Andy",
    "Annie",
    "Denis",
    "Diogo",
    "Gene",
    "Gene2",
    "Henrique",
    "Hugo",
    "Jacky",
    "Lee",
    "Marco",
    "Mario",
    "Michael",
    "Mike",
    "Nguyen",
    "RicishayMax",
    "RicishayMax2",
    "RicishayMax3",
    "Storm",
    "Tweaky",
    "adam",
    "anika",
    "antonio",
    "aunty",
    "belinda",
    "benjamin",
    "boris",
    "caleb",
    "david",
    "ed",
    "edward",
    "edward2",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "grandma",
    "grandpa",
    "gustave",
    "iven",
    "iven2",
    "iven3",
    "iven4",
    "john",
    "kaukovalta",
    "klatt",
    "klatt2",
    "klatt3",
    "klatt4",
    "klatt5",
    "klatt6",
    "linda",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m7",
    "m8",
    "marcelo",
    "max",
    "michel",
    "miguel",
    "norbert",
    "pablo",
    "paul",
    "pedro",
    "quincy",
    "rob",
    "robert",
    "sandro",
    "shelby",
    "steph",
    "steph2",
    "steph3",
    "travis",
    "victor",
    "zac",
]
# A voice of flite that isn't heard in training is missed far more often than one of espeak-ng, so all but the one that is
# held out are learnt from; what decides the threshold is talk, which needs none.
_FLITE: dict[str, tuple[str, ...]] = {TRAIN: ("awb", "rms", "kal16"), CHECK: (), HELD_OUT: ("slt",)}
RATES = (120, 230)  # words a minute
PITCHES = (20, 85)  # espeak-ng's own scale
# Of espeak-ng's utterances to learn from; what decides and what examines are voices that people named.
_MADE_SHARE = 0.6
_FLITE_SHARE = {TRAIN: 0.25, CHECK: 0.0, HELD_OUT: 0.12}  # of the utterances: a few voices must not outweigh ninety
_ESPEAK_TIMBRES = range(20_000, 25_000, 1_000)
# flite's three men must sound like women and children too, whose throats are shorter by a sixth and a third.
_FLITE_TIMBRES = {TRAIN: range(14_500, 24_500, 500), HELD_OUT: range(14_500, 20_500, 500)}
_DEADLINE_SECONDS = 60.0
_MISSING = "Speakers need espeak-ng; install it (on Debian: apt-get install espeak-ng flite)."
_QUIET = 10 ** (-45 / 20)  # of the loudest: what is below at both ends is no speech


@dataclass(frozen=True)
class Speaker:
    """Who speaks and how. rate: words a minute. pitch: 0 to 99. timbre: samples a second at which it is played."""

    program: str
    voice: str
    rate: int
    pitch: int
    timbre: int

    @property
    def takes_phonemes(self) -> bool:
        """Whether it says what is written in espeak-ng's phonemes between double brackets."""
        return self.program == ESPEAK


def require_speech() -> list[str]:
    """The programs that the system has; raises `TrainerError` where there is no espeak-ng."""
    if shutil.which(ESPEAK) is None:
        raise TrainerError(_MISSING)
    return [name for name in (ESPEAK, FLITE) if shutil.which(name)]


def versions() -> dict[str, str]:
    """The programs' own words about their versions: the same rows sound the same with the same ones."""
    found = {}
    for name, option in ((ESPEAK, "--version"), (FLITE, "--version")):
        if path := shutil.which(name):
            said = subprocess.run([path, option], capture_output=True, text=True, timeout=_DEADLINE_SECONDS)
            number = re.search(r"(\d+\.\d+(?:\.\d+)?)", said.stdout + said.stderr)
            found[name] = number[1] if number else "unknown"
    return found


def voices_of(side: str) -> list[str]:
    """espeak-ng's variants of a side, those of a family ("steph", "steph2") together."""
    families: dict[str, list[str]] = {}
    for variant in _VARIANTS:
        number = variant.rstrip("0123456789")
        # "m1" to "m8" and "f1" to "f5" are different people.
        families.setdefault(variant if len(number) == 1 or number == "klatt" else number, []).append(variant)
    groups = list(families.values())
    chosen = {HELD_OUT: range(1, 4, 4), CHECK: range(3, 8, 8)}
    sides: dict[str, list[str]] = {name: [] for name in SIDES}
    for place, group in enumerate(groups):
        held = place % 4 == chosen[HELD_OUT].start
        check = place % 8 == chosen[CHECK].start
        sides[HELD_OUT if held else CHECK if check else TRAIN] += group
    return sides[side]


def draw_speaker(rng: np.random.Generator, side: str, programs: Sequence[str], *, phonemes: bool = False) -> Speaker:
    """One speaker of a side. phonemes: it must take them."""
    if FLITE in programs and not phonemes and rng.random() < _FLITE_SHARE[side]:
        return Speaker(
            FLITE,
            str(rng.choice(_FLITE[side])),
            int(rng.integers(RATES[0], RATES[1] + 1)),
            int(rng.integers(PITCHES[0], PITCHES[1] + 1)),
            int(rng.choice(_FLITE_TIMBRES[side])),
        )
    accent = str(rng.choice(_ACCENTS))
    made = side == TRAIN and rng.random() < _MADE_SHARE
    return Speaker(
        ESPEAK,
        f"{accent}+{made_name(int(rng.integers(MADE))) if made else rng.choice(voices_of(side))}",
        int(rng.integers(RATES[0], RATES[1] + 1)),
        int(rng.integers(PITCHES[0], PITCHES[1] + 1)),
        int(rng.choice(_ESPEAK_TIMBRES)),
    )


def say(speaker: Speaker, text: str) -> np.ndarray:
    """float32 [n] at 16 kHz without silence at its ends, its peak at 0.5; raises `TrainerError`."""
    wav = _called(_command(speaker), text)
    samples = _native(wav)
    if samples is None:
        raise TrainerError(f"{speaker.program} said nothing for '{text[:60]}'; write the phrase in plain words.")
    # Played at another rate, a voice has another throat; its words come as fast as they did by `Speaker.rate`.
    made = resample(samples, speaker.timbre, RATE)
    return made * np.float32(0.5 / max(float(np.abs(made).max()), 1e-6))


def say_all(asked: Iterable[tuple[Speaker, str]]) -> Iterator[np.ndarray]:
    """`say` for many, in their order, by as many programs at once as there are cores."""
    return side_by_side(lambda one: say(*one), asked)


def side_by_side(made: Callable[[_Asked], _Made], asked: Iterable[_Asked]) -> Iterator[_Made]:
    """What `made` gives for each, in their order, as many at once as there are cores."""
    count = os.cpu_count() or 1
    pending = iter(asked)
    with ThreadPoolExecutor(count) as workers:
        while some := list(islice(pending, 8 * count)):
            yield from workers.map(made, some)


def phonemes_of(texts: Sequence[str]) -> list[str]:
    """Each text in espeak-ng's phonemes (American English), as in "h'eI r'oUb0t"."""
    path = shutil.which(ESPEAK)
    if path is None:
        raise TrainerError(_MISSING)
    out = _called([path, "-q", "-x", "-v", "en-us", "--stdin"], "\n\n".join(texts) + "\n").decode("utf-8", "replace")
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    if len(lines) != len(texts):
        raise TrainerError("espeak-ng doesn't say one line of phonemes for each text; leave out marks like . and ?")
    return lines


def _command(speaker: Speaker) -> list[str]:
    path = shutil.which(speaker.program)
    if path is None:
        raise TrainerError(
            f"This dataset has speakers of {speaker.program}; install it (apt-get install it on Debian)."
        )
    if speaker.program == ESPEAK:
        # What is played slower was said quicker before.
        rate = round(speaker.rate * 22_050 / speaker.timbre)
        told = ["-b", "1", "-v", speaker.voice, "-s", str(rate), "-p", str(speaker.pitch), "--stdin", "--stdout"]
        return [path, *([f"--path={data_for(speaker.voice, path)}"] if is_made(speaker.voice) else []), *told]
    stretch = 170 / speaker.rate * speaker.timbre / 16_000
    hertz = 70 + 1.6 * speaker.pitch + (50 if speaker.voice == "slt" else 0)
    settings = [f"duration_stretch={stretch:.3f}", f"int_f0_target_mean={hertz:.0f}"]
    return [path, "-voice", speaker.voice, "--setf", settings[0], "--setf", settings[1], "-o", "/dev/stdout"]


def _called(command: list[str], text: str) -> bytes:
    if command[0].endswith(FLITE):
        command, text = [*command, "-t", text], ""
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_DEADLINE_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError) as cause:
        raise TrainerError(f"{command[0]} failed ({cause}); check that it speaks.") from None
    return done.stdout


def _native(wav: bytes) -> np.ndarray | None:
    """float32 [n] at the rate that the program wrote, as if that were its own; None for silence."""
    try:
        # Only the scale of the samples matters here: their rate is the speaker's timbre.
        sound = read_sound(wav[:24] + RATE.to_bytes(4, "little") + wav[28:]).samples
    except BadRequest:
        return None
    loud = np.flatnonzero(np.abs(sound) > _QUIET * max(float(np.abs(sound).max()), 1e-6))
    return sound[loud[0] : loud[-1] + 1] if len(loud) and float(np.abs(sound).max()) > 1e-3 else None
