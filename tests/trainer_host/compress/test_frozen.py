"""A fine-tune is rounded with its base's scales: the same layout, few changed bytes, and its own where those don't fit."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.edge_runtime.tiny import write_onnx, write_tflite
from tests.trainer_host.compress.test_gate import break_scales, rewrite
from tests.trainer_host.conftest import Trained, nothing
from trainer_host.compress.blocks import quantize_blocks
from trainer_host.compress.files import export_run, scales_of
from trainer_host.compress.frozen import kept_scales, requantize_onnx, requantize_tflite
from trainer_host.compress.gate import gate_run
from trainer_host.errors import TrainerError
from trainer_host.students.router import STUDENT
from trainer_host.training.run import CARD, Run, hash_of, open_run, write_json
from trainer_host.training.weights import FILE, save_weights

REQUANTIZE = {"onnx": requantize_onnx, "tflite": requantize_tflite}


def tuned(base: Run, by: float, name: str = "tuned") -> Run:
    """A run that began with `base`: each weight is moved by chance, as far as `by` of its tensor's spread."""
    folder = base.folder.parent / name
    folder.mkdir()
    for file in STUDENT.assets(base.folder).values():
        shutil.copy(file, folder)
    shutil.copy(base.folder / "config.json", folder)
    module = STUDENT.module(base.folder)[0].net
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            used = weight != 0
            weight[used] += by * weight[used].std() * torch.randn(int(used.sum()))
    save_weights(folder, module)
    changed = dataclasses.replace(base, name=name, weights=hash_of(folder / FILE), settings={"init": base.name})
    write_json(folder / CARD, changed._card())
    return open_run(folder)


def other_bytes(one: Path, other: Path) -> float:
    """The share of bytes that differ; the files are of one length."""
    first, second = (np.frombuffer(path.read_bytes(), np.uint8) for path in (one, other))
    assert len(first) == len(second)
    return float((first != second).mean())


def test_a_fine_tune_takes_its_bases_scales_and_layout_and_the_gate_falls_back_to_its_own(
    exported: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = exported.run
    run = tuned(base, 0.003)
    export_run(run, exported.dataset, nothing)
    assert scales_of(run) == base.name
    files = ("model.int8.onnx", "model.int8.tflite")
    shares = [other_bytes(run.folder / name, base.folder / name) for name in files]
    assert gate_run(run, exported.dataset).passed
    assert scales_of(run) == base.name
    rewrite(Trained(exported.workspace, exported.dataset, run), "model.int8.onnx", break_scales)
    # The float file is there already, and to convert it again is most of an export's time.
    monkeypatch.setattr("trainer_host.compress.files.export_tflite", lambda module, examples, path: None)
    assert gate_run(run, exported.dataset).passed
    assert scales_of(run) is None
    for name, share in zip(files, shares, strict=True):
        assert other_bytes(run.folder / name, base.folder / name) > 1.1 * share > 0


@pytest.mark.parametrize("kind", REQUANTIZE)
def test_a_base_rounded_by_its_own_scales_is_itself(exported_once: Trained, tmp_path: Path, kind: str) -> None:
    float_file, int8_file = (exported_once.run.folder / f"model.{name}.{kind}" for name in ("fp32", "int8"))
    assert REQUANTIZE[kind](float_file, tmp_path / "made", float_file, int8_file)
    assert (tmp_path / "made").read_bytes() == int8_file.read_bytes()


@pytest.mark.parametrize("kind", REQUANTIZE)
def test_another_layout_is_told_and_writes_nothing(exported_once: Trained, tmp_path: Path, kind: str) -> None:
    folder = exported_once.run.folder
    files = [folder / f"model.{name}.{kind}" for name in ("fp32", "int8")]
    write = {"onnx": write_onnx, "tflite": write_tflite}[kind]
    write(tmp_path / "other", 1)
    assert not REQUANTIZE[kind](tmp_path / "other", tmp_path / "made", *files)
    assert not (tmp_path / "made").exists()


def test_a_scale_is_kept_while_it_fits() -> None:
    rows = np.random.default_rng(1).normal(size=(4, 500)).astype(np.float32)
    base = (np.abs(rows).max(1) / 127).astype(np.float32)
    moved = rows * np.array([[1], [1.004], [3], [0.2]], np.float32)
    kept = kept_scales(moved, base, 127)
    np.testing.assert_array_equal(kept[:2], base[:2])
    np.testing.assert_allclose(kept[2:], np.abs(moved).max(1)[2:] / 127, rtol=1e-6)
    assert (kept_scales(np.zeros((2, 8), np.float32), np.array([0, 0.5], np.float32), 127) > 0).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_blocks_keep_their_scales_while_these_fit(bits: int) -> None:
    random = np.random.default_rng(2)
    weight = random.normal(size=(64, 128)).astype(np.float32)
    before = quantize_blocks(weight, bits, 32)
    assert quantize_blocks(weight, bits, 32, before.scales).codes.tobytes() == before.codes.tobytes()
    near = weight + random.normal(scale=0.01, size=weight.shape).astype(np.float32)
    kept = quantize_blocks(near, bits, 32, before.scales)
    assert (
        (kept.scales == before.scales).mean()
        > 0.8
        > 0.1
        > (quantize_blocks(near, bits, 32).scales == before.scales).mean()
    )
    lost = [np.abs(blocks.weight() - near).mean() for blocks in (kept, quantize_blocks(near, bits, 32))]
    assert lost[0] < 1.1 * lost[1]
    far = quantize_blocks(3 * weight, bits, 32, before.scales)
    assert (far.scales != before.scales).all()
    np.testing.assert_array_equal(
        quantize_blocks(near, bits, 32, before.scales[:8]).scales, quantize_blocks(near, bits, 32).scales
    )


def test_a_run_that_cannot_give_scales_is_one_sentence(exported: Trained) -> None:
    tuned(exported.run, 0.01, "unexported")
    for name, said in (
        ("easy", "is the run itself"),
        ("unexported", "no model files yet"),
        ("nobody", "no run 'nobody' here"),
    ):
        with pytest.raises(TrainerError, match=said):
            export_run(exported.run, exported.dataset, nothing, scales_of=name)
