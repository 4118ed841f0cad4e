from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from trainer_host.data.picture_questions import import_questions, question_table
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "pink", "grey")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty-four pictures, and three questions about each."""
    made = tmp_path / "cups"
    made.mkdir()
    lines = ["Image,Question,Answer,by"]
    for number in range(24):
        colour = COLOURS[number % len(COLOURS)]
        picture = Image.new("RGB", (300 + number, 200), colour)
        exif = Image.Exif()
        exif[0x010E] = "at my home"
        picture.save(made / f"{number}.jpg", exif=exif)
        lines += [
            f'{number}.jpg,"What colour, please?",{colour.title()}.,Ann',
            f"{number}.jpg,Is it dark?,{'Yes' if colour in ('black', 'blue') else 'no'},Ben",
            f"{number}.jpg,How many cups are there?,Two,Ben",
        ]
    (made / "asked.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    return made


def test_a_table_of_pictures_questions_and_answers_becomes_a_dataset(folder: Path, tmp_path: Path) -> None:
    table = question_table(folder, {})
    assert table == folder / "asked.csv" == question_table(folder / "asked.csv", {})
    made = import_questions(Workspace(tmp_path), table, name="cups", held_out=0.25)
    assert (made.pictures, made.duplicates, made.contradictions, made.refused) == (24, 0, 0, {})
    assert made.answers == {"2": 24, "no": 18, "yes": 6, **dict.fromkeys(COLOURS, 3)}
    held, train = (list(made.dataset.rows(split)) for split in ("heldout", "train"))
    assert len(held) + len(train) == 72 and len(held) % 3 == 0
    assert not {row.input["image"] for row in held} & {row.input["image"] for row in train}
    assert train[0].input["question"] in ("What colour, please?", "Is it dark?", "How many cups are there?")
    files = sorted((made.dataset.folder / "files").iterdir())
    assert len(files) == 24 and all(b"at my home" not in file.read_bytes() for file in files)
    assert max(max(Image.open(io.BytesIO(file.read_bytes())).size) for file in files) <= 256


def test_what_cannot_be_read_is_counted_by_its_reason(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes((folder / "1.jpg").read_bytes()[:60])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    with (folder / "asked.csv").open("a", encoding="utf-8") as table:
        table.write(
            "\nnone.jpg,Is it dark?,no,A\nbroken.png,Is it dark?,no,A\ntiny.png,Is it dark?,no,A\n../x.png,Is it dark?,no,A\n"
            f"1.jpg,?,no,A\n1.jpg,Is it big?,,A\n1.jpg,{'why ' * 30}?,no,A\n0.jpg,IS it dark,No,A\n2.jpg,Is it dark?,no,A\n3.jpg\n"
        )
    made = import_questions(Workspace(tmp_path), folder / "asked.csv", name="cups")
    assert made.refused == {
        "bad answer": (1, 79),
        "bad question": (3, 78),
        "picture damaged, too small or too large": (2, 75),
        "picture not found": (1, 74),
        "picture outside of the table's folder": (1, 77),
    }
    # A question in other letters is the same one; and two answers to one question teach neither.
    assert (made.duplicates, made.contradictions) == (2, 1)
    assert sum(made.dataset.counts.values()) == 71


def test_columns_may_have_other_names_and_other_tables_are_none_of_questions(folder: Path, tmp_path: Path) -> None:
    table = folder / "asked.csv"
    table.write_text(table.read_text(encoding="utf-8-sig").replace("Image,Question,Answer", "Photo,Frage,Antwort"))
    assert question_table(folder, {}) is None
    columns = {"picture": "Photo", "question": "Frage", "answer": "Antwort"}
    assert question_table(folder, columns) == table
    assert import_questions(Workspace(tmp_path), table, name="cups", columns=columns).pictures == 24
    with pytest.raises(DataError, match="needs the columns picture, question and answer"):
        import_questions(Workspace(tmp_path), table, name="cups")
    (folder / "more.csv").write_bytes(table.read_bytes())
    with pytest.raises(DataError, match="2 tables of questions; name one"):
        question_table(folder, columns)
    table.write_text("picture,question,answer\nnone.png,Is it?,no\n")
    with pytest.raises(DataError, match="1 picture not found, the first in line 2"):
        import_questions(Workspace(tmp_path), table, name="cups")
