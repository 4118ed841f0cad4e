"""Several datasets as one: what a combo of tasks, the all-in-one, or one encoder with several heads learns from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.errors import UnknownTask
from edge_runtime.tasks import task_module
from trainer_host.data.dataset import SPLITS, Dataset, Row, open_dataset, seal, write_rows
from trainer_host.data.derive import BUILT_IN
from trainer_host.data.packs.card import parents_json, parents_of
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace, checked_name, making

COMBO, VISION = "combo", "vision"
HEAD = "head"  # in a row of several datasets of pictures: the name of the one that it comes from
DRAWN = "drawn"  # in such a dataset's params: those of the built-in teacher, by name, and the options that they were drawn with
FILES = "files"
Json = dict[str, object]


def combined(workspace: Workspace, name: str, sources: Sequence[Dataset]) -> Dataset:
    """All rows of datasets of different tasks, or of several datasets of labelled pictures. What was held out stays so.

    A row's input is {"task", "request"}; of pictures {"image", "head"}, and a picture that one of the datasets holds out is learnt from
    in none. Raises `DataError` for other tasks that no language model writes, and for two datasets of one such task: those are mixed
    first.
    """
    checked_name(name)
    tasks = [dataset.task for dataset in sources]
    if VISION in tasks and set(tasks) == {VISION} and len(tasks) > 1:
        return _of_pictures(workspace, name, sources)
    if len(tasks) < 2 or len(set(tasks)) < len(tasks):
        raise DataError("Name two or more datasets of different tasks; datasets of one task are put together by 'mix'.")
    for dataset in sources:
        if not written_by_language(dataset):
            raise DataError(
                f"A language model doesn't write what the rows of '{dataset.name}' ({dataset.task}) answer; train it alone"
                + (", or combine datasets of pictures alone." if dataset.task == VISION else ".")
            )
    figures: Json = {"from": {dataset.task: sum(dataset.counts.values()) for dataset in sources}}
    with making(workspace.data / name) as folder:
        for split in SPLITS:
            rows = [
                Row({"task": dataset.task, "request": row.input}, row.output, row.meta)
                for dataset in sources
                for row in dataset.rows(split)
            ]
            write_rows(folder / f"{split}.jsonl", rows)
        seal(
            folder,
            name=name,
            task=COMBO,
            teacher=_teachers(sources),
            seed=sources[0].seed,
            params=_made_of(sources),
            figures=figures,
        )
    return open_dataset(workspace.data / name)


def _of_pictures(workspace: Workspace, name: str, sources: Sequence[Dataset]) -> Dataset:
    if len({dataset.name for dataset in sources}) < len(sources):
        raise DataError("The same dataset is named twice; name each once.")
    for dataset in sources:
        first = next(iter(dataset.rows("train")), None)
        if first is not None and (HEAD in first.input or "objects" not in first.output):
            raise DataError(
                f"'{dataset.name}' has no pictures with one label each; only such datasets share an encoder."
            )
    held = {row.input["image"] for dataset in sources for row in dataset.rows("heldout")}
    drawn = {dataset.name: dataset.params.get("options") for dataset in sources if dataset.teacher == BUILT_IN}
    left_out: dict[str, int] = {}
    with making(workspace.data / name) as folder:
        (folder / FILES).mkdir()
        for split in SPLITS:
            rows = []
            for dataset in sources:
                for row in dataset.rows(split):
                    if split == "train" and row.input["image"] in held:
                        left_out[dataset.name] = left_out.get(dataset.name, 0) + 1
                        continue
                    rows.append(Row({**row.input, HEAD: dataset.name}, row.output, row.meta))
                    _take(dataset.folder / FILES / str(row.input["image"]), folder / FILES)
            write_rows(folder / f"{split}.jsonl", rows)
        figures: Json = {"from": {dataset.name: sum(dataset.counts.values()) for dataset in sources}}
        seal(
            folder,
            name=name,
            task=VISION,
            teacher=_teachers(sources),
            seed=sources[0].seed,
            params={**_made_of(sources), **({DRAWN: drawn} if drawn else {})},
            figures={**figures, **({"left_out": left_out} if left_out else {})},
        )
    return open_dataset(workspace.data / name)


def _take(picture: Path, to: Path) -> None:
    try:
        if not (to / picture.name).exists():
            shutil.copyfile(picture, to / picture.name)
    except OSError as cause:
        raise DataError(f"{picture} can't be copied ({cause.strerror}); import its dataset again.") from None


def _made_of(sources: Sequence[Dataset]) -> Json:
    parents = parents_json(tuple(parent for dataset in sources for parent in parents_of(dataset.params)))
    return {
        "made_of": [{"name": dataset.name, "content": dataset.content} for dataset in sources],
        **({"parents": parents} if parents else {}),
    }


def _teachers(sources: Sequence[Dataset]) -> str:
    return " + ".join(dict.fromkeys(dataset.teacher for dataset in sources))


def written_by_language(dataset: Dataset) -> bool:
    """Whether a language model writes the answers of these rows."""
    try:
        return dataset.kind is None and hasattr(task_module(dataset.task), "messages")
    except UnknownTask:
        return False
