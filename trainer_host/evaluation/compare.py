"""Two or more models on the same held-out rows: score with its margin, size and speed, and whether they differ at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from edge_runtime.bench import written
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import ModelFile, exported
from trainer_host.compress.gate import latency, opened
from trainer_host.data.combos import COMBO
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.students import student_of
from trainer_host.training.run import Run

_NORMAL_95 = 1.959964  # two-sided quantile of the normal distribution


@dataclass(frozen=True)
class Compared:
    """One model. accuracy: 0 to 1 over `rows`; margin: half of its 95 % interval; figures: all of the examination."""

    run: str
    file: str
    runtime: str
    bytes: int
    accuracy: float
    margin: float
    rows: int
    p50_ms: float
    tokens_per_second: float | None  # of what it writes, behind a short text; None of what writes nothing
    figures: dict[str, float]


def compare(
    runs: Sequence[Run], dataset: Dataset, *, rows: int | None, on_step: Callable[[float, str], None]
) -> list[Compared]:
    """Examine the smallest file of each run on the dataset's held-out rows. on_step: how far it is, 0 to 1, and with which run.

    Raises `DataError` for runs of different tasks, or a dataset of another one.
    """
    # A combo is examined in any of its tasks, beside the specialists.
    tasks = {dataset.task if run.task == COMBO else run.task for run in runs} | {dataset.task}
    if len(runs) < 2:
        raise DataError("Name two runs or more to compare.")
    if len(tasks) > 1:
        raise DataError(
            f"Only models of one task can be compared, on its rows; these are of {', '.join(sorted(tasks))}."
        )
    made = []
    for number, run in enumerate(runs):
        student, item = student_of(run), smallest(exported(run))
        on_step(number / len(runs), run.name)
        with opened(run, student, item, item.runtimes[0]) as (specialist, engine):
            asked = min(rows or dataset.counts["heldout"], dataset.counts["heldout"])
            counted = _Counted(specialist, partial(_told, on_step, run.name, number, len(runs), asked))
            # A wake word listens to a stream, without a request for each row.
            examined = specialist if hasattr(specialist, "listen") else counted
            figures = student.evaluate(run.folder, dataset.folder, examined, rows)
            p50, _ = latency(specialist, student.golden(run.folder, dataset.folder, 16), engine)
            language = getattr(specialist, "language", None)
            speed = written(language)["decode_tokens_per_second"] if isinstance(language, LanguageSpecialist) else None
        accuracy, count = float(figures["accuracy"]), int(figures.get("rows", dataset.counts["heldout"]))
        # A score between 0 and 1 varies at most as much as a right-or-wrong one of the same mean.
        margin = _NORMAL_95 * math.sqrt(max(accuracy * (1 - accuracy), 0.25 / count) / count)
        tokens = speed if isinstance(speed, float) else None
        made.append(
            Compared(
                run.name, item.file, item.runtimes[0], item.bytes, accuracy, margin, count, p50, tokens, dict(figures)
            )
        )
    on_step(1.0, "done")
    return made


def _told(on_step: Callable[[float, str], None], name: str, number: int, of: int, asked: int, row: int) -> None:
    on_step((number + min(1.0, row / asked)) / of, name)


class _Counted:
    """A specialist that says how many answers it has given."""

    def __init__(self, specialist: Specialist, on_answer: Callable[[int], None]) -> None:
        self._specialist, self._on_answer, self._count = specialist, on_answer, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._specialist, name)

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """See `Specialist`."""
        answer = self._specialist.run(request)
        self._count += 1
        self._on_answer(self._count)
        return answer


def smallest(files: Sequence[ModelFile]) -> ModelFile:
    """The smallest quantized file, or the only one."""
    quantized = [file for file in files if file.precision != "fp32"]
    return min(quantized or files, key=lambda file: file.bytes)


def differ(one: Compared, other: Compared) -> bool:
    """Whether their scores differ by more than chance, at 95 %."""
    return abs(one.accuracy - other.accuracy) > math.hypot(one.margin, other.margin)
