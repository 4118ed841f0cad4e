"""Datasets from datasets: several as one, without poor rows, without personal data. Splits stay what they were."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trainer_host.data.augment import PICTURES, TEXT, can_augment, counted, twin_of
from trainer_host.data.check import homes_of, spec_of
from trainer_host.data.dataset import SPLITS, Dataset, Json, Row, open_dataset, seal, write_rows
from trainer_host.data.dedup import SCOPE, NearDuplicates
from trainer_host.data.packs.card import parents_json, parents_of
from trainer_host.data.pii import Scrubber
from trainer_host.data.quality import DEFAULT_THRESHOLD, Quality, assess, files_of, usual
from trainer_host.errors import DataError
from trainer_host.tasks import Example, canonical
from trainer_host.workspace import Workspace, checked_name, making

BUILT_IN = "built-in"  # who made a row of a grammar, in its meta
TRIES = 6
OnDropped = Callable[[str, Row, Quality], None]  # split, row, why


def mix(workspace: Workspace, name: str, sources: Sequence[Dataset]) -> Dataset:
    """All rows of several datasets of one task as dataset `name`.

    What was held out stays held out, and what repeats a held-out row (the same, or nearly) leaves the training rows:
    a specialist is never examined in what it was taught.
    """
    checked_name(name)
    if len(sources) < 2 or len({(dataset.task, dataset.kind) for dataset in sources}) > 1:
        raise DataError("Name two or more datasets of one task, and of one kind of rows, to mix.")
    homes: list[Json] = []
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for dataset in sources:
        start = len(homes)
        known = homes_of(dataset)
        homes += [known[number] for number in sorted(known)]
        place = {number: start + position for position, number in enumerate(sorted(known))}
        for split in SPLITS:
            rows[split] += [_moved(row, place) for row in dataset.rows(split)]
    key = key_of(sources[0])
    held, seen = NearDuplicates(), NearDuplicates()
    exact: set[str] = set()
    left: Counter[str] = Counter()

    def fresh(row: Row, index: NearDuplicates) -> bool:
        text = key(row)
        # A grammar's rows are alike by design; of them only the same are repetitions.
        new = text not in exact and (row.meta.get("teacher") == BUILT_IN or index.add(text))
        exact.add(text)
        left["repeated"] += not new
        return new

    kept_out = [row for row in rows["heldout"] if fresh(row, held)]
    train: list[Row] = []
    for row in rows["train"]:
        if held.twin(key(row)) is not None:
            left["like a held-out row"] += 1
        elif fresh(row, seen):
            train.append(row)
    figures: Json = {"from": {item.name: sum(item.counts.values()) for item in sources}, "left_out": dict(+left)}
    return write_derived(workspace, name, sources, {"train": train, "heldout": kept_out}, homes, figures)


def keep_good(
    workspace: Workspace,
    name: str,
    dataset: Dataset,
    threshold: float = DEFAULT_THRESHOLD,
    on_dropped: OnDropped | None = None,
) -> Dataset:
    """The rows that score `threshold` or more, each with its score in `meta`; `on_dropped` sees the others."""
    if not 0 <= threshold <= 1:
        raise DataError(f"The least score must be from 0 to 1, not {threshold:g}.")
    spec, homes = spec_of(dataset), homes_of(dataset)
    among = usual([row for split in SPLITS for row in dataset.rows(split)])
    kept: dict[str, list[Row]] = {split: [] for split in SPLITS}
    dropped: Counter[str] = Counter()
    for split in SPLITS:
        for row in dataset.rows(split):
            found = assess(spec, with_inventory(row, homes), among, files_of(dataset, row))
            if found.score >= threshold:
                kept[split].append(replace(row, meta={**row.meta, "quality": found.score}))
                continue
            dropped[max(found.reasons, key=lambda reason: reason[1])[0]] += 1
            if on_dropped is not None:
                on_dropped(split, row, found)
    figures: Json = {**dataset.figures, "dropped": dict(dropped.most_common()), "least_quality": threshold}
    return write_derived(workspace, name, [dataset], kept, [homes[n] for n in sorted(homes)], figures)


def without_personal(workspace: Workspace, name: str, dataset: Dataset, *, presidio: bool = False) -> Dataset:
    """The dataset with placeholders instead of personal data, the same person's always the same."""
    if dataset.task == "robot":
        raise DataError("A home's names are what a robot must know; replace them in its inventory yourself.")
    scrubber = Scrubber(presidio=presidio)
    rows = {split: [scrubber.row(row) for row in dataset.rows(split)] for split in SPLITS}
    figures: Json = {**dataset.figures, "scrubbed": dict(sorted(scrubber.replaced.items()))}
    return write_derived(workspace, name, [dataset], rows, [], figures)


