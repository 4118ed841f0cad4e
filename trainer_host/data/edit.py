"""A person mends rows: the changes make a new version of the dataset, which says what was changed, and by whom."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer_host.data.check import homes_of, spec_of
from trainer_host.data.dataset import SPLITS, Dataset, Json, Row
from trainer_host.data.derive import key_of, with_inventory, write_derived
from trainer_host.data.quality import files_of
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Rejected, TaskSpec
from trainer_host.workspace import Workspace

_VERSION = re.compile(r"(.*)-v(\d{1,6})")


@dataclass(frozen=True)
class Change:
    """Of the row `number` (from 0) of a split. input, output: what it has from now on; None, None where it goes."""

    split: str
    number: int
    input: Json | None = None
    output: Json | None = None


def next_version(workspace: Workspace, name: str) -> str:
    """`talk` becomes `talk-v2`, `talk-v2` becomes `talk-v3`; the first that is free."""
    match = _VERSION.fullmatch(name)
    base, number = (match[1], int(match[2])) if match else (name, 1)
    while True:
        number += 1
        made = f"{base[: 64 - len(str(number)) - 2]}-v{number}"
        if not (workspace.data / made).exists():
            return made


def edited(workspace: Workspace, dataset: Dataset, changes: Sequence[Change], by: str, *, held_out: bool) -> Dataset:
    """The new version; `dataset` stays as it is. by: who changed it. held_out: whether these rows may change too.

    Raises `DataError` for a row that isn't there, or that its task's verifier refuses where it took the row before, for a
    held-out row that nobody meant to change, and for a training row that would ask what a held-out row asks.
    """
    rows: dict[str, list[Row | None]] = {split: list(dataset.rows(split)) for split in SPLITS}
    spec, homes, key = spec_of(dataset), homes_of(dataset), key_of(dataset)
    if any(change.split == "heldout" for change in changes) and not held_out:
        raise DataError(
            "Held-out rows are what models are examined on; with others, their marks can't be compared. Say that you "
            "mean to change them."
        )
    for change in changes:
        side = rows.get(change.split)
        before = side[change.number] if side is not None and 0 <= change.number < len(side) else None
        if side is None or before is None:
            raise DataError(f"There is no row {change.number + 1} in {change.split[:20]}, or it is changed twice.")
        after = None
        if change.input is not None and change.output is not None:
            meta = {name: value for name, value in before.meta.items() if name != "quality"}
            was = hashlib.sha256(before.to_json().encode()).hexdigest()
            after = Row(change.input, change.output, {**meta, "edited": {"by": by, "was": f"sha256:{was}"}})
            _check(spec, dataset, before, after, homes, change)
        side[change.number] = after
    kept = {split: [row for row in side if row is not None] for split, side in rows.items()}
    held = {key(row): number for number, row in enumerate(kept["heldout"], 1)}
    known = {key(row) for row in dataset.rows("train")}
    for row in kept["train"]:
        if "edited" in row.meta and (text := key(row)) in held and text not in known:
            raise DataError(
                f"A changed row asks what the held-out row {held[text]} asks; models would be examined in what they were "
                "taught. Ask otherwise."
            )
    deleted = sum(change.output is None for change in changes)
    note: Json = {
        "from": dataset.name,
        "content": dataset.content,
        "by": by,
        "changed": len(changes) - deleted,
        "deleted": deleted,
        "held_out": sum(change.split == "heldout" for change in changes),
    }
    history = dataset.params.get("edits")
    edits = [*(history if isinstance(history, list) else []), note]
    name = next_version(workspace, dataset.name)
    inventories = [homes[number] for number in sorted(homes)]
    return write_derived(workspace, name, [dataset], kept, inventories, dict(dataset.figures), more={"edits": edits})


def _check(spec: TaskSpec, dataset: Dataset, before: Row, after: Row, homes: dict[int, Json], change: Change) -> None:
    def refusal(row: Row) -> str | None:
        whole = with_inventory(row, homes)
        try:
            spec.check(Example(whole.input, whole.output, files_of(dataset, row)))
        except Rejected as cause:
            return cause.reason
        except (KeyError, TypeError, ValueError, AttributeError):  # the verifier was made for rows of its own form
            return "it isn't of the form that its task has"
        return None

    why = refusal(after)
    if why is not None and refusal(replace(before)) is None:
        raise DataError(f"Row {change.number + 1} of {change.split} wouldn't pass its task's verifier: {why}.")
