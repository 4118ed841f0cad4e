"""Sound as it comes: from a microphone by arecord, a WAV file, or standard input; always PCM of 16 kHz."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from edge_runtime.audio.files import MAX_BYTES, RATE, read_sound
from edge_runtime.errors import BadRequest, NotEquipped

PIECE = RATE // 20 * 2  # bytes: a twentieth of a second
_TAIL_SECONDS = 0.3  # silence behind a file, in which a phrase at its end is heard
_MISSING = "A microphone needs arecord; install it (on Debian: apt-get install alsa-utils), or pipe PCM to --device -."
_END_SECONDS = 2.0
_LOOK_MS = 200  # between two looks whether it is stopped, where no sound comes
_SAID = 400  # bytes: the latest that it complained of


def from_file(path: Path) -> Iterator[bytes]:
    """A WAV file in pieces of PCM; raises `BadRequest`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRequest(f"{path} has more than {MAX_BYTES:,} bytes; cut it.")
        sound = read_sound(path.read_bytes())
    except OSError as cause:
        raise BadRequest(f"{path} can't be read: {cause.strerror}.") from None
    whole = np.concatenate([sound.samples, np.zeros(int(_TAIL_SECONDS * RATE), np.float32)])
    data = np.rint(whole * 32767).astype("<i2").tobytes()
    return (data[place : place + PIECE] for place in range(0, len(data), PIECE))


def from_microphone(device: str | None, stopped: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    """PCM of an ALSA device (None: the default one; "-": standard input) until it ends; raises `NotEquipped`.

    stopped: asked again and again; where it says so, recording ends, also with a device that gives nothing.
    """
    if device == "-":
        return _pieces(sys.stdin.buffer)
    return _recorded(device, stopped)


def _recorded(device: str | None, stopped: Callable[[], bool]) -> Iterator[bytes]:
    path = shutil.which("arecord")
    if path is None:
        raise NotEquipped(_MISSING)
    command = [path, "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(RATE)]
    process = subprocess.Popen(
        [*command, "-D", device] if device else command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    sound, told = process.stdout.fileno(), process.stderr.fileno()
    ready = select.poll()
    ready.register(sound)
    ready.register(told)
    left, said = b"", b""
    try:
        while not stopped():
            # What it complains of first, which is why it ends where it does.
            for number, _ in sorted(ready.poll(_LOOK_MS), key=lambda each: each[0] == sound):
                data = os.read(number, PIECE)
                if number == told:  # each overrun is told, and where nobody reads that, it stands still after 1,600
                    said = (said + data)[-_SAID:]
                    if not data:
                        ready.unregister(told)
                elif not data:
                    while (more := _waiting(told, ready)) and not stopped():
                        said = (said + more)[-_SAID:]
                    lines = said.decode("utf-8", "replace").strip().splitlines()
                    why = lines[-1] if lines else "no sound came"
                    raise NotEquipped(f"arecord stopped ({why}); 'arecord -L' lists what --device can name.")
                else:
                    data = left + data
                    even = len(data) // 2 * 2
                    left = data[even:]
                    if even:
                        yield data[:even]
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()
        process.stderr.close()


def _waiting(number: int, ready: select.poll) -> bytes:
    """What can be read at once; b"" at its end, and where there is nothing."""
    return os.read(number, PIECE) if any(each == number for each, _ in ready.poll(0)) else b""


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    """Whole samples, as soon as there are any."""
    left = b""
    read = getattr(source, "read1", source.read)
    while piece := read(PIECE):
        piece = left + piece
        even = len(piece) // 2 * 2
        left = piece[even:]
        if even:
            yield piece[:even]
