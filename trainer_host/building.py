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
VISION = "vision"
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class Build:
    """One model. scores: by task (of pictures, by dataset), 0 to 1, on held-out rows of the file that travels. refused: the gate's reason.

    bytes, p50_ms: of that file, and of a whole answer, which of a combo of pictures is the answer of all its heads.
    """

    kind: str
    run: str
    tasks: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)
    bundle: Path | None = None
    refused: str | None = None
    bytes: int = 0
    p50_ms: float = 0.0


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

    combos: tasks of each, or datasets of pictures, whose combo is one encoder with a head for each; where several datasets of pictures
    are in no combo, they are one. A model that was built before from the same rows and seed is taken as it is, so what was
    interrupted goes on. Tasks that no language model writes have their specialist alone. seconds: for each task of a
    model, since one of three tasks has three times as much to learn. Raises `DataError`.
    """
    from trainer_host.data import open_dataset
    from trainer_host.data.combos import written_by_language

    checked_name(to)
    sets = [open_dataset(trainer.workspace.dataset(name)) for name in names]
    several = sum(dataset.task == VISION for dataset in sets) > 1
    called = {(dataset.name if several and dataset.task == VISION else dataset.task): dataset for dataset in sets}
    if len(called) < len(sets):
        raise DataError("Two of these datasets have one task; put them together first with 'enigma data mix'.")
    written = [name for name, dataset in called.items() if written_by_language(dataset)]
    pictures = [name for name, dataset in called.items() if several and dataset.task == VISION]
    wanted = [(COMBO, tuple(dict.fromkeys(tasks))) for tasks in combos]
    for _, tasks in wanted:
        kin = pictures if tasks and tasks[0] in pictures else written
        if strange := [task for task in tasks if task not in kin]:
            others = f", or datasets of pictures: {_listed(pictures)}" if pictures else ""
            raise DataError(
                f"A combo can't have {strange[0][:40]}; of these datasets, a combo takes {_listed(written)}{others}."
            )
        if len(tasks) < 2:
            raise DataError("A combo has two tasks or more, as in --combo chat,code.")
    if pictures and not any(set(tasks) & set(pictures) for _, tasks in wanted):
        wanted.append((COMBO, tuple(pictures)))
    if len(written) > 1:
        wanted.append((ALL, tuple(written)))
    made = [
        _build(trainer, SINGLE, dataset, f"{to}-{_slug([name])}", (name,), seed, seconds, on_progress)
        for name, dataset in called.items()
    ]
    for kind, tasks in wanted:
        name = f"{to}-all" if kind == ALL else f"{to}-{_slug(tasks)}"
        dataset = _combined(trainer.workspace, name, [called[task] for task in tasks])
        made.append(_build(trainer, kind, dataset, name, tasks, seed, seconds, on_progress))
    return made


def table(builds: Sequence[Build]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows: models down, tasks across."""
    tasks = list(dict.fromkeys(task for build in builds for task in build.tasks))
    timed = any(build.p50_ms for build in builds)
    rows = [
        [
            build.run,
            build.kind,
            *(f"{build.scores[task] * 100:.1f}" if task in build.scores else "" for task in tasks),
            "refused" if build.bundle is None else f"{build.bundle.stat().st_size / 1e6:.2f}",
            *([f"{build.p50_ms:.2f}" if build.p50_ms else ""] if timed else []),
        ]
        for build in builds
    ]
    return ["model", "kind", *(f"{task} %" for task in tasks), "MB", *(["ms"] if timed else [])], rows


def compared(builds: Sequence[Build]) -> list[str]:
    """Of each combo of pictures a sentence: what it costs and loses beside its specialists, which each look at a picture anew."""
    single = {build.tasks[0]: build for build in builds if build.kind == SINGLE and build.bundle is not None}
    said = []
    for build in builds:
        if build.kind != COMBO or build.bundle is None or not build.p50_ms or not set(build.tasks) <= set(single):
            continue
        own = [single[task] for task in build.tasks]
        if not all(one.p50_ms for one in own):
            continue
        lost = max((one.scores[task] - build.scores[task], task) for one, task in zip(own, build.tasks, strict=True))
        said.append(
            f"{build.run}: {build.bytes / 1e3:.0f} kB and {build.p50_ms:.2f} ms for {'both' if len(own) == 2 else f'all {len(own)}'} answers; its specialists together "
            f"{sum(one.bytes for one in own) / 1e3:.0f} kB and {sum(one.p50_ms for one in own):.2f} ms; it "
            + (f"loses at most {lost[0] * 100:.1f} points ({lost[1]})." if lost[0] > 0 else "loses no accuracy.")
        )
    return said


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
    return _built(trainer.workspace, kind, name, tasks, found.bundle)


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
        return _built(trainer.workspace, kind, name, tasks, trainer.sign(name).path)
    except TrainerError:  # there is none, or it stopped half-way, or its files are of another version
        return None


def _built(workspace: Workspace, kind: str, name: str, tasks: tuple[str, ...], bundle: Path) -> Build:
    from trainer_host.compress.gate import read_report
    from trainer_host.training.run import open_run

    run = open_run(workspace.run(name))
    best = min(read_report(run).chosen(), key=lambda score: score.bytes)
    scores = {task: best.figures[f"accuracy_{task}"] for task in tasks if f"accuracy_{task}" in best.figures}
    if len(tasks) == 1:
        scores = {tasks[0]: best.accuracy}
    # What a language model takes depends on how much it writes.
    p50 = best.p50_ms if run.task == VISION else 0.0
    return Build(kind, name, tasks, scores, bundle, bytes=best.bytes, p50_ms=p50)


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
