"""From checked rows to a dataset: split, written, sealed. Whatever makes rows ends here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from trainer_host.data.dataset import Dataset, Json, open_dataset, seal, write_rows
from trainer_host.data.labelled import Labelled
from trainer_host.data.split import split
from trainer_host.workspace import Workspace, making


def build_dataset(
    workspace: Workspace,
    name: str,
    task: str,
    rows: list[Labelled],
    *,
    teacher: str,
    seed: int,
    held_out: float,
    params: Json,
    figures: Json,
    finish: Callable[[Path], None],
    small: bool = False,
) -> Dataset:
    """Write distinct rows as dataset `name`; replaces one of that name.

    finish: writes into the folder what the rows share. small: take also fewer rows than a specialist can be
    trained on. Raises `DataError`, and writes nothing then.
    """
    sides = split(rows, held_out, seed, small=small)
    labels = Counter(row.stratum for row in rows if row.stratum is not None)
    if labels:
        figures = {**figures, "labels": {str(label): count for label, count in sorted(labels.items())}}
    with making(workspace.data / name) as folder:
        write_rows(folder / "train.jsonl", (row.row for row in sides.train))
        write_rows(folder / "heldout.jsonl", (row.row for row in sides.heldout))
        finish(folder)
        seal(folder, name=name, task=task, teacher=teacher, seed=seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)
