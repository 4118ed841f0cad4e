"""The student of the task code: a language model that reads in marks, see `edge_runtime.language.code_marks`."""

from __future__ import annotations

from pathlib import Path

from trainer_host.data.dataset import Row
from trainer_host.students.writing import WritingStudent

_UNSIGNED = 5  # of so many practised rows one has no first line, which people leave out too


class CodeStudent(WritingStudent):
    """See `TextStudent`; some of what it practises are requests in words alone."""

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        learnt, aside = super()._practised(dataset, rows, seed, seconds)
        return [_unsigned(row) if at % _UNSIGNED == 0 else row for at, row in enumerate(learnt)], aside


def _unsigned(row: Row) -> Row:
    return Row({"prompt": row.input["prompt"]}, row.output, row.meta)


# Marked rows are short, and most of what is in them is the same for a whole family of functions.
STUDENT = CodeStudent("code", rows=4, most=2200, epochs=5)
