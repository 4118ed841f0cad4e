"""Runs .tflite files in ai-edge-litert, or in tflite-runtime where there is no other (32-bit ARM)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import LITERT, Tensor, check_input, check_names
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "serving_default"


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
        self._interpreter: Interpreter | None = open_interpreter(path, threads, runtime, version)
        allocate(self._interpreter, path.name, runtime, version)
        input_details, output_details = _details(self._interpreter)
        self._inputs = inputs or {name: name for name in input_details}
        self._outputs = outputs or {name: name for name in output_details}
        check_names("inputs", set(self._inputs.values()), set(input_details))
        if missing := set(self._outputs.values()) - set(output_details):
            raise EngineError(f"{path.name} has no output named {missing.pop()}; build the bundle again.")
        self._specs = {
            name: (
                int(input_details[tensor]["index"]),
                np.dtype(input_details[tensor]["dtype"]),
                [int(n) for n in input_details[tensor]["shape"]],
            )
            for name, tensor in self._inputs.items()
        }
        self._results = {name: int(output_details[tensor]["index"]) for name, tensor in self._outputs.items()}
        self.inputs = tuple(Tensor(name, dtype, tuple(shape)) for name, (_, dtype, shape) in self._specs.items())
        self.outputs = tuple(
            Tensor(name, np.dtype(output_details[tensor]["dtype"]), tuple(map(int, output_details[tensor]["shape"])))
            for name, tensor in self._outputs.items()
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the interpreter once; see `Engine.run`."""
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineError("The model was closed.")
        if inputs.keys() != self._specs.keys():
            check_names("inputs", set(inputs), set(self._specs))
        try:
            for name, (index, dtype, shape) in self._specs.items():
                check_input(name, inputs[name], dtype, list(shape))
                interpreter.set_tensor(index, inputs[name])
            interpreter.invoke()
            return {name: interpreter.get_tensor(index) for name, index in self._results.items()}
        except (RuntimeError, ValueError) as cause:
            raise EngineError(f"{self.runtime} couldn't run the model: {str(cause)[:200]}") from None

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


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
