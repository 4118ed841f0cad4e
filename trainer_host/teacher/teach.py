"""Gives a lesson: task by task from a teacher's replies, or a built-in generator, to datasets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from edge_runtime.errors import BadRequest
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Json, Row, write_rows
from trainer_host.data.dedup import NearDuplicates
from trainer_host.data.exchanges import EXCHANGES, exchange_row
from trainer_host.data.labelled import Labelled, Mistake, RobotRows, RowReader, SpecRows, reader_for
from trainer_host.data.pii import Scrubber
from trainer_host.errors import DataError, TeacherStopped, TrainerError
from trainer_host.executor import Executor, executor_for
from trainer_host.tasks import task_spec
from trainer_host.tasks.phrases import Grouped
from trainer_host.teacher.batch.fetch import OnProgress as OnBatch
from trainer_host.teacher.batch.teacher import BatchTeacher
from trainer_host.teacher.generate import Generated, Made, Order, Tally, generate, generate_built_in
from trainer_host.teacher.lesson import BUILT_IN, Lesson, finished, remember, taught_alone
from trainer_host.teacher.opening import Opened
from trainer_host.teacher.protocol import Teacher
from trainer_host.teacher.soft import SOFT
from trainer_host.workspace import Workspace

T = TypeVar("T")
OnTask = Callable[[str, Tally], None]  # called with the task and its figures so far
MIN_TO_TRAIN = 40  # see trainer_host.data.split
CANCEL_SECONDS = 0.1  # how often it is looked whether somebody cancelled


@dataclass(frozen=True)
class Taught:
    """What came of one task: its dataset, and the figures of the asking."""

    task: str
    dataset: Dataset
    tally: Tally


@dataclass(frozen=True)
class LessonResult:
    """All tasks of a lesson."""

    lesson: Lesson
    taught: tuple[Taught, ...]
    batches: str | None = None  # what came of them, in a sentence

    def to_json(self) -> Json:
        """A plain object."""
        tasks = {item.task: {"dataset": item.dataset.name, **item.tally.figures()} for item in self.taught}
        return {"format": 1, "lesson": self.lesson.name, "provider": self.lesson.provider, "tasks": tasks}


class Interrupted(TrainerError):
    """A lesson ended early; what was answered is kept."""

    exit_code = 1


class Cancelled(Interrupted):
    """Somebody cancelled the lesson; what was answered is kept."""


def give(
    workspace: Workspace,
    lesson: Lesson,
    opened: Opened | None,
    *,
    ray: str | None = None,
    on_task: OnTask | None = None,
    on_batch: OnBatch | None = None,
    cancel: threading.Event | None = None,
) -> LessonResult:
    """Run a lesson to its end; the datasets are written task by task.

    opened: what the teacher is made from; None for the built-in generators. ray: the address of a Ray
    cluster for drawing and verifying. Raises `Interrupted` where the teacher stopped, and `Cancelled` soon after
    another thread has set `cancel`: the same lesson goes on later from what is in the cache.
    """
    with taught_alone(workspace, lesson):
        remember(workspace, lesson)
        work = _give(workspace, lesson, opened, ray, on_task, on_batch)
        return run_async(work if cancel is None else _cancellable(work, cancel))


async def _cancellable(work: Coroutine[object, object, T], cancel: threading.Event) -> T:
    """What comes of the work; raises `Cancelled` once its requests and processes have ended after `cancel`."""
    watching = asyncio.create_task(_watch(cancel, asyncio.current_task()))
    try:
        return await work
    except asyncio.CancelledError:
        if not cancel.is_set():  # Ctrl-C
            raise
        raise Cancelled("The lesson was cancelled; what was answered is kept.") from None
    finally:
        watching.cancel()


async def _watch(cancel: threading.Event, task: asyncio.Task[object] | None) -> None:
    while not cancel.is_set():  # noqa: ASYNC110  # no thread of this loop may wait for it: it would outlive the lesson
        await asyncio.sleep(CANCEL_SECONDS)
    if task is not None:
        task.cancel()


async def _give(
    workspace: Workspace,
    lesson: Lesson,
    opened: Opened | None,
    ray: str | None,
    on_task: OnTask | None,
    on_batch: OnBatch | None,
) -> LessonResult:
    asked = opened.teacher(on_batch) if opened is not None else None
    executor = executor_for(ray)
    taught: list[Taught] = []
    try:
        for task in lesson.tasks:
            report = (lambda tally, task=task: on_task(task, tally)) if on_task is not None else None
            options = lesson.options.get(task, {})
            order = Order(task, lesson.examples, lesson.seed, lesson.draws, options, lesson.judge, lesson.logprobs)
            taught.append(await _teach(workspace, lesson, order, asked, executor, report))
    finally:
        await executor.close()
        if asked is not None:
            await asked.close()
    finished(workspace, lesson)
    said = asked.report.sentence() if isinstance(asked, BatchTeacher) else None
    return LessonResult(lesson, tuple(taught), said)


async def _teach(
    workspace: Workspace,
    lesson: Lesson,
    order: Order,
    teacher: Teacher | None,
    executor: Executor,
    on_tally: Callable[[Tally], None] | None,
) -> Taught:
    if teacher is None:  # a grammar's examples are alike by design; only the same ones are repetitions
        found = await generate_built_in(order, executor, on_tally=on_tally)
    else:
        window = order.wanted if lesson.batch else 256
        found = await generate(order, teacher, executor, index=NearDuplicates(), on_tally=on_tally, window=window)
    if found.stopped is not None:
        raise _interrupted(lesson, order, found, found.stopped)
    if not found.made:
        raise DataError(_nothing(order, found.tally))
    who = BUILT_IN if teacher is None else f"{teacher.name}/{teacher.model}"
    dataset = dataset_of_examples(workspace, lesson, order, found, who)
    return Taught(order.task, dataset, found.tally)


def dataset_of_examples(workspace: Workspace, lesson: Lesson, order: Order, found: Generated, who: str) -> Dataset:
    """Write accepted examples as a dataset of the lesson."""
    spec = task_spec(order.task, order.options)
    reader = reader_for(order.task, inventory=None, folder=Path(), options=order.options)
    rows: list[Labelled] = []
    exchanges: list[Row] = []
    scrubber = Scrubber()
    personal = not lesson.keep_personal and order.task != "robot"  # a home's names are no one's personal data
    for made in found.made:
        row = _labelled(reader, made)
        rows.append(replace(row, row=_scrubbed(row.row, scrubber)) if personal else row)
        if made.exchange is not None:
            exchange = exchange_row(order.task, *made.exchange)
            exchanges.append(scrubber.row(exchange) if personal else exchange)

    def finish(folder: Path) -> None:
        reader.finish(folder)
        if exchanges:
            write_rows(folder / EXCHANGES, exchanges)

    figures: Json = {**found.tally.figures(), "metric": spec.metric}
    if scrubber.replaced:
        figures["scrubbed"] = dict(sorted(scrubber.replaced.items()))
    params: Json = {
        "examples": lesson.examples,
        "held_out": lesson.held_out,
        "prompt": spec.prompt_version,
        "options": order.options,
    }
    return build_dataset(
        workspace,
        lesson.dataset(order.task),
        order.task,
        rows,
        teacher=who,
        seed=lesson.seed,
        held_out=lesson.held_out,
        params=params,
        figures=figures,
        finish=finish,
        small=True,
    )


def _scrubbed(row: Row, scrubber: Scrubber) -> Row:
    """The row without personal data. A teacher's probabilities are of the text as it was, so they go where that changed."""
    made = scrubber.row(row)
    if SOFT in made.meta and (made.input, made.output) != (row.input, row.output):
        made = replace(made, meta={key: value for key, value in made.meta.items() if key != SOFT})
    return made


