"""When a student that writes is unsure: what its answers are worth and from which chance on they count, found on rows that
it didn't learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from edge_runtime.tasks.written_confidence import OPTION as WORTH
from edge_runtime.tasks.written_confidence import Doubt, signs
from trainer_host.students import Json
from trainer_host.students.language.rows import mixed, task_of
from trainer_host.tasks import task_spec
from trainer_host.training.calibration import threshold_of, worth_of

if TYPE_CHECKING:
    from trainer_host.data.dataset import Row
    from trainer_host.students.language.student import LanguageStudent

ROWS = 300  # each is written token by token; with half of them the chances of hard tasks err by four hundredths
RIGHT = 0.5  # the score from which an answer counts as right


def find_doubts(student: LanguageStudent, run: Path, unseen: Sequence[Row]) -> tuple[Json, dict[str, float]]:
    """What a run's card keeps of it, each by task, and figures. run: its card has no doubts yet, or those are left out.

    The chance is that of `worth_of`, and the least one that of `threshold_of` over the answers that the device has no
    doubts of: the others are unsure at any chance.
    """
    rows = mixed(unseen)[:ROWS]
    if not rows:
        return {"unsure": {}, WORTH: {}}, {}
    found: dict[str, list[tuple[float, int, bool]]] = defaultdict(list)
    right: dict[str, list[bool]] = defaultdict(list)
    with student.reference(run) as specialist:
        for row in rows:
            task = task_of(row, student.task)
            answer = specialist.run(student.asked(row))
            mean, tokens = cast(float, answer["confidence"]), cast(int, answer["tokens"])
            found[task].append((mean, tokens, bool(answer["unsure"])))
            right[task].append(task_spec(task).score(row.output, answer) >= RIGHT)
    unsure: dict[str, float] = {}
    worth: dict[str, list[float]] = {}
    for task, answers in found.items():
        hits = np.array(right[task])
        weights = worth_of(np.array([signs(*answer) for answer in answers]), hits)
        worth[task] = list(weights)
        clear = np.array([not doubted for _, _, doubted in answers])
        if clear.any():
            chances = np.array([Doubt(weights=weights).confidence(*answer) for answer in answers])
            # Not capped at the aim of 0.9, though the last fiftieth is unsure however right: with a cap 5 to 8 of 100 more of
            # right pictures are sure, 0 to 3 of right films, and of 55 odd prompts 1 more and 2 more ("a star spins in both directions").
            unsure[task] = threshold_of(chances[clear], hits[clear])
    share = sum(map(sum, right.values())) / len(rows)
    return {"unsure": unsure, WORTH: worth}, {"validation accuracy": round(share, 4)}
