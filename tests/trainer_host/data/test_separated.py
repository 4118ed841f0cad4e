from __future__ import annotations

import io
from pathlib import Path

import pytest

from trainer_host.data.separated import rows_of, separator_of
from trainer_host.speech.listed import listed, table_of


@pytest.mark.parametrize(
    ("first", "mark"),
    [
        ("text,label", ","),
        ("text;label\r\n", ";"),
        ("text\tlabel", "\t"),
        ('"text, long";label', ";"),
        ("text;long,label", ","),
        ("text", ","),
        ("", ","),
    ],
)
def test_cells_are_parted_as_the_first_line_is(first: str, mark: str) -> None:
    assert separator_of(first) == mark


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_table_as_spreadsheets_write_it_has_the_same_rows(mark: str, end: str, begin: str) -> None:
    text = begin + end.join(["text@label", '"1,5 @ 2"@x', "plain@y", ""]).replace("@", mark)
    source = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8-sig", newline="")
    assert list(rows_of(source)) == [{"text": f"1,5 {mark} 2", "label": "x"}, {"text": "plain", "label": "y"}]


def test_lists_of_recordings_may_have_semicolons(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("file;label\r\nsaid/1.wav;hey-robot\r\n", encoding="utf-8-sig")
    assert table_of(tmp_path) == table
    assert [(each.path, each.label) for each in listed(table)[1]] == [(tmp_path / "said/1.wav", "hey-robot")]
