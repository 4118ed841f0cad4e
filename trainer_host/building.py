"""From the same data three kinds of models: one for all tasks, combos of some, and a specialist for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError, NotThere, TrainerError
from trainer_host.workspace import Workspace, checked_name

if TYPE_CHECKING:
    from trainer_host.data.dataset import Dataset
    from trainer_host.trainer_ai import TrainerAI

ALL, COMBO, SINGLE = "all", "combo", "single"
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class Build:
    """One model. scores: by task, 0 to 1, on held-out rows of the file that travels. refused: the gate's reason."""

    kind: str
    run: str
    tasks: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)
    bundle: Path | None = None
    refused: str | None = None


def build_kinds(
    trainer: TrainerAI,
    names: Sequence[str],
    to: str,
    combos: Sequence[Sequence[str]] = (),
    *,
    seed: int = 1,
    seconds: float | None = None,
    on_progress: OnProgress,
) -> list[Build]:
    """Train, examine and sign a specialist of each dataset, the combos, and one model of all tasks that are written.

    combos: tasks of each. A model that was built before from the same rows and seed is taken as it is, so what was
    interrupted goes on. Tasks that no language model writes have their specialist alone. seconds: for each task of a
    model, since one of three tasks has three times as much to learn. Raises `DataError`.
    """
    from trainer_host.data import open_dataset
    from trainer_host.data.combos import written_by_language

    checked_name(to)
    sets = [open_dataset(trainer.workspace.dataset(name)) for name in names]
    by_task = {dataset.task: dataset for dataset in sets}
    if len(by_task) < len(sets):
        raise DataError("Two of these datasets have one task; put them together first with 'enigma data mix'.")
    written = [task for task in by_task if written_by_language(task)]
    wanted = [(COMBO, tuple(dict.fromkeys(tasks))) for tasks in combos]
    for _, tasks in wanted:
        if strange := [task for task in tasks if task not in written]:
            raise DataError(
                f"A combo can't have {strange[0][:40]}; of these datasets, a combo takes {_listed(written)}."
            )
        if len(tasks) < 2:
            raise DataError("A combo has two tasks or more, as in --combo chat,code.")
    if len(written) > 1:
        wanted.append((ALL, tuple(written)))
    made = [_single(trainer, dataset, f"{to}-{_slug([dataset.task])}", seed, seconds, on_progress) for dataset in sets]
    for kind, tasks in wanted:
        name = f"{to}-all" if kind == ALL else f"{to}-{_slug(tasks)}"
        dataset = _combined(trainer.workspace, name, [by_task[task] for task in tasks])
        made.append(_build(trainer, kind, dataset, name, tasks, seed, seconds, on_progress))
    return made


def table(builds: Sequence[Build]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows: models down, tasks across."""
    tasks = list(dict.fromkeys(task for build in builds for task in build.tasks))
    rows = [
        [
            build.run,
            build.kind,
            *(f"{build.scores[task] * 100:.1f}" if task in build.scores else "" for task in tasks),
            "refused" if build.bundle is None else f"{build.bundle.stat().st_size / 1e6:.2f}",
        ]
        for build in builds
    ]
    return ["model", "kind", *(f"{task} %" for task in tasks), "MB"], rows


def _single(
    trainer: TrainerAI, dataset: Dataset, name: str, seed: int, seconds: float | None, on_progress: OnProgress
) -> Build:
    return _build(trainer, SINGLE, dataset, name, (dataset.task,), seed, seconds, on_progress)


def _build(
    trainer: TrainerAI,
    kind: str,
    dataset: Dataset,
    name: str,
    tasks: tuple[str, ...],
    seed: int,
    seconds: float | None,
    on_progress: OnProgress,
) -> Build:
    seconds = None if seconds is None else seconds * len(tasks)
    known = _known(trainer, dataset, name, seed, seconds, kind, tasks)
    if known is not None:
        return known
    found = trainer.train(dataset.name, name, seed=seed, seconds=seconds, on_progress=on_progress)
    if found.bundle is None:
        return Build(kind, name, tasks, refused=found.refused)
    return Build(kind, name, tasks, _scores(trainer.workspace, name, tasks), found.bundle)


def _known(
    trainer: TrainerAI,
    dataset: Dataset,
    name: str,
    seed: int,
    seconds: float | None,
    kind: str,
    tasks: tuple[str, ...],
) -> Build | None:
    """What was built before, from the same rows in the same way, signed again in a moment."""
    from trainer_host.training.run import open_run

    try:
        run = open_run(trainer.workspace.run(name))
        if (run.content, run.seed, run.seconds) != (dataset.content, seed, seconds):
            return None
        return Build(kind, name, tasks, _scores(trainer.workspace, name, tasks), trainer.sign(name).path)
    except TrainerError:  # there is none, or it stopped half-way, or its files are of another version
        return None


def _scores(workspace: Workspace, name: str, tasks: Sequence[str]) -> dict[str, float]:
    from trainer_host.compress.gate import read_report
    from trainer_host.training.run import open_run

    best = min(read_report(open_run(workspace.run(name))).chosen(), key=lambda score: score.bytes)
    if len(tasks) == 1:
        return {tasks[0]: best.accuracy}
    return {task: best.figures[f"accuracy_{task}"] for task in tasks if f"accuracy_{task}" in best.figures}


def _combined(workspace: Workspace, name: str, sources: Sequence[Dataset]) -> Dataset:
    """The rows of several tasks as one dataset; the one of before where it holds the same."""
    from trainer_host.data import open_dataset
    from trainer_host.data.combos import combined

    made_of = [{"name": source.name, "content": source.content} for source in sources]
    try:
        before = open_dataset(workspace.dataset(name))
    except NotThere:
        return combined(workspace, name, sources)
    return before if before.params.get("made_of") == made_of else combined(workspace, name, sources)


def _slug(tasks: Sequence[str]) -> str:
    return "-".join(task.replace("_", "-") for task in tasks)


def _listed(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) or "none"
