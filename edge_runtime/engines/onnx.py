"""Runs .onnx files in onnxruntime: one thread, no spinning, no telemetry."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from edge_runtime.engines import ONNX, Tensor, check_input, check_names
from edge_runtime.engines.onnx_file import check_outside, lay_out, without_weights
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime as ort

# Bytes. Smaller models load in some milliseconds anyway, and answer quicker when their weights are packed.
COLD_FROM = 1 << 20
# onnxruntime from which a graph in memory may have its weights in files of a folder; before, of the working folder.
_MAPS_FROM_MEMORY = (1, 20)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
    "tensor(uint16)": np.uint16,
    "tensor(int32)": np.int32,
    "tensor(uint32)": np.uint32,
    "tensor(int64)": np.int64,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxEngine:
    """An .onnx file in an onnxruntime session on the CPU."""

    runtime = ONNX

    def __init__(
        self,
        path: Path,
        threads: int,
        version: str,
        inputs: dict[str, str],
        outputs: dict[str, str],
        cold: Path | None = None,
    ) -> None:
        session, self._failures = open_session(path, threads, version, cold)
        self._many = _many(session)
        self.version = version
        self._session: ort.InferenceSession | None = session
        self._inputs = inputs or {i.name: i.name for i in session.get_inputs()}
        self._outputs = outputs or {o.name: o.name for o in session.get_outputs()}
        specs = {i.name: i for i in session.get_inputs()}
        check_names("inputs", set(self._inputs.values()), set(specs))
        if missing := set(self._outputs.values()) - {o.name for o in session.get_outputs()}:
            raise EngineError(f"{path.name} has no output named {missing.pop()}; build the bundle again.")
        self._specs = {
            name: (
                np.dtype(_DTYPES[specs[tensor].type]),
                list(_shape(specs[tensor].shape)),
            )
            for name, tensor in self._inputs.items()
            if specs[tensor].type in _DTYPES
        }
        # Sequences, maps and rare floats: no task gives them, and who has a graph of them may, unchecked.
        self._opaque = self._inputs.keys() - self._specs.keys()
        self.inputs = tuple(Tensor(name, dtype, tuple(shape)) for name, (dtype, shape) in self._specs.items())
        made = {o.name: o for o in session.get_outputs()}
        self.outputs = tuple(
            Tensor(name, np.dtype(_DTYPES[made[tensor].type]), _shape(made[tensor].shape))
            for name, tensor in self._outputs.items()
            if made[tensor].type in _DTYPES
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the session once; see `Engine.run`."""
        if self._session is None:
            raise EngineError("The model was closed.")
        if inputs.keys() != self._inputs.keys():
            check_names("inputs", set(inputs), set(self._inputs))
        for name, (dtype, shape) in self._specs.items():
            value = inputs[name]
            check_input(name, value.astype(object) if value.dtype.kind == "U" else value, dtype, shape)
        feed = {self._inputs[name]: value for name, value in inputs.items()}
        try:
            many = self._many if self._many is not None and len(next(iter(feed.values()))) > 1 else None
            values = self._session.run(list(self._outputs.values()), feed, many)
        except self._failures as cause:
            raise EngineError(f"onnxruntime couldn't run the model: {first_line(cause)}") from None
        return dict(zip(self._outputs, (_array(value) for value in values), strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None


def _many(session: ort.InferenceSession) -> ort.RunOptions | None:
    """How a run of several rows is asked for, None where the model has no axis for them.

    Its memory, some megabytes for 16 rows of a small model, is given back behind it, for a microsecond a row. That of
    one row stays.
    """
    import onnxruntime as ort

    shapes = [each.shape for each in session.get_inputs()]
    if not shapes or any(not shape or isinstance(shape[0], int) for shape in shapes):
        return None
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _array(value: object) -> np.ndarray:
    """A tensor as an array; sequences and maps stay what they are."""
    return cast(np.ndarray, value if isinstance(value, list | dict) or value is None else np.asarray(value))


def _shape(raw: Sequence[object]) -> tuple[int | None, ...]:
    """Names and absent sizes, which any size fits, as None."""
    return tuple(size if isinstance(size, int) else None for size in raw)


def open_session(
    path: Path, threads: int, version: str, cold: Path | None = None
) -> tuple[ort.InferenceSession, tuple[type[Exception], ...]]:
    """A session on the CPU that neither spins nor reports, and the errors that it may raise; raises `EngineError`.

    cold: see `open_engine`.
    """
    # Wheels from 1.29 on write a device id and report by default.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime as ort
    except ImportError as cause:
        raise EngineError(f"onnxruntime {version} doesn't import here ({cause}); reinstall it.") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads burn 31 to 51 % of a core in a 30 Hz loop, and 2 % without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    outside, shown, large = check_outside(path), path.name, path.stat().st_size >= COLD_FROM
    head = without_weights(path) if large and not outside else None
    graph = path.read_bytes() if outside else head or b""
    # Weights in blocks, unpacked, would be made floats anew in every run: 71 ms a token instead of 6 (measured).
    if cold is not None and large and b"MatMulNBits" not in graph:
        if not outside:  # else its weights lie in files of their own already
            path, head = lay_out(path, cold), None
        options.add_session_config_entry("session.disable_prepacking", "1")
    if head is not None and _release(version) >= _MAPS_FROM_MEMORY:
        folder = str(path.parent.absolute())
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    else:
        head = None
    # onnxruntime's errors share no base class but RuntimeError's siblings; this is the package boundary.
    failures: tuple[type[Exception], ...] = (RuntimeError, ValueError, *ort_errors())
    try:
        if head is not None:
            with contextlib.suppress(*failures):  # what it can't open so, it may as a file, or says why
                return ort.InferenceSession(head, options, providers=["CPUExecutionProvider"]), failures
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]), failures
    except failures as cause:
        raise EngineError(f"onnxruntime {version} can't open {shown}: {first_line(cause)}") from None


def _release(version: str) -> tuple[int, ...]:
    """Major and minor of a version; nothing where it isn't one."""
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def ort_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return tuple(getattr(state, name) for name in (*names, "EngineError", "RuntimeException") if hasattr(state, name))


def first_line(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
