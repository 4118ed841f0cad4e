"""Training on a GPU beside the same on a processor; where there is none, nothing of this can be said."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainer_host.training.sums import SETTINGS, model, rows, same_weights, settings_for
from trainer_host.students.language.config import sized
from trainer_host.students.language.model import LanguageModel
from trainer_host.training import checkpoints
from trainer_host.training.gradients import LocalGradients, LossModule, Micro, linear_cross_entropy
from trainer_host.training.loop import Trained, TrainSettings, train_language

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


def trained(folder: Path, settings: TrainSettings, stop_at: float = 2.0) -> tuple[LanguageModel, Trained]:
    made = model()

    def progress(share: float, values: dict[str, float]) -> None:
        if share >= stop_at:
            raise KeyboardInterrupt

    return made, train_language(made, rows(60), rows(20, 1), folder, settings, progress)


def test_a_gpu_learns_what_a_processor_learns(tmp_path: Path) -> None:
    whole = replace(SETTINGS, precision="fp32", micro=None)
    _, here = trained(tmp_path / "cpu", replace(whole, device="cpu"))
    _, there = trained(tmp_path / "gpu", replace(whole, device="cuda"))
    assert here.held_out is not None and there.held_out == pytest.approx(here.held_out, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_training_on_a_gpu_that_was_cut_short_gives_the_same_bytes(precision: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, precision=precision, device="cuda", micro=None)
    straight, _ = trained(tmp_path / "a", settings)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", settings, stop_at=0.65)
    again, _ = trained(tmp_path / "b", settings)
    assert same_weights(straight, again)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_a_gpu_learns_as_float32_within_2_percent(precision: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=200, device="cuda", micro=None, examine_every=200, save_every=200)
    _, whole = trained(tmp_path / "whole", replace(settings, precision="fp32"))
    _, half = trained(tmp_path / "half", replace(settings, precision=precision))
    assert whole.held_out is not None and half.held_out == pytest.approx(whole.held_out, rel=0.02)


def test_the_cross_entropy_in_chunks_is_torchs_on_a_gpu() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(3000, 64, device="cuda", requires_grad=True)
    table = torch.randn(500, 64, device="cuda", requires_grad=True)
    targets = torch.randint(0, 500, (3000,), device="cuda")
    ours = linear_cross_entropy(hidden, table, targets)
    theirs = torch.nn.functional.cross_entropy(hidden @ table.T, targets, reduction="sum")
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-2)
    for mine, other in zip(
        torch.autograd.grad(ours, (hidden, table)), torch.autograd.grad(theirs, (hidden, table)), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)


def test_checkpointing_takes_less_of_a_gpus_memory_for_the_same_gradients() -> None:
    device = torch.device("cuda")
    tokens = torch.randint(0, 8192, (8, 1024), generator=torch.Generator().manual_seed(0)).to(device)
    positions = torch.arange(1024, device=device).expand(8, -1)
    last = torch.arange(8 * 1024 - 1, device=device)
    part = Micro(tokens, positions, torch.ones_like(tokens), last, tokens.flatten()[1:])
    peaks, norms = [], []
    for thrifty in (False, True):
        torch.manual_seed(0)
        net = LanguageModel(sized("small")).to(device).train()
        net.checkpointing = thrifty
        gradients = LocalGradients(LossModule(net), device, torch.float32, 1)
        torch.cuda.reset_peak_memory_stats()
        gradients.compute([part], 1 / 8191)
        peaks.append(torch.cuda.max_memory_allocated())
        norms.append([float(p.grad.norm()) for p in gradients.parameters if p.grad is not None])
        del net, gradients
    assert peaks[1] <= 0.7 * peaks[0], peaks
    assert norms[1] == pytest.approx(norms[0], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_processes_with_a_gpu_each_train_what_one_trains(parallel: str, tmp_path: Path) -> None:
    count = min(2, torch.cuda.device_count())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    command += ["-m", "tests.trainer_host.training.ranks", str(tmp_path / "many"), parallel]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    trained(tmp_path / "one", settings_for(parallel))
    alone, many = (checkpoints.load(tmp_path / name, SETTINGS.steps) for name in ("one", "many"))
    assert alone is not None and many is not None and alone.loss is not None
    assert many.loss == pytest.approx(alone.loss, rel=0.01)  # bfloat16, in sums of another order
