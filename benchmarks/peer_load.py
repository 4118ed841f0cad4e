"""Loads the benchmark's specialist for a peer's server."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.bundle import Manifest
from edge_runtime.engines import ONNX, open_engine
from edge_runtime.tasks import Specialist, task_module


def load(files: Path) -> Specialist:
    """The unpacked bundle's specialist over its ONNX model, with one thread, as on the device."""
    manifest = Manifest.from_json((files / "manifest.json").read_bytes())
    model = next(m for m in manifest.models if any(s.runtime == ONNX for s in m.scored_in))
    engine = open_engine(files / model.file, 1, ONNX, model.inputs, model.outputs)
    return task_module(manifest.task).load(manifest, files, engine)
