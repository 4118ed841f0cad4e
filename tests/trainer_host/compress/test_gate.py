from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import time
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edge_runtime.engines import Engine, GraphEngine, open_engine
from edge_runtime.serving.batching import joined, same_rows
from edge_runtime.tasks import Specialist
from tests.trainer_host.conftest import Trained, nothing
from trainer_host.compress import files
from trainer_host.compress.files import CARD, ModelFile, export_run, exported
from trainer_host.compress.gate import LANGUAGE_LIMITS, Limits, _score, gate_run, latency, read_report
from trainer_host.compress.inspect import check_int8, weight_bytes
from trainer_host.compress.quantize import quantize_tflite
from trainer_host.errors import ExportError, GateRefused, NotThere
from trainer_host.export.tflite import export_tflite
from trainer_host.students import GraphStudent, student_for


def rewrite(trained: Trained, name: str, change: object) -> None:
    """Change a model file and enter it into export.json, as a broken quantizer would have."""
    path = trained.run.folder / name
    assert callable(change)
    change(path)
    card = json.loads((trained.run.folder / files.CARD).read_bytes())
    for item in card["models"]:
        if item["file"] == name:
            item["sha256"] = files._sha256(path)
    (trained.run.folder / files.CARD).write_text(json.dumps(card))


def break_scales(path: Path) -> None:
    """Scales that are far too small: every weight becomes nearly nothing, and no runtime complains."""
    model = onnx.load(path)
    for tensor in list(model.graph.initializer):
        if tensor.name.endswith("_scale"):
            values = numpy_helper.to_array(tensor)
            broken = np.asarray(values * 1e-4, np.float32)
            model.graph.initializer.remove(tensor)
            model.graph.initializer.append(numpy_helper.from_array(broken, tensor.name))
    onnx.save(model, path)


def test_int8_answers_like_fp32_in_every_runtime(exported_once: Trained) -> None:
    report = gate_run(exported_once.run, exported_once.dataset)
    assert report.passed
    by_runtime = {(score.file, score.runtime): score for score in report.scores}
    assert {runtime for _, runtime in by_runtime} >= {"onnxruntime", "ai-edge-litert"}
    for score in report.scores:
        assert score.accuracy >= 0.9
        assert 0 < score.p50_ms <= score.p99_ms
        assert score.bytes < 4_000_000 or score.precision == "fp32"
    assert read_report(exported_once.run) == report


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_device_runs_texts_together_in_the_files_that_we_export(exported_once: Trained, precision: str) -> None:
    engine = cast(GraphEngine, open_engine(exported_once.run.folder / f"model.{precision}.onnx"))
    student = cast(GraphStudent, student_for(exported_once.run.task))
    rows = list(student.calibration(exported_once.run.folder, exported_once.dataset.folder, 9))
    assert all(tensor.shape[0] is None for tensor in (*engine.inputs, *engine.outputs))
    assert same_rows(engine.run(joined(rows)), [engine.run(row) for row in rows])
    engine.close()


def test_a_broken_quantization_is_refused_with_the_table(exported: Trained) -> None:
    rewrite(exported, "model.int8.onnx", break_scales)
    with pytest.raises(GateRefused) as caught:
        gate_run(exported.run, exported.dataset)
    text = str(caught.value)
    assert "model.int8.onnx is outside its limits" in text
    assert "loses" in text and "ai-edge-litert" in text and "p99" in text
    with pytest.raises(GateRefused, match="no bundle"):
        read_report(exported.run)


@pytest.mark.parametrize(
    ("limits", "message"),
    [(Limits(bytes=100_000), "MB, at most 0.1"), (Limits(p50_ms=0.0001), "median .* ms, at most 0.0001")],
)
def test_a_model_too_large_or_too_slow_is_refused(exported: Trained, limits: Limits, message: str) -> None:
    with pytest.raises(GateRefused, match=message):
        gate_run(exported.run, exported.dataset, limits=limits)


