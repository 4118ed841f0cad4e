"""`enigma train` in several processes, with a small model and few steps."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.commands import train as commands
from trainer_host.errors import DataError, TrainerError
from trainer_host.training import checkpoints
from trainer_host.training.run import open_run
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace

# 62 steps with a checkpoint after 50; a rate so small that what rounding changes doesn't grow.
OPTIONS = (
    "--data", "talk", "--rows", "4", "--epochs", "8", "--context", "32", "--rate", "1e-5", "--optimizer", "adamw",
)  # fmt: skip

# What every Python runs first: the process of rank 1 ends itself once there is a checkpoint, the first time.
ENDS = """
import os, signal, threading, time
from pathlib import Path

checkpoint, ended = Path(os.environ["CHECKPOINT"]), Path(__file__).with_name("ended")

def end():
    while not checkpoint.is_dir():
        time.sleep(0.001)
    ended.touch()
    os.kill(os.getpid(), signal.SIGKILL)

if os.environ.get("RANK") == "1" and not ended.exists():
    threading.Thread(target=end, daemon=True).start()
"""


def parsed(workspace: Workspace, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    return parser.parse_args(["train", *words, "--home", str(workspace.home)])


def enigma(workspace: Workspace, *words: str) -> int | None:
    """The command, as the command line enters it."""
    args = parsed(workspace, *words)
    status: int | None = args.command(args)
    return status


def weights(workspace: Workspace, name: str) -> dict[str, torch.Tensor]:
    return load_file(open_run(workspace.run(name)).folder / "weights.safetensors")


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A dataset, and the run `alone` that one process trained on it."""
    folder = tmp_path_factory.mktemp("train")
    workspace = Workspace(folder / "home")
    small_talk(workspace, folder)
    assert enigma(workspace, *OPTIONS, "--name", "alone") is None
    return workspace


@pytest.fixture(scope="module")
def straight(shared: Workspace) -> tuple[Workspace, str]:
    """The run `straight` of two processes that share the weights, by torchrun; and what was printed."""
    words = ["--standalone", "--nproc-per-node", "2", "-m", "trainer_host.cli"]
    words += ["train", *OPTIONS, "--name", "straight", "--shard", "--home", str(shared.home)]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return shared, done.stdout


@pytest.mark.slow
def test_the_command_under_torchrun_trains_what_one_process_trains_and_says_it_once(
    straight: tuple[Workspace, str],
) -> None:
    workspace, said = straight
    assert said.count("Run 'straight' in") == 1
    assert largest_difference(weights(workspace, "alone"), weights(workspace, "straight")) <= 1e-6
    with history_of(workspace.home) as history:  # and that isn't so because nothing was learnt
        losses = [value for _, value in history.points(history.find("straight").id, "loss")]
    assert losses[-1] < losses[0] - 0.5
    assert open_run(workspace.run("straight")).settings == open_run(workspace.run("alone")).settings


@pytest.mark.slow
def test_a_killed_process_of_two_comes_back_and_the_weights_are_the_same_bits(
    straight: tuple[Workspace, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    workspace, _ = straight
    (tmp_path / "sitecustomize.py").write_text(ENDS)
    monkeypatch.setenv("CHECKPOINT", str(workspace.training / "killed" / "checkpoints" / "step-00000050"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert enigma(workspace, *OPTIONS, "--name", "killed", "--devices", "2", "--shard") == 0
    assert (tmp_path / "ended").exists()
    assert "was lost (signal 9); it goes on at its last checkpoint" in capsys.readouterr().out
    assert largest_difference(weights(workspace, "straight"), weights(workspace, "killed")) == 0
    assert sorted(path.name for path in workspace.runs.iterdir()) == ["alone", "killed", "straight"]
    files = [{path.name for path in workspace.run(name).iterdir()} for name in ("alone", "killed")]
    assert files[0] == files[1]
    with history_of(workspace.home) as history:
        first, second = [entry for entry in history.entries() if entry.name == "killed"]
        assert (first.status != "done", second.status) == (True, "done")
        assert history.points(second.id, "loss")[0][0] == 51
        assert (second.config["processes"], second.config["shard"]) == (2, True)


@pytest.mark.slow
def test_what_two_processes_left_is_continued_by_one(straight: tuple[Workspace, str]) -> None:
    workspace, _ = straight
    assert checkpoints.undo(workspace.training / "straight").step == 50
    enigma(workspace, *OPTIONS, "--name", "straight")
    with history_of(workspace.home) as history:
        assert history.points(history.find("straight").id, "loss")[0][0] == 51
    assert largest_difference(weights(workspace, "alone"), weights(workspace, "straight")) <= 1e-6


def test_what_several_processes_cant_train_is_one_sentence(workspace: Workspace, tmp_path: Path) -> None:
    easy_dataset(workspace, tmp_path)
    small_talk(workspace, tmp_path)
    with pytest.raises(DataError, match="A router is small enough for one process"):
        enigma(workspace, "--data", "easy", "--devices", "2")
    with pytest.raises(DataError, match="set --rows to a multiple of 3"):
        enigma(workspace, "--data", "talk", "--devices", "3")
    with pytest.raises(TrainerError, match="say how many with --devices"):
        enigma(workspace, "--data", "talk", "--shard")
    with pytest.raises(TrainerError, match="--devices must be a whole number"):
        enigma(workspace, "--data", "talk", "--devices", "0")
    with pytest.raises(DataError, match="There is no size 'huge'"):
        enigma(workspace, "--data", "talk", "--devices", "2", "--size", "huge")


def test_a_graph_student_under_torchrun_is_refused_too(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    easy_dataset(workspace, tmp_path)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainerError, match="leave out --devices, and torchrun"):
        enigma(workspace, "--data", "easy")
    assert not workspace.runs.exists()


def test_the_words_of_a_training_are_read_as_the_options_that_they_were_made_of(workspace: Workspace) -> None:
    words = (
        "--data",
        "talk",
        "--name",
        "x",
        "--seed",
        "-3",
        "--rate",
        "0.00123456789",
        "--curriculum",
        "--epochs",
        "2",
    )
    args = parsed(workspace, *words)
    again = parsed(workspace, *commands.train_words(args)[1:])
    assert vars(again) == vars(args)
