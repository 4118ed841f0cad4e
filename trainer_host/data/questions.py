"""Questions to a person: texts that a router was unsure about, the most useful first, until each has its label.

A queue lies beside the datasets, one file per dataset, and is replaced whole, so that it survives a crash at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Dataset, Json, Row, open_dataset
from trainer_host.data.derive import with_more_rows
from trainer_host.data.labelled import Mistake, RouterRows
from trainer_host.errors import DataError, NotThere
from trainer_host.training.uncertainty import most_useful
from trainer_host.workspace import Workspace, storage_errors, write_atomic

TASK = "router"
MOST = 500  # questions that wait for one dataset; nobody answers more
PERSON = "person"  # who made a row, in its meta
_MOST_BYTES = 64 * 2**20  # 500 texts of 4,000 characters, and as many answers as a person ever gives


@dataclass(frozen=True)
class Question:
    """A text, and how unsure its answer was, 0 to 1."""

    text: str
    doubt: float


@dataclass(frozen=True)
class Questions:
    """What waits for a dataset, the most useful first; labels: those that it has; answered: (text, label)."""

    dataset: str
    labels: tuple[str, ...]
    waiting: tuple[Question, ...] = ()
    answered: tuple[tuple[str, str], ...] = ()


def questions_for(workspace: Workspace, name: str) -> Questions:
    """The queue of a dataset; raises `NotThere` without the dataset, `DataError` where it has no labels of texts."""
    dataset = open_dataset(workspace.dataset(name))
    if dataset.task != TASK:
        raise DataError(f"'{name}' is of the task {dataset.task}; only texts with one label each are asked about.")
    labels = tuple(sorted({str(row.output["label"]) for row in dataset.rows("train")}))
    file = _file(workspace, name)
    if not file.exists():
        return Questions(name, labels)
    try:
        with storage_errors(file):
            if file.stat().st_size > _MOST_BYTES:
                raise ValueError
            raw = strict_json.loads_object(file.read_bytes(), file.name)
        waiting = tuple(Question(str(one["text"]), float(str(one["doubt"]))) for one in _list(raw["waiting"]))
        answered = tuple((str(one["text"]), str(one["label"])) for one in _list(raw["answered"]))
    except (BadRequest, KeyError, TypeError, ValueError):
        raise DataError(f"{file} is damaged; delete it, and collect the questions again.") from None
    return Questions(name, labels, waiting, answered)


def queues(workspace: Workspace) -> list[Questions]:
    """Of every dataset that has one."""
    folder = workspace.home / "questions"
    names = sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []
    there = set(workspace.names(workspace.data))
    return [questions_for(workspace, name) for name in names if name in there]


def ask_about(workspace: Workspace, name: str, texts: Sequence[str], doubt: Sequence[float], count: int) -> Questions:
    """Put the most useful of texts into the queue, with those that wait already, `count` in all at most."""
    now = questions_for(workspace, name)
    together: dict[str, float] = {one.text: one.doubt for one in now.waiting}
    reader = RouterRows()
    for text, how in zip(texts, doubt, strict=True):
        try:
            reader.read({"text": text, "label": now.labels[0]})
        except Mistake:
            continue  # too long, or without a letter: no row could be made of it
        together[text] = max(how, together.get(text, 0.0))
    known = [str(row.input["text"]) for row in open_dataset(workspace.dataset(name)).rows("train")]
    known += [text for text, _ in now.answered]
    all_texts = list(together)
    chosen = most_useful(all_texts, list(together.values()), min(count, MOST), known)
    waiting = tuple(Question(all_texts[place], together[all_texts[place]]) for place in chosen)
    return _write(workspace, Questions(name, now.labels, waiting, now.answered))


def answer_question(workspace: Workspace, name: str, text: str, label: str | None) -> Questions:
    """Give a waiting text its label; None drops it. Raises `NotThere` where it doesn't wait."""
    now = questions_for(workspace, name)
    if text not in {one.text for one in now.waiting}:
        raise NotThere(f"'{text[:40]}' doesn't wait for a label; somebody may have answered it already.")
    if label is not None and label not in now.labels:
        raise DataError(f"'{name}' has no label '{label[:40]}'; it has {', '.join(now.labels[:20])}.")
    left = tuple(one for one in now.waiting if one.text != text)
    answered = now.answered if label is None else (*now.answered, (text, label))
    return _write(workspace, Questions(name, now.labels, left, answered))


def take_answers(workspace: Workspace, name: str, to: str) -> tuple[Dataset, int]:
    """A dataset with the answered texts among its training rows, and how many are new; they leave the queue then."""
    now = questions_for(workspace, name)
    if not now.answered:
        raise DataError(f"No question about '{name}' is answered yet; do so with 'enigma data label {name}'.")
    rows = [Row({"text": text}, {"label": label}, {"teacher": PERSON}) for text, label in now.answered]
    made, new = with_more_rows(workspace, to, open_dataset(workspace.dataset(name)), rows)
    # A crash before this line leaves the answers in the queue; taken again, they repeat rows and are left out.
    _write(workspace, Questions(name, now.labels, now.waiting))
    return made, new


def _file(workspace: Workspace, name: str) -> Path:
    return workspace.home / "questions" / f"{name}.json"


def _write(workspace: Workspace, made: Questions) -> Questions:
    file = _file(workspace, made.dataset)
    content = {
        "waiting": [{"text": one.text, "doubt": round(one.doubt, 4)} for one in made.waiting],
        "answered": [{"text": text, "label": label} for text, label in made.answered],
    }
    with storage_errors(file.parent):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people asked may be private
        write_atomic(file, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8"), 0o600)
    return made


def _list(raw: object) -> list[Json]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise ValueError
    return raw