@pytest.mark.parametrize(
    ("rows", "lost", "message"),
    [(50, 1, ""), (50, 2, r"loses 4\.00 points, at most 2"), (1000, 6, r"loses 0\.60 points, at most 0\.5")],
)
def test_of_few_rows_one_may_be_lost_and_no_more(
    exported: Trained, monkeypatch: pytest.MonkeyPatch, rows: int, lost: int, message: str
) -> None:
    accuracies = itertools.chain([1.0], itertools.repeat(1 - lost / rows))  # that of fp32 comes first
    student = type(student_for(exported.run.task))
    monkeypatch.setattr(student, "evaluate", lambda *_: {"accuracy": next(accuracies)})
    dataset = dataclasses.replace(exported.dataset, counts={"train": 1000, "heldout": 1000})
    with pytest.raises(GateRefused, match=message) if message else contextlib.nullcontext():
        gate_run(exported.run, dataset, rows=rows)


@pytest.mark.parametrize(
    ("precision", "lost", "outside"),
    [
        ("int8", 1.0, ()),
        ("int8", 1.1, ("loses 1.10 points, at most 1",)),
        ("q8_0", 1.1, ("loses 1.10 points, at most 1",)),
        ("int4", 3.0, ()),
        ("q4_0", 3.0, ()),
        ("int4", 3.1, ("loses 3.10 points, at most 3",)),
    ],
)
def test_a_language_models_int8_loses_1_point_at_most_and_int4_3(
    precision: str, lost: float, outside: tuple[str, ...]
) -> None:
    item = ModelFile("model", precision, ("onnxruntime",), {}, {}, 1000, "", 0.0, {})
    figures = {"accuracy": 0.9 - lost / 100, "perplexity": 2.1}
    score = _score(item, "onnxruntime", "1", figures, {"accuracy": 0.9, "perplexity": 2.0}, (1.0, 1.0), LANGUAGE_LIMITS)
    assert score.outside == outside


def test_what_neighbours_on_the_machine_take_is_not_the_models_time() -> None:
    class KeptWaiting:
        def run(self, request: dict[str, object]) -> None:
            time.sleep(0.02)

    engine = cast(Engine, object())
    p50, p99 = latency(cast(Specialist, KeptWaiting()), [{}], engine)
    assert p50 < p99 / 2 and p99 >= 20


def test_a_report_of_other_files_does_not_count(exported: Trained) -> None:
    gate_run(exported.run, exported.dataset)
    rewrite(exported, "model.int8.onnx", break_scales)
    with pytest.raises(NotThere, match="exported again after it was gated"):
        read_report(exported.run)


def test_a_model_file_that_was_changed_is_noticed(exported: Trained) -> None:
    break_scales(exported.run.folder / "model.int8.onnx")
    with pytest.raises(ExportError, match="isn't what was exported"):
        gate_run(exported.run, exported.dataset)


def test_a_run_without_model_files_says_which_command_makes_them(exported: Trained) -> None:
    with pytest.raises(NotThere, match="enigma gate easy"):
        read_report(exported.run)
    (exported.run.folder / files.CARD).unlink()
    with pytest.raises(NotThere, match="enigma export easy"):
        gate_run(exported.run, exported.dataset)


def test_a_file_called_int8_is_int8(exported_once: Trained) -> None:
    folder = exported_once.run.folder
    for kind in ("onnx", "tflite"):
        weights = weight_bytes(folder / f"model.int8.{kind}")
        assert weights["int8"] > 0.98 * sum(weights.values())
        assert set(weight_bytes(folder / f"model.fp32.{kind}")) >= {"float32"}
        with pytest.raises(ExportError, match="called int8, but only 0%"):
            check_int8(folder / f"model.fp32.{kind}", folder / f"model.fp32.{kind}")


def test_exported_graphs_compute_what_the_module_computes(exported_once: Trained) -> None:
    errors = {item.file: item.error for item in exported(exported_once.run)}
    assert errors["model.fp32.onnx"] < 1e-5
    assert errors["model.fp32.tflite"] < 1e-5
    assert errors["model.int8.onnx"] < 0.1
    assert errors["model.int8.tflite"] < 0.1


def test_exporting_twice_gives_the_same_bytes_without_paths_of_this_machine(exported: Trained) -> None:
    before = {item.file: item.sha256 for item in exported_files(exported)}
    card = (exported.run.folder / CARD).read_bytes()
    for path in (*exported.run.folder.glob("model.*"), exported.run.folder / CARD):
        path.unlink()
    again = {item.file: item.sha256 for item in export_run(exported.run, exported.dataset, nothing)}
    assert (before, card) == (again, (exported.run.folder / CARD).read_bytes())
    for name in before:
        content = (exported.run.folder / name).read_bytes()
        assert b"site-packages" not in content and b".py" not in content, name


