"""Undo and redo of a run, as a person enters them, through the export."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.commands import runs, stages
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.students.language.run_files import trained_model
from trainer_host.training import checkpoints
from trainer_host.training.run import is_run, open_run
from trainer_host.workspace import Workspace

OPTIONS = ("--data", "talk", "--rows", "4", "--epochs", "8", "--context", "32", "--rate", "1e-3", "--name", "talk")
LAST = 62


def enigma(workspace: Workspace, *words: str) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for module in (runs, stages):
        module.add(commands)
    args = parser.parse_args([*words, "--home", str(workspace.home)])
    args.command(args)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run with a checkpoint after 50 and after its last step."""
    folder = tmp_path_factory.mktemp("undo")
    workspace = Workspace(folder / "home")
    small_talk(workspace, folder)
    enigma(workspace, "train", *OPTIONS)
    assert [made.step for made in checkpoints.kept(workspace.training / "talk")] == [50, LAST]
    return workspace


def hash_at(workspace: Workspace, step: int) -> str:
    """Of a checkpoint's tensors, as a run's file holds them."""
    made = checkpoints.load(workspace.training / "talk", step)
    assert made is not None
    tensors = load_file(made.folder / checkpoints.WEIGHTS)
    return f"sha256:{hashlib.sha256(save({name: tensors[name] for name in sorted(tensors)})).hexdigest()}"


def test_a_run_follows_undo_and_redo_into_its_export_and_goes_on_from_there(
    shared: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = open_run(shared.run("talk"))
    content = open_dataset(shared.dataset("talk"))
    enigma(shared, "runs", "undo", "talk")
    assert "of step 50 now (held-out loss" in capsys.readouterr().out
    back = open_run(shared.run("talk"))
    assert back.weights == hash_at(shared, 50) != first.weights and back.step == 50
    assert not is_run(shared, content, "talk", seed=1, seconds=None, curriculum=False, settings=back.settings)
    enigma(shared, "export", "talk")
    engine = open_language_engine(back.folder / "model.fp32.onnx")
    tokens = [30, 40, 50, 60]
    got = torch.from_numpy(engine.feed(tokens, wanted=4))
    engine.close()
    model = trained_model(back.folder)[1]
    model.load_state_dict(load_file(shared.training / "talk/checkpoints/step-00000050/weights.safetensors"))
    with torch.no_grad():
        assert torch.allclose(got, model(torch.tensor([tokens]))[0], atol=1e-4)

    # A fork under another name begins at step 50; another training of this name would lose step 62, so it is refused.
    enigma(shared, "train", "--data", "talk", "--init", "talk", "--epochs", "0.1", "--name", "fork")
    assert f"sha256:{json.loads((shared.run('fork') / 'config.json').read_text())['start']['sha256']}" == back.weights
    with pytest.raises(DataError, match=r"--init talk --name OTHER"):
        enigma(shared, "train", *OPTIONS, "--epochs", "9")
    assert [made.step for made in checkpoints.kept(shared.training / "talk")] == [50, LAST]

    enigma(shared, "runs", "redo", "talk")
    assert open_run(shared.run("talk")).weights == hash_at(shared, LAST) == first.weights
    assert not (shared.run("talk") / "model.fp32.onnx").exists()  # of other weights
    with pytest.raises(DataError, match="nothing to redo"):
        enigma(shared, "runs", "redo", "talk")
    enigma(shared, "runs", "undo", "talk")
    last = hash_at(shared, LAST)
    enigma(shared, "train", *OPTIONS)  # the same command goes on from step 50, and comes to the same end
    again = open_run(shared.run("talk"))
    assert (again.weights, again.address) == (first.weights, first.address)
    assert hash_at(shared, LAST) == last


def test_a_run_that_is_another_trainings_keeps_its_weights(
    tmp_path: Path, shared: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    order = shared.training / "talk" / "order.json"
    text = order.read_text()
    before = open_run(shared.run("talk")).weights
    order.write_text(json.dumps({**json.loads(text), "seed": 2}))
    enigma(shared, "runs", "undo", "talk")
    assert "no run whose weights would change" in capsys.readouterr().out
    enigma(shared, "runs", "redo", "talk")
    assert open_run(shared.run("talk")).weights == before
    order.write_text(text)
