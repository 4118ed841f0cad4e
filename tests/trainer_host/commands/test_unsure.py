from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from trainer_host.commands import unsure
from trainer_host.data.dataset import open_dataset
from trainer_host.data.questions import questions_for
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    unsure.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["unsure", *words])
    args.command(args)


def run_label(*words: str) -> None:
    parser = argparse.ArgumentParser()
    unsure.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["label", *words])
    args.command(args)


def test_the_chosen_lines_stay_as_they_were(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"text": "rain today", "confidence": 0.3, "where": 1}, {"text": "rain today", "confidence": 0.2}]
    rows += [{"text": "play a song", "confidence": 0.4}, {"text": "surely known", "confidence": 1.0}]
    source.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    run(str(source), "--to", str(target), "--count", "3")
    assert [json.loads(line) for line in target.read_text().splitlines()] == [rows[1], rows[2]]


def test_scores_and_the_dataset_that_is_known_count(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    dataset = easy_dataset(workspace, tmp_path)
    known = str(next(iter(dataset.rows("train"))).input["text"])
    rows = [
        {"text": known, "confidence": 0.1},
        {"text": "what is the price of a violin", "confidence": 0.5, "scores": {"a": 0.5, "b": 0.0}},
        {"text": "how far away is the moon", "confidence": 0.5, "scores": {"a": 0.5, "b": 0.5}},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run(
        str(tmp_path / "in.jsonl"), "--to", str(tmp_path / "out.jsonl"), "--known", dataset.name,
        "--home", str(workspace.home),
    )  # fmt: skip
    chosen = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert chosen == [rows[2], rows[1]]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "x",
        '{"text": "a", "confidence": 2}',
        '{"text": 1, "confidence": 0.5}',
        '{"text": "a", "confidence": 0.5, "scores": [1]}',
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "confidence": 0.5}\n' + line)
    with pytest.raises(DataError, match=r"Line 2 of in\.jsonl"):
        run(str(tmp_path / "in.jsonl"), "--to", str(tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()


def test_questions_are_answered_in_a_terminal_and_the_dataset_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "home")
    before = easy_dataset(workspace, tmp_path).counts["train"]
    texts = ["is there hail outside", "the ferry to the island", "a chord for guitars", "who sings this"]
    rows = [{"text": text, "confidence": 0.1 * place} for place, text in enumerate(texts)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    home = ("--home", str(workspace.home))
    run(str(tmp_path / "in.jsonl"), "--known", "easy", *home)
    first, second = (one.text for one in questions_for(workspace, "easy").waiting[:2])
    run_label("easy", "--list", *home)
    assert "4 wait, 0 are answered" in capsys.readouterr().out
    monkeypatch.setattr(
        "sys.stdin", io.StringIO("3\nrail\ntravel\n\n0\n")
    )  # by number; a slip; by name; dropped; no label is right
    run_label("easy", *home)
    said = capsys.readouterr().out
    assert "'rail' is no label" in said and "2 more rows" in said
    assert "in.jsonl wasn't sure which label this has." in said
    assert sorted(one.reason for one in questions_for(workspace, "easy").settled) == ["", "", "dropped", "none"]
    rows_now = list(open_dataset(workspace.dataset("easy")).rows("train"))
    assert len(rows_now) == before + 2
    assert {str(row.input["text"]): row.output["label"] for row in rows_now[-2:]} == {
        first: "weather",
        second: "travel",
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(""))  # who sits nowhere answers nothing
    run_label("easy", *home)
    assert "Nothing was answered" in capsys.readouterr().out
    with pytest.raises(DataError, match="--known"):
        run(str(tmp_path / "in.jsonl"))
