"""Speakers that nobody named: variants of espeak-ng's voice whose throat, pitch and stress are drawn.

The variants that espeak-ng brings are some eighty, many of them near relatives; whoever speaks outside of what they span is
missed. A made voice is a number; what it sounds like follows from it alone.
"""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np

from trainer_host.errors import TrainerError

MADE = 1_000  # voices that there are
PREFIX = "made-"
# Of espeak-ng's data, what English needs.
_ENGLISH = ("phontab", "phonindex", "phondata", "intonations", "en_dict", "lang")
_DEADLINE_SECONDS = 60.0
_VARIANTS = Path("voices", "!v")
_ODD = 0.25  # of the voices have vowels unlike those of any longer or shorter throat, as some of espeak-ng's own
_WEAK = 0.12  # of the formants are hardly heard, as in some of espeak-ng's own variants
_LOCK = threading.Lock()
_folder: tempfile.TemporaryDirectory[str] | None = None


def made_name(number: int) -> str:
    """What espeak-ng calls the voice, behind an accent and a plus."""
    return f"{PREFIX}{number % MADE}"


def is_made(voice: str) -> bool:
    """Whether a speaker's voice, "en-us+made-7", is one of these."""
    return re.fullmatch(rf"[a-z0-9-]+\+{PREFIX}\d{{1,3}}", voice) is not None


def variant(number: int) -> str:
    """The voice in espeak-ng's own words; see its docs/voices.md. Percentages are of the language's own voice."""
    draw = np.random.default_rng([number % MADE, 11])

    def between(low: float, high: float) -> int:
        return round(float(draw.uniform(low, high)))

    def spread(low: float, high: float) -> float:  # as many in each octave
        return float(np.exp(draw.uniform(np.log(low), np.log(high))))

    throat, base = spread(0.75, 1.32), spread(60, 210)
    odd = draw.random() < _ODD
    lines = ["language variant", f"name {made_name(number)}", f"pitch {base:.0f} {base * spread(1.15, 2.0):.0f}"]
    lines.append(f"formant 0 100 {between(70, 160)} {between(80, 150)}")
    for formant in range(1, 9):
        # The lowest three carry the vowels.
        low, high = (0.7, 1.3) if formant > 3 else (0.75, 1.15) if odd else (0.92, 1.09)
        tone = 100 * throat * spread(low, high)
        strong = between(0, 25) if formant > 2 and draw.random() < _WEAK else between(55, 140)
        if formant > 5 and draw.random() < 0.3:
            strong = 0
        lines.append(f"formant {formant} {tone:.0f} {strong} {between(60, 165)}")
    lines += [f"flutter {between(0, 8)}", f"voicing {spread(50, 200):.0f}"]
    lines.append(f"consonants {spread(30, 180):.0f} {spread(40, 200):.0f}")
    lines.append(f"intonation {draw.integers(1, 4)}")
    if draw.random() < 0.2:
        lines.append(f"roughness {between(1, 4)}")
    if draw.random() < 0.3:
        hertz = np.cumsum(np.exp(draw.uniform(np.log(100), np.log(1_500), 4)))
        lines.append("tone " + " ".join(f"{at:.0f} {between(20, 255)}" for at in hertz))
    if draw.random() < 0.15:
        lines.append(f"echo {between(10, 140)} {between(5, 40)}")
    if draw.random() < 0.15:
        lines.append(f"klatt {draw.integers(1, 7)}")
    if draw.random() < 0.2:
        lines.append("breath " + " ".join(str(between(0, 15)) for _ in range(8)))
    if draw.random() < 0.4:
        lines.append("stressAmp " + " ".join(str(between(15, 36)) for _ in range(8)))
    if draw.random() < 0.4:
        lines.append("stressAdd " + " ".join(str(between(-30, 200)) for _ in range(8)))
    return "\n".join(lines) + "\n"


def data_for(voice: str, program: str) -> Path:
    """A folder for espeak-ng's option --path, in which it finds this made voice, and English.

    Each voice has its own, as espeak-ng knows no more than 349 at a time. It lives as long as this process. program: where
    espeak-ng lies. Raises `TrainerError`.
    """
    name = voice.split("+")[1]
    with _LOCK:
        folder = Path(_folders(), name)
        if not folder.exists():
            data = folder / "espeak-ng-data"
            (data / _VARIANTS).mkdir(parents=True)
            for part in _ENGLISH:
                (data / part).symlink_to(_own_data(program) / part)
            (data / _VARIANTS / name).write_text(variant(int(name.removeprefix(PREFIX))), encoding="ascii")
    return folder


def _folders() -> str:
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="enigma-voices-")
    return _folder.name


@functools.cache
def _own_data(program: str) -> Path:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_DEADLINE_SECONDS).stdout
    found = re.search(r"Data at: (.+)", told)
    own = Path(found[1].strip()) if found else None
    if own is None or not all((own / part).exists() for part in _ENGLISH):
        raise TrainerError("espeak-ng doesn't say where its data for English lie; install version 1.50 or later.")
    return own
