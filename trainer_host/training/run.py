"""A run: one training of a student on a dataset, and the folder that its later stages add to."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Dataset, open_dataset
from trainer_host.data.packs.card import parents_of
from trainer_host.errors import DataError
from trainer_host.students import OnProgress, Student, TrainReport, student_of
from trainer_host.training import checkpoints
from trainer_host.training.lineage import Record, child, read_lineage, write_lineage
from trainer_host.training.pausing import forget_steps
from trainer_host.training.ranks import from_first, joined, ranks
from trainer_host.training.runs import history_of
from trainer_host.training.weights import FILE as WEIGHTS
from trainer_host.workspace import Workspace, checked_name, making, storage_errors, write_atomic

FORMAT = 1
CARD = "run.json"
REPORT = "training.json"
ORDER = "order.json"
SHARD = "shard"  # the setting by which processes share the weights too


@dataclass(frozen=True)
class Run:
    """What run.json says. `content` and `weights` are `sha256:` and 64 hex digits.

    It holds no time: times are in training.json, which nothing depends on. distilled: the weights of the run that it
    learnt the probabilities of, which `settings` names as its teacher (`teacher` itself is who made the rows). step:
    of the checkpoint that it was taken back or on to, see `trainer_host.training.undo`. kind: see `Dataset.kind`.
    """

    folder: Path
    name: str
    task: str
    dataset: str
    content: str
    teacher: str
    seed: int
    seconds: float | None
    weights: str
    curriculum: bool = False
    settings: dict[str, object] = field(default_factory=dict)
    distilled: str | None = None
    step: int | None = None
    kind: str | None = None

    @property
    def address(self) -> str:
        """What the bundle's lineage names: a hash over everything in run.json."""
        text = json.dumps(self._card(), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def _card(self) -> dict[str, object]:
        fields = {
            key: value
            for key, value in asdict(self).items()
            if key != "folder"
            and (key, value) not in (("settings", {}), ("distilled", None), ("step", None), ("kind", None))
        }
        return {"format": FORMAT, **fields}


def train_run(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    *,
    seed: int,
    seconds: float | None,
    on_progress: OnProgress,
    curriculum: bool = False,
    settings: Mapping[str, object] | None = None,
) -> tuple[Run, TrainReport]:
    """Train the dataset's student as run `name`; replaces a run of that name, its exports included.

    settings: see `Student.train`. Under torchrun the first process does this, and the others `follow_run`.
    """
    student = _student(dataset, name)
    started = time.perf_counter()
    chosen = dict(settings or {})
    # How many processes shared the work, and how, is no part of what was trained: any number goes on with it.
    kept = {key: value for key, value in chosen.items() if key != SHARD}
    order = {"content": dataset.content, "seed": seed, "seconds": seconds, "curriculum": curriculum, "settings": kept}
    taught = _taught_by(workspace, student, kept, name)
    if taught is not None:
        order["distilled"] = taught.weights
    with (
        joined() as here,
        making(workspace.runs / name) as folder,
        history_of(workspace.home) as history,
        history.training(
            name,
            dataset.task,
            config=order | ({"processes": here.count, SHARD: chosen.get(SHARD, False)} if here.started else {}),
            data=dataset.content,
            command=this_command(),
            folder=workspace.training / name,
        ) as recording,
    ):
        work = from_first(lambda: _work_folder(workspace.training / name, order))
        report = student.train(
            dataset.folder,
            folder,
            seed=seed,
            seconds=seconds,
            on_progress=on_progress,
            curriculum=curriculum,
            settings=chosen,
            work=work,
            recorder=recording,
        )
        recording.figures(report.figures)
        made = Run(
            folder,
            name,
            dataset.task,
            dataset.name,
            dataset.content,
            dataset.teacher,
            seed,
            seconds,
            hash_of(folder / WEIGHTS),
            curriculum,
            kept,
            taught.weights if taught is not None else None,
            kind=dataset.kind,
        )
        if taught is not None and (family := read_lineage(taught.folder)) is not None:
            own, packs = family.own, parents_of(dataset.params)
            record = Record(
                name, made.weights, own.licence, own.authors, "distilled", dataset=dataset.content, packs=packs
            )
            write_lineage(folder, child(record, [family]))
        write_json(folder / CARD, made._card())
        figures = {"seconds": round(time.perf_counter() - started, 3), "figures": dict(report.figures)}
        write_json(folder / REPORT, figures)
    forget_steps(work)
    return open_run(workspace.runs / name), report


def follow_run(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    *,
    seed: int,
    seconds: float | None,
    curriculum: bool = False,
    settings: Mapping[str, object] | None = None,
) -> None:
    """The part that every other process of torchrun has in `train_run`: it computes, and writes no file of the run."""
    student = _student(dataset, name)
    with joined():
        work = from_first(lambda: workspace.training / name)  # waits until the first process has looked into it
        student.train(
            dataset.folder,
            workspace.runs / name,
            seed=seed,
            seconds=seconds,
            on_progress=lambda share, values: None,
            curriculum=curriculum,
            settings=dict(settings or {}),
            work=work,
        )


def _taught_by(workspace: Workspace, student: Student, settings: Mapping[str, object], name: str) -> Run | None:
    """The run whose probabilities are learnt; raises `DataError` where there is none, or it can't teach."""
    named = settings.get("teacher")
    if named is None or student.family != "language":  # the others refuse the setting
        return None
    if named == name:
        raise DataError(f"'{name}' can't learn from itself; give the new run a --name.")
    taught = open_run(workspace.run(str(named)))
    if student_of(taught).family != "language":
        raise DataError(f"The teacher '{named}' is a {taught.task}, which writes no text; name a run that does.")
    return taught


def _student(dataset: Dataset, name: str) -> Student:
    checked_name(name)
    student = student_of(dataset)
    if ranks().started:
        check_shared(dataset)
    return student


def check_shared(dataset: Dataset) -> None:
    """Raise `DataError` where several processes can't train a dataset's student together."""
    if student_of(dataset).family != "language":
        raise DataError(
            f"A {dataset.task} is small enough for one process, and is trained by one; leave out --devices, and torchrun."
        )


def this_command() -> str:
    """How this process was called, as a person would call it again."""
    called = Path(sys.argv[0]).name
    return shlex.join(["enigma" if called == "cli.py" else called, *sys.argv[1:]])


def _work_folder(folder: Path, order: dict[str, object]) -> Path:
    """The folder of a training that isn't done; emptied where what lies there is of another order."""
    text = json.dumps(order, sort_keys=True)
    try:
        same = (folder / ORDER).read_text(encoding="utf-8") == text
    except OSError:
        same = False
    if not same:
        if checkpoints.undone(folder):
            raise DataError(
                f"'{folder.name}' was taken back to step {checkpoints.now(folder)}, and another training of this name "
                f"would throw the steps behind it away; begin with it under a new name (--init {folder.name} --name "
                f"OTHER), or run 'enigma runs redo {folder.name}' first."
            )
        shutil.rmtree(folder, ignore_errors=True)
        with storage_errors(folder):
            folder.mkdir(parents=True)
            write_atomic(folder / ORDER, text.encode("utf-8"))
    return folder


def open_run(folder: Path) -> Run:
    """Read a run's card, and check that its weights are those that were trained; raises `DataError`."""
    made = read_card(folder)
    try:
        weights = hash_of(folder / WEIGHTS)
    except OSError as cause:
        raise DataError(f"{cause.filename} can't be read ({cause.strerror}); train again.") from None
    if weights != made.weights:
        raise DataError(f"The weights of run '{folder.name}' aren't those that it trained; train again.")
    return made


def read_card(folder: Path) -> Run:
    """Read a run's card; the weights aren't looked at, which may be large. Raises `DataError`."""
    try:
        raw = strict_json.loads_object((folder / CARD).read_bytes(), f"{folder / CARD}")
        if raw.pop("format") != FORMAT:
            raise DataError(f"The run '{folder.name}' was made by another version of Enigma; train again.")
        return Run(folder=folder, **raw)  # type: ignore[arg-type]
    except OSError as cause:
        raise DataError(f"{cause.filename} can't be read ({cause.strerror}); train again.") from None
    except (BadRequest, KeyError, TypeError):
        raise DataError(f"{folder / CARD} is damaged; train again.") from None


def is_run(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    *,
    seed: int,
    seconds: float | None,
    curriculum: bool,
    settings: Mapping[str, object],
) -> bool:
    """Whether run `name` is what `train_run` would make again of these."""
    try:
        found = open_run(workspace.runs / name)
    except DataError:
        return False
    taught = _taught_by(workspace, student_of(dataset), settings, name)
    wanted = (dataset.content, seed, seconds, curriculum, dict(settings), taught and taught.weights, None)
    got = (found.content, found.seed, found.seconds, found.curriculum, found.settings, found.distilled, found.step)
    return got == wanted


def dataset_of(workspace: Workspace, run: Run) -> Dataset:
    """The dataset that a run was trained on; raises `DataError` where its rows are other ones now."""
    found = open_dataset(workspace.dataset(run.dataset))
    if found.content != run.content:
        raise DataError(f"The dataset '{run.dataset}' has other rows than when '{run.name}' was trained; train again.")
    return found


def write_json(path: Path, value: object) -> None:
    """Write a file of ours for people and programs: indented, sorted, atomic."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    write_atomic(path, text.encode("utf-8") + b"\n")


def hash_of(path: Path) -> str:
    """`sha256:` and the digits of a file."""
    with path.open("rb") as source:
        return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
