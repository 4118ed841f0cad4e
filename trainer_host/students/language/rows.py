"""Rows of a dataset as conversations: the device's own code writes the messages, so that both sides see the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from edge_runtime.errors import BadRequest
from edge_runtime.language.code_marks import marked_chat
from edge_runtime.language.template import CODE, MARKED, Template
from edge_runtime.language.tool_marks import Reading
from edge_runtime.tasks import task_module
from edge_runtime.tasks.dialogue import TextTask, read_tools
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students.language.data import Conversation
from trainer_host.tasks.chat_tools import WANTED

Json = dict[str, object]
COMBO = "combo"
UNSEEN_SHARE, UNSEEN_MOST = 0.06, 400  # of the training rows, kept to know when to stop and when to be unsure


def task_of(row: Row, task: str) -> str:
    """The task of a row: in a dataset of several tasks it stands in the row."""
    return str(row.input["task"]) if task == COMBO else task


def rows_of(folder: Path, split: str, task: str) -> list[Row]:
    """The rows of a dataset; for a combo, those of one of its tasks are written as the combo's own."""
    dataset = open_dataset(folder)
    rows = list(dataset.rows(split))
    if task != COMBO or dataset.task == COMBO:
        return rows
    return [Row({"task": dataset.task, "request": row.input}, row.output, row.meta) for row in rows]


def request_of(row: Row, task: str) -> Json:
    """What a device would be asked."""
    return cast(Json, row.input["request"]) if task == COMBO else row.input


def text_task(task: str) -> TextTask:
    """A task's module that writes text."""
    return cast(TextTask, task_module(task))


def conversations(rows: Iterable[Row], task: str) -> list[Conversation]:
    """What is to be learnt; raises `DataError` for a row that isn't of the task."""
    made = []
    for number, row in enumerate(rows, 1):
        try:
            name = task_of(row, task)
            module = text_task(name)
            request = request_of(row, task)
            messages = module.messages(request)
            said = module.reply(request, row.output)
        except (BadRequest, KeyError) as cause:
            raise DataError(f"Row {number} of the dataset isn't one of the task {task}: {cause}") from None
        hard = row.meta.get("difficulty", 0.0)
        difficulty = float(hard) if isinstance(hard, int | float) else 0.0
        tools = read_tools(request.get("tools", []))
        written: Json = {"role": "assistant", "content": said}
        if thought := row.output.get("reasoning"):
            written["reasoning"] = thought
        wanted = wants(row, task) if tools else None
        made.append(Conversation([*messages, written], name, tools, difficulty, row.meta.get("soft"), wanted))
    return made


def wants(row: Row, task: str) -> bool:
    """Whether a row's last message wants something done: as the built-in teacher says, else where a tool is called."""
    told = row.meta.get(WANTED)
    return told if isinstance(told, bool) else bool(row.output.get("tool_calls"))


def template_of(rows: Sequence[Row], task: str, template: Template) -> Template:
    """How a model from nothing is to read these rows: calls and code in marks."""
    if has_tools(rows, task):
        template = replace(template, name=f"{template.name}-marked", tools=MARKED)
    return replace(template, marks=CODE) if any(task_of(row, task) == CODE for row in rows) else template


def has_tools(rows: Iterable[Row], task: str) -> bool:
    """Whether any row offers tools."""
    return any(request_of(row, task).get("tools") for row in rows)


def read_texts(talks: Iterable[Conversation]) -> list[str]:
    """What a model from nothing reads and writes: in marks where it has any, see `edge_runtime.language`."""
    parts = ("reasoning", "content")
    return [str(message[part]) for talk in talks for message in _read(talk) for part in parts if part in message]


def _read(talk: Conversation) -> Sequence[Json]:
    if talk.tools:
        return Reading(talk.messages, talk.tools, talk.wanted).messages()
    return marked_chat(talk.messages) if talk.task == CODE else talk.messages


def training_rows(dataset: Path) -> tuple[list[Row], list[Row]]:
    """(what is learnt, what is kept to judge the training by): whole groups of alike rows fall on one side."""
    rows = list(open_dataset(dataset).rows("train"))
    if not rows:
        raise DataError("The dataset has no rows to train on; add rows.")

    def place(row: Row) -> str:
        return hashlib.sha256(str(row.meta.get("group") or sorted(row.input.items())).encode()).hexdigest()

    order = sorted(range(len(rows)), key=lambda at: place(rows[at]))
    unseen = set(order[: min(UNSEEN_MOST, int(len(rows) * UNSEEN_SHARE))])
    return (
        [row for at, row in enumerate(rows) if at not in unseen],
        [row for at, row in enumerate(rows) if at in unseen],
    )


def mixed(rows: Iterable[Row]) -> list[Row]:
    """The rows in an order that depends on what is asked in each alone, and that mixes their kinds and tasks."""
    return sorted(rows, key=lambda row: hashlib.sha256(json.dumps(row.input, sort_keys=True).encode()).digest())
