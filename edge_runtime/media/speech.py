"""Speech by espeak-ng, as the system has it: a text, a voice, and how it is said."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.errors import NotEquipped
from edge_runtime.media import Json, Rejected, reading
from edge_runtime.media.reading import WRONG_FORM
from edge_runtime.media.wav import RATE

if TYPE_CHECKING:
    import numpy as np

# Voices of espeak-ng that differ by an octave: the median pitch of "m3" is near 105 Hz, of "f3" near 210 Hz.
VOICES = {"man": "en+m3", "woman": "en+f3"}
MAX_TEXT = 160
RATES = (80, 320)  # words a minute
PITCHES = (0, 99)  # espeak-ng's own scale
LOUDNESSES = (20, 120)  # of its 200; above, it clips
NORMAL_RATE, NORMAL_PITCH, NORMAL_LOUDNESS = 160, 50, 60
MISSING = "Speech needs espeak-ng; install it (on Debian: apt-get install espeak-ng), or ask for music only."
_DEADLINE_SECONDS = 20.0  # 160 characters take a fiftieth of a second
_HEADER = 44  # bytes of its WAV header


@dataclass(frozen=True)
class Utterance:
    """A text and how it is said; see `RATES`, `PITCHES`, `LOUDNESSES`."""

    text: str
    voice: str
    rate: int = NORMAL_RATE
    pitch: int = NORMAL_PITCH
    loudness: int = NORMAL_LOUDNESS

    @property
    def plain(self) -> Utterance:
        """The same text and voice without expression."""
        return replace(self, rate=NORMAL_RATE, pitch=NORMAL_PITCH, loudness=NORMAL_LOUDNESS)


def available() -> bool:
    """Whether the system has espeak-ng."""
    return shutil.which("espeak-ng") is not None


def read_utterance(found: Json) -> Utterance:
    """From the fields of a program; raises `Rejected`."""
    text = reading.text(found["text"], "text", MAX_TEXT)
    if not text.isascii() or not any(letter.isalpha() for letter in text):
        raise Rejected(WRONG_FORM, "text must be English in plain letters (ASCII)")
    return Utterance(
        text,
        reading.choice(found["voice"], "voice", VOICES),
        reading.integer(found["rate"], "rate", *RATES),
        reading.integer(found["pitch"], "pitch", *PITCHES),
        reading.integer(found["loudness"], "loudness", *LOUDNESSES),
    )


def speak(utterance: Utterance) -> np.ndarray:
    """float64 [n] at `RATE`; raises `NotEquipped` where espeak-ng is missing or fails."""
    import numpy as np

    path = shutil.which("espeak-ng")
    if path is None:
        raise NotEquipped(MISSING)
    command = [path, "-b", "1", "-v", VOICES[utterance.voice], "-s", str(utterance.rate), "-p", str(utterance.pitch)]
    command += ["-a", str(utterance.loudness), "--stdin", "--stdout"]
    try:
        done = subprocess.run(
            command, input=utterance.text.encode(), capture_output=True, timeout=_DEADLINE_SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as cause:
        raise NotEquipped(f"espeak-ng failed ({cause}); check that it speaks: espeak-ng hello") from cause
    sound = done.stdout
    if sound[:4] != b"RIFF" or int.from_bytes(sound[24:28], "little") != RATE:
        raise NotEquipped(
            f"This espeak-ng doesn't write WAV of {RATE} samples a second; install version 1.50 or newer."
        )
    # The sizes in the header of a stream are unknown when it begins; the samples are all that follows.
    samples = np.frombuffer(sound[_HEADER : len(sound) - len(sound) % 2], dtype="<i2")
    return samples.astype(np.float64) / 32768
