"""The rows of a dataset as a person looks through them: a page at a time, those that match, each with its quality."""

from __future__ import annotations

import json
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trainer_host.data.check import homes_of, spec_of
from trainer_host.data.dataset import SPLITS, Dataset, Json, Row, open_dataset
from trainer_host.data.derive import with_inventory
from trainer_host.data.quality import Quality, Usual, assess, files_of, usual
from trainer_host.errors import DataError
from trainer_host.tasks import TaskSpec

# Tasks whose rows are verified in microseconds; the others execute answers, which takes a sandbox each.
QUICK = frozenset({"chat", "router", "avatar", "robot"})
K = TypeVar("K")
V = TypeVar("V")
MOST_KEPT = 8  # datasets, and as many filters, that stay in memory


@dataclass(frozen=True)
class Wanted:
    """text: that a row holds, in any case. least: the least quality, 0 to 1. label: of its answer."""

    text: str = ""
    label: str = ""
    least: float = 0.0


@dataclass(frozen=True)
class Shown:
    """A row with its number in its split. quality: None where it isn't known without executing the row."""

    number: int
    row: Row
    quality: Quality | None


class Browser:
    """Keeps where the rows of the last datasets lie. Blocks: call it in a thread, one at a time."""

    def __init__(self) -> None:
        self._opened: OrderedDict[Path, tuple[object, Dataset]] = OrderedDict()
        self._lines: OrderedDict[tuple[str, str], array[int]] = OrderedDict()
        self._judges: OrderedDict[str, tuple[TaskSpec, Usual, dict[int, Json]]] = OrderedDict()
        self._found: OrderedDict[tuple[str, str, Wanted], array[int]] = OrderedDict()

    def open(self, folder: Path) -> Dataset:
        """A dataset, whose rows are hashed once as long as no file of it changes."""
        files = [folder / "dataset.json", *(folder / f"{split}.jsonl" for split in SPLITS)]
        stamp = [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in files if path.exists())]
        before = self._opened.get(folder)
        if before is None or before[0] != stamp:
            before = stamp, open_dataset(folder)
        _remember(self._opened, folder, before, 64)
        return before[1]

    def page(self, dataset: Dataset, split: str, start: int, count: int, wanted: Wanted) -> tuple[int, list[Shown]]:
        """How many rows match, and those from place `start` on; raises `DataError`."""
        if split not in SPLITS:
            raise DataError(f"The rows of a dataset are {' or '.join(SPLITS)}.")
        lines = self._index(dataset, split)
        matching = None if wanted == Wanted() else self._matching(dataset, split, wanted)
        total = len(lines) if matching is None else len(matching)
        chosen = range(start, min(start + count, total))
        numbers = list(chosen) if matching is None else [matching[place] for place in chosen]
        made = []
        with (dataset.folder / f"{split}.jsonl").open("rb") as source:
            for number in numbers:
                source.seek(lines[number])
                row = _row(source.readline())
                made.append(Shown(number, row, self._quality(dataset, row)))
        return total, made

    def _index(self, dataset: Dataset, split: str) -> array[int]:
        """Where each row begins, in bytes."""
        key = dataset.content, split
        found = self._lines.get(key)
        if found is None:
            found, place = array("Q"), 0
            with (dataset.folder / f"{split}.jsonl").open("rb") as source:
                for line in source:
                    found.append(place)
                    place += len(line)
        _remember(self._lines, key, found, 2 * MOST_KEPT)
        return found

    def _matching(self, dataset: Dataset, split: str, wanted: Wanted) -> array[int]:
        key = dataset.content, split, wanted
        found = self._found.get(key)
        if found is None:
            found = array("Q")
            text = wanted.text.casefold()
            with (dataset.folder / f"{split}.jsonl").open("rb") as source:
                for number, line in enumerate(source):
                    row = _row(line)
                    if text and text not in json.dumps([row.input, row.output], ensure_ascii=False).casefold():
                        continue
                    if wanted.label and str(row.output.get("label")) != wanted.label:
                        continue
                    if wanted.least > 0 and (q := self._quality(dataset, row)) is not None and q.score < wanted.least:
                        continue
                    found.append(number)
        _remember(self._found, key, found, MOST_KEPT)
        return found

    def _quality(self, dataset: Dataset, row: Row) -> Quality | None:
        kept = row.meta.get("quality")
        if isinstance(kept, int | float):  # by `enigma data filter`
            return Quality(float(kept), ())
        if dataset.task not in QUICK:
            return None
        judge = self._judges.get(dataset.content)
        if judge is None:
            rows = [row for split in SPLITS for row in dataset.rows(split)]
            judge = spec_of(dataset), usual(rows), homes_of(dataset)
        _remember(self._judges, dataset.content, judge, MOST_KEPT)
        spec, among, homes = judge
        return assess(spec, with_inventory(row, homes), among, files_of(dataset, row))


def _row(line: bytes) -> Row:
    raw = json.loads(line)
    return Row(raw["input"], raw["output"], raw.get("meta", {}))


def _remember(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
