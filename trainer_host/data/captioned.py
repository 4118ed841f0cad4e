"""A person's captioned pictures: a table of pictures and captions becomes a dataset of the task image_gen.

Nothing in a table can break the import: what can't be read is counted by its reason, with the first line of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.tasks.image_flow import MAX_PROMPT
from edge_runtime.tasks.text import words
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.left_out import LeftOut
from trainer_host.data.picture_questions import MAX_PICTURES, PICTURE, picture_of
from trainer_host.data.picture_tables import lines_of, refuse_nothing, table_in, write_files
from trainer_host.data.split import check_share
from trainer_host.tasks import Rejected
from trainer_host.workspace import Workspace, checked_name

COLUMNS = {"picture": PICTURE, "caption": ("caption", "prompt"), "group": ("group",)}
TASK = "image_gen"
NEEDED = frozenset({"picture", "caption"})
MAX_GROUP = 64


@dataclass(frozen=True)
class ImportedCaptions:
    """What an import made of a table. refused: rows left out, by reason, with the first line."""

    dataset: Dataset
    pictures: int
    refused: dict[str, tuple[int, int]]
    duplicates: int


def caption_table(place: Path, columns: Mapping[str, str]) -> Path | None:
    """The .csv with the columns picture and caption that a folder holds, or that a file is; None where it is something else.

    columns: a field -> what the file calls it.
    """
    return table_in(place, columns, COLUMNS, NEEDED, "captions")


def import_captions(
    workspace: Workspace,
    table: Path,
    *,
    name: str,
    seed: int = 1,
    held_out: float = 0.2,
    columns: Mapping[str, str] | None = None,
) -> ImportedCaptions:
    """Make the dataset `name` of a table with the columns picture and caption, and group where it has one; replaces one of that name.

    Pictures are named from the table's folder on. All pictures with one caption stay on one side of the split. Raises
    `DataError` for a table that nothing can be learnt from; nothing is written then.
    """
    checked_name(name)
    check_share(held_out)
    left_out: LeftOut[int] = LeftOut()
    contents: dict[str, bytes] = {}
    rows: dict[str, Labelled] = {}
    total = 0
    for line, raw in lines_of(table, columns or {}, COLUMNS, NEEDED, MAX_PICTURES):
        total += 1
        try:
            made, kept_as, content = _row(table.parent, raw)
        except Rejected as cause:
            left_out.add(cause.reason, line)
            continue
        rows.setdefault(made.key, made)
        contents[kept_as] = content
    if not rows:
        refuse_nothing(table, left_out)
    duplicates = total - left_out.counts.total() - len(rows)
    dataset = build_dataset(
        workspace, name, TASK, list(rows.values()), teacher="person", seed=seed, held_out=held_out,
        params={"held_out": held_out},
        figures={"read": total, "duplicates": duplicates, "refused": left_out.by_reason},
        finish=lambda folder: write_files(folder, contents),
    )  # fmt: skip
    told = {why: (count, left_out.first[why]) for why, count in left_out.by_reason.items()}
    return ImportedCaptions(dataset, len(contents), told, duplicates)


def _row(folder: Path, raw: Mapping[str, str]) -> tuple[Labelled, str, bytes]:
    caption, group = " ".join(raw["caption"].split()), " ".join(raw.get("group", "").split())
    if not words(caption):
        raise Rejected("no caption", "the caption says nothing")
    if len(caption) > MAX_PROMPT or len(group) > MAX_GROUP:
        raise Rejected("too long", f"a caption has at most {MAX_PROMPT} characters, a group {MAX_GROUP}")
    kept_as, content = picture_of(folder, raw["picture"].strip())
    said = " ".join(words(caption))
    output: dict[str, object] = {"picture": kept_as, **({"group": group} if group else {})}
    row = Row({"prompt": caption}, output, {"file": raw["picture"].strip()})
    return Labelled(row, f"{said}\n{kept_as}", kept_as, None, said), kept_as, content
