"""Students: one module per task, which trains a small model and knows how to export and examine it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from trainer_host.errors import DataError
from trainer_host.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    import torch

    from edge_runtime.tasks import Specialist
    from trainer_host.export.language_onnx import CacheScales

# What is learnt, by the module of the same name: the twelve tasks, several of them in one model, plain texts, and a wake word.
TRAINED = (*TASKS, "combo", "base", "wake_word")
# Where a module has another name: the only task whose name can't be a module's, and other kinds of rows of a task.
_MODULES = {
    ("3d_gen", None): "gen_3d",
    ("image_gen", "captions"): "image_flow",
    ("audio_gen", "voice"): "voice",
    ("video_gen", "frames"): "next_frame",
    ("video_gen", "recording"): "next_frame_pixels",
}
Json = dict[str, object]
# Called with the share done (0 to 1) and the figures so far, as in {"loss": 0.31}.
OnProgress = Callable[[float, dict[str, float]], None]


@dataclass(frozen=True)
class ModelIO:
    """The task's names of a graph's inputs and outputs, in the order of its arguments and results."""

    inputs: list[str]
    outputs: list[str]


@dataclass(frozen=True)
class TrainReport:
    """What a training did; `figures` are the student's own, as in {"parameters": 530000, "steps": 900}."""

    seconds: float
    figures: Mapping[str, float] = field(default_factory=dict)


class Recorder(Protocol):
    """Where the figures of each step go, see `trainer_host.training.runs`."""

    def record(self, step: int, values: dict[str, float]) -> None:
        """Keep what was measured in a step."""


def telling(steps: int, on_progress: OnProgress, recorder: Recorder | None) -> Callable[[int, float], None]:
    """What a fit of so many steps calls with each step and its loss."""

    def tell(step: int, loss: float) -> None:
        on_progress(step / steps, {"loss": round(loss, 4)})
        if recorder is not None:
            recorder.record(step, {"loss": loss})

    return tell


class Student(Protocol):
    """One per task: `trainer_host/students/<task>.py` exports it as `STUDENT`.

    A run folder belongs to one training; whatever a student writes there must depend on the dataset, the seed and the
    settings alone, so that two trainings give the same bytes. family: "graph" students are a `GraphStudent`, those of
    "language" a `TextStudent`.
    """

    task: str
    family: Literal["graph", "language"]

    def train(
        self,
        dataset: Path,
        run: Path,
        *,
        seed: int,
        seconds: float | None,
        on_progress: OnProgress,
        curriculum: bool = False,
        settings: Json | None = None,
        work: Path | None = None,
        recorder: Recorder | None = None,
    ) -> TrainReport:
        """Write weights.safetensors, config.json and assets into `run`.

        work: a folder that outlives an interrupted training of the same rows, seed and settings, which then goes on
        with what it left there. recorder: gets the figures of each step, where the student has steps to tell of.

        settings: what a person chose for this family, as in {"size": "tiny"}; `DataError` for what it doesn't take.

        seconds: a budget that the student plans its steps by (never a clock that stops it: that would make
        the result depend on the machine). curriculum: easy rows first, see trainer_host.data.curriculum; without
        it, in the plain order. Raises `DataError` where the rows don't fit the task, or it has no curriculum.
        """

    def assets(self, run: Path) -> dict[str, Path]:
        """Files that the bundle carries beside the models, by their name in the bundle."""

    def manifest_fields(self, run: Path) -> Json:
        """Any of the manifest's `labels`, `thresholds`, `options` and `tokenizer`."""

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """Examine a loaded specialist on the held-out split; the gate compares `accuracy` (0 to 1)."""

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """At most `count` different requests that stand for the task, the same at every call."""


class GraphStudent(Student, Protocol):
    """A student whose model is one graph of static shapes, exported by tracing and quantized with calibration inputs."""

    def module(self, run: Path) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...], ModelIO]:
        """The trained module in eval mode, example inputs of the static shapes it is exported with, names.

        A module with a true attribute `float_edges` keeps its first layer and its output layers in float. One with
        `many_rows` may be asked for several rows at once, which its ONNX files take then.
        """

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """At most `limit` inputs by task name, from the train split, for the ranges of int8."""


class TextStudent(Student, Protocol):
    """A student whose model writes text: a decoder with a cache, see `trainer_host.export.language_onnx`."""

    def write_models(
        self,
        run: Path,
        on_step: Callable[[float, str], None],
        options: ExportOptions | None = None,
        dataset: Path | None = None,
        base: Path | None = None,
    ) -> list[WrittenModel]:
        """Write the model files into `run`, the fp32 one first. dataset: its texts measure a cache of int8. base: the
        folder of an exported run, whose scales are kept where they fit."""

    def cache_scales(self, run: Path, dataset: Path) -> CacheScales:
        """The scales of a cache of int8, measured on the texts of training rows."""

    def cache_agreement(self, run: Path, dataset: Path, model: Path, precision: str) -> float:
        """How often a file with a cache of int8 finds the same next token most likely as with one of float, 0 to 1.

        Measured on the answers of held-out rows, in the runtime of the file.
        """

    def origin(self, run: Path) -> Json | None:
        """What its training began with: {"name", "licence", "sha256"}; None for a model from nothing."""


@dataclass(frozen=True)
class ExportOptions:
    """adapters: the files take low-rank adapters while they run. cache: in which keys and values are kept."""

    adapters: bool = False
    cache: Literal["float", "int8"] = "float"


@dataclass(frozen=True)
class WrittenModel:
    """A model file of a `TextStudent`: its precision, and its largest difference from the torch module's logits."""

    file: str
    precision: str
    error: float


def no_settings(task: str, settings: Json | None) -> None:
    """Raise `DataError` where a student without settings gets any."""
    if settings:
        raise DataError(
            f"A {task} has one size and way of training; leave out --{next(iter(settings)).replace('_', '-')}."
        )


def begins_with(task: str, settings: Json | None, run: Path) -> Path | None:
    """The folder of the run that a student without other settings begins with, None where it begins with nothing.

    run: the folder of the new one, beside which the runs lie. Raises `DataError` where that is no run of the task.
    """
    others = dict(settings or {})
    named = others.pop("init", None)
    no_settings(task, others)
    if named is None:
        return None
    folder = run.parent / str(named)
    try:
        found = json.loads((folder / "run.json").read_bytes())["task"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"There is no run '{str(named)[:64]}' here to begin with; a {task} begins with a run."
        ) from None
    if found != task:
        raise DataError(f"'{str(named)[:64]}' does the task {found}, so that no {task} can begin with it.")
    return folder


class Learnt(Protocol):
    """A dataset, or a run on one."""

    @property
    def task(self) -> str:
        """One of `TRAINED`."""

    @property
    def kind(self) -> str | None:
        """See `Dataset.kind`."""


def student_of(learnt: Learnt) -> Student:
    """The student of a dataset's rows, or the one that a run trained."""
    return student_for(learnt.task, learnt.kind)


def student_for(task: str, kind: str | None = None) -> Student:
    """The student of a task, imported when asked for; raises `DataError` for what is no task."""
    if task not in TRAINED:
        raise DataError(f"There is no student for '{task[:40]}'; the tasks are {', '.join(TRAINED)}.")
    return cast(Student, importlib.import_module(f"{__name__}.{_MODULES.get((task, kind), task)}").STUDENT)
