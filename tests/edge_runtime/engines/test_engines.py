"""Engines: the same answers as the formula, in every runtime installed, and refusals in sentences."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime import engines
from edge_runtime.engines import Engine, GraphEngine, available_runtimes, open_engine
from edge_runtime.engines.litert import LiteRtEngine
from edge_runtime.errors import EngineError
from edge_runtime.serving import memory

from .. import tiny

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

TOKENS = np.array([[1, 5, 200, 5] + [0] * (tiny.FEATURES.length - 4)], dtype=np.int32)


def expected() -> np.ndarray:
    logits = tiny.table(3)[TOKENS[0]].sum(axis=0)
    exp = np.exp(logits - logits.max())
    return exp / exp.sum()


def model(folder: Path, runtime: str) -> tuple[Path, dict[str, str], dict[str, str]]:
    if runtime not in available_runtimes():
        pytest.skip(f"{runtime} isn't usable here")
    if runtime == "onnxruntime":
        pytest.importorskip("onnx")
        tiny.write_onnx(folder / "m.onnx", 3)
        return folder / "m.onnx", {}, {}
    pytest.importorskip("flatbuffers")
    pytest.importorskip("ai_edge_litert")
    tiny.write_tflite(folder / "m.tflite", 3)
    return folder / "m.tflite", {"tokens": "args_0"}, {"probabilities": "output_0"}


@pytest.mark.parametrize("runtime", ["onnxruntime", "ai-edge-litert", "tflite-runtime"])
def test_a_model_answers_by_the_task_s_names(tmp_path: Path, runtime: str) -> None:
    path, inputs, outputs = model(tmp_path, runtime)
    engine = open_engine(path, runtime=runtime, rename_inputs=inputs, rename_outputs=outputs)
    assert (engine.runtime, engine.version) == (runtime, available_runtimes()[runtime])
    first = engine.run({"tokens": TOKENS})
    np.testing.assert_allclose(first["probabilities"][0], expected(), atol=1e-5)
    kept = first["probabilities"].copy()
    engine.run({"tokens": np.zeros_like(TOKENS)})
    np.testing.assert_array_equal(first["probabilities"], kept)  # an answer isn't a view into the runtime
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"tokens": TOKENS})


@pytest.mark.parametrize("runtime", ["onnxruntime", "ai-edge-litert"])
def test_wrong_inputs_are_refused(tmp_path: Path, runtime: str) -> None:
    path, inputs, outputs = model(tmp_path, runtime)
    engine = open_engine(path, rename_inputs=inputs, rename_outputs=outputs)
    for wrong in (
        TOKENS.astype(np.int64),
        TOKENS[:, :5],
        TOKENS[0],
        np.zeros((2, tiny.FEATURES.length), np.int32),
    ):
        with pytest.raises(EngineError, match="must be int32"):
            engine.run({"tokens": wrong})
    with pytest.raises(EngineError, match="inputs are"):
        engine.run({"token": TOKENS})
    with pytest.raises(EngineError, match="inputs are"):
        engine.run({"tokens": TOKENS, "more": TOKENS})


@pytest.mark.parametrize("runtime", ["onnxruntime", "ai-edge-litert"])
def test_names_that_the_model_lacks_are_refused(tmp_path: Path, runtime: str) -> None:
    path, inputs, outputs = model(tmp_path, runtime)
    with pytest.raises(EngineError, match="inputs are"):
        open_engine(path, rename_inputs={"tokens": "nothing"}, rename_outputs=outputs)
    with pytest.raises(EngineError, match="no output named nothing"):
        open_engine(path, rename_inputs=inputs, rename_outputs={"probabilities": "nothing"})


def rows_model(folder: Path, runtime: str) -> Engine:
    """A .tflite file whose first axis is open."""
    model(folder, runtime)
    tiny.write_tflite(folder / "rows.tflite", 3, open_rows=True)
    names = {"tokens": "args_0"}, {"probabilities": "output_0"}
    return open_engine(folder / "rows.tflite", 1, runtime, *names)


@pytest.mark.parametrize("runtime", ["ai-edge-litert", "tflite-runtime"])
def test_a_tflite_file_with_an_open_axis_answers_any_number_of_rows(tmp_path: Path, runtime: str) -> None:
    engine = rows_model(tmp_path, runtime)
    assert isinstance(engine, GraphEngine)
    assert (engine.inputs[0].shape, engine.outputs[0].shape) == ((None, 64), (None, len(tiny.LABELS)))
    rows = np.random.default_rng(0).integers(0, 200, [40, tiny.FEATURES.length]).astype(np.int32)
    single = np.concatenate([engine.run({"tokens": row[None]})["probabilities"] for row in rows])
    for count in (2, 16, 40, 1, 3):
        np.testing.assert_array_equal(engine.run({"tokens": rows[:count]})["probabilities"], single[:count])
    with pytest.raises(EngineError, match="one at least"):
        engine.run({"tokens": rows[:0]})
    np.testing.assert_array_equal(engine.run({"tokens": rows[5:6]})["probabilities"], single[5:6])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system doesn't tell")
def test_many_rows_in_tflite_leave_no_memory_behind(tmp_path: Path) -> None:
    engine, many = rows_model(tmp_path, "ai-edge-litert"), np.ones([20_000, tiny.FEATURES.length], np.int32)
    for _ in range(2):  # the first one also loads what the runtime needs
        memory.trim()
        before = memory.rss_bytes()
        engine.run({"tokens": many})
    memory.trim()
    assert memory.rss_bytes() - before < 4 * 2**20  # of 20 MB for the rows in the middle of the graph alone


def test_a_tflite_file_that_wrongly_says_that_its_axis_is_open_has_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = LiteRtEngine._make_for

    def only_one(engine: LiteRtEngine, interpreter: Interpreter, rows: int) -> None:
        if rows != 1:
            raise RuntimeError("num_input_elements != num_output_elements")
        usual(engine, interpreter, rows)

    monkeypatch.setattr(LiteRtEngine, "_make_for", only_one)
    engine = rows_model(tmp_path, "ai-edge-litert")
    assert isinstance(engine, GraphEngine) and engine.inputs[0].shape == (1, tiny.FEATURES.length)
    np.testing.assert_allclose(engine.run({"tokens": TOKENS})["probabilities"][0], expected(), atol=1e-5)
    with pytest.raises(EngineError, match="must be int32"):
        engine.run({"tokens": np.concatenate([TOKENS, TOKENS])})


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x00\x00\x00\x00TFL3" + b"\xff" * 64])
def test_a_broken_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    if not any(name in available_runtimes() for name in engines.BY_SUFFIX[suffix]):
        pytest.skip("no runtime for this format here")
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"can't open broken"):
        open_engine(path)


def test_what_no_runtime_opens_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"neither \.onnx nor \.tflite"):
        open_engine(tmp_path / "model.pt")
    with pytest.raises(EngineError, match="no model file"):
        open_engine(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(EngineError, match="can't open"):
        open_engine(tmp_path / "model.onnx", runtime="ai-edge-litert")
    monkeypatch.setattr(engines, "available_runtimes", lambda: {})
    with pytest.raises(EngineError, match="extra 'onnx'"):
        open_engine(tmp_path / "model.onnx")


def _install(folder: Path, *packages: str) -> None:
    for package in packages:
        (folder / package).mkdir(parents=True)


def test_the_installed_runtimes_are_those_that_importlib_finds() -> None:
    for name, version in available_runtimes().items():
        assert importlib.metadata.version(name) == version
    for name in {"onnxruntime", "ai-edge-litert"} - available_runtimes().keys():
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(name)


def test_of_two_installed_versions_the_one_that_is_imported_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "first", "onnxruntime-1.30.0.dist-info", "onnxruntime_gpu-9.9.dist-info")
    _install(tmp_path / "second", "onnxruntime-1.20.0.dist-info", "ai_edge_litert-2.0.1.dist-info")
    monkeypatch.setattr(engines.sys, "path", [str(tmp_path / name) for name in ("none", "first", "second")])
    assert available_runtimes.__wrapped__() == {"onnxruntime": "1.30.0", "ai-edge-litert": "2.0.1"}


def test_tflite_runtime_counts_only_where_its_interpreter_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "new", "tflite_runtime-2.14.0.dist-info", "numpy-2.4.6.dist-info")
    _install(tmp_path / "old", "tflite_runtime-2.14.0.dist-info", "numpy-1.26.4-py3.11.egg-info")
    monkeypatch.setattr(engines.sys, "version_info", (3, 11))
    monkeypatch.setattr(engines.sys, "path", [str(tmp_path / "new")])
    assert "tflite-runtime" not in available_runtimes.__wrapped__()
    monkeypatch.setattr(engines.sys, "path", [str(tmp_path / "old")])
    assert available_runtimes.__wrapped__()["tflite-runtime"] == "2.14.0"
    monkeypatch.setattr(engines.sys, "version_info", (3, 12))
    assert "tflite-runtime" not in available_runtimes.__wrapped__()
