"""A folder of MLPerf Tiny's models: accuracy from the samples beside them, against the minimum, in each runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.mlperf_tiny import KEYWORD_BYTES, KEYWORD_SCALE, KEYWORD_ZERO, main, measure, table
from edge_runtime.errors import EdgeError

KEYWORDS = 12


def write_model(path: Path, width: int, labels: int) -> None:
    """The label is the largest of the first `labels` inputs."""
    weights = np.eye(width, labels, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "largest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, labels])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty keywords, the first two of which are labelled wrongly, and ten pictures."""
    write_model(tmp_path / "kws_ref_model.onnx", KEYWORD_BYTES, KEYWORDS)
    samples = tmp_path / "kws01"
    samples.mkdir()
    lines = []
    for number in range(20):
        sample = np.zeros(KEYWORD_BYTES, np.int8)
        sample[number % KEYWORDS] = 127
        name = f"tst_{number:06}.bin"
        (samples / name).write_bytes(sample.tobytes())
        lines.append(f"{name}, {KEYWORDS}, {(number + (number < 2)) % KEYWORDS}")
    (samples / "y_labels.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "deep").mkdir()
    write_model(tmp_path / "deep" / "resnet.onnx", 32 * 32 * 3, 10)
    images = np.zeros((10, 32, 32, 3), np.uint8)
    images.reshape(10, -1)[np.arange(10), np.arange(10)] = 200
    np.savez(tmp_path / "cifar10_303.npz", images=images, labels=np.arange(10))
    return tmp_path


def test_accuracy_is_the_share_of_labels_that_are_hit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--seconds", "0"]) == 0
    rows = {row.kind: row for row in measure(folder, 0)}
    assert (rows["keywords"].accuracy, rows["keywords"].examined, rows["keywords"].met) == (0.9, 20, True)
    assert (rows["images"].accuracy, rows["images"].minimum) == (1.0, 0.85)
    assert rows["images"].p50_us and rows["images"].load_ms
    said = capsys.readouterr().out
    assert "90.0% of 20, 90% wanted" in said and "100.0% of 10, 85% wanted" in said


def test_a_model_below_its_minimum_ends_with_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = folder / "kws01" / "y_labels.csv"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(lines[:19]))  # 17 of 19
    assert main([str(folder), "--seconds", "0", "--json", str(folder / "rows.json")]) == 1
    assert "89.5% of 19, below the 90% wanted" in capsys.readouterr().out
    assert (folder / "rows.json").is_file()


def test_models_in_float_get_what_the_samples_were_before_they_were_quantized(folder: Path) -> None:
    from benchmarks.mlperf_tiny import _keywords
    from edge_runtime.engines import Tensor

    kept = _keywords(folder)
    assert kept is not None
    real = kept.as_input(0, Tensor("x", np.dtype(np.float32), (1, 49, 10, 1)))
    assert real.shape == (1, 49, 10, 1)
    np.testing.assert_allclose(real.flat[:2], [(127 - KEYWORD_ZERO) * KEYWORD_SCALE, -KEYWORD_ZERO * KEYWORD_SCALE])
    whole = kept.as_input(0, Tensor("x", np.dtype(np.int8), (1, 49, 10, 1)))
    assert whole.dtype == np.int8 and whole.flat[0] == 127


def test_without_labelled_inputs_there_is_latency_alone(folder: Path) -> None:
    (folder / "cifar10_303.npz").unlink()
    (folder / "broken.onnx").write_bytes(b"no model")
    rows = {row.model: row for row in measure(folder, 0)}
    assert rows["resnet.onnx"].accuracy is None and rows["resnet.onnx"].p50_us
    assert rows["broken.onnx"].p50_us is None and "can't open broken.onnx" in table([rows["broken.onnx"]])


def test_another_interpreter_s_rows_join_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--seconds", "0", "--also", sys.executable]) == 0
    assert capsys.readouterr().out.count("kws_ref_model.onnx") == 2
    assert main([str(folder), "--seconds", "0", "--also", "/no/python"]) == 2
    assert capsys.readouterr().err == "/no/python can't be run: No such file or directory.\n"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "kws01" / "tst_000003.bin").write_bytes(b"x" * 489), "has 489 bytes"),
        (lambda folder: (folder / "kws01" / "tst_000003.bin").unlink(), "has 0 bytes"),
        (lambda folder: (folder / "kws01" / "y_labels.csv").write_text("../a.bin, 12, 1\n"), "Line 1 of"),
        (lambda folder: (folder / "kws01" / "y_labels.csv").write_text("\n"), "names no sample"),
        (lambda folder: (folder / "cifar10_303.npz").write_bytes(b"PK\x03\x04cut"), "get it again"),
        (lambda folder: [path.unlink() for path in folder.rglob("*.onnx")], r"no \.tflite or \.onnx file"),
    ],
)
def test_folders_that_are_damaged_are_refused(folder: Path, spoil: object, said: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(EdgeError, match=said):
        measure(folder, 0)
