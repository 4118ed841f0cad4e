"""Sweeps: trainings with different settings, judged on training rows that are kept aside; the best becomes a run.

Each trial is a call of the executor, so it runs in a process of this machine or on a node of a Ray cluster, with the
rows in the call. What a trial came to is kept, so a sweep that was ended goes on with those that are missing. The
held-out rows are in no call: they stay for the gate, which examines the chosen model once.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import math
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from edge_runtime import __version__, strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.check import spec_of
from trainer_host.data.dataset import Dataset, Row, open_dataset, seal, write_rows
from trainer_host.data.transfer import MIN_GROUPS
from trainer_host.errors import DataError, TrainerError
from trainer_host.executor import Executor, WorkerLost
from trainer_host.students.language.rows import COMBO, request_of, task_of
from trainer_host.tasks import Example, task_spec
from trainer_host.training.run import train_run
from trainer_host.training.runs import INTERRUPTED, history_of
from trainer_host.workspace import Workspace, making, write_atomic

Json = dict[str, object]
KEPT_SHARE, KEPT_LEAST, KEPT_MOST = 0.1, 8, 200  # of the training rows: each is answered once per trial
MOST_TRIALS = 1000
TRIAL_SECONDS = 86_400.0  # a trial that takes longer than a day isn't one of many
_OF_RUN = ("seed", "seconds", "curriculum")  # what `train_run` takes beside the student's settings
_DATA, _RUN = "sweep-rows", "trial"


class _Failed(Exception):
    """Ends a trial in the history as failed."""


@dataclass(frozen=True)
class Order:
    """What all trials share. seconds: of each, see `Student.train`. profiles: numbers of threads to time files with."""

    seed: int = 1
    seconds: float | None = None
    curriculum: bool = False
    settings: Json = field(default_factory=dict)
    profiles: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a trial came to. score: 0 to 1 on the rows kept aside; error: a sentence where it failed.

    points: (step, figures) of the training. profiles: see `trainer_host.evaluation.profiles.Profile`.
    """

    number: int
    values: Json
    score: float = 0.0
    perplexity: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    profiles: list[Json] = field(default_factory=list)
    error: str | None = None

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """The best first; models that answer equally well are told apart by how sure they are of right answers."""
        return (
            self.error is not None,
            -self.score,
            math.inf if self.perplexity is None else self.perplexity,
            self.number,
        )


def combinations(vary: Mapping[str, Sequence[object]], trials: int | None, seed: int) -> list[Json]:
    """All combinations, in order; or `trials` of them, drawn without repetition. Raises `TrainerError`."""
    total = math.prod(len(values) for values in vary.values())
    wanted = total if trials is None else min(trials, total)
    if not 1 <= wanted <= MOST_TRIALS:
        raise TrainerError(
            f"These are {total} combinations, and a sweep tries at most {MOST_TRIALS}; draw some with --trials."
        )
    if wanted == total:
        chosen: Sequence[int] = range(total)
    else:
        chosen = sorted(random.Random(seed).sample(range(total), wanted))
    made = []
    for number in chosen:
        values: Json = {}
        for name, several in reversed(list(vary.items())):
            number, at = divmod(number, len(several))
            values[name] = several[at]
        made.append({name: values[name] for name in vary})
    return made


def sweep(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    several: Sequence[Json],
    order: Order,
    executor: Executor,
    on_done: Callable[[int, Outcome], None],
) -> list[Outcome]:
    """Train and examine every combination; the best first. on_done: gets how many are done, and the last one.

    Raises `TrainerError` where all failed, and what the executor raises for a call that can't be sent.
    """
    folder = workspace.training / f"{name}-sweep"
    kept = kept_aside(dataset, folder / "data" / _DATA)
    pack = _packed(workspace, kept, order, several)
    outcomes = asyncio.run(_all(workspace, kept, name, several, order, executor, folder, pack, on_done))
    ranked = sorted(outcomes, key=lambda outcome: outcome.rank)
    if ranked[0].error is not None:
        raise TrainerError(f"No combination could be trained; the first one said: {outcomes[0].error}")
    return ranked


