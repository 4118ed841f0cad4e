"""How good a run is in float, and in each of its files as a device of a certain kind would run it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.engines import Engine, available_runtimes, open_engine
from edge_runtime.engines.language import open_language_engine
from edge_runtime.tasks import Specialist, task_module
from trainer_host.compress.files import ModelFile, exported
from trainer_host.compress.gate import draft_manifest, latency
from trainer_host.export.tflite import SilentDescriptors
from trainer_host.students import GraphStudent, ModelIO, Student, student_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from trainer_host.data.dataset import Dataset
    from trainer_host.training.run import Run

REQUESTS = 16  # different ones, for the time of an answer


@dataclass(frozen=True)
class Profile:
    """A file in a runtime with a number of threads. accuracy: 0 to 1; p50_ms: the median time of an answer."""

    file: str
    precision: str
    runtime: str
    threads: int
    bytes: int
    accuracy: float
    p50_ms: float


def float_figures(run: Run, dataset: Dataset, rows: int | None) -> dict[str, float]:
    """What the student's examination gives for the trained weights in float, on the dataset's held-out rows."""
    student = student_of(run)
    with tempfile.TemporaryDirectory(prefix="enigma-float-") as folder:
        engine = _float_engine(run, student, Path(folder))
        try:
            with _specialist(run, student, engine) as specialist:
                return dict(student.evaluate(run.folder, dataset.folder, specialist, rows))
        finally:
            engine.close()


def profiles_of(run: Run, dataset: Dataset, threads: Sequence[int], rows: int | None) -> list[Profile]:
    """Every exported file in every runtime that is installed here, with each number of threads."""
    student, have = student_of(run), available_runtimes()
    requests = student.golden(run.folder, dataset.folder, REQUESTS)
    made = []
    for item in exported(run):
        for runtime in (name for name in item.runtimes if name in have):
            accuracy: float | None = None  # the number of threads changes the time alone
            for count in threads:
                engine = _file_engine(run, student, item, runtime, count)
                try:
                    with _specialist(run, student, engine) as specialist:
                        if accuracy is None:
                            found = student.evaluate(run.folder, dataset.folder, specialist, rows)
                            accuracy = float(found["accuracy"])
                        p50, _ = latency(specialist, requests, engine)
                finally:
                    engine.close()
                made.append(Profile(item.file, item.precision, runtime, count, item.bytes, round(accuracy, 6), p50))
    return made


class ModuleEngine:
    """See `Engine`; a torch module before any export."""

    runtime = "torch"

    def __init__(self, module: torch.nn.Module, names: ModelIO) -> None:
        import torch

        self.version = str(torch.__version__)
        self._module, self._names = module, names

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Engine`."""
        import torch

        with torch.inference_mode():
            result = self._module(*(torch.from_numpy(inputs[name]) for name in self._names.inputs))
        parts = result if isinstance(result, tuple | list) else (result,)
        return {name: part.numpy() for name, part in zip(self._names.outputs, parts, strict=True)}

    def close(self) -> None:
        """See `Engine`."""


@contextmanager
def _specialist(run: Run, student: Student, engine: Engine) -> Iterator[Specialist]:
    """The device's own code over an engine."""
    with tempfile.TemporaryDirectory(prefix="enigma-profile-") as name:
        folder = Path(name)
        for asset, path in student.assets(run.folder).items():
            (folder / asset).write_bytes(path.read_bytes())
        yield task_module(run.task).load(draft_manifest(run, student), folder, engine)


def _float_engine(run: Run, student: Student, folder: Path) -> Engine:
    if student.family == "language":
        from trainer_host.export.language_onnx import export_language_onnx
        from trainer_host.students.language.run_files import trained_model

        model = trained_model(run.folder)[1]
        path = folder / "model.onnx"
        export_language_onnx(model.state_dict(), model.config, path, "fp32", model.config.context)
        return cast(Engine, open_language_engine(path))  # its task's `load` takes a language engine
    module, _, names = cast(GraphStudent, student).module(run.folder)
    return ModuleEngine(module, names)


def _file_engine(run: Run, student: Student, item: ModelFile, runtime: str, threads: int) -> Engine:
    path = run.folder / item.file
    with SilentDescriptors():  # LiteRT greets on standard error
        if student.family == "language":
            return cast(Engine, open_language_engine(path, threads, cache=item.cache))
        return open_engine(path, threads, runtime, item.inputs, item.outputs)
