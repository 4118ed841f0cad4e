"""Runs a model file in another Python's runtime, over a pipe: tflite-runtime can't share one with numpy 2.

`ENIGMA_TFLITE_PYTHON` names that interpreter; its environment needs numpy below 2 and tflite-runtime. Started
as a module, this file is the other end.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from edge_runtime.engines import TFLITE, available_runtimes, open_engine
from edge_runtime.errors import EngineError

MODULE = "trainer_host.compress.other_python"
VARIABLE = "ENIGMA_TFLITE_PYTHON"
MAX_MESSAGE = 64 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]
_LENGTH = struct.Struct(">Q")


def other_runtimes() -> dict[str, str]:
    """Name -> version of what the other Python can run and this one can't; raises `EngineError` if it can't start."""
    python = os.environ.get(VARIABLE)
    if not python or TFLITE in available_runtimes():
        return {}
    code = "import json; from edge_runtime.engines import available_runtimes as a; print(json.dumps(a()))"
    try:
        done = subprocess.run(
            [python, "-c", code], env=_environment(), capture_output=True, text=True, timeout=60, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as cause:
        raise EngineError(f"{VARIABLE} is {python}, which can't be used ({str(cause)[:160]}).") from None
    if TFLITE not in found:
        raise EngineError(f"{VARIABLE} is {python}, which has no usable {TFLITE}: it needs numpy below 2.")
    return {TFLITE: str(found[TFLITE])}


class PipedEngine:
    """An `Engine` whose model runs in the other Python; `overhead` is the seconds that the pipe took so far."""

    runtime = TFLITE

    def __init__(self, path: Path, version: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        self.version = version
        self.overhead = 0.0
        names = json.dumps([dict(inputs), dict(outputs)])
        self._process = subprocess.Popen(
            [os.environ[VARIABLE], "-m", MODULE, str(path), names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Engine.run`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        started = time.perf_counter()
        try:
            _send(self._process.stdin, inputs)
            answer = _receive(self._process.stdout)
        except (OSError, ValueError) as cause:
            raise EngineError(f"{TFLITE} in the other Python stopped ({cause}).") from None
        if answer is None:
            raise EngineError(f"{TFLITE} in the other Python couldn't run the model.")
        seconds = float(answer.pop("seconds"))
        self.overhead += time.perf_counter() - started - seconds
        return answer

    def close(self) -> None:
        """End the other process: it stops at the end of its input."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def serve(path: Path, names: str) -> None:
    """The other end: answer inputs with outputs until standard input ends."""
    inputs, outputs = json.loads(names)
    engine = open_engine(path, 1, TFLITE, inputs, outputs)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (given := _receive(source)) is not None:
        started = time.perf_counter()
        answer = engine.run(given)
        seconds = np.array(time.perf_counter() - started)
        _send(sink, {**answer, "seconds": seconds})


def _send(sink: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    sink.write(_LENGTH.pack(buffer.tell()) + buffer.getvalue())
    sink.flush()


def _receive(source: IO[bytes]) -> dict[str, np.ndarray] | None:
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    [length] = _LENGTH.unpack(head)
    if length > MAX_MESSAGE:
        raise ValueError(f"a message of {length} bytes")
    with np.load(io.BytesIO(source.read(length)), allow_pickle=False) as archive:
        return dict(archive)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
