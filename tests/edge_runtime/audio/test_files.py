from __future__ import annotations

import contextlib
import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.audio.files import MAX_SECONDS, RATE, read_sound, write_sound
from edge_runtime.audio.resample import RATES, resample
from edge_runtime.errors import BadRequest


def tone(rate: int, seconds: float = 0.5, hertz: float = 1_000.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int, width: int = 2, channels: int = 1) -> bytes:
    """By the standard library, which knows nothing of ours."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        values = np.repeat(samples, channels)
        if width == 1:
            file.writeframes((np.rint(values * 127) + 128).astype(np.uint8).tobytes())
        else:
            whole = np.rint(values * (2.0 ** (8 * width - 1) - 1)).astype("<i4")
            data = whole.view(np.uint8).reshape(-1, 4)[:, :width]
            file.writeframes(np.ascontiguousarray(data).tobytes())
    return out.getvalue()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_wav_of_any_rate_and_width_is_the_same_sound(rate: int, width: int) -> None:
    got = read_sound(wav(tone(rate), rate, width)).samples
    wanted = tone(RATE)
    assert len(got) == len(wanted)
    middle = slice(800, -800)
    assert np.abs(got[middle] - wanted[middle]).max() < (0.01 if width == 1 else 1e-3)


def test_what_16_khz_cannot_hold_is_gone_and_not_another_tone() -> None:
    high = tone(48_000, hertz=11_000.0)
    assert np.abs(resample(high, 48_000, RATE)[400:-400]).max() < 0.5 * 10 ** (-60 / 20)


def test_stereo_is_averaged_and_float_is_read() -> None:
    assert np.allclose(read_sound(wav(tone(RATE), RATE, channels=2)).samples, tone(RATE), atol=1e-4)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, RATE, RATE * 4, 4, 32)
    data = tone(RATE).tobytes()
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    whole = struct.pack("<4sI", b"RIFF", len(body)) + body
    assert np.array_equal(read_sound(whole).samples, tone(RATE))


def test_silence_and_clipping_are_told_of() -> None:
    assert read_sound(write_sound(np.zeros(RATE))).problem == "silent"
    assert read_sound(write_sound(np.clip(tone(RATE) * 20, -1, 1))).problem == "clipped"
    assert read_sound(write_sound(tone(RATE))).problem is None


def test_a_file_that_was_cut_off_is_refused_with_what_to_do() -> None:
    whole = wav(tone(RATE), RATE)
    with pytest.raises(BadRequest, match="send the whole file"):
        read_sound(whole[: len(whole) // 2])
    with pytest.raises(BadRequest, match="send the whole file"):
        read_sound(whole[:40])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "isn't a WAV"),
        (b"ID3 not a wav at all", "isn't a WAV"),
        (wav(tone(RATE), 15_999), "samples a second"),
        (wav(np.zeros(0, np.float32), RATE), "no samples"),
        (wav(np.zeros(int(MAX_SECONDS + 1) * 8_000, np.float32), 8_000, 1), "send at most"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        read_sound(content)


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_damaged_files_are_refused_or_read_and_never_crash(tail: bytes, place: int, value: int) -> None:
    content = bytearray(wav(tone(RATE, 0.01), RATE)[:60] + tail)
    content[min(place, len(content) - 1)] = value
    with contextlib.suppress(BadRequest):
        assert np.isfinite(read_sound(bytes(content)).samples).all()
