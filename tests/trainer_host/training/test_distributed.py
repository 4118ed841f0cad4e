"""DDP; FSDP2 is tested through the command, in tests/trainer_host/commands/test_train.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainer_host.training.sums import SETTINGS, model, rows
from trainer_host.training import checkpoints
from trainer_host.training.gradients import SHARDS
from trainer_host.training.loop import train_language

pytestmark = pytest.mark.slow  # processes that import torch


def two_ranks(folder: Path, *arguments: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    command = [sys.executable, "-m", "tests.trainer_host.training.ranks", str(folder), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = checkpoints.load(folder, SETTINGS.steps)
    assert found is not None
    return checkpoints.read_tensors(found.folder / checkpoints.WEIGHTS)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("alone")
    train_language(model(), rows(60), rows(20, 1), folder, SETTINGS, lambda share, values: None)
    return weights(folder)


@pytest.fixture(scope="module", params=["ddp"])
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    two_ranks(folder, request.param)
    return request.param, folder


def test_two_processes_train_what_one_trains(alone: dict[str, torch.Tensor], together: tuple[str, Path]) -> None:
    made = weights(together[1])
    assert made.keys() == alone.keys()
    assert max(float((made[name] - alone[name]).abs().max()) for name in alone) <= 1e-6


def test_a_killed_process_comes_back_and_the_weights_are_the_same_bits(
    together: tuple[str, Path], tmp_path: Path
) -> None:
    parallel, straight = together
    two_ranks(tmp_path, parallel, "13")
    assert (tmp_path / "killed").exists()
    one, other = weights(straight), weights(tmp_path)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_two_processes_saved_is_continued_by_one(
    alone: dict[str, torch.Tensor], together: tuple[str, Path], tmp_path: Path
) -> None:
    parallel, folder = together
    shutil.copytree(folder, tmp_path / "one")
    found = checkpoints.undo(tmp_path / "one")
    assert found.step < SETTINGS.steps and (found.folder / SHARDS).is_dir() == (parallel == "fsdp")
    train_language(model(7), rows(60), rows(20, 1), tmp_path / "one", SETTINGS, lambda share, values: None)
    made = weights(tmp_path / "one")
    assert max(float((made[name] - alone[name]).abs().max()) for name in alone) <= 1e-6
