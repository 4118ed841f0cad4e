from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from trainer_host.commands import unsure
from trainer_host.errors import DataError


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    unsure.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["unsure", *words])
    args.command(args)


def test_the_chosen_lines_stay_as_they_were(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"text": "rain today", "confidence": 0.3, "where": 1}, {"text": "rain today", "confidence": 0.2}]
    rows += [{"text": "play a song", "confidence": 0.4}, {"text": "surely known", "confidence": 1.0}]
    source.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    run(str(source), "--to", str(target), "--count", "3")
    assert [json.loads(line) for line in target.read_text().splitlines()] == [rows[1], rows[2]]


@pytest.mark.parametrize("line", ["{}", "[]", "x", '{"text": "a", "confidence": 2}', '{"text": 1, "confidence": 0.5}'])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "confidence": 0.5}\n' + line)
    with pytest.raises(DataError, match=r"Line 2 of in\.jsonl"):
        run(str(tmp_path / "in.jsonl"), "--to", str(tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()
