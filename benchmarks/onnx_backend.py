"""ONNX's own backend tests through the device's engine, beside bare onnxruntime in the same run.

    python benchmarks/onnx_backend.py [--only PART] [--every N] [--json FILE]

The package onnx brings some two thousand small models with inputs and expected outputs, one or more for each operator.
Bare onnxruntime doesn't pass them all; what it passes, the engine should pass too, since nothing of ours lies between but
checks of names, types and shapes. Prints how many pass in each, and which ones only bare onnxruntime passes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
from onnx.backend.base import Backend, BackendRep

from edge_runtime.engines import Engine, open_engine


class _Ours(BackendRep):
    """A model in the device's engine."""

    def __init__(self, engine: Engine, inputs: list[str], outputs: list[str]) -> None:
        self._engine, self._inputs, self._outputs = engine, inputs, outputs

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        made = self._engine.run(dict(zip(self._inputs, _given(inputs), strict=False)))
        return tuple(made[name] for name in self._outputs)


class _Bare(BackendRep):
    """A model in onnxruntime as it comes."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime as ort

        ort.set_default_logger_severity(4)
        self._session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        names = [item.name for item in self._session.get_inputs()]
        return tuple(self._session.run(None, dict(zip(names, _given(inputs), strict=False))))


def _given(inputs: Any) -> list[Any]:
    """The inputs of a test, in order; some tests give numpy's scalars for tensors without axes."""
    every = inputs if isinstance(inputs, Sequence) else [inputs]
    return [np.asarray(value) if isinstance(value, np.generic) else value for value in every]


class OurBackend(Backend):
    """Opens models as a device does: from a file."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BackendRep:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            engine = open_engine(path)
        known = {each.name for each in model.graph.initializer}
        inputs = [each.name for each in model.graph.input if each.name not in known]
        return _Ours(engine, inputs, [each.name for each in model.graph.output])

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


class BareBackend(OurBackend):
    """The same in bare onnxruntime."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BackendRep:
        return _Bare(model.SerializeToString())


class _Chosen(OurBackend):
    """The one that `passed` is asked for: making the tests takes longer than running them, and is done once."""

    by: type[Backend] = OurBackend

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BackendRep:
        made = cls.by.prepare(model, device, **kwargs)
        assert made is not None
        return made


def cases(only: str = "", every: int = 1) -> list[unittest.TestCase]:
    """The tests on the processor whose names hold `only`, each `every`th."""
    runner = onnx.backend.test.BackendTest(_Chosen, __name__)
    runner.exclude("_cuda$")
    found = [test for group in runner.test_suite for test in _flat(group)]
    named = sorted(
        (test for test in found if only in test.id() and test.id().endswith("_cpu")), key=lambda test: test.id()
    )
    return named[::every]


def passed(tests: Sequence[unittest.TestCase], by: type[Backend]) -> set[str]:
    """The names of those that pass in a backend."""
    _Chosen.by = by
    right = set()
    for test in tests:
        result = unittest.TestResult()
        test.run(result)
        if result.wasSuccessful() and not result.skipped:
            right.add(test.id().rpartition(".")[2])
    return right


def _flat(suite: Any) -> list[unittest.TestCase]:
    return [suite] if isinstance(suite, unittest.TestCase) else [test for each in suite for test in _flat(each)]


def main() -> None:
    """Compare both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="tests whose names hold this")
    parser.add_argument("--every", type=int, default=1, help="of them each so manieth")
    parser.add_argument("--json", type=Path, help="write the names here")
    args = parser.parse_args()
    np.seterr(all="ignore")
    tests = cases(args.only, args.every)
    ours, bare = passed(tests, OurBackend), passed(tests, BareBackend)
    print(f"of {len(tests)} tests: {len(ours)} pass in the engine, {len(bare)} in bare onnxruntime")
    for name in sorted(bare - ours):
        print(f"  only bare: {name}")
    for name in sorted(ours - bare):
        print(f"  only ours: {name}")
    if args.json is not None:
        args.json.write_text(json.dumps({"engine": sorted(ours), "bare": sorted(bare)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
