"""What one labelled row looks like for each task, read from JSON lines or from the columns of a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Json, Row
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Rejected, TaskSpec, canonical, task_spec

MAX_PICTURE_BYTES = 16 * 1024 * 1024


class Mistake(Exception):
    """A row is wrong; the text says what to change, the caller adds the line."""


@dataclass(frozen=True)
class Labelled:
    """A checked row; `key` is equal for rows that ask the same, `answer` for rows that want the same answer.

    stratum: the label whose share should be equal in train and held-out, None where the task has none.
    """

    row: Row
    key: str
    answer: str
    stratum: str | None = None
    group: str | None = None


class RowReader(Protocol):
    """Reads a task's rows. One reader sees a whole file, so it may collect what rows share."""

    columns: tuple[str, ...]  # those that a table must have
    fields: tuple[str, ...]  # all that a row may have

    def read(self, raw: Json) -> Labelled:
        """Check one row; raises `Mistake`."""

    def finish(self, folder: Path) -> None:
        """Write what the rows share beside them."""


class RouterRows:
    """Rows of task `router`: {"text", "label"}, or {"input": {"text"}, "output": {"label"}}."""

    columns: tuple[str, ...] = ("text", "label")
    fields: tuple[str, ...] = columns

    def read(self, raw: Json) -> Labelled:
        """Check a text and its label, each a non-empty string."""
        from edge_runtime.tasks.router import MAX_CHARS
        from edge_runtime.tasks.text import words

        fields = _flat(raw, ("text",), ("label",))
        text, label = _text(fields, "text"), _text(fields, "label").strip()
        if len(text) > MAX_CHARS:
            raise Mistake(f"the text has {len(text)} characters; a router reads at most {MAX_CHARS}")
        if len(label) > 100:
            raise Mistake("the label has more than 100 characters; name it shorter")
        key = " ".join(words(text))
        if not key:
            raise Mistake(f"the text {text[:40]!r} has no letter, digit or emoji to learn from")
        return Labelled(Row({"text": text}, {"label": label}), key, label, label)

    def finish(self, folder: Path) -> None:
        """Router rows share nothing."""


