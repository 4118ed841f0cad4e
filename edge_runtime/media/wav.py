"""WAV files: 16-bit mono, written and read by the standard library."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected

if TYPE_CHECKING:
    import numpy as np

RATE = 22_050  # samples a second, as espeak-ng has them; enough for five partials of the highest note
PEAK = 0.9  # of full scale: the loudest sample of what we mix
SILENT = 0.003  # of full scale, root mean square: about -50 dB


def write_wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """float [n] within -1 to 1, `rate` a second -> a WAV file."""
    import numpy as np

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


def read_wav(content: bytes) -> np.ndarray:
    """A file that `write_wav` wrote at `RATE` -> float64 [n]; raises `Rejected` for another format."""
    import numpy as np

    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as cause:
        raise Rejected("wrong sound file", f"the file isn't a WAV that can be read ({cause})") from cause
    if form != (1, 2, RATE):
        raise Rejected("wrong sound file", f"the WAV must be mono, 16 bits, {RATE} samples a second")
    return np.frombuffer(data, dtype="<i2").astype(np.float64) / 32767


def refuse_bad_sound(samples: np.ndarray) -> None:
    """Raises `Rejected` for silence and for clipping (samples in a row at full scale)."""
    import numpy as np

    if not len(samples) or float(np.sqrt((samples**2).mean())) < SILENT:
        raise Rejected("silent", "nothing can be heard; raise the loudness")
    full = np.abs(samples) >= 0.999
    if (full[1:] & full[:-1]).any():
        raise Rejected("clipped", "the sound is too loud and distorted; lower the loudness")
