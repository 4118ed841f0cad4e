"""The student of the task image_gen: a language model that writes plans, see `edge_runtime.tasks.image_gen`."""

from __future__ import annotations

from pathlib import Path

from trainer_host.students import Json, OnProgress, Recorder, TrainReport
from trainer_host.students.language.student import LanguageStudent

# Packed rows per step. Plans are short and mostly copied from the prompt; half as large steps are twice as many, and a
# model finds by steps, not by tokens, that it is to copy.
_ROWS = 8


class Planner(LanguageStudent):
    """A `LanguageStudent` whose steps are small unless the settings say otherwise."""

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
        """See `LanguageStudent.train`."""
        given = {key: value for key, value in (settings or {}).items() if value is not None}
        return super().train(
            dataset,
            run,
            seed=seed,
            seconds=seconds,
            on_progress=on_progress,
            curriculum=curriculum,
            settings={"rows": _ROWS, **given},
            work=work,
            recorder=recorder,
        )


STUDENT = Planner("image_gen")