def kept_aside(dataset: Dataset, folder: Path) -> Dataset:
    """The dataset's training rows at `folder`, some of them as its held-out ones: whole groups of alike rows.

    The dataset's own held-out rows aren't among them. Raises `DataError` for too few rows.
    """
    rows = list(dataset.rows("train"))
    group_of = _groups(dataset, rows)
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(hashlib.sha256(group_of(row).encode()).hexdigest(), []).append(at)
    wanted = min(KEPT_MOST, max(KEPT_LEAST, int(len(rows) * KEPT_SHARE)))
    aside: set[int] = set()
    for group in sorted(groups):
        if len(aside) < wanted and len(groups[group]) <= len(rows) // 4:
            aside |= set(groups[group])
    if len(aside) < KEPT_LEAST or len(rows) - len(aside) < len(aside):
        raise DataError(
            f"The dataset '{dataset.name}' has too few training rows to judge settings by; a sweep keeps "
            f"{KEPT_LEAST} or more aside, in whole groups of alike rows."
        )
    with making(folder) as part:
        # Homes, pictures and whatever else the rows name.
        ours = ("train.jsonl", "heldout.jsonl", "dataset.json")
        shutil.copytree(dataset.folder, part, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*ours))
        write_rows(part / "train.jsonl", [row for at, row in enumerate(rows) if at not in aside])
        write_rows(part / "heldout.jsonl", [rows[at] for at in sorted(aside)])
        seal(
            part,
            name=_DATA,
            task=dataset.task,
            teacher=dataset.teacher,
            seed=dataset.seed,
            params=dataset.params,
            figures=dataset.figures,
        )
    return open_dataset(folder)


def run_trial(pack: bytes, number: int, values: Json, order: Order) -> Outcome:
    """One trial, in a worker; `pack` is what `_packed` made. A refusal of the student's is the outcome's error."""
    from trainer_host.evaluation.profiles import float_figures, profiles_of

    with tempfile.TemporaryDirectory(prefix="enigma-trial-") as name:
        home = Workspace(Path(name))
        with zipfile.ZipFile(io.BytesIO(pack)) as archive:
            archive.extractall(home.home)
        dataset = open_dataset(home.dataset(_DATA))
        chosen = {**asdict(order), **{key: value for key, value in values.items() if key in _OF_RUN}}
        settings = {**order.settings, **{key: value for key, value in values.items() if key not in _OF_RUN}}
        try:
            run, report = train_run(
                home,
                dataset,
                _RUN,
                seed=chosen["seed"],
                seconds=chosen["seconds"],
                curriculum=chosen["curriculum"],
                settings=settings,
                on_progress=lambda share, figures: None,
            )
        except WorkerLost:
            raise
        except TrainerError as error:
            return Outcome(number, values, error=str(error))
        found = float_figures(run, dataset, KEPT_MOST)
        profiles: list[Json] = []
        if order.profiles:
            from trainer_host.compress.files import export_run

            export_run(run, dataset, lambda share, note: None)
            profiles = [asdict(profile) for profile in profiles_of(run, dataset, order.profiles, KEPT_MOST)]
        score = round(float(found["accuracy"]), 6)
        perplexity = found.get("perplexity", math.inf)
        return Outcome(
            number,
            values,
            score,
            perplexity if math.isfinite(perplexity) else None,
            {**report.figures, "accuracy": score},
            _points(home),
            profiles,
        )


