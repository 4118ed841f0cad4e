from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainer_host.commands import stages
from trainer_host.compress.gate import GateReport, Limits, Score


@pytest.mark.parametrize(("accuracy", "said"), [(0.0, True), (0.2, False)])
def test_a_model_that_is_never_right_is_said_to_be_so(
    accuracy: float, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tuple(
        Score(f"model.{precision}.onnx", "", precision, "onnxruntime", "1", accuracy, 0.0, 1000, 1.0, 2.0)
        for precision in ("fp32", "int8")
    )
    monkeypatch.setattr("trainer_host.workspace.Workspace.run", lambda workspace, name: workspace.home / name)
    monkeypatch.setattr("trainer_host.training.run.open_run", lambda folder: SimpleNamespace(name=folder.name))
    monkeypatch.setattr("trainer_host.training.run.dataset_of", lambda workspace, run: None)
    monkeypatch.setattr("trainer_host.compress.files.scales_of", lambda run: None)
    monkeypatch.setattr(
        "trainer_host.compress.gate.gate_run", lambda run, dataset, **choices: GateReport("", Limits(), scores, ())
    )
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    stages.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["--home", str(tmp_path), "gate", "model"])
    args.command(args)
    told = " ".join(capsys.readouterr().out.split())
    assert ("none of the held-out answers is right" in told) is said
    assert "Next: enigma bundle model" in told
