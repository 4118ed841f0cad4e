"""Datasets of several tasks as one: what a combo, or the all-in-one, learns from."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import UnknownTask
from edge_runtime.tasks import task_module
from trainer_host.data.dataset import SPLITS, Dataset, Row, open_dataset, seal, write_rows
from trainer_host.data.packs.card import parents_json, parents_of
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace, checked_name, making

COMBO = "combo"
Json = dict[str, object]


def combined(workspace: Workspace, name: str, sources: Sequence[Dataset]) -> Dataset:
    """All rows of datasets of different tasks; a row's input is {"task", "request"}. What was held out stays so.

    Raises `DataError` for tasks that no language model writes, and for two datasets of one task: those are mixed first.
    """
    checked_name(name)
    tasks = [dataset.task for dataset in sources]
    if len(tasks) < 2 or len(set(tasks)) < len(tasks):
        raise DataError("Name two or more datasets of different tasks; datasets of one task are put together by 'mix'.")
    for task in tasks:
        if not written_by_language(task):
            raise DataError(f"A language model doesn't write what the task {task} answers; train it alone.")
    parents = parents_json(tuple(parent for dataset in sources for parent in parents_of(dataset.params)))
    params: Json = {
        "made_of": [{"name": dataset.name, "content": dataset.content} for dataset in sources],
        **({"parents": parents} if parents else {}),
    }
    figures: Json = {"from": {dataset.task: sum(dataset.counts.values()) for dataset in sources}}
    teachers = " + ".join(dict.fromkeys(dataset.teacher for dataset in sources))
    with making(workspace.data / name) as folder:
        for split in SPLITS:
            rows = [
                Row({"task": dataset.task, "request": row.input}, row.output, row.meta)
                for dataset in sources
                for row in dataset.rows(split)
            ]
            write_rows(folder / f"{split}.jsonl", rows)
        seal(folder, name=name, task=COMBO, teacher=teachers, seed=sources[0].seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)


def written_by_language(task: str) -> bool:
    """Whether a language model writes this task's answers."""
    try:
        return hasattr(task_module(task), "messages")
    except UnknownTask:
        return False
