"""What a teacher was asked and what it answered, where the answer passed: lessons for a Trainer AI of one's own.

A dataset that a model taught keeps them beside its rows. As chats they teach a small model to answer the same
questions, by supervised fine-tuning on what verifiers accepted (Zelikman et al. 2022, STaR; Yuan et al. 2023, RFT).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Json, Row, read_rows
from trainer_host.data.labelled import Labelled
from trainer_host.data.packs.card import parents_json, parents_of
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace, checked_name

EXCHANGES = "exchanges.jsonl"
TASK = "chat"
HELD_OUT = 0.1


def exchange_row(task: str, asked: Sequence[Json], answer: str) -> Row:
    """An exchange about an example of `task`, as a row of the task chat."""
    return Row({"messages": list(asked)}, {"reply": answer}, {"about": task})


def teaching_chats(workspace: Workspace, name: str, sources: Sequence[Dataset], *, seed: int) -> Dataset:
    """All exchanges of some datasets as a dataset of chats; raises `DataError` where one of them has none."""
    checked_name(name)
    rows: list[Labelled] = []
    counts: dict[str, int] = {}
    for dataset in sources:
        path = dataset.folder / EXCHANGES
        if not path.is_file():
            raise DataError(
                f"'{dataset.name}' has no questions and answers of a teacher: they are kept where a model taught it in "
                "words (--provider), and not in what was made from such a dataset. Leave it out, or teach it again."
            )
        for row in read_rows(path):
            asked = json.dumps(row.input, sort_keys=True, ensure_ascii=False)
            key = hashlib.sha256(asked.encode()).hexdigest()
            rows.append(Labelled(row, key, str(row.output["reply"]), stratum=dataset.task))
            counts[dataset.task] = counts.get(dataset.task, 0) + 1
    distinct = list({row.key: row for row in rows}.values())
    parents = parents_json(tuple(parent for dataset in sources for parent in parents_of(dataset.params)))
    made_of: Json = {
        "made_of": [{"name": dataset.name, "content": dataset.content} for dataset in sources],
        **({"parents": parents} if parents else {}),
    }
    return build_dataset(
        workspace,
        name,
        TASK,
        distinct,
        teacher=" + ".join(dict.fromkeys(dataset.teacher for dataset in sources)),
        seed=seed,
        held_out=HELD_OUT,
        params=made_of,
        figures={"from": counts},
        finish=lambda folder: None,
        small=True,
    )
