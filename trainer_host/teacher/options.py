"""What a person may choose for a task of a lesson: `--option TASK.NAME=VALUE`, and the same as plain data.

Each task's `spec(options)` has the last word on the values; here is how they are written on a command line.
"""

from __future__ import annotations

import csv
import enum
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.separated import rows_of
from trainer_host.errors import TrainerError
from trainer_host.tasks import TASKS, Json, task_spec

MAX_JSON = 1 << 20


class Form(enum.Enum):
    """How a value is written."""

    TEXT = "a word"
    WORDS = "words with commas between them"
    FLAG = "true or false"
    FOLDER = "a folder"
    PLACE = "a file or a folder"
    TABLE = "a .csv file of label,description"
    JSON = "a .json file"
    QUESTIONS = "true, or a .txt file with a question in each line"


FORMS: dict[str, dict[str, Form]] = {
    "chat": {"language": Form.TEXT, "tools": Form.JSON, "steps": Form.FLAG},
    "vision": {
        "images": Form.FOLDER,
        "labels": Form.WORDS,
        "whole": Form.FLAG,
        "questions": Form.QUESTIONS,
        "landmarks": Form.TEXT,
        "models": Form.PLACE,
    },
    "image_gen": {"images": Form.FOLDER},
    "audio_gen": {"kinds": Form.WORDS},
    "video_gen": {"frames": Form.TEXT},
    "math": {"steps": Form.FLAG, "stories": Form.FLAG},
    "game": {"games": Form.WORDS},
    "robot": {"mode": Form.TEXT, "pack": Form.TEXT},
    "router": {"labels": Form.TABLE, "language": Form.TEXT},
}


def read_options(written: Sequence[str]) -> dict[str, Json]:
    """Options from a command line, per task; raises `TrainerError` for what isn't one."""
    made: dict[str, Json] = {}
    for text in written:
        where, equals, value = text.partition("=")
        task, dot, name = where.partition(".")
        if not (equals and dot and task and name and value):
            raise TrainerError(f"'{text[:60]}' is no option; write TASK.NAME=VALUE, as in --option robot.mode=free.")
        form = _form(task, name)
        if name in made.setdefault(task, {}):
            raise TrainerError(f"{task}.{name} is given twice; give it once.")
        made[task][name] = _READ[form](value, f"{task}.{name}")
    return made


def check_options(tasks: Sequence[str], options: Mapping[str, Json]) -> None:
    """Refuse options that a task doesn't have, bad values, and those of tasks that aren't in the lesson.

    Raises `TrainerError`.
    """
    for task, chosen in options.items():
        if not isinstance(chosen, dict):
            raise TrainerError(
                f"The options of {task[:40]} must be names with values, as in {{'robot': {{'mode': 'free'}}}}."
            )
        if not chosen:
            continue
        if task in TASKS and task not in tasks:
            raise TrainerError(f"{task}.{min(chosen)} is for the task {task}; add --task {task}, or leave it out.")
        task_spec(task, chosen)


def _form(task: str, name: str) -> Form:
    if task not in TASKS:
        raise TrainerError(f"There is no task '{task[:40]}'; the tasks are {', '.join(TASKS)}.")
    known = FORMS.get(task, {})
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise TrainerError(f"The task {task} has no option '{name[:40]}'; {has}.")
    return known[name]


def _words(value: str, name: str) -> list[str]:
    words = [word.strip() for word in value.split(",")]
    if not all(words):
        raise TrainerError(f"{name} needs {Form.WORDS.value}, not '{value[:40]}'.")
    return words


def _flag(value: str, name: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise TrainerError(f"{name} must be {Form.FLAG.value}, not '{value[:40]}'.")
    return value.lower() == "true"


def _folder(value: str, name: str) -> str:
    """Absolute: a lesson may be resumed from anywhere."""
    return str(Path(value).absolute())


def _table(value: str, name: str) -> dict[str, str]:
    """The columns label and description of a table."""
    file = Path(value)
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            table = rows_of(source)
            if not {"label", "description"} <= set(table.fieldnames or ()):
                raise TrainerError(f"{file.name} needs the columns label and description in its first line.")
            return {row["label"].strip(): (row["description"] or "").strip() for row in table if row["label"]}
    except OSError as cause:
        raise TrainerError(f"{file} can't be read: {cause.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise TrainerError(f"{file.name} isn't a table in UTF-8; save it as 'CSV UTF-8'.") from None


def _json(value: str, name: str) -> object:
    """What a file holds, at most `MAX_JSON` bytes of it."""
    file = Path(value)
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise TrainerError(f"{file} can't be read: {cause.strerror}.") from None
    if len(content) > MAX_JSON:
        raise TrainerError(f"{file.name} has {len(content):,} bytes; at most {MAX_JSON:,} are read.")
    try:
        return strict_json.loads(content, file.name)
    except BadRequest as cause:
        raise TrainerError(str(cause)) from None


def _questions(value: str, name: str) -> object:
    """True, or the lines of a file that aren't empty, at most `MAX_JSON` bytes of it."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    file = Path(value)
    try:
        with file.open(encoding="utf-8-sig") as source:
            lines = source.read(MAX_JSON).splitlines()
    except OSError as cause:
        raise TrainerError(f"{name} must be {Form.QUESTIONS.value}; {file} can't be read: {cause.strerror}.") from None
    except UnicodeDecodeError:
        raise TrainerError(f"{file.name} isn't a text in UTF-8; save it as one.") from None
    return [line.strip() for line in lines if line.strip()]


_READ: dict[Form, Callable[[str, str], object]] = {
    Form.TEXT: lambda value, name: value,
    Form.WORDS: _words,
    Form.FLAG: _flag,
    Form.FOLDER: _folder,
    Form.PLACE: _folder,
    Form.TABLE: _table,
    Form.JSON: _json,
    Form.QUESTIONS: _questions,
}
