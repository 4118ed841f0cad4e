"""WAV files of any usual format -> samples as a model hears them: mono, 16 kHz."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from edge_runtime.audio.resample import RATES, resample
from edge_runtime.errors import BadRequest

RATE = 16_000
TYPES = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
MAX_BYTES = 24 * 1024 * 1024  # two minutes in stereo at 48 kHz
MAX_SECONDS = 120.0
SILENT = 1e-4  # of full scale, root mean square: -80 dB, below the noise of any microphone
CLIPPED_SHARE = 0.001  # of all samples, in a row at full scale
_FULL = 0.999
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# A writer that doesn't know yet how long it gets announces the most; what follows is all there is.
_UNKNOWN_LENGTH = 0x7FFF_0000
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32,)}


@dataclass(frozen=True)
class Sound:
    """samples: float32 [n] at `RATE`, within -1 to 1. problem: "silent", "clipped" or None."""

    samples: np.ndarray
    problem: str | None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


def read_sound(content: bytes) -> Sound:
    """A WAV file (PCM of 8, 16, 24 or 32 bits, or 32-bit float; channels are averaged); raises `BadRequest`."""
    kind, channels, rate, bits, data = _parts(content)
    if bits not in _BITS.get(kind, ()):
        raise BadRequest(f"The WAV has samples of {bits} bits in format {kind}; send PCM of 16 bits.")
    if not 1 <= channels <= 8:
        raise BadRequest(f"The WAV has {channels} channels; send one.")
    if rate not in RATES:
        raise BadRequest(f"The WAV has {rate:,} samples a second; send {RATE:,}.")
    width = bits // 8 * channels
    data = data[: len(data) // width * width]
    if len(data) > MAX_SECONDS * rate * width:
        raise BadRequest(f"The WAV lasts {len(data) / rate / width:,.0f} seconds; send at most {MAX_SECONDS:g}.")
    if not data:
        raise BadRequest("The WAV holds no samples; record again.")
    values = _decoded(data, kind, bits).reshape(-1, channels)
    mono = values.mean(1, dtype=np.float32) if channels > 1 else values[:, 0]
    if not np.isfinite(mono).all():
        raise BadRequest("The WAV holds samples that are no numbers; record again.")
    return Sound(np.clip(resample(mono, rate, RATE), -1, 1), _problem(mono))


def write_sound(samples: np.ndarray, bits: int = 16) -> bytes:
    """float [n] within -1 to 1 at `RATE` -> a mono WAV file of 8 or 16 bits."""
    if bits == 8:
        data = (np.clip(np.rint(samples * 127), -128, 127) + 128).astype(np.uint8).tobytes()
    else:
        data = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, RATE, RATE * bits // 8, bits // 8, bits)
    data += b"\0" * (len(data) % 2)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples) * bits // 8) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _parts(content: bytes) -> tuple[int, int, int, int, bytes]:
    """Format, channels, rate, bits and the samples' bytes of a RIFF file ("Multiple Channel Audio Data", 1.0)."""
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise BadRequest("The file isn't a WAV; send PCM of 16 bits, mono, 16,000 samples a second.")
    form: tuple[int, int, int, int] | None = None
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt " and place + 16 <= len(content) and size >= 16:
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", content, place)
            if kind == _EXTENSIBLE and size >= 26 and place + 26 <= len(content):
                kind = struct.unpack_from("<H", content, place + 24)[0]
            form = kind, channels, rate, bits
        elif name == b"data":
            if form is None:
                raise BadRequest("The WAV doesn't say its format before its samples; record again.")
            if size > len(content) - place and size < _UNKNOWN_LENGTH:
                raise BadRequest(
                    f"The WAV ends after {len(content) - place:,} of {size:,} bytes of samples; send the whole file."
                )
            return *form, content[place : place + size]
        place += size + size % 2
    raise BadRequest("The WAV ends before its samples; send the whole file.")


def _decoded(data: bytes, kind: int, bits: int) -> np.ndarray:
    """float32 [values]."""
    if kind == _FLOAT:
        return np.frombuffer(data, "<f4").astype(np.float32)
    if bits == 8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if bits == 24:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        return ((triples[:, 0] << 8 | triples[:, 1] << 16 | triples[:, 2] << 24) / 2.0**31).astype(np.float32)
    return (np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)).astype(np.float32)


def _problem(mono: np.ndarray) -> str | None:
    if float(np.sqrt(np.square(mono, dtype=np.float64).mean())) < SILENT:
        return "silent"
    full = np.abs(mono) >= _FULL
    return "clipped" if float((full[1:] & full[:-1]).sum()) > CLIPPED_SHARE * len(mono) else None
