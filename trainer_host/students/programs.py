"""What the students share that write programs a device runs: practice, and an exam on what was made."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.tasks import Specialist
from trainer_host.data.dataset import SPLITS, Dataset, Row, open_dataset
from trainer_host.data.derive import BUILT_IN
from trainer_host.students import Json
from trainer_host.students.language.rows import mixed, rows_of, text_task
from trainer_host.students.language.student import EXAMINED_ROWS, LanguageStudent
from trainer_host.students.practice import ASIDE, ROWS_A_SECOND
from trainer_host.tasks import Example, canonical, task_spec

# Of a few hundred short rows, more and smaller steps learn more than the usual 16 rows a step.
ROWS_A_STEP = 4
GOLDEN_MOST = 4
ROWS = 4000  # that such a student learns from in all, with what it practises
_DRAWS = 8  # per row that is wanted: of a small grammar most draws repeat something, or are of another kind

Draw = Callable[[random.Random], Example]
Shares = Callable[[Sequence[Row], Sequence[Json]], dict[str, float]]


class PractisingStudent(LanguageStudent):
    """See `TextStudent`; rows of the built-in teacher are practised around."""

    def __init__(self, task: str, rows: int, draw: Draw | None = None) -> None:
        """rows: see `LanguageStudent`. draw: makes what is practised; by default the task's built-in teacher."""
        super().__init__(task, rows)
        self._draw = draw

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        most = ROWS if seconds is None else min(ROWS, round(ROWS_A_SECOND * seconds))
        if rows >= most:
            return [], []
        opened = open_dataset(dataset)
        # What judges is of the teacher's own: its scenes show what they say. Another seed, or both would begin alike.
        aside = practised(opened, ASIDE, ~seed)
        return practised(opened, most - rows, seed, self._draw, aside), aside


class ProgramStudent(PractisingStudent):
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


def practised(
    dataset: Dataset, count: int, seed: int, draw: Draw | None = None, others: Sequence[Row] = ()
) -> list[Row]:
    """At most `count` different rows of the built-in teacher, or of `draw`, the same for the same rows and seed.

    None for rows of another teacher. None asks what a row of the dataset or one of the others does, nor reads to a
    model, in marks and letters, as what is examined, and none is of a kind that the dataset lacks.
    """
    rows = {split: list(dataset.rows(split)) for split in SPLITS}
    if not any(row.meta.get("teacher") == BUILT_IN for row in rows["train"]):
        return []
    spec, rng = task_spec(dataset.task), random.Random(f"practice {seed}")
    learnt, examined = ([Example(row.input, row.output) for row in rows[split]] for split in ("train", "heldout"))
    kinds = {spec.stratum(example) for example in learnt}
    met = {spec.key(example) for example in (*learnt, *examined)}
    met |= {spec.key(Example(row.input, row.output)) for row in others}
    unseen = {_read(dataset.task, example.input) for example in examined}
    made: list[Row] = []
    for _ in range(_DRAWS * max(0, count)):
        if len(made) == count:
            break
        example = (draw or spec.built_in)(rng)
        key = spec.key(example)
        if key in met or _read(dataset.task, example.input) in unseen or spec.stratum(example) not in kinds:
            continue
        met.add(key)
        made.append(Row(example.input, example.output, {"difficulty": spec.difficulty(example)}))
    return made


def _read(task: str, request: Json) -> str:
    """What a model reads of a request."""
    return canonical(text_task(task).messages(request))


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
