"""The student of the task 3d_gen: a language model, see `trainer_host.students.language`, examined on its bodies."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.media import Rejected
from trainer_host.data.dataset import Row
from trainer_host.students import Json
from trainer_host.students.programs import ProgramStudent

GOLDEN_TOKENS = 160  # all but the largest bodies have fewer


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
            program = read_program(answer["program"])
            body = measure(build(program))
        except Rejected:
            continue
        closed += 1
        right += not unmet(read_facts(row.output.get("shows", [])), body, program.colour)
    return {"readable": readable / len(rows), "closed": closed / len(rows), "as_asked": right / len(rows)}


STUDENT = ProgramStudent("3d_gen", shares, GOLDEN_TOKENS)
