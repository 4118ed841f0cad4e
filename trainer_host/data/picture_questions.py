"""A person's own questions: a table of pictures, questions and answers becomes a vision dataset.

Nothing in a table can break the import: what can't be read is counted by its reason, with the first line of each.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.picture_tables import columns_of, table_in
from trainer_host.data.pictures import KEPT_SIDE, encoded
from trainer_host.data.split import check_share
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Rejected
from trainer_host.tasks.vision_pictures import picture_name
from trainer_host.tasks.vision_questions import key, read_answer, read_question
from trainer_host.workspace import Workspace, checked_name

PICTURE = ("picture", "image", "file")  # what the column of pictures may be called
QUESTION, ANSWER = "question", "answer"
COLUMNS = {"picture": PICTURE, QUESTION: (QUESTION,), ANSWER: (ANSWER,)}
NEEDED = frozenset(COLUMNS)
MAX_ROWS = 200_000
MAX_PICTURES = 50_000


@dataclass(frozen=True)
class ImportedQuestions:
    """What an import made of a table. answers: how often each is given. refused: rows left out, by reason, with the first line.

    contradictions: questions about a picture that are answered in two ways; none of their rows was taken.
    """

    dataset: Dataset
    pictures: int
    answers: dict[str, int]
    refused: dict[str, tuple[int, int]]
    duplicates: int
    contradictions: int


def question_table(place: Path, columns: Mapping[str, str]) -> Path | None:
    """The .csv of questions that a folder holds, or that a file is; None where it is something else.

    columns: a field -> what the file calls it.
    """
    return table_in(place, columns, COLUMNS, NEEDED, "questions")


def import_questions(
    workspace: Workspace,
    table: Path,
    *,
    name: str,
    seed: int = 1,
    held_out: float = 0.2,
    columns: Mapping[str, str] | None = None,
) -> ImportedQuestions:
    """Make the vision dataset `name` of a table with the columns picture, question and answer; replaces one of that name.

    Pictures are named from the table's folder on, and kept at most `KEPT_SIDE` pixels large, without what a camera writes into
    them. All questions about a picture stay on one side of the split. Raises `DataError` for a table that nothing can be learnt
    from; nothing is written then.
    """
    checked_name(name)
    check_share(held_out)
    refused: Counter[str] = Counter()
    first: dict[str, int] = {}
    pictures: dict[str, tuple[str, bytes]] = {}
    rows: dict[str, Labelled] = {}
    torn: set[str] = set()
    total = 0
    for line, raw in _rows(table, columns or {}):
        total += 1
        try:
            made = _row(table.parent, raw, pictures)
        except Rejected as cause:
            refused[cause.reason] += 1
            first.setdefault(cause.reason, line)
            continue
        if made.key in rows and rows[made.key].answer != made.answer:
            torn.add(made.key)
        rows.setdefault(made.key, made)
    kept = [row for where, row in rows.items() if where not in torn]
    left = ", ".join(
        f"{count} {reason}, the first in line {first[reason]}" for reason, count in sorted(refused.items())
    )
    if not kept:
        raise DataError(f"{table.name} has no row that can be learnt from{f': {left}' if left else ''}.")
    figures: Json = {
        "read": total,
        "duplicates": total - refused.total() - len(rows),
        "refused": dict(sorted(refused.items())),
        "contradictions": len(torn),
    }
    named = {str(row.row.input["image"]) for row in kept}
    contents = {kept_as: content for kept_as, content in pictures.values() if kept_as in named}

    def finish(folder: Path) -> None:
        (folder / "files").mkdir()
        for kept_as, content in contents.items():
            (folder / "files" / kept_as).write_bytes(content)

    dataset = build_dataset(
        workspace, name, "vision", kept, teacher="person", seed=seed, held_out=held_out,
        params={"held_out": held_out}, figures=figures, finish=finish,
    )  # fmt: skip
    answers = Counter(row.answer for row in kept)
    told = {reason: (count, first[reason]) for reason, count in sorted(refused.items())}
    return ImportedQuestions(
        dataset, len(contents), dict(answers.most_common()), told, total - refused.total() - len(rows), len(torn)
    )


def _rows(table: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a table, with their numbers."""
    header = columns_of(table, columns, COLUMNS, NEEDED)
    if header is None:
        raise DataError(f"{table.name} needs the columns picture, question and answer in its first line, in UTF-8.")
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            for number, row in enumerate(reader, 1):
                if number > MAX_ROWS:
                    raise DataError(f"{table.name} has more than {MAX_ROWS} rows; import a part of them.")
                yield reader.line_num, {field: row.get(name) or "" for field, name in header.items()}
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{table.name} isn't a table in UTF-8; save it as 'CSV UTF-8'.") from None


def _row(folder: Path, raw: Mapping[str, str], pictures: dict[str, tuple[str, bytes]]) -> Labelled:
    named = raw["picture"].strip()
    if named not in pictures:
        if len(pictures) == MAX_PICTURES:
            raise Rejected("too many pictures", f"more than {MAX_PICTURES} pictures are named")
        pictures[named] = picture_of(folder, named)
    name, content = pictures[named]
    try:
        question, answer = read_question(raw[QUESTION]), read_answer(raw[ANSWER])
    except Rejected as cause:
        raise Rejected(f"bad {'answer' if 'answer' in cause.detail else 'question'}", cause.detail) from None
    made = Example({"image": name, "question": question}, {"answer": answer}, {name: content})
    return Labelled(Row(made.input, made.output, {"file": named}), key(made), answer, None, name)


def picture_of(folder: Path, named: str) -> tuple[str, bytes]:
    """The name that a table's picture is kept under, and its file without what a camera writes into it; raises `Rejected`."""
    from edge_runtime.media.pictures import MAX_FILE_BYTES, read_picture

    path = folder / named
    if not named or not path.resolve().is_relative_to(folder.resolve()):
        raise Rejected("picture outside of the table's folder", "")
    try:
        with path.open("rb") as source:
            content = source.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        raise Rejected("picture not found", "") from None
    try:
        picture = read_picture(content, KEPT_SIDE)
    except Rejected:
        raise Rejected("picture damaged, too small or too large", "") from None
    photo = path.suffix.lower() != ".png"
    kept = encoded(picture, photo)
    return picture_name(kept, ".jpg" if photo else ".png"), kept