def exported_files(trained: Trained) -> list[ModelFile]:
    return exported(trained.run)


def test_equalised_tables_compute_the_same() -> None:
    import torch

    from trainer_host.compress.equalise import equalise_embeddings

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Embedding(50, 8, padding_idx=0), torch.nn.Linear(8, 3))
    with torch.no_grad():
        net[0].weight.mul_(torch.logspace(-3, 3, 8))  # type: ignore[operator]
    rows = torch.arange(50).reshape(5, 10)
    with torch.no_grad():
        wanted = net(rows)
        made = equalise_embeddings(net)
        assert torch.allclose(made(rows), wanted, rtol=1e-5, atol=1e-5)
        table = made[0].table.weight  # type: ignore[index]
    assert torch.allclose(table.abs().amax(dim=0), torch.ones(8))


def test_a_python_that_lacks_the_other_runtime_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from edge_runtime.engines import TFLITE, available_runtimes
    from edge_runtime.errors import EngineError
    from trainer_host.compress.other_python import VARIABLE, other_runtimes

    if TFLITE in available_runtimes():
        pytest.skip("tflite-runtime runs in this very Python")
    monkeypatch.delenv(VARIABLE, raising=False)
    assert other_runtimes() == {}
    monkeypatch.setenv(VARIABLE, sys.executable)
    with pytest.raises(EngineError, match="numpy below 2"):
        other_runtimes()
    monkeypatch.setenv(VARIABLE, "/no/such/python")
    with pytest.raises(EngineError, match="can't be used"):
        other_runtimes()


def test_a_piped_engine_answers_as_the_engine_behind_it(
    exported_once: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this Python's LiteRT at the other end: the pipe is what is tested, the runtime is where it is."""
    import sys

    from edge_runtime.engines import LITERT, open_engine
    from edge_runtime.tasks.pieces import FILE, read_pieces
    from edge_runtime.tasks.text import Features
    from trainer_host.compress import other_python
    from trainer_host.students.text_heads import encoded

    item = next(i for i in exported(exported_once.run) if i.file == "model.int8.tflite")
    path, pieces = exported_once.run.folder / item.file, read_pieces(exported_once.run.folder / FILE)
    code = "import sys; from trainer_host.compress import other_python as o; o.TFLITE = 'ai-edge-litert'; "
    code += "from pathlib import Path; o.serve(Path(sys.argv[1]), sys.argv[2])"
    real = other_python.subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", code, *command[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setenv(other_python.VARIABLE, sys.executable)
    monkeypatch.setattr(other_python.subprocess, "Popen", start)
    piped = other_python.PipedEngine(path, "1", item.inputs, item.outputs)
    direct = open_engine(path, 1, LITERT, item.inputs, item.outputs)
    try:
        for text in ("rain and snow", "a song", ""):
            given = {"tokens": encoded([text], Features(), pieces).numpy()}
            assert np.array_equal(piped.run(given)["probabilities"], direct.run(given)["probabilities"])
        assert piped.overhead > 0
    finally:
        piped.close()
        direct.close()


def test_what_a_single_row_reaches_is_not_cut_off_where_full_ranges_are_asked_for(tmp_path: Path) -> None:
    layer = torch.nn.Linear(4, 4, bias=False).eval()
    torch.nn.init.eye_(layer.weight)
    source = tmp_path / "fp32.tflite"
    export_tflite(layer, (torch.zeros(1, 4),), source)
    rare, usual = (np.full((1, 4), value, np.float32) for value in (10, 1))
    found = []
    for full in (False, True):
        quantize_tflite(
            source, tmp_path / "int8.tflite", [{"args_0": one} for one in (rare, *[usual] * 60)], full_ranges=full
        )
        engine = open_engine(tmp_path / "int8.tflite")
        found.append(float(engine.run({"args_0": rare})["output_0"].max()))
        engine.close()
    assert found[0] < 5 < found[1] == pytest.approx(10, abs=0.2)
