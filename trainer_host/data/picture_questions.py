"""A person's own questions: a table of pictures, questions and answers becomes a vision dataset.

Nothing in a table can break the import: what can't be read is counted by its reason, with the first line of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.left_out import LeftOut
from trainer_host.data.picture_tables import lines_of, refuse_nothing, table_in, write_files
from trainer_host.data.pictures import KEPT_SIDE, encoded
from trainer_host.data.split import check_share
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
    left_out: LeftOut[int] = LeftOut()
    pictures: dict[str, tuple[str, bytes]] = {}
    rows: dict[str, Labelled] = {}
    torn: set[str] = set()
    total = 0
    for line, raw in lines_of(table, columns or {}, COLUMNS, NEEDED, MAX_ROWS):
        total += 1
        try:
            made = _row(table.parent, raw, pictures)
        except Rejected as cause:
            left_out.add(cause.reason, line)
            continue
        if made.key in rows and rows[made.key].answer != made.answer:
            torn.add(made.key)
        rows.setdefault(made.key, made)
    kept = [row for where, row in rows.items() if where not in torn]
    if not kept:
        refuse_nothing(table, left_out)
    duplicates = total - left_out.counts.total() - len(rows)
    figures: Json = {
        "read": total,
        "duplicates": duplicates,
        "refused": left_out.by_reason,
        "contradictions": len(torn),
    }
    named = {str(row.row.input["image"]) for row in kept}
    contents = {kept_as: content for kept_as, content in pictures.values() if kept_as in named}
    dataset = build_dataset(
        workspace, name, "vision", kept, teacher="person", seed=seed, held_out=held_out,
        params={"held_out": held_out}, figures=figures,
        finish=lambda folder: write_files(folder, contents),
    )  # fmt: skip
    answers = Counter(row.answer for row in kept)
    told = {reason: (count, left_out.first[reason]) for reason, count in left_out.by_reason.items()}
    return ImportedQuestions(dataset, len(contents), dict(answers.most_common()), told, duplicates, len(torn))


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
