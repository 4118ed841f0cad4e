"""Practice: more examples of a task's built-in teacher, drawn while a student trains on rows that this teacher wrote.

A few hundred rows show a grammar's sentences in part; the grammar is there, so a student may go on with it. What its
held-out rows examine stays unseen: neither their questions nor their templates are practised.
"""

from __future__ import annotations

import random

from trainer_host.data.dataset import GROUP, SPLITS, Dataset
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.phrases import TEMPLATE, Grouped

ROWS = 4000  # that a student of short texts learns from in all
STEPS = 1200  # beyond which little is gained
ROWS_A_SECOND = (
    40  # that a student that writes learns from in all, where the seconds are given: read a few times in those
)
ASIDE = 250  # of what it practises, kept to know when to be unsure: a few hundred rows leave some twenty for that
_DRAWS = 4  # per example that is wanted: most draws of a small grammar repeat something


def practice(dataset: Dataset, count: int, seed: int) -> list[Grouped]:
    """At most `count` different examples, the same for the same rows and seed; none for rows without a `TEMPLATE`.

    Rows of a provider, a table or a person have none: their labels may mean something else.
    """
    rows = {split: list(dataset.rows(split)) for split in SPLITS}
    if not any(TEMPLATE in row.meta for row in rows["train"]):
        return []
    spec, rng = task_spec(dataset.task), random.Random(f"practice {seed}")
    examined = {row.meta[TEMPLATE] for row in rows["heldout"] if TEMPLATE in row.meta}
    met = {spec.key(Example(row.input, row.output)) for split in SPLITS for row in rows[split]}
    made: list[Grouped] = []
    for _ in range(_DRAWS * max(0, count)):
        if len(made) == count:
            break
        example = spec.built_in(rng)
        if not isinstance(example, Grouped) or example.group in examined or (key := spec.key(example)) in met:
            continue
        met.add(key)
        made.append(example)
    return made


def groups_of(dataset: Dataset, practised: list[Grouped]) -> list[object]:
    """What each training row, and then each practised example, was made from, or which group a person put it into; a
    row's own number where nobody knows.
    """
    rows: list[object] = [
        row.meta.get(TEMPLATE, row.meta.get(GROUP, at)) for at, row in enumerate(dataset.rows("train"))
    ]
    return rows + [at if example.group is None else example.group for at, example in enumerate(practised, len(rows))]