class RobotRows:
    """Rows of task `robot`: {"text", "area"?, "inventory", "calls"}; inventories go to homes.jsonl once each.

    inventory: the home for rows that name none. folder: where paths of inventories in a table start.
    """

    columns: tuple[str, ...] = ("text", "calls")
    fields: tuple[str, ...] = ("text", "area", "context", "inventory", "calls", "question")

    def __init__(self, inventory: Json | None, folder: Path) -> None:
        self._default = inventory
        self._folder = folder
        self._homes: dict[str, int] = {}
        self._inventories: list[Json] = []

    def read(self, raw: Json) -> Labelled:
        """Check that the calls can be executed in the row's home."""
        from edge_runtime.home.words import tokenize
        from edge_runtime.tasks.robot import parse_request

        fields = _flat(raw, ("text", "area", "context", "inventory"), ("calls", "question"))
        request: Json = {"text": _text(fields, "text"), "inventory": self._inventory(fields.get("inventory"))}
        context = _parsed(fields.get("context"), "context") or {}
        area = fields.get("area") or (context.get("area") if isinstance(context, dict) else None)
        if area:
            request["context"] = {"area": area}
        try:
            checked = parse_request(request)
        except BadRequest as cause:
            raise Mistake(str(cause)) from None
        if area and checked.here is None:
            raise Mistake(f"the home has no area with the id '{area}'")
        calls = _calls(_parsed(fields.get("calls"), "calls"))
        _check_executable(calls, checked.home)
        number = self._number(request["inventory"])
        question = fields.get("question") or None
        row = Row(
            {"text": request["text"], "context": {"area": area} if area else {}, "home": number},
            {"calls": calls, "question": question},
        )
        key = f"{number}/{area or ''}/{' '.join(tokenize(str(request['text'])))}"
        return Labelled(row, key, json.dumps(calls, sort_keys=True), None, f"home-{number}")

    def finish(self, folder: Path) -> None:
        """Write homes.jsonl."""
        with (folder / "homes.jsonl").open("w", encoding="utf-8", newline="\n") as out:
            for number, inventory in enumerate(self._inventories):
                out.write(json.dumps({"id": number, **inventory}, sort_keys=True, ensure_ascii=False) + "\n")

    def _inventory(self, value: object) -> Json:
        if value in (None, ""):
            if self._default is None:
                raise Mistake("the inventory is missing; add it to the row, or give --inventory FILE")
            return self._default
        if isinstance(value, str) and not value.lstrip().startswith("{"):
            return read_inventory(self._folder / value)
        parsed = _parsed(value, "inventory")
        if not isinstance(parsed, dict):
            raise Mistake('the inventory must be an object, as in {"areas": [...], "entities": [...]}')
        return parsed

    def _number(self, inventory: object) -> int:
        text = json.dumps(inventory, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        if key not in self._homes:
            assert isinstance(inventory, dict)
            self._homes[key] = len(self._inventories)
            self._inventories.append(inventory)
        return self._homes[key]


class SpecRows:
    """Rows of any other task, checked by its spec: {"input": {...}, "output": {...}}, or their fields side by side.

    folder: where files that rows name (pictures) lie.
    """

    def __init__(self, spec: TaskSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        parts: Any = spec.example_schema["properties"]
        self._inputs, self._outputs = (tuple(parts[part]["properties"]) for part in ("input", "output"))
        self.fields = (*self._inputs, *self._outputs)
        self.columns = tuple(field for part in ("input", "output") for field in parts[part].get("required", ()))
        self._files: dict[str, bytes] = {}

    def read(self, raw: Json) -> Labelled:
        """Check one row with the task's verifier."""
        fields = _flat(raw, self._inputs, self._outputs)
        fields = {key: self._value(key, value) for key, value in fields.items()}
        given = {key: fields[key] for key in self._inputs if key in fields}
        wanted = {key: fields[key] for key in self._outputs if key in fields}
        return self.take(Example(given, wanted, self._named_files(given)))

    def take(self, example: Example) -> Labelled:
        """An example as a row; raises `Mistake` where its verifier refuses it."""
        try:
            self._spec.check(example)
        except Rejected as cause:
            raise Mistake(f"{cause.reason}: {cause.detail}") from None
        self._files |= example.files
        row = Row(example.input, example.output)
        group = self._spec.group(example)
        return Labelled(row, self._spec.key(example), canonical(example.output), self._spec.stratum(example), group)

    def finish(self, folder: Path) -> None:
        """Write the files that rows name into files/."""
        if self._files:
            (folder / "files").mkdir()
        for name, content in self._files.items():
            (folder / "files" / name).write_bytes(content)

    def _value(self, field: str, value: object) -> object:
        """A table's cells are text: what the schema wants as an object, a list or a number is JSON there."""
        if not isinstance(value, str) or self._wants_text(field):
            return value
        return _parsed(value, field)

    def _wants_text(self, field: str) -> bool:
        parts: Any = self._spec.example_schema["properties"]
        kinds = {**parts["input"]["properties"], **parts["output"]["properties"]}.get(field, {}).get("type", "string")
        return "string" in (kinds if isinstance(kinds, list) else [kinds])

    def _named_files(self, given: Json) -> dict[str, bytes]:
        """Files that a row names: beside the imported file, or in the folder of an exported dataset."""
        name = given.get("image")
        if not isinstance(name, str):
            return {}
        path = self._folder / name
        if path.resolve().parent != self._folder.resolve():
            raise Mistake(f"the picture '{name[:60]}' must lie beside the file that names it")
        try:
            return {name: path.read_bytes()} if path.stat().st_size <= MAX_PICTURE_BYTES else _too_large(name)
        except OSError as cause:
            raise Mistake(f"the picture '{name[:60]}' can't be read ({cause.strerror})") from None


def _too_large(name: str) -> NoReturn:
    raise Mistake(f"the picture '{name[:60]}' is larger than {MAX_PICTURE_BYTES // 2**20} MB")


def reader_for(task: str, *, inventory: Path | None, folder: Path, options: Json | None = None) -> RowReader:
    """The reader of a task's rows; raises `DataError` for an unknown task or options that it doesn't know."""
    if inventory is not None and task != "robot":
        raise DataError(f"The task {task} has no inventory; leave out --inventory.")
    if task == "router":
        return RouterRows()
    if task == "robot":
        return RobotRows(read_inventory(inventory) if inventory else None, folder)
    return SpecRows(task_spec(task, options), folder)


def read_inventory(path: Path) -> Json:
    """A home's inventory from a JSON file; raises `DataError`."""
    from edge_runtime import strict_json
    from edge_runtime.home.inventory import parse_home

    try:
        value = strict_json.loads_object(path.read_bytes(), str(path))
        parse_home(value)
    except OSError as cause:
        raise DataError(f"The inventory {path} can't be read: {cause.strerror}.") from None
    except BadRequest as cause:
        raise DataError(f"The inventory {path} can't be used: {cause}") from None
    return value


def _flat(raw: Json, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Json:
    """One level of fields, whichever form the row has; unknown fields are a mistake, not silence."""
    if "input" in raw or "output" in raw:
        given, wanted = raw.get("input"), raw.get("output")
        if not isinstance(given, dict) or not isinstance(wanted, dict):
            raise Mistake('"input" and "output" must both be objects')
        fields, extra = {**given, **wanted}, raw.keys() - {"input", "output", "meta"}
    else:
        fields, extra = dict(raw), set()
    extra = extra | (fields.keys() - set(inputs) - set(outputs))
    if extra:
        known = ", ".join((*inputs, *outputs))
        raise Mistake(f"the field '{min(extra)}' isn't known; a row has {known}")
    return fields


def _text(fields: Json, key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Mistake(f"the {key} is missing or empty")
    return value


def _parsed(value: object, what: str) -> object:
    """JSON that stands in a table's cell as text."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except json.JSONDecodeError as cause:
        raise Mistake(f"the {what} isn't valid JSON ({cause.msg} at character {cause.pos + 1})") from None
    except RecursionError:
        raise Mistake(f"the {what} is nested too deeply") from None


def _calls(value: object) -> list[Json]:
    if not isinstance(value, list):
        raise Mistake('the calls are missing; give a list, as in [{"name": "HassTurnOn", "targets": [...]}]')
    calls: list[Json] = []
    for item in value:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str):
            raise Mistake('each call must be an object with a "name"')
        arguments, targets = item.get("arguments", {}), item.get("targets", [])
        if not isinstance(arguments, dict) or not isinstance(targets, list):
            raise Mistake(f'{name} needs "arguments" as an object and "targets" as a list')
        if not all(isinstance(target, str) for target in targets):
            raise Mistake(f"{name} has a target that isn't the id of an entity")
        calls.append({"name": name, "arguments": arguments, "targets": targets})
    return calls


def _check_executable(calls: list[Json], home: object) -> None:
    from edge_runtime.home.inventory import Home
    from edge_runtime.home.resolve import Call
    from edge_runtime.home.simulate import execute

    assert isinstance(home, Home)
    ids = {entity.id for entity in home.entities}
    made = []
    for call in calls:
        targets = call["targets"]
        assert isinstance(targets, list) and isinstance(call["arguments"], dict)
        if strangers := [target for target in targets if target not in ids]:
            raise Mistake(f"the home has no entity '{strangers[0]}'")
        made.append(Call(str(call["name"]), call["arguments"], tuple(targets)))
    try:
        execute(made, home)
    except (KeyError, ValueError, TypeError) as cause:
        raise Mistake(f"the calls can't be executed in this home ({cause})") from None
