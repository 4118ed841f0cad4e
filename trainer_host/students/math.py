"""The student of the task math: a language model, see `trainer_host.students.language`."""

from __future__ import annotations

from pathlib import Path

from trainer_host.data.dataset import Row, open_dataset
from trainer_host.students.language.student import LanguageStudent
from trainer_host.students.practice import ASIDE
from trainer_host.students.programs import practised


class MathStudent(LanguageStudent):
    """See `TextStudent`; beside rows of the built-in teacher, more questions of it say when to be unsure."""

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        return [], practised(open_dataset(dataset), ASIDE, ~seed)


STUDENT = MathStudent("math")
