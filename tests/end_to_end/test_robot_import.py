"""A person's own home commands, from a file of rows to model files that answer: real commands, one home folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from trainer_host.cli import main
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import open_dataset
from trainer_host.students import student_for
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

ROWS = 1000


def test_exported_rows_are_imported_trained_on_and_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "teach", "--name", "taught", "--examples", str(ROWS)]) == 0
    file = tmp_path / "rows.jsonl"
    assert main([*home, "data", "export", "taught", str(file)]) == 0
    first = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    assert {"text", "calls", "inventory"} <= first.keys() and "labels" not in first

    assert main([*home, "data", "import", str(file), "--task", "robot", "--name", "own"]) == 0
    capsys.readouterr()
    assert main([*home, "train", "--task", "robot", "--data", "own", "--seconds", "5"]) == 0
    said = capsys.readouterr().out
    unaligned = int(re.search(r"unaligned rows +([\d,]+)", said)[1].replace(",", ""))  # type: ignore[index]
    assert 0 < unaligned < ROWS / 2  # counted and left out: no labelling of them gives their calls

    assert main([*home, "export", "own"]) == 0
    workspace = Workspace(tmp_path / "home")
    run = open_run(workspace.run("own"))
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    dataset = open_dataset(workspace.dataset("own"))
    nothing = sum(not row.output["calls"] for row in dataset.rows("heldout")) / dataset.counts["heldout"]
    with loaded(run, student_for("robot"), item, item.runtimes[0]) as specialist:
        found = student_for("robot").evaluate(run.folder, dataset.folder, specialist, None)
    assert found["accuracy"] > nothing + 0.1  # better than a specialist that never does anything
