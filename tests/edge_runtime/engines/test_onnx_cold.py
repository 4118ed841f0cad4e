"""Cold models: weights mapped from a copy that is as the checked file is, and none from where they shouldn't come."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.engines import onnx as onnx_engine
from edge_runtime.engines import open_engine
from edge_runtime.engines.onnx_file import LEAST, lay_out
from edge_runtime.errors import EngineError

from .. import tiny

TOKENS = np.random.default_rng(0).integers(0, 200, (3, tiny.FEATURES.length)).astype(np.int32)


@pytest.fixture(autouse=True)
def small_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_engine, "COLD_FROM", 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    tiny.write_wide_onnx(path, 96)
    return path


def answers(path: Path, cold: Path | None = None) -> np.ndarray:
    engine = open_engine(path, cold=cold)
    made = engine.run({"tokens": TOKENS})["probabilities"]
    engine.close()
    return made


def test_a_cold_model_answers_as_it_does_otherwise(model: Path, tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    np.testing.assert_allclose(answers(model, cold), answers(model), atol=1e-6)
    graph, weights = cold / "model.onnx", cold / "model.weights"
    assert sorted(cold.iterdir()) == [graph, weights]
    assert graph.stat().st_size + weights.stat().st_size < model.stat().st_size + 3 * 4096
    assert graph.stat().st_size < 4000


def test_what_is_laid_out_is_the_same_model_with_each_large_weight_on_a_page_of_its_own(
    model: Path, tmp_path: Path
) -> None:
    graph = lay_out(model, tmp_path / "cold")
    onnx.checker.check_model(str(graph))
    bare = onnx.load(graph, load_external_data=False)
    told = [{e.key: e.value for e in t.external_data} for t in bare.graph.initializer if t.external_data]
    assert len(told) == 3 and all(int(entry["offset"]) % 4096 == 0 for entry in told)
    assert {entry["location"] for entry in told} == {"model.weights"}
    whole, back = onnx.load(model), onnx.load(graph)
    for ours, theirs in itertools.zip_longest(back.graph.initializer, whole.graph.initializer):
        assert ours.name == theirs.name and len(ours.raw_data) == len(theirs.raw_data)
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs))
    del back.graph.initializer[:], whole.graph.initializer[:]
    assert back == whole


@pytest.mark.parametrize("spoilt", ["model.weights", "model.onnx"])
def test_a_copy_that_decayed_or_was_changed_is_made_anew_before_it_is_opened(
    model: Path, tmp_path: Path, spoilt: str
) -> None:
    cold, wanted = tmp_path / "cold", answers(model)
    answers(model, cold)
    for spoil in (
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:9000] + bytes([content[9000] ^ 1]) + content[9001:] if len(content) > 9000 else b"",
        lambda content: b"",
    ):
        sound = (cold / spoilt).read_bytes()
        (cold / spoilt).write_bytes(spoil(sound))
        np.testing.assert_allclose(answers(model, cold), wanted, atol=1e-6)
        assert (cold / spoilt).read_bytes() == sound
    before = {path.name: path.stat().st_ino for path in cold.iterdir()}
    answers(model, cold)
    assert {path.name: path.stat().st_ino for path in cold.iterdir()} == before  # a sound copy stays


def test_a_model_without_large_weights_is_opened_where_it_lies(tmp_path: Path) -> None:
    tiny.write_onnx(tmp_path / "small.onnx", 1)
    assert (tmp_path / "small.onnx").stat().st_size < LEAST
    assert lay_out(tmp_path / "small.onnx", tmp_path / "cold") == tmp_path / "small.onnx"
    assert not (tmp_path / "cold").exists()


def pointing(path: Path, location: str, inside: bool = False) -> None:
    """A model whose weight lies in another file; inside: in a branch of its graph."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        weight.external_data.add(key=key, value=value)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    value = helper.make_tensor_value_info
    outer, first = [weight], [node]
    if inside:
        branch = helper.make_graph([node], "branch", [], [value("y", TensorProto.FLOAT, [2])], [weight])
        truth = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
        outer = []
        first = [truth, helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    graph = helper.make_graph(
        first, "g", [value("x", TensorProto.FLOAT, [2])], [value("y", TensorProto.FLOAT, [2])], outer
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_weights_from_outside_the_bundle_are_refused(tmp_path: Path, cold: bool, inside: bool) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    beside = tmp_path / "cold" if cold else None
    (tmp_path / "secret").write_bytes(np.ones(2, np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    for location in ("../secret", str(tmp_path / "secret"), "link", "nothing", "..", "a\\b", ""):
        pointing(folder / "model.onnx", location, inside)
        with pytest.raises(EngineError, match="isn't a file of its bundle"):
            open_engine(folder / "model.onnx", cold=beside)
    (folder / "weights.bin").write_bytes(np.array([1, 2], np.float32).tobytes())
    pointing(folder / "model.onnx", "weights.bin", inside)
    made = open_engine(folder / "model.onnx", cold=beside).run({"x": np.zeros(2, np.float32)})["y"]
    np.testing.assert_array_equal(made, [1, 2])


def test_cut_files_are_refused_in_a_sentence(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    for length in (0, 1, 20, len(content) // 2, len(content) - 1):
        model.write_bytes(content[:length])
        with pytest.raises(EngineError, match=r"isn't an ONNX file|can't open model"):
            open_engine(model, cold=tmp_path / "cold")
    model.write_bytes(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + b"location" * 9)
    with pytest.raises(EngineError, match="isn't an ONNX file"):
        open_engine(model)