def augmented(
    workspace: Workspace, name: str, dataset: Dataset, *, times: int, seed: int, kind: str | None = None
) -> Dataset:
    """The dataset with `times` variations of each training row, all of one kind or mixed; see trainer_host.data.augment."""
    if not can_augment(dataset.task):
        raise DataError(f"Rows of the task {dataset.task} can't be varied without changing their answer.")
    if kind is not None and (kind not in TEXT or dataset.task in PICTURES):
        raise DataError(f"Texts are varied by {', '.join(sorted(TEXT))}; '{kind[:20]}' is none of these.")
    if not 1 <= times <= 10:
        raise DataError(f"A row can be varied from 1 to 10 times, not {times}.")
    key = key_of(dataset)
    heldout = list(dataset.rows("heldout"))
    held = NearDuplicates()
    for row in heldout:
        held.add(key(row))
    train = list(dataset.rows("train"))
    known = {canonical(row.input) for row in train}
    files: dict[str, bytes] = {}
    twins: list[Row] = []
    left: Counter[str] = Counter()
    for number, row in enumerate(train):
        rng = random.Random(f"{seed}/augment/{number}")
        alike_already = held.twin(key(row)) is not None
        for _ in range(times):
            for _ in range(TRIES):  # some variations change nothing in some texts
                twin, made = twin_of(dataset, row, rng, files_of(dataset, row), kind)
                if canonical(twin.input) not in known:
                    break
            else:
                left["unchanged"] += 1
                continue
            if not made and not alike_already and held.twin(key(twin)) is not None:
                left["like a held-out row"] += 1
                continue
            known.add(canonical(twin.input))
            twins.append(twin)
            files |= made
    figures: Json = {**dataset.figures, "augmented": counted(twins), "left_out": dict(+left)}
    return write_derived(
        workspace, name, [dataset], {"train": [*train, *twins], "heldout": heldout}, [], figures, files
    )


def with_more_rows(workspace: Workspace, name: str, dataset: Dataset, more: Sequence[Row]) -> tuple[Dataset, int]:
    """The dataset with further training rows, and how many these are: without those that it has, or holds out."""
    key, taken = key_of(dataset), set()
    rows: dict[str, list[Row]] = {split: list(dataset.rows(split)) for split in SPLITS}
    for split in SPLITS:
        taken |= {key(row) for row in rows[split]}
    new: list[Row] = []
    for row in more:
        if (text := key(row)) not in taken:
            taken.add(text)
            new.append(row)
    rows["train"] += new
    return write_derived(workspace, name, [dataset], rows, [], dict(dataset.figures)), len(new)


def with_inventory(row: Row, homes: dict[int, Json]) -> Row:
    """A robot's row as its task knows it, with the inventory instead of the home's number; others as they are."""
    number = row.input.get("home")
    if not homes or not isinstance(number, int):
        return row
    given = {key: value for key, value in row.input.items() if key != "home"}
    return replace(row, input={**given, "inventory": homes[number]})


def key_of(dataset: Dataset) -> Callable[[Row], str]:
    """What a row asks, as a text: rows with the same one are repetitions."""
    spec, homes = spec_of(dataset), homes_of(dataset)
    if dataset.task == "robot":  # the same words in another home are another question
        return lambda row: f"{row.input.get('home')}{SCOPE}{row.input['text']}"
    return lambda row: spec.key(Example(with_inventory(row, homes).input, row.output))


def _moved(row: Row, place: dict[int, int]) -> Row:
    number = row.input.get("home")
    return replace(row, input={**row.input, "home": place[number]}) if isinstance(number, int) and place else row


def write_derived(
    workspace: Workspace,
    name: str,
    sources: Sequence[Dataset],
    rows: dict[str, list[Row]],
    homes: list[Json],
    figures: Json,
    files: Mapping[str, bytes] | None = None,
    more: Json | None = None,
) -> Dataset:
    """Write rows that were made of datasets as dataset `name`. homes: of a robot's rows. more: for its params."""
    first = sources[0]
    if not rows["train"] or not rows["heldout"]:
        raise DataError(f"Nothing would be left of {first.name} to train with, or to examine in; nothing was written.")
    if labels := Counter(str(row.output["label"]) for side in rows.values() for row in side if "label" in row.output):
        figures = {**figures, "labels": dict(sorted(labels.items()))}
    parents = parents_json(tuple(parent for dataset in sources for parent in parents_of(dataset.params)))
    params: Json = {**first.params, **({"parents": parents} if parents else {}), **(more or {})}
    params["made_of"] = [{"name": dataset.name, "content": dataset.content} for dataset in sources]
    teachers = " + ".join(dict.fromkeys(dataset.teacher for dataset in sources))
    with making(workspace.data / checked_name(name)) as folder:
        for split in SPLITS:
            write_rows(folder / f"{split}.jsonl", rows[split])
        if homes:
            lines = [json.dumps({"id": n, **home}, sort_keys=True, ensure_ascii=False) for n, home in enumerate(homes)]
            (folder / "homes.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for dataset in sources:
            _copy_files(dataset.folder / "files", folder / "files")
        for file, content in (files or {}).items():
            (folder / "files").mkdir(exist_ok=True)
            (folder / "files" / file).write_bytes(content)
        seal(folder, name=name, task=first.task, teacher=teachers, seed=first.seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)


def _copy_files(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
