"""Tuning after training: a run becomes another one that learnt from preferences (DPO), from thumbs (KTO), or from its
verifier (GRPO)."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from edge_runtime.errors import BadRequest
from edge_runtime.language.template import encode_chat, stop_ids
from edge_runtime.language.tokenizer import Tokenizer
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.preferences_data import read_opinions, read_preferences
from trainer_host.students.language.rows import COMBO, mixed, request_of, task_of, text_task, training_rows
from trainer_host.students.language.run_files import CONFIG, TOKENIZER, read_template, trained_model
from trainer_host.students.language.student import LanguageStudent
from trainer_host.tasks import Rejected, task_spec
from trainer_host.training.combine import lineage_of, remember, write_card
from trainer_host.training.lineage import Record, child, save_born, write_lineage
from trainer_host.training.run import REPORT, Run, dataset_of, open_run, this_command, write_json
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace, checked_name, making

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from trainer_host.data.dataset import Dataset, Row
    from trainer_host.students.language.model import LanguageModel
    from trainer_host.training.preference import DpoSettings, Pair
    from trainer_host.training.rewards import GrpoSettings
    from trainer_host.training.unpaired import Judged, KtoSettings

T = TypeVar("T")
S = TypeVar("S", "DpoSettings", "KtoSettings")
Json = dict[str, object]
OnProgress = Callable[[float, dict[str, float]], None]
OnStep = Callable[[int, dict[str, float]], None]
Figures = dict[str, float]
HELD_BACK = 0.1  # of the pairs, to examine with
MOST_EXAMINED = 64  # rows that tell the reward before and after: each is written token by token


def prefer_run(
    workspace: Workspace,
    run: Run,
    pairs: Path,
    into: str,
    settings: DpoSettings,
    *,
    author: str,
    licence: str = "Apache-2.0",
    on_progress: OnProgress,
) -> tuple[Run, Figures]:
    """Run `into`: `run`, tuned on the preferences of a file (see `read_preferences`).

    A tenth of the pairs is kept back and examined. Raises `DataError`; nothing is written then.
    """
    from trainer_host.training.preference import tune_dpo

    student, tokenizer = _student(run), Tokenizer.read(run.folder / TOKENIZER)
    work = _comparing(tune_dpo, _pairs(run, tokenizer, pairs), settings, on_progress)
    config: Json = {"tuned": run.name, "pairs": hashlib.sha256(pairs.read_bytes()).hexdigest(), **asdict(settings)}
    return _tuned(workspace, run, student, into, "dpo", config, author, licence, work)


def like_run(
    workspace: Workspace,
    run: Run,
    thumbs: Path,
    into: str,
    settings: KtoSettings,
    *,
    author: str,
    licence: str = "Apache-2.0",
    on_progress: OnProgress,
) -> tuple[Run, Figures]:
    """Run `into`: `run`, tuned on single answers that people found good or bad (see `read_opinions`).

    A tenth of them is kept back and examined. Raises `DataError`; nothing is written then.
    """
    from trainer_host.training.unpaired import tune_kto

    student, tokenizer = _student(run), Tokenizer.read(run.folder / TOKENIZER)
    work = _comparing(tune_kto, _judged(run, tokenizer, thumbs), settings, on_progress)
    config: Json = {"tuned": run.name, "thumbs": hashlib.sha256(thumbs.read_bytes()).hexdigest(), **asdict(settings)}
    return _tuned(workspace, run, student, into, "kto", config, author, licence, work)


def reward_run(
    workspace: Workspace,
    run: Run,
    into: str,
    settings: GrpoSettings,
    *,
    author: str,
    licence: str = "Apache-2.0",
    on_progress: OnProgress,
) -> tuple[Run, Figures]:
    """Run `into`: `run`, which wrote answers to its training rows and learnt from what its task's verifier says.

    Examined on training rows that are kept aside, never on the held-out ones. Raises `DataError`.
    """
    from trainer_host.training.rewards import Question, tune_grpo

    student, tokenizer = _student(run), Tokenizer.read(run.folder / TOKENIZER)
    dataset, template = dataset_of(workspace, run), read_template(run.folder)
    rows, unseen = training_rows(dataset.folder)
    combo = run.task == COMBO

    def question(row: Row) -> Question[tuple[str, Json, Json]]:
        task, request = task_of(row, run.task), request_of(row, run.task)
        asked = text_task(task).messages(request)
        ids, _ = encode_chat(tokenizer, template, asked, task=task if combo else None, answering=True)
        return Question(tuple(ids), (task, request, row.output))

    def reward(about: tuple[str, Json, Json], tokens: Sequence[int]) -> float:
        task, request, wanted = about
        if max(tokens) >= tokenizer.size:  # tables have some rows more than there are tokens
            return 0.0
        text = tokenizer.decode([token for token in tokens if token not in stops])
        try:
            return task_spec(task).score(wanted, text_task(task).answer(request, text))
        except (Rejected, BadRequest):
            return 0.0

    stops = frozenset(stop_ids(tokenizer, template))
    questions = [question(row) for row in mixed(rows)]
    examined = [question(row) for row in mixed(unseen)[:MOST_EXAMINED]]

    def work(model: LanguageModel, record: OnStep) -> Figures:
        def on_step(step: int, values: Figures) -> None:
            record(step, values)
            on_progress(step / settings.steps, values)

        report = tune_grpo(model, questions, examined, reward, stops, settings, on_step)
        return {
            "steps": float(report.steps),
            "reward before": round(report.before, 4),
            "reward after": round(report.after, 4),
            "idle groups": round(report.idle, 4),
        }

    config: Json = {"tuned": run.name, **asdict(settings)}
    return _tuned(workspace, run, student, into, "grpo", config, author, licence, work)


def _comparing(
    tune: Callable[[LanguageModel, list[T], list[T], S, OnStep], DataclassInstance],
    made: list[T],
    settings: S,
    on_progress: OnProgress,
) -> Callable[[LanguageModel, OnStep], Figures]:
    """What tunes a model on all but a tenth of what people said, and examines it on that."""
    kept = max(1, int(len(made) * HELD_BACK))
    steps = settings.epochs * -(-(len(made) - kept) // settings.batch)

    def work(model: LanguageModel, record: OnStep) -> Figures:
        def on_step(step: int, values: Figures) -> None:
            record(step, values)
            on_progress(step / max(1, steps), values)

        report = tune(model, made[kept:], made[:kept], settings, on_step)
        return {key.replace("_", " "): float(value) for key, value in asdict(report).items()}

    return work


def _tuned(
    workspace: Workspace,
    run: Run,
    student: LanguageStudent,
    into: str,
    method: str,
    config: Json,
    author: str,
    licence: str,
    work: Callable[[LanguageModel, OnStep], Figures],
) -> tuple[Run, Figures]:
    """The child of a run after `work` changed its weights, with its own thresholds, lineage and place in the history."""
    checked_name(into)
    if into == run.name:
        raise TrainerError(f"The tuned model needs a name of its own, other than '{into}': both are kept.")
    started = time.perf_counter()
    dataset: Dataset = dataset_of(workspace, run)
    parent = lineage_of(workspace, run, author, licence)
    record = Record(into, "", licence, (author,), method, (1.0,), dataset=run.content)
    child(record, [parent])  # a clash of licences is told before the work
    with (
        making(workspace.runs / into) as folder,
        history_of(workspace.home) as history,
        history.training(
            into, run.task, config=config, data=dataset.content, command=this_command(), folder=folder
        ) as recording,
    ):
        model = trained_model(run.folder)[1]
        figures = work(model, recording.record)
        for source in (run.folder / CONFIG, *student.assets(run.folder).values()):
            shutil.copyfile(source, folder / source.name)
        weights = save_born(folder, model.state_dict(), [parent])
        figures |= student.recalibrate(folder, dataset.folder)
        lineage = child(replace(record, weights=weights), [parent])
        write_lineage(folder, lineage)
        write_card(run, folder, into, weights)
        recording.figures(figures)
        write_json(folder / REPORT, {"seconds": round(time.perf_counter() - started, 3), "figures": figures})
    remember(run, parent)
    return open_run(workspace.runs / into), figures


def _pairs(run: Run, tokenizer: Tokenizer, path: Path) -> list[Pair]:
    """The preferences as tokens, in an order that depends on what they say alone."""
    from trainer_host.training.preference import encode_pair

    template = read_template(run.folder)
    try:
        rows = list(read_preferences(path))
    except OSError as cause:
        raise DataError(f"{path} can't be read: {cause.strerror}.") from None
    if not rows:
        raise DataError(f"{path.name} has no preferences; add lines with prompt, chosen and rejected.")
    rows.sort(key=lambda row: hashlib.sha256(repr((row.messages, row.chosen, row.rejected)).encode()).digest())
    made = []
    for row in rows:
        messages = [{"role": message.role, "content": message.text} for message in row.messages]
        task = str(row.source["task"]) if run.task == COMBO and "task" in row.source else None
        made.append(encode_pair(tokenizer, template, messages, row.chosen, row.rejected, task=task))
    return made


def _judged(run: Run, tokenizer: Tokenizer, path: Path) -> list[Judged]:
    """The opinions as tokens, in an order that depends on what they say alone."""
    from trainer_host.training.preference import encode_answer
    from trainer_host.training.unpaired import Judged

    template = read_template(run.folder)
    try:
        rows = list(read_opinions(path))
    except OSError as cause:
        raise DataError(f"{path} can't be read: {cause.strerror}.") from None
    if not rows:
        raise DataError(f"{path.name} has no opinions; add lines with prompt, completion and label.")
    rows.sort(key=lambda row: hashlib.sha256(repr((row.messages, row.answer, row.good)).encode()).digest())
    made = []
    for row in rows:
        messages = [{"role": message.role, "content": message.text} for message in row.messages]
        task = str(row.source["task"]) if run.task == COMBO and "task" in row.source else None
        made.append(Judged(*encode_answer(tokenizer, template, messages, row.answer, task=task), row.good))
    return made


def _student(run: Run) -> LanguageStudent:
    from trainer_host.students import student_of

    student = student_of(run)
    if student.family != "language":
        raise DataError(
            f"'{run.name}' is of the task {run.task}, which no language model writes; tuning is for those that do."
        )
    return cast(LanguageStudent, student)
