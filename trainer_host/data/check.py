"""Checks a dataset's rows by their task's verifier, whatever form the task keeps them in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.labelled import Mistake, RobotRows
from trainer_host.data.quality import files_of
from trainer_host.tasks import TASKS, Example, Rejected, TaskSpec, task_spec

Check = Callable[[Row], str | None]  # None, or why the row is wrong


def checker_for(dataset: Dataset) -> Check:
    """A function that says why a row is wrong, None where it is right."""
    if dataset.task == "robot":
        return _robot(dataset)
    spec = spec_of(dataset)

    def check(row: Row) -> str | None:
        try:
            spec.check(Example(row.input, row.output, files_of(dataset, row)))
        except Rejected as cause:
            return f"{cause.reason}: {cause.detail}"
        return None

    return check


def spec_of(dataset: Dataset) -> TaskSpec:
    """The spec that a dataset's rows were made for, with the options that they were made with."""
    options = dataset.params.get("options")
    if not isinstance(options, dict) or not options:
        return task_spec(dataset.task, _labels_of(dataset))
    if "images" in options:  # the folder that the pictures came from may be gone; rows have their own files
        rest = {name: value for name, value in options.items() if name not in ("landmarks", "models")}
        options = {**rest, "images": str(dataset.folder)}
    return task_spec(dataset.task, options)


def homes_of(dataset: Dataset) -> dict[int, Json]:
    """The inventories of a robot dataset by their number; empty for other tasks."""
    path = dataset.folder / "homes.jsonl"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as source:
        homes = [json.loads(line) for line in source]
    return {home.pop("id"): home for home in homes}


def _labels_of(dataset: Dataset) -> Json:
    """A person's router has labels of its own: those that the dataset has."""
    if dataset.task != "router":
        return {}
    labels = dataset.figures.get("labels")
    if not isinstance(labels, dict) or labels.keys() <= set(TASKS):
        return {}
    return {"labels": {label: label for label in labels}}


def _robot(dataset: Dataset) -> Check:
    homes = homes_of(dataset)
    reader = RobotRows(None, Path())

    def check(row: Row) -> str | None:
        number = row.input.get("home")
        if not isinstance(number, int) or number not in homes:
            return "its home is missing"
        given = {key: value for key, value in row.input.items() if key != "home"}
        try:
            reader.read({"input": {**given, "inventory": homes[number]}, "output": row.output})
        except Mistake as cause:
            return str(cause)
        return None

    return check
