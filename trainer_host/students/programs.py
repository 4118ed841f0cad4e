"""What the students share that write programs a device runs: small steps of training, and an exam on what was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.tasks import Specialist
from trainer_host.data.dataset import Row
from trainer_host.students import Json
from trainer_host.students.language.rows import mixed, rows_of
from trainer_host.students.language.student import EXAMINED_ROWS, LanguageStudent

# Of a few hundred short rows, more and smaller steps learn more than the usual 16 rows a step.
ROWS_A_STEP = 4
GOLDEN_MOST = 4

Shares = Callable[[Sequence[Row], Sequence[Json]], dict[str, float]]


class ProgramStudent(LanguageStudent):
    """See `TextStudent`."""

    def __init__(self, task: str, shares: Shares, golden_tokens: int) -> None:
        """shares: figures of answers to rows. golden_tokens: enough for whole programs, or all would agree on none."""
        super().__init__(task, ROWS_A_STEP)
        self._shares = shares
        self._golden_tokens = golden_tokens

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """The figures of `LanguageStudent.evaluate`, and the task's own of the same answers."""
        kept = Kept(specialist)
        made = super().evaluate(run, dataset, kept, limit)
        rows = mixed(rows_of(dataset, "heldout", self.task))[: limit or EXAMINED_ROWS]
        return {**made, **self._shares(rows, kept.answers)}

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out requests, answered to their end; see `Student.golden`."""
        asked = super().golden(run, dataset, min(count, GOLDEN_MOST))
        return [{**request, "max_tokens": self._golden_tokens} for request in asked]


class Kept:
    """A specialist whose answers are kept, in their order: what is measured on them needs no second run."""

    def __init__(self, specialist: Specialist) -> None:
        self._specialist = specialist
        self.answers: list[Json] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._specialist, name)

    def run(self, request: Json) -> Json:
        """See `Specialist`."""
        self.answers.append(self._specialist.run(request))
        return self.answers[-1]
