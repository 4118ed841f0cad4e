"""Engines run a model file; each runtime is imported only when a bundle needs it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    import numpy as np

ONNX = "onnxruntime"
LITERT = "ai-edge-litert"
TFLITE = "tflite-runtime"
XLLAMACPP = "xllamacpp"  # llama.cpp, for the .gguf files of language models alone
# Which runtimes open which suffix, the preferred first: LiteRT is 7 to 16 times faster than tflite-runtime.
BY_SUFFIX: Mapping[str, tuple[str, ...]] = {".onnx": (ONNX,), ".tflite": (LITERT, TFLITE)}


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph. shape: None where any size goes."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]


class Engine(Protocol):
    """A model file opened in one runtime. `run` may be called from one thread at a time."""

    runtime: str
    version: str

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once. Names are the task's; dtype and shape must match the model's, else `EngineError`."""

    def close(self) -> None:
        """Free the model; `run` must not be called afterwards."""


@runtime_checkable
class GraphEngine(Engine, Protocol):
    """An engine that says what its graph takes and gives, by the task's names."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def open_engine(
    path: Path,
    threads: int = 1,
    runtime: str | None = None,
    rename_inputs: Mapping[str, str] | None = None,
    rename_outputs: Mapping[str, str] | None = None,
    cold: Path | None = None,
) -> Engine:
    """Open a .onnx or .tflite file; raises `EngineError` with what to install or change.

    runtime: one of the names above; by default the first available one for the file's suffix.
    rename_inputs, rename_outputs: the task's name -> the tensor's name (a manifest's "inputs" and "outputs").
    cold: a folder of this file's own (made where it lacks), to lay the weights of a .onnx out in: they are mapped from
    there, not read, and not packed anew, so that opening takes milliseconds, and the kernel may drop what isn't used.
    """
    fitting = BY_SUFFIX.get(path.suffix)
    if fitting is None:
        raise EngineError(f"{path.name} is neither .onnx nor .tflite, so no runtime here can open it.")
    if not path.is_file():
        raise EngineError(f"There is no model file {path.name}.")
    have = available_runtimes()
    chosen = runtime or next((name for name in fitting if name in have), fitting[0])
    if chosen not in fitting:
        raise EngineError(f"{chosen} can't open {path.name}; use {' or '.join(fitting)}.")
    if chosen not in have:
        raise EngineError(f"{path.name} needs {chosen}, which isn't usable here; {advice(chosen)}")
    inputs, outputs = dict(rename_inputs or {}), dict(rename_outputs or {})
    if chosen == ONNX:
        from edge_runtime.engines.onnx import OnnxEngine

        return OnnxEngine(path, threads, have[chosen], inputs, outputs, cold)
    from edge_runtime.engines.litert import LiteRtEngine

    return LiteRtEngine(path, threads, chosen, have[chosen], inputs, outputs)


@functools.cache
def available_runtimes() -> dict[str, str]:
    """Name -> version of the runtimes installed here, found without importing them.

    tflite-runtime counts only with numpy below 2 and Python up to 3.11: elsewhere its import succeeds and its
    interpreter dies.
    """
    every = (ONNX, LITERT, TFLITE, XLLAMACPP)
    versions = _installed({*every, "numpy"})
    usable = {name: versions[name] for name in every if name in versions}
    if int(versions.get("numpy", "0").split(".")[0]) >= 2 or sys.version_info >= (3, 12):
        usable.pop(TFLITE, None)
    return usable


# What tells of an installed package: NAME-VERSION.dist-info (PyPA, "Recording installed projects"), or .egg-info.
_METADATA = re.compile(r"([^-]+)-([^-]+)(?:-.+)?\.(?:dist|egg)-info")


def _installed(names: set[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed, from the names of their metadata folders.

    importlib.metadata says the same, for 1.8 MB of memory and 25 ms of every start.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):  # not every entry exists, or is a folder
            for entry in os.listdir(folder or "."):  # noqa: PTH208 (a Path per entry of site-packages takes longer)
                if (read := _METADATA.fullmatch(entry)) and (name := read[1].replace("_", "-").lower()) in names:
                    found.setdefault(name, read[2])  # of two, the one that an import finds
    return found


def advice(runtime: str) -> str:
    """What to install where a runtime lacks, as the end of a sentence."""
    if runtime == TFLITE:
        return "it needs Python 3.11 or older and numpy below 2: install Enigma with the extra 'tflite'."
    extra = "onnx" if runtime == ONNX else "litert"
    return f"install Enigma with the extra '{extra}'."


def check_input(name: str, value: np.ndarray, dtype: np.dtype, shape: list[int | None]) -> None:
    """Raise `EngineError` unless the array has this dtype and shape (None or -1: any length)."""
    given = value.shape
    fits = len(given) == len(shape)
    if fits and given != tuple(shape):
        fits = all(want is None or want < 0 or have == want for have, want in zip(given, shape, strict=True))
    if value.dtype != dtype or not fits:
        raise EngineError(
            f"Input '{name}' must be {dtype} {shape}, and the task gave {value.dtype} {list(value.shape)}; "
            "the bundle doesn't fit this version of the runtime."
        )


def check_names(what: str, given: set[str], wanted: set[str]) -> None:
    """Raise `EngineError` unless both sets of tensor names are the same."""
    if given != wanted:
        raise EngineError(
            f"The model's {what} are {sorted(wanted)}, and the task uses {sorted(given)}; "
            "the bundle doesn't fit this version of the runtime."
        )
