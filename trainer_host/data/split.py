"""Splits rows into train and held-out so that no question, and no group, stands on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass

from trainer_host.data.labelled import Labelled
from trainer_host.errors import DataError
from trainer_host.tasks import HELD_OUT

MIN_ROWS = 40  # fewer can't show whether anything was learned, nor give a bundle its 32 golden vectors
MIN_PER_LABEL = 5  # four to learn from, one to be examined in


@dataclass(frozen=True)
class Split:
    """Rows of both sides, in the order in which they came."""

    train: list[Labelled]
    heldout: list[Labelled]


@dataclass(frozen=True)
class Deduplicated:
    """One row per question; how many were dropped, and the questions whose rows disagree."""

    rows: list[Labelled]
    duplicates: int
    conflicts: list[tuple[int, int]]


def check_share(held_out: float) -> None:
    """Raise `DataError` for a share of rows that isn't sensible to hold out."""
    if not 0.05 <= held_out <= 0.5:
        raise DataError(f"The held-out share must be from 0.05 to 0.5, not {held_out:g}.")


def deduplicate(rows: list[Labelled]) -> Deduplicated:
    """Keep the first row of each question; `conflicts` holds positions that want different answers."""
    first: dict[str, int] = {}
    kept: list[Labelled] = []
    conflicts: list[tuple[int, int]] = []
    for position, row in enumerate(rows):
        seen = first.setdefault(row.key, position)
        if seen == position:
            kept.append(row)
        elif rows[seen].answer != row.answer:
            conflicts.append((seen, position))
    return Deduplicated(kept, len(rows) - len(kept), conflicts)


def split(rows: list[Labelled], share: float, seed: int, *, small: bool = False) -> Split:
    """Put about `share` of each label (of all rows, where the task has none) into held-out, and all of the group `HELD_OUT`.

    Rows with the same `group` stay together. A group's side depends on its name and the seed, not on the
    order of the rows. Raises `DataError` where there are too few rows or labels; `small` takes what there is,
    and rows whose label is too rare to stand on both sides are trained on.
    """
    if not small:
        _check_enough(rows)
    groups: dict[str, list[Labelled]] = defaultdict(list)
    for row in rows:
        groups[row.group or row.key].append(row)
    totals = Counter(row.stratum for row in rows)
    # At least one row of each label is examined, and at least one is learned from.
    wanted = {stratum: max(1, round(count * share)) if count > 1 else 0 for stratum, count in totals.items()}
    taken: Counter[str | None] = Counter()
    chosen: set[str] = set()
    if HELD_OUT in groups:
        taken.update(row.stratum for row in groups[HELD_OUT])
        chosen.add(HELD_OUT)
    for name in sorted(groups.keys() - chosen, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        counts = Counter(row.stratum for row in groups[name])
        if all(taken[stratum] + count <= wanted[stratum] for stratum, count in counts.items()):
            taken.update(counts)
            chosen.add(name)
    made = Split(
        [row for row in rows if (row.group or row.key) not in chosen],
        [row for row in rows if (row.group or row.key) in chosen],
    )
    if not small:
        _check_sides(made, totals)
    return made


def _check_enough(rows: list[Labelled]) -> None:
    if len(rows) < MIN_ROWS:
        raise DataError(f"There are {len(rows)} different rows; give at least {MIN_ROWS}.")
    labels = Counter(row.stratum for row in rows if row.stratum is not None)
    if not labels:
        return
    if len(labels) < 2:
        raise DataError(f"All rows have the label '{next(iter(labels))}'; a router needs two or more labels.")
    few = sorted(label for label, count in labels.items() if count < MIN_PER_LABEL)
    if few:
        listed = ", ".join(f"'{label}' ({labels[label]})" for label in few[:5])
        raise DataError(
            f"{len(few)} of {len(labels)} labels have fewer than {MIN_PER_LABEL} different rows: {listed}; "
            "add rows, or merge the labels."
        )


def _check_sides(made: Split, totals: Counter[str | None]) -> None:
    train = Counter(row.stratum for row in made.train)
    heldout = Counter(row.stratum for row in made.heldout)
    for stratum in totals:
        if not train[stratum] or not heldout[stratum]:
            what = f"the label '{stratum}'" if stratum is not None else "these rows"
            raise DataError(
                f"The groups of {what} can't be split into train and held-out; give more groups, or smaller ones."
            )
