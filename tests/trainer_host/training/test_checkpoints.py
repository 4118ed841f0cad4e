from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from trainer_host.errors import DataError
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import FOLDER, Policy


def saved(run: Path, step: int, loss: float | None = None, policy: Policy | None = None) -> None:
    tensors = {checkpoints.WEIGHTS: {"step": torch.tensor(step)}}
    checkpoints.save(run, step, tensors, {"loss": loss}, policy or Policy(last=100))


def steps(run: Path) -> list[int]:
    return [made.step for made in checkpoints.kept(run)]


def test_tensors_are_written_as_the_library_writes_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {
        "half": torch.randn(3, 5).to(torch.bfloat16),
        "float": torch.randn(7),
        "scalar": torch.tensor(3.0),
        "bytes": torch.arange(9, dtype=torch.uint8),
        "none": torch.zeros(0, 4),
        "turned": torch.randn(4, 6).T,
    }
    checkpoints.write_tensors(tmp_path / "a.safetensors", tensors)
    back = load_file(tmp_path / "a.safetensors")
    assert back.keys() == tensors.keys()
    for name, value in tensors.items():
        assert back[name].dtype == value.dtype and torch.equal(back[name], value)
    whole = save({name: value.contiguous() for name, value in tensors.items()})
    assert len(whole) - (tmp_path / "a.safetensors").stat().st_size <= 8  # no more bytes than the library's


def test_undo_and_redo_move_over_what_is_kept_and_another_training_puts_what_was_undone_aside(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        saved(tmp_path, step)
    assert checkpoints.undo(tmp_path).step == 20
    assert checkpoints.undo(tmp_path).step == 10
    with pytest.raises(DataError, match="no earlier checkpoint"):
        checkpoints.undo(tmp_path)
    assert checkpoints.redo(tmp_path).step == 20
    now = checkpoints.load(tmp_path)
    assert now is not None and now.step == 20
    assert steps(tmp_path) == [10, 20, 30]
    saved(tmp_path, 25)
    assert steps(tmp_path) == [10, 20, 25]
    assert (tmp_path / checkpoints.FORKS / "1" / "step-00000030" / checkpoints.WEIGHTS).is_file()
    with pytest.raises(DataError, match="nothing to redo"):
        checkpoints.redo(tmp_path)


def test_the_policy_keeps_the_best_the_last_and_every_nth(tmp_path: Path) -> None:
    losses = {10: 3.0, 20: 1.0, 30: 2.0, 40: 2.5, 50: 2.6, 60: 2.7}
    for step, loss in losses.items():
        saved(tmp_path, step, loss, Policy(best=True, last=1, every=30))
    assert steps(tmp_path) == [20, 30, 60]
    found = checkpoints.best(tmp_path)
    assert found is not None and found.step == 20
    checkpoints.undo(tmp_path)
    checkpoints.undo(tmp_path)
    found = checkpoints.best(tmp_path)
    assert found is not None and found.step == 20  # what was undone doesn't count


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    saved(tmp_path, 10)
    saved(tmp_path, 20)
    weights = tmp_path / FOLDER / "step-00000020" / checkpoints.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    found = checkpoints.load(tmp_path)
    assert found is not None and found.step == 10
    with pytest.raises(DataError, match="isn't the file that was saved"):
        checkpoints.load(tmp_path, 20)
    with pytest.raises(DataError, match="there are step 10, step 20"):
        checkpoints.load(tmp_path, 15)


class Cut(BaseException):
    """The machine loses its power here."""


def test_a_power_cut_between_any_two_writes_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    limit = 0
    for name in ("fsync", "rename", "replace"):
        real = getattr(os, name)

        def counted(*args: object, real: object = real, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            if calls > limit:
                raise Cut
            assert callable(real)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, counted)
    monkeypatch.setattr(Path, "replace", lambda self, target: os.replace(self, target))  # noqa: PTH105
    monkeypatch.setattr(Path, "rename", lambda self, target: os.rename(self, target))  # noqa: PTH104
    for cut in itertools.count():
        run = tmp_path / str(cut)
        calls, limit = 0, 1 << 30
        saved(run, 10)
        calls, limit = 0, cut
        try:
            saved(run, 20)
        except Cut:
            limit = 1 << 30
            found = checkpoints.load(run)
            assert found is not None and found.step in (10, 20)
            weights = checkpoints.read_tensors(found.folder / checkpoints.WEIGHTS)
            assert weights["step"] == found.step
            saved(run, 20)
            assert steps(run) == [10, 20]
            assert not list((run / FOLDER).glob(".*"))
        else:
            break
    assert cut >= 6


def test_a_training_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert checkpoints.load(tmp_path) is None and checkpoints.best(tmp_path) is None
    with pytest.raises(DataError, match="the checkpoints are none"):
        checkpoints.undo(tmp_path)
