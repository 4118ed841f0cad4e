"""Fresh prompts of a task's built-in teacher, for benchmarks that judge a run's answers."""

from __future__ import annotations

import random
from collections.abc import Callable

from trainer_host.data.dataset import SPLITS, open_dataset
from trainer_host.tasks import Example, task_spec
from trainer_host.training.run import Run, dataset_of
from trainer_host.workspace import Workspace


def fresh(
    workspace: Workspace, run: Run, count: int, seed: str, wanted: Callable[[Example], bool] = lambda example: True
) -> list[Example]:
    """So many examples that the run's dataset doesn't have in any split, no two with one prompt. wanted: which may come."""
    spec = task_spec(run.task)
    dataset = open_dataset(dataset_of(workspace, run).folder)
    met = {spec.key(Example(row.input, row.output)) for split in SPLITS for row in dataset.rows(split)}
    rng = random.Random(seed)
    made: list[Example] = []
    while len(made) < count:
        example = spec.built_in(rng)
        key = spec.key(example)
        if key not in met and wanted(example):
            met.add(key)
            made.append(example)
    return made
