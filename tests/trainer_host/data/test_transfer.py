from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trainer_host.samples import FRONT_DESK, easy_dataset, easy_rows, write_jsonl
from trainer_host.data.dataset import GROUP, open_dataset
from trainer_host.data.transfer import export_rows, import_rows
from trainer_host.errors import DataError, ImportRefused
from trainer_host.students.practice import groups_of
from trainer_host.workspace import Workspace

HOME = {
    "areas": [{"id": "kitchen", "name": "Kitchen", "floor": None}],
    "entities": [
        {"id": "light.kitchen", "name": "Kitchen Light", "area": "kitchen", "domain": "light", "device_class": None}
    ],
}


def bring(workspace: Workspace, file: Path, task: str = "router", **options: object) -> object:
    settings: dict[str, object] = {"name": "rows", "seed": 1, "held_out": 0.2, **options}
    return import_rows(workspace, file, task=task, **settings)  # type: ignore[arg-type]


def test_a_table_and_json_lines_give_the_same_dataset(workspace: Workspace, tmp_path: Path) -> None:
    table = import_rows(workspace, FRONT_DESK, task="router", name="a", seed=1, held_out=0.2)
    count = export_rows(table, tmp_path / "rows.jsonl")
    lines = import_rows(workspace, tmp_path / "rows.jsonl", task="router", name="b", seed=1, held_out=0.2)
    assert count == sum(table.counts.values()) == 275
    assert {row.to_json() for row in table.rows("heldout")} == {row.to_json() for row in lines.rows("heldout")}


def test_importing_twice_gives_the_same_content(workspace: Workspace, tmp_path: Path) -> None:
    first = easy_dataset(workspace, tmp_path, "first")
    again = easy_dataset(workspace, tmp_path, "again")
    assert first.content == again.content
    assert first.counts == {"train": 63, "heldout": 27}


def test_duplicates_never_stand_on_both_sides(workspace: Workspace, tmp_path: Path) -> None:
    rows = easy_rows()
    shouted = [{**row, "text": f"  {str(row['text']).upper()} !!"} for row in rows]
    file = write_jsonl(tmp_path / "rows.jsonl", rows + shouted + rows)
    made = import_rows(workspace, file, task="router", name="rows", seed=1, held_out=0.2)
    assert made.figures["duplicates"] == 2 * len(rows)
    train = {str(row.input["text"]).lower() for row in made.rows("train")}
    assert not train & {str(row.input["text"]).lower() for row in made.rows("heldout")}


def test_every_mistake_is_told_with_its_line_and_nothing_is_written(workspace: Workspace, tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in easy_rows()]
    lines[2] = '{"text": "no label"}'
    lines[4] = "{not json}"
    lines[6] = '{"text": "x", "label": "y", "colour": 1}'
    lines[8] = '{"text": "?!", "label": "y"}'
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    with pytest.raises(ImportRefused) as caught:
        bring(workspace, tmp_path / "rows.jsonl")
    assert [line for line, _ in caught.value.problems] == [3, 5, 7, 9]
    assert "line 3: the label is missing" in str(caught.value)
    assert "'colour' isn't known" in str(caught.value)
    assert not list(workspace.data.glob("*"))


def test_lines_of_a_table_are_those_of_the_file(workspace: Workspace, tmp_path: Path) -> None:
    text = 'text,label\n"two\nlines",a\nonly one cell\n,b\n' + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(ImportRefused) as caught:
        bring(workspace, tmp_path / "rows.csv")
    assert [line for line, _ in caught.value.problems] == [4, 5]


def test_a_text_with_two_labels_is_a_contradiction_with_both_lines(workspace: Workspace, tmp_path: Path) -> None:
    rows = easy_rows()
    file = write_jsonl(tmp_path / "rows.jsonl", [*rows, {"text": rows[0]["text"], "label": "travel"}])
    with pytest.raises(ImportRefused, match=r"line 91: the same text as line 1, with 'travel' instead of 'weather'"):
        bring(workspace, file)


def test_columns_can_have_other_names_and_strange_ones_are_reported(workspace: Workspace, tmp_path: Path) -> None:
    text = "id,Message,Team\n" + "".join(f"{i},{row['text']},{row['label']}\n" for i, row in enumerate(easy_rows()))
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8-sig")
    with pytest.raises(DataError, match="no column 'text' in its first line \\(it has id, Message, Team\\)"):
        bring(workspace, tmp_path / "rows.csv")
    made = import_rows(
        workspace,
        tmp_path / "rows.csv",
        task="router",
        name="rows",
        seed=1,
        held_out=0.2,
        columns={"text": "Message", "label": "Team"},
    )
    assert made.figures["ignored_columns"] == ["id"]