async def _all(
    workspace: Workspace,
    kept: Dataset,
    name: str,
    several: Sequence[Json],
    order: Order,
    executor: Executor,
    folder: Path,
    pack: bytes,
    on_done: Callable[[int, Outcome], None],
) -> list[Outcome]:
    slots, done = asyncio.Semaphore(executor.capacity), itertools.count(1)
    with history_of(workspace.home) as history:

        async def tried(number: int, values: Json, file: Path) -> Outcome:
            outcome = await executor.submit(run_trial, pack, number, values, order)
            write_atomic(file, json.dumps(asdict(outcome), sort_keys=True).encode("utf-8"))
            return outcome

        async def recorded(number: int, values: Json, file: Path, read: Outcome | None) -> Outcome:
            config: Json = {**asdict(order), "settings": {**order.settings, **values}, "sweep": name}
            told = {"config": config, "data": kept.content, "command": "enigma sweep", "folder": folder}
            try:
                with history.training(f"{name}-{number}", kept.task, **told) as recording:  # type: ignore[arg-type]
                    outcome = read or await tried(number, values, file)
                    for step, figures in outcome.points:
                        recording.record(step, figures)
                    recording.figures(outcome.figures)
                    if outcome.error is not None:
                        raise _Failed(outcome.error)
            except _Failed:
                pass
            except (WorkerLost, TimeoutError) as lost:  # not the values' fault: the next sweep tries them again
                return Outcome(number, values, error=str(lost))
            return outcome

        async def one(number: int, values: Json) -> Outcome:
            file = folder / f"{_key(kept, values, order, pack)}.json"
            outcome = _read(file, number, values)
            if outcome is None:
                async with slots:  # so that what the history calls running is
                    outcome = await recorded(number, values, file, None)
            elif ended.get(f"{name}-{number}") == INTERRUPTED:  # killed between its file and the history
                outcome = await recorded(number, values, file, outcome)
            on_done(next(done), outcome)
            return outcome

        ended = {entry.name: entry.status for entry in history.entries()}
        refused: TrainerError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                made = [tasks.create_task(one(number, values)) for number, values in enumerate(several, 1)]
        except* TrainerError as group:
            refused = next(error for error in _leaves(group) if isinstance(error, TrainerError))
        finally:
            await executor.close()
    if refused is not None:
        raise refused
    return [task.result() for task in made]


def _leaves(group: BaseExceptionGroup[TrainerError]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _groups(dataset: Dataset, rows: Sequence[Row]) -> Callable[[Row], str]:
    """What a row must stay together with: a robot's rows with those of its home, others as their task says."""
    if dataset.task == "robot" and len({row.input.get("home") for row in rows}) >= MIN_GROUPS:
        return lambda row: str(row.input["home"])
    own = None if dataset.task in (COMBO, "robot") else spec_of(dataset)

    def group(row: Row) -> str:
        if dataset.task == "robot":
            return str(row.input["text"])
        spec = own or task_spec(task_of(row, COMBO))
        example = Example(request_of(row, dataset.task), row.output)
        return spec.group(example) or spec.key(example)

    return group


def _packed(workspace: Workspace, kept: Dataset, order: Order, several: Sequence[Json]) -> bytes:
    """A small home folder as a ZIP file: the rows, and the datasets and runs of ours that the settings name."""
    parts = {kept.folder: f"data/{_DATA}"}
    for settings in (order.settings, *several):
        if (old := settings.get("old")) is not None:
            parts[workspace.dataset(str(old))] = f"data/{old}"
        for key in ("init", "teacher"):
            start = workspace.runs / str(settings.get(key, "."))
            if (start / "run.json").is_file():
                parts[start] = f"runs/{start.name}"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, inside in parts.items():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    # Without the time of the file: the same rows are the same pack.
                    entry = zipfile.ZipInfo(f"{inside}/{path.relative_to(folder).as_posix()}")
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _key(kept: Dataset, values: Json, order: Order, pack: bytes) -> str:
    """What tells a trial from others, of other rows and starts too."""
    about = [__version__, kept.content, values, asdict(order), hashlib.sha256(pack).hexdigest()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def _read(file: Path, number: int, values: Json) -> Outcome | None:
    try:
        raw = strict_json.loads_object(file.read_bytes(), file.name)
        points = [(step, figures) for step, figures in cast("list[list[Any]]", raw["points"])]
        return Outcome(**{**raw, "number": number, "values": values, "points": points})  # type: ignore[arg-type]
    except (OSError, BadRequest, KeyError, TypeError, ValueError):
        return None  # not done yet, or half a file of another version


def _points(home: Workspace) -> list[tuple[int, dict[str, float]]]:
    """The figures of each step of the trial's training."""
    made: dict[int, dict[str, float]] = {}
    with history_of(home.home) as history:
        entry = history.find(_RUN)
        for name in history.curves(entry.id):
            for step, value in history.points(entry.id, name):
                if math.isfinite(value):
                    made.setdefault(step, {})[name] = value
    return sorted(made.items())
