"""Runs .tflite files in ai-edge-litert, or in tflite-runtime where there is no other (32-bit ARM).

A file may leave the first axis of its inputs and outputs open, as Keras' converter does. The interpreter is made for so
many rows then as a run has; where it can't be, the file has one size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import LITERT, Tensor, check_input, check_names
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "serving_default"
# An interpreter keeps the memory of its largest run (measured: 47 MB after 2,000 rows of 490 bytes), so behind one of
# more rows than this a fresh one takes its place.
_KEPT_ROWS = 16


class LiteRtEngine:
    """A .tflite file in an interpreter; tensors are addressed by the signature's names where it has one."""

    def __init__(
        self,
        path: Path,
        threads: int,
        runtime: str,
        version: str,
        inputs: dict[str, str],
        outputs: dict[str, str],
    ) -> None:
        self.runtime = runtime
        self.version = version
        self._path, self._threads = path, threads
        self._interpreter: Interpreter | None = self._fresh()
        input_details, output_details = _details(self._interpreter)
        self._inputs = inputs or {name: name for name in input_details}
        self._outputs = outputs or {name: name for name in output_details}
        check_names("inputs", set(self._inputs.values()), set(input_details))
        if missing := set(self._outputs.values()) - set(output_details):
            raise EngineError(f"{path.name} has no output named {missing.pop()}; build the bundle again.")
        self._places = {name: int(input_details[tensor]["index"]) for name, tensor in self._inputs.items()}
        self._results = {name: int(output_details[tensor]["index"]) for name, tensor in self._outputs.items()}
        self.inputs = tuple(_tensor(name, input_details[tensor]) for name, tensor in self._inputs.items())
        self.outputs = tuple(_tensor(name, output_details[tensor]) for name, tensor in self._outputs.items())
        self._sizes = {name: [int(size) for size in input_details[at]["shape"]] for name, at in self._inputs.items()}
        self._rows: int | None = None  # that the tensors have memory for, where their first axis is open
        if all(_is_open(each) for each in (*input_details.values(), *output_details.values())) and self._takes_rows():
            self.inputs = tuple(map(_opened, self.inputs))
            self.outputs = tuple(map(_opened, self.outputs))
        self._specs = {each.name: (each.dtype, list(each.shape)) for each in self.inputs}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the interpreter once; see `Engine.run`."""
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineError("The model was closed.")
        if inputs.keys() != self._specs.keys():
            check_names("inputs", set(inputs), set(self._specs))
        for name, (dtype, shape) in self._specs.items():
            check_input(name, inputs[name], dtype, shape)
        try:
            if self._rows is not None and (rows := self._rows_of(inputs)) != self._rows:
                self._make_for(interpreter, rows)
            for name, index in self._places.items():
                interpreter.set_tensor(index, inputs[name])
            interpreter.invoke()
            found = {name: interpreter.get_tensor(index) for name, index in self._results.items()}
        except (RuntimeError, ValueError) as cause:
            raise EngineError(f"{self.runtime} couldn't run the model: {str(cause)[:200]}") from None
        if self._rows is not None and self._rows > _KEPT_ROWS:
            with contextlib.suppress(EngineError):  # its file is gone, and this one goes on
                self._interpreter, self._rows = self._fresh(), 1
        return found

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None

    def _fresh(self) -> Interpreter:
        interpreter = open_interpreter(self._path, self._threads, self.runtime, self.version)
        allocate(interpreter, self._path.name, self.runtime, self.version)
        return interpreter

    def _takes_rows(self) -> bool:
        """Whether the graph lets its tensors have two rows, as the file says; it has one again afterwards."""
        interpreter = self._interpreter
        assert interpreter is not None
        try:
            self._make_for(interpreter, 2)
            for each in self.inputs:  # zeros, which every table of a model has, in place of what the memory holds
                interpreter.set_tensor(self._places[each.name], np.zeros([2, *self._sizes[each.name][1:]], each.dtype))
            interpreter.invoke()
            taken = all(len(interpreter.get_tensor(index)) == 2 for index in self._results.values())
        except (RuntimeError, ValueError):
            taken = False  # a size is written down within, whatever stands outside
        if taken:
            self._make_for(interpreter, 1)
        else:  # who knows what is left in it
            self._interpreter, self._rows = self._fresh(), None
        return taken

    def _rows_of(self, inputs: Mapping[str, np.ndarray]) -> int:
        rows = {len(inputs[name]) for name in self._specs}
        if len(rows) > 1 or 0 in rows:
            raise EngineError(f"All inputs must have the same number of rows, one at least, and have {sorted(rows)}.")
        return rows.pop()

    def _make_for(self, interpreter: Interpreter, rows: int) -> None:
        """Give the tensors memory for so many rows; raises what the interpreter raises."""
        self._rows = 0  # where that fails, the next run tries again
        for name, index in self._places.items():
            interpreter.resize_tensor_input(index, [rows, *self._sizes[name][1:]])
        interpreter.allocate_tensors()
        self._rows = rows


def _tensor(name: str, detail: dict) -> Tensor:
    return Tensor(name, np.dtype(detail["dtype"]), tuple(int(size) for size in detail["shape"]))


def _is_open(detail: dict) -> bool:
    """Whether a file says of a tensor that any number of rows fits, and one stands there."""
    told = detail.get("shape_signature", ())
    return len(told) > 0 and int(told[0]) == -1 and int(detail["shape"][0]) == 1


def _opened(tensor: Tensor) -> Tensor:
    return Tensor(tensor.name, tensor.dtype, (None, *tensor.shape[1:]))


def open_interpreter(path: Path, threads: int, runtime: str, version: str) -> Interpreter:
    """An interpreter over a file, before its tensors have memory; raises `EngineError`."""
    # tflite-runtime imports with numpy 2 and dies only here, so the construction is the probe.
    try:
        return _interpreter_class(runtime)(model_path=str(path), num_threads=threads)
    except (ImportError, SystemError, AttributeError) as cause:
        raise EngineError(f"{runtime} {version} doesn't work here ({str(cause)[:120]}); reinstall it.") from None
    except (RuntimeError, ValueError) as cause:
        raise EngineError(f"{runtime} {version} can't open {path.name}: {str(cause)[:200]}") from None


def allocate(interpreter: Interpreter, name: str, runtime: str, version: str) -> None:
    """Give the tensors memory, for the first time or after their shapes were changed; raises `EngineError`."""
    try:
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as cause:
        raise EngineError(f"{runtime} {version} can't open {name}: {str(cause)[:200]}") from None


def _interpreter_class(runtime: str) -> Callable[..., Interpreter]:
    if runtime == LITERT:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    from tflite_runtime.interpreter import Interpreter as TfLiteInterpreter

    return TfLiteInterpreter


def _details(interpreter: Interpreter) -> tuple[dict[str, dict], dict[str, dict]]:
    """Tensor details by name: the signature's names, else the tensors' own."""
    if SIGNATURE in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(SIGNATURE)
        return runner.get_input_details(), runner.get_output_details()
    return (
        {detail["name"]: detail for detail in interpreter.get_input_details()},
        {detail["name"]: detail for detail in interpreter.get_output_details()},
    )