@pytest.mark.parametrize(("mark", "name"), [(";", "rows.csv"), ("\t", "rows.csv"), (",", "ROWS.CSV")])
def test_a_table_as_a_spreadsheet_writes_it_has_the_same_rows(
    workspace: Workspace, tmp_path: Path, mark: str, name: str
) -> None:
    plain = bring(workspace, write_jsonl(tmp_path / "rows.jsonl", easy_rows())).content
    text = f"text{mark}label\r\n" + "".join(f"{row['text']}{mark}{row['label']}\r\n" for row in easy_rows())
    (tmp_path / name).write_text(text, encoding="utf-8-sig", newline="")
    assert bring(workspace, tmp_path / name).content == plain


def test_rows_of_a_group_stay_together(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{**row, "customer": i % 20} for i, row in enumerate(easy_rows())]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    made = import_rows(workspace, file, task="router", name="rows", seed=1, held_out=0.3, group="customer")
    of = {str(row["text"]): row["customer"] for row in rows}
    sides = [{of[str(row.input["text"])] for row in made.rows(side)} for side in ("train", "heldout")]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
    # A student that calibrates keeps them together too, without knowing what the person calls them.
    numbered = {of[str(row.input["text"])]: row.meta[GROUP] for row in made.rows("train")}
    assert groups_of(made, []) == [numbered[of[str(row.input["text"])]] for row in made.rows("train")]
    assert len(set(numbered.values())) == len(numbered)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"", "must end in .jsonl or .csv"),
        ("rows.csv", b"text,label\nhallo \xff,a\n", r"isn't UTF-8 \(line 2\)"),
        ("rows.csv", b"", "no column 'text'"),
        ("rows.jsonl", b"", "at least 40"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(
    workspace: Workspace, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        bring(workspace, tmp_path / name)


def test_a_missing_file_is_one_sentence(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        bring(workspace, tmp_path / "none.csv")


def test_a_changed_dataset_is_noticed(workspace: Workspace, tmp_path: Path) -> None:
    made = easy_dataset(workspace, tmp_path)
    with (made.folder / "train.jsonl").open("a") as out:
        out.write('{"input": {"text": "x"}, "output": {"label": "music"}, "meta": {}}\n')
    with pytest.raises(DataError, match="changed after it was made"):
        open_dataset(made.folder)


def robot_rows(count: int = 60) -> list[dict[str, object]]:
    call = {"name": "HassTurnOn", "arguments": {"name": "Kitchen Light"}, "targets": ["light.kitchen"]}
    return [{"text": f"turn on the light number {i}", "area": "kitchen", "calls": [call]} for i in range(count)]


def test_robot_rows_share_a_home_and_come_back_as_they_were(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text(json.dumps(HOME))
    file = write_jsonl(tmp_path / "rows.jsonl", robot_rows())
    made = import_rows(
        workspace, file, task="robot", name="mine", seed=1, held_out=0.2, inventory=tmp_path / "home.json"
    )
    assert made.counts == {"train": 48, "heldout": 12}
    assert len((made.folder / "homes.jsonl").read_text().splitlines()) == 1
    for suffix in ("csv", "jsonl"):
        export_rows(made, tmp_path / f"out.{suffix}")
        again = import_rows(workspace, tmp_path / f"out.{suffix}", task="robot", name="again", seed=1, held_out=0.2)
        assert {r.to_json() for r in again.rows("heldout")} == {r.to_json() for r in made.rows("heldout")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calls": [{"name": "HassTurnOn", "targets": ["light.attic"]}]}, "no entity 'light.attic'"),
        ({"calls": "[{"}, "the calls isn't valid JSON"),
        ({"calls": "[" * 100_000}, "the calls is nested too deeply"),
        ({"calls": None}, "the calls are missing"),
        ({"area": "attic"}, "no area with the id 'attic'"),
        ({"inventory": 3}, "the inventory must be an object"),
    ],
)
def test_a_robot_row_that_its_home_cannot_follow_is_refused(
    workspace: Workspace, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    rows = robot_rows()
    rows[4] = {**rows[4], **change}
    (tmp_path / "home.json").write_text(json.dumps(HOME))
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.raises(ImportRefused, match=f"line 5: .*{message}"):
        bring(workspace, file, "robot", inventory=tmp_path / "home.json")
