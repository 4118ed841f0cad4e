"""Which student of the task vision trains a dataset, and which one a run is of: what finds and names, one for several datasets, or what answers questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from edge_runtime.tasks import Specialist, vision
from trainer_host.data.combos import HEAD
from trainer_host.data.dataset import open_dataset
from trainer_host.students import GraphStudent, Json, ModelIO, OnProgress, Recorder, TrainReport
from trainer_host.tasks.vision_questions import QUESTION

if TYPE_CHECKING:
    import numpy as np
    import torch

CONFIG = "config.json"


class ByKind:
    """See `Student`: each call goes to one of three students."""

    task = vision.NAME
    family: Literal["graph", "language"] = "graph"

    def __init__(self, pictures: GraphStudent, questions: GraphStudent, heads: GraphStudent) -> None:
        self._pictures, self._questions, self._heads = pictures, questions, heads

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
        """See `Student.train`; the first row says what the dataset is of."""
        first = next(iter(open_dataset(dataset).rows("train")), None)
        asked = {} if first is None else first.input
        student = self._questions if QUESTION in asked else self._heads if HEAD in asked else self._pictures
        return student.train(
            dataset,
            run,
            seed=seed,
            seconds=seconds,
            on_progress=on_progress,
            curriculum=curriculum,
            settings=settings,
            work=work,
            recorder=recorder,
        )

    def module(self, run: Path) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...], ModelIO]:
        """See `Student.module`."""
        return self._of(run).module(run)

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """See `Student.calibration`."""
        return self._of(run).calibration(run, dataset, limit)

    def assets(self, run: Path) -> dict[str, Path]:
        """See `Student.assets`."""
        return self._of(run).assets(run)

    def manifest_fields(self, run: Path) -> Json:
        """See `Student.manifest_fields`."""
        return self._of(run).manifest_fields(run)

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """See `Student.evaluate`."""
        return self._of(run).evaluate(run, dataset, specialist, limit)

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """See `Student.golden`."""
        return self._of(run).golden(run, dataset, count)

    def _of(self, run: Path) -> GraphStudent:
        try:
            kind = cast("dict[str, object]", json.loads((run / CONFIG).read_bytes())).get("kind")
        except (OSError, ValueError, AttributeError):
            kind = None  # which the student says in its own sentence
        return {"questions": self._questions, "heads": self._heads}.get(str(kind), self._pictures)
