"""Muon beside torch's own, and AdamW for all that isn't a matrix of a layer."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from tests.trainer_host.training.sums import SETTINGS, model
from trainer_host.errors import DataError
from trainer_host.students.language.settings import LanguageSettings, optimizer_of
from trainer_host.training.loop import TrainSettings
from trainer_host.training.optimizers import optimizer_for, orthogonal


def gradients(of: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in of.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 16, 40), (1, 40, 16)])
def test_the_nearest_orthogonal_matrices(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    made = orthogonal(matrices * 1e3)
    kept = torch.diagonal(left.mT @ made @ right.mT, dim1=1, dim2=2)
    assert float(kept.min()) > 0.6 and float(kept.max()) < 1.3
    # What is left is no other direction: the singular vectors are the gradient's.
    assert torch.allclose(left @ torch.diag_embed(kept) @ right, made, atol=1e-4)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonal(torch.zeros(1, 8, 8)).any()


def test_matrices_change_as_by_torchs_own_and_the_rest_as_by_adamw() -> None:
    ours, muons, adams = model(), model(), model()
    names = [name for name, one in ours.named_parameters() if name.startswith("layers.") and one.ndim == 2]
    mine = optimizer_for(ours, replace(SETTINGS, rate=1e-2))
    theirs = torch.optim.Muon(
        [one for name, one in muons.named_parameters() if name in names],
        lr=1e-2,
        weight_decay=SETTINGS.decay,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = optimizer_for(adams, replace(SETTINGS, rate=1e-2, optimizer="adamw"))
    began = copy.deepcopy(dict(ours.named_parameters()))
    for seed in range(4):
        for one, optimizer in ((ours, mine), (muons, theirs), (adams, adam)):
            gradients(one, seed)
            optimizer.step()
    muon, adamw = dict(muons.named_parameters()), dict(adams.named_parameters())
    for name, one in ours.named_parameters():
        if name in names:  # torch's is in bfloat16
            moved = (muon[name] - began[name]).norm()
            assert float((one - muon[name]).norm() / moved) < 0.03, name
        else:
            assert torch.equal(one, adamw[name]), name
    assert len(names) == 7 * len(ours.layers)


def test_which_optimizer_trains_what() -> None:
    assert optimizer_of(LanguageSettings.read({})) == "muon"
    assert optimizer_of(LanguageSettings.read({"init": "sums"})) == "adamw"
    assert optimizer_of(LanguageSettings.read({"shard": True})) == "adamw"
    assert optimizer_of(LanguageSettings.read({"init": "sums", "optimizer": "muon"})) == "muon"
    for bad in ({"shard": True, "optimizer": "muon"}, {"init": "a", "lora": "r=8", "optimizer": "muon"}):
        with pytest.raises(DataError, match="Muon changes whole matrices"):
            LanguageSettings.read(bad)
    with pytest.raises(DataError, match="There is no optimizer 'sgd'; there are muon and adamw"):
        LanguageSettings.read({"optimizer": "sgd"})
    with pytest.raises(DataError, match="There is no optimizer 'sgd'"):
        TrainSettings(steps=1, optimizer="sgd")
