"""The student of the task 3d_gen: a language model, see `trainer_host.students.language`, examined on its bodies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_runtime.media import Rejected
from edge_runtime.tasks import Specialist
from trainer_host.data.dataset import Row
from trainer_host.students import Json
from trainer_host.students.kept import Kept
from trainer_host.students.language.rows import mixed, rows_of
from trainer_host.students.language.student import EXAMINED_ROWS, LanguageStudent

# A golden body is written to its end, or both runtimes would agree on none; all but the largest have fewer tokens.
GOLDEN_TOKENS, GOLDEN_MOST = 160, 4


class Gen3dStudent(LanguageStudent):
    """See `TextStudent`."""

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the mean volume shared with what was asked for; see `LanguageStudent.evaluate` and `shares`."""
        kept = Kept(specialist)
        made = super().evaluate(run, dataset, kept, limit)
        rows = mixed(rows_of(dataset, "heldout", self.task))[: limit or EXAMINED_ROWS]
        return {**made, **shares(rows, kept.answers)}

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out requests; see `Student.golden`."""
        asked = super().golden(run, dataset, min(count, GOLDEN_MOST))
        return [{**request, "max_tokens": GOLDEN_TOKENS} for request in asked]


def shares(rows: Sequence[Row], answers: Sequence[Json]) -> dict[str, float]:
    """Of all rows: `readable`, a program; `closed`, its surface, as another reader has it; `as_asked`, all facts hold."""
    from edge_runtime.media.body import build
    from edge_runtime.media.solid import read_program
    from trainer_host.media.body import measure
    from trainer_host.media.solid_facts import read_facts, unmet

    readable = closed = right = 0
    for row, answer in zip(rows, answers, strict=True):
        if answer["program"] is None:
            continue
        readable += 1
        try:
            body = measure(build(read_program(answer["program"])))
        except Rejected:
            continue
        closed += 1
        right += not unmet(read_facts(row.output.get("shows", [])), body)
    return {"readable": readable / len(rows), "closed": closed / len(rows), "as_asked": right / len(rows)}


STUDENT = Gen3dStudent("3d_gen")
