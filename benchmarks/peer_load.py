"""Loads the benchmark's specialist for a peer's server."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.bundle import Manifest
from edge_runtime.engines import ONNX, Engine, open_engine
from edge_runtime.tasks import Specialist, task_module


def load(files: Path, runtime: str = ONNX) -> Specialist:
    """The unpacked bundle's specialist over its model for a runtime, with one thread, as on the device."""
    return load_both(files, runtime)[0]


def load_both(files: Path, runtime: str) -> tuple[Specialist, Engine]:
    """The same, and the engine below it, for who sends tensors."""
    manifest = Manifest.from_json((files / "manifest.json").read_bytes())
    model = next(m for m in manifest.models if any(s.runtime == runtime for s in m.scored_in))
    engine = open_engine(files / model.file, 1, runtime, model.inputs, model.outputs)
    return task_module(manifest.task).load(manifest, files, engine), engine
