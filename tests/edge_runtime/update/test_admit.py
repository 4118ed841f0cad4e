"""Admission: which runtime may serve, and what happens when one fails."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.bundle import ModelFile, Scored, read_envelope, unpack_bundle
from edge_runtime.engines import available_runtimes
from edge_runtime.errors import AdmissionError, EngineError, UnsupportedRuntime
from edge_runtime.serving.batching import MOST_ROWS
from edge_runtime.tasks import router
from edge_runtime.update.admit import admit, choose_models

from .. import tiny

ALL = ("onnxruntime", "ai-edge-litert", "tflite-runtime")


def scored(*pairs: tuple[str, str], file: str = "m.onnx") -> ModelFile:
    names = tuple(dict.fromkeys(runtime for runtime, _ in pairs))
    return ModelFile(file, "int8", names, scored_in=tuple(Scored(r, v, 0.9) for r, v in pairs))


def test_the_device_s_order_decides_among_what_was_scored() -> None:
    models = (scored(("ai-edge-litert", "2.3.0"), file="m.tflite"), scored(("onnxruntime", "1.32.0")))
    manifest = dataclasses.replace(tiny.manifest(), models=models)
    have = {"onnxruntime": "1.32.0", "ai-edge-litert": "2.3.0"}
    assert [runtime for _, runtime in choose_models(manifest, ALL, have)] == ["onnxruntime", "ai-edge-litert"]
    assert [m.file for m, _ in choose_models(manifest, ALL[1:], have)] == ["m.tflite"]


@pytest.mark.parametrize(
    ("version", "here", "fits"),
    [("1.32.0", "1.32.0", True), ("1.32.0", "1.17.1", True), ("1.32.0", "2.0", True), ("2.3.0", "1.9", False)],
)
def test_an_older_major_version_than_scored_is_not_eligible(
    version: str, here: str, fits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = dataclasses.replace(tiny.manifest(), models=(scored(("onnxruntime", version)),))
    if fits:
        assert len(choose_models(manifest, ALL, {"onnxruntime": here})) == 1
        assert bool(caplog.records) == (version != here)
    else:
        with pytest.raises(UnsupportedRuntime, match=r"was scored in onnxruntime 2\.3\.0.*may use onnxruntime 1\.9"):
            choose_models(manifest, ALL, {"onnxruntime": here})


def test_a_device_without_any_runtime_says_so() -> None:
    with pytest.raises(UnsupportedRuntime, match="may use no runtime"):
        choose_models(tiny.manifest(), ALL, {})


def test_the_next_runtime_serves_where_the_preferred_one_fails(tmp_path: Path) -> None:
    if not {"onnxruntime", "ai-edge-litert"} <= available_runtimes().keys():
        pytest.skip("both runtimes are needed")
    pytest.importorskip("onnx")
    pytest.importorskip("flatbuffers")
    both = dataclasses.replace(tiny.manifest(), models=(*tiny.manifest().models, *tiny.litert_manifest().models))
    tiny.write_tflite(tmp_path / "model.tflite", 0)
    golden = tiny.golden_of(tmp_path / "model.tflite", tiny.litert_manifest())
    (tmp_path / "golden.json").write_bytes(golden)

    def serves() -> str:
        return admit(_with_files(both, tmp_path), "0" * 64, tmp_path, 1, ALL).engine.runtime

    tiny.write_onnx(tmp_path / "model.onnx", 0)
    assert serves() == "onnxruntime"
    tiny.write_onnx(tmp_path / "model.onnx", 1)  # opens, and answers otherwise
    assert serves() == "ai-edge-litert"
    (tmp_path / "model.onnx").write_bytes(b"junk")
    assert serves() == "ai-edge-litert"
    (tmp_path / "model.tflite").write_bytes(b"junk")
    with pytest.raises(EngineError, match=r"onnxruntime .* can't open model\.onnx"):
        serves()


def test_a_busy_machine_hides_no_gain_of_rows_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs take the processor from every run of several rows; a row alone computes for itself as long."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from edge_runtime.engines.onnx import OnnxEngine

    usual = OnnxEngine.run

    def run(engine: OnnxEngine, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        ends = time.thread_time() + 0.002
        if len(inputs["tokens"]) > 1:
            time.sleep(0.02)
        else:
            while time.thread_time() < ends:
                pass
        return usual(engine, inputs)

    monkeypatch.setattr(OnnxEngine, "run", run)
    tiny.make_bundle(tmp_path / "wide.enigma", tiny.manifest(), hidden=64, layers=2)
    with (tmp_path / "wide.enigma").open("rb") as source:
        envelope = read_envelope(source)
    (tmp_path / "files").mkdir()
    manifest = unpack_bundle(tmp_path / "wide.enigma", envelope, tmp_path / "files")
    loaded = admit(manifest, envelope.digest, tmp_path / "files", 1, ["onnxruntime"])
    assert loaded.rows == MOST_ROWS
    loaded.engine.close()


def test_a_task_that_breaks_on_a_bundle_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def broken(*args: object) -> None:
        raise KeyError("surprise")

    tiny.write_onnx(tmp_path / "model.onnx", 0)
    (tmp_path / "golden.json").write_bytes(tiny.golden_of(tmp_path / "model.onnx", tiny.manifest()))
    monkeypatch.setattr(router, "load", broken)
    with pytest.raises(AdmissionError, match=r"'router' fails on this bundle \(KeyError\)"):
        admit(_with_files(tiny.manifest(), tmp_path), "0" * 64, tmp_path, 1, ALL)


def test_int8_rounding_passes_and_nonsense_does_not() -> None:
    base = {"label": "a", "unsure": False, "scores": {"a": 0.8, "b": 0.2}}
    near = {"label": "a", "unsure": False, "scores": {"a": 0.8 + 1 / 128, "b": 0.2 - 1 / 128}}
    assert router.agrees(base, near)
    uniform = np.full(2, 0.5)
    assert not router.agrees(base, base | {"scores": dict(zip("ab", uniform.tolist(), strict=True))})


def _with_files(manifest: tiny.Manifest, folder: Path) -> tiny.Manifest:
    from edge_runtime.bundle import FileEntry

    sizes = {p.name: FileEntry(p.stat().st_size, "0" * 64) for p in folder.iterdir()}
    return dataclasses.replace(manifest, files=sizes)