def _labelled(reader: RowReader, made: Made) -> Labelled:
    raw: Json = {"input": made.example.input, "output": made.example.output}
    try:
        row = reader.take(made.example) if isinstance(reader, SpecRows) else reader.read(raw)
    except (Mistake, BadRequest) as cause:
        raise DataError(f"A verified example can't be a row ({cause}); the task's verifier is too lax.") from None
    # A home drawn for one sentence groups nothing; a template does.
    group = made.group if made.group is not None or isinstance(reader, RobotRows) else row.group
    meta = {**made.meta, **made.example.meta} if isinstance(made.example, Grouped) else made.meta
    return replace(row, row=replace(row.row, meta=meta), group=group)


def _interrupted(lesson: Lesson, order: Order, found: Generated, why: TeacherStopped) -> Interrupted:
    kept = f"{found.tally.accepted} of {order.wanted} examples for {order.task} are kept"
    return Interrupted(f"{why} {kept}; go on with: enigma teach --resume --name {lesson.name}")


def _nothing(order: Order, tally: Tally) -> str:
    reasons = ", ".join(f"{reason} ({count})" for reason, count in tally.rejected.most_common(3))
    return (
        f"None of {tally.rejected.total()} answers for {order.task} passed: {reasons}; "
        "nothing was written. Try another model."
    )


def run_async(work: Coroutine[object, object, T]) -> T:
    """Run to the end, also where an event loop runs already (a notebook): then in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    box: list[T] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            box.append(asyncio.run(work))
        except BaseException as cause:  # handed to the caller below, whatever it is
            failed.append(cause)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return box[0]
