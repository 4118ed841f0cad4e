"""A student that writes in sentences, and practises around a few rows of the built-in teacher."""

from __future__ import annotations

from pathlib import Path

from trainer_host.data.dataset import Row, open_dataset
from trainer_host.students.language.rows import has_tools
from trainer_host.students.language.student import LanguageStudent
from trainer_host.students.practice import ASIDE, ROWS_A_SECOND, practice
from trainer_host.tasks import task_spec


class WritingStudent(LanguageStudent):
    """See `TextStudent`; rows of the built-in teacher are practised around, see `practice`."""

    def __init__(self, task: str, rows: int | None, most: int, epochs: float) -> None:
        """rows: packed ones per step. most: rows that are learnt from in all. epochs: over those, where it practises."""
        super().__init__(task, rows)
        self._most = most
        self.epochs = epochs

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        most = self._most if seconds is None else min(self._most, round(ROWS_A_SECOND * seconds))
        opened, spec = open_dataset(dataset), task_spec(self.task)
        if rows >= most or has_tools(opened.rows("train"), self.task):  # practice is talk, and would hide the tools
            return [], []
        made = [
            Row(example.input, example.output, {"difficulty": spec.difficulty(example)})
            for example in practice(opened, most - rows + ASIDE, seed)
        ]
        return made[ASIDE:], made[:ASIDE]
