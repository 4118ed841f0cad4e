"""A language run's GGUF and TFLite files go the way of its ONNX files: into the gate, a bundle, and a device."""

from __future__ import annotations

import json
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest

from edge_runtime.bundle import read_envelope, unpack_bundle
from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.engines.language_litert import LiteRtLanguageEngine
from edge_runtime.errors import UnsupportedRuntime
from edge_runtime.update.admit import admit, choose_models
from tests.trainer_host.learnt import learnt
from tests.trainer_host.talker import ASKED, said, talker
from trainer_host.cli import main
from trainer_host.commands.stages import RUNTIMES
from trainer_host.compress import gate
from trainer_host.compress.files import exported
from trainer_host.compress.gate import gate_run
from trainer_host.compress.gate import loaded as loaded_file
from trainer_host.compress.language_files import add_gguf, add_tflite
from trainer_host.errors import ExportError, GateRefused
from trainer_host.release.bundle import build_bundle
from trainer_host.release.keys import signing_key
from trainer_host.students import student_for
from trainer_host.workspace import Workspace

needs_xllamacpp = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("gguf")), reason="a device runs .gguf files on xllamacpp"
)
needs_litert = pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="a device runs .tflite files on it")


def nothing(share: float, what: str) -> None: ...


@needs_xllamacpp
def test_the_gate_scores_them_beside_onnx_and_a_device_answers_with_what_passed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "LATENCY_SECONDS", 0.05)
    run, dataset = talker(workspace)
    add_gguf(run, lambda: dataset, nothing, ("f16", "q8_0"))  # which exports the float reference first
    by_file = {item.file: item for item in exported(run)}
    assert by_file["model.q8_0.gguf"].weights.keys() == {"f32", "q8_0"}
    assert by_file["model.f16.gguf"].error < by_file["model.q8_0.gguf"].error < 1

    report = gate_run(run, dataset)
    perplexity = {score.file: score.figures["perplexity"] for score in report.scores}
    assert {score.file for score in report.scores if score.runtime == "xllamacpp"} == {
        "model.f16.gguf",
        "model.q8_0.gguf",
    }
    for name, most in (("model.f16.gguf", 0.01), ("model.q8_0.gguf", 0.05)):  # of answers that it never saw
        assert abs(perplexity[name] / perplexity[gate.REFERENCE] - 1) < most

    kept = report.only(*RUNTIMES["gguf"])
    made = build_bundle(workspace, run, dataset, kept, signing_key(workspace), licence="MIT")
    folder = tmp_path / "slot"
    folder.mkdir()
    with made.path.open("rb") as source:
        envelope = read_envelope(source)
    manifest = unpack_bundle(made.path, envelope, folder)
    assert [model.file for model in manifest.models] == ["model.q8_0.gguf"]
    loaded = admit(manifest, envelope.digest, folder, 1, ["onnxruntime", "xllamacpp"])
    asked = {"messages": [{"role": "user", "content": ASKED[0]}], "max_tokens": 8}
    assert loaded.specialist.run(asked)["reply"] == said(folder / "model.q8_0.gguf", ASKED[0], 8).strip()
    loaded.engine.close()
    with pytest.raises(UnsupportedRuntime, match=r"scored in xllamacpp .* this device may use onnxruntime 1"):
        choose_models(manifest, ["onnxruntime", "xllamacpp"], {"onnxruntime": "1.32.0"})

    arguments = ["--home", str(workspace.home), "bundle", "cat", "--licence", "MIT"]
    assert main([*arguments, "--runtime", "tflite"]) == 2
    assert "No tflite file of 'cat' passed the gate" in capsys.readouterr().err
    assert main([*arguments, "--context", "64"]) == 2
    assert "--context is for a .gguf file" in capsys.readouterr().err
    assert main([*arguments, "--runtime", "gguf"]) == 0
    assert "The same bundle was there already" in capsys.readouterr().out


@needs_xllamacpp
def test_a_second_export_replaces_a_file_of_its_name_alone(workspace: Workspace) -> None:
    run, dataset = talker(workspace)
    add_gguf(run, lambda: dataset, nothing, ("q8_0",))
    before = (run.folder / "export.json").read_bytes()
    names = [item.file for item in exported(run)]
    assert names[-1] == "model.q8_0.gguf" and names[0] == gate.REFERENCE
    add_gguf(run, lambda: dataset, nothing, ("q8_0",))
    assert (run.folder / "export.json").read_bytes() == before
    assert json.loads(before)["weights"] == run.weights


@needs_litert
def test_a_device_with_litert_alone_answers_with_the_tflite_file_that_passed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "LATENCY_SECONDS", 0.05)
    run, dataset = talker(workspace)
    arguments = ["--home", str(workspace.home)]
    assert main([*arguments, "export", "cat", "--format", "tflite"]) == 0  # which exports the float reference first
    by_file = {item.file: item for item in exported(run)}
    assert by_file["model.fp32.tflite"].error < 1e-3 and by_file["model.int8.tflite"].error < 1
    assert by_file["model.int8.tflite"].runtimes == ("ai-edge-litert",)
    add_tflite(run, lambda: dataset, nothing)
    assert [by_file[item.file].sha256 for item in exported(run)] == [item.sha256 for item in by_file.values()]

    report = gate_run(run, dataset)
    scores = {score.file: score for score in report.scores}
    assert "model.fp32.tflite" not in scores and scores["model.int8.tflite"].runtime == "ai-edge-litert"
    ratio = scores["model.int8.tflite"].figures["perplexity"] / scores[gate.REFERENCE].figures["perplexity"]
    assert abs(ratio - 1) < 0.05  # of answers that it never saw

    capsys.readouterr()
    assert main([*arguments, "bundle", "cat", "--runtime", "tflite"]) == 0
    made = next(workspace.bundles.glob("cat-*.enigma"))
    folder = tmp_path / "slot"
    folder.mkdir()
    with made.open("rb") as source:
        envelope = read_envelope(source)
    manifest = unpack_bundle(made, envelope, folder)
    assert [model.file for model in manifest.models] == ["model.int8.tflite"]
    loaded = admit(manifest, envelope.digest, folder, 1, ["onnxruntime", "ai-edge-litert"])
    assert loaded.engine.runtime == "ai-edge-litert"
    assert loaded.memory >= loaded.bytes + cast(LiteRtLanguageEngine, loaded.engine).unfilled > loaded.bytes
    asked = {"messages": [{"role": "user", "content": ASKED[0]}], "max_tokens": 8}
    with loaded_file(run, student_for("chat"), by_file[gate.REFERENCE], "onnxruntime") as reference:
        assert loaded.specialist.run(asked)["reply"] == reference.run(asked)["reply"]
    loaded.engine.close()
    with pytest.raises(UnsupportedRuntime, match=r"scored in ai-edge-litert .* this device may use onnxruntime 1"):
        choose_models(manifest, ["onnxruntime", "ai-edge-litert"], {"onnxruntime": "1.32.0"})


@needs_litert
@needs_xllamacpp
def test_a_cache_of_int8_is_held_against_one_of_float_in_each_runtime_and_told_to_the_device(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LATENCY_SECONDS", 0.05)
    # It knows one text by heart and guesses at these rows, where many tokens are as likely as the first: test_language_cache
    # holds each engine to the gate's own bound on the text that it knows.
    monkeypatch.setattr(gate, "LEAST_AGREEMENT", 0.8)
    run, dataset = talker(workspace, learnt(head=32))
    export = ["--home", str(workspace.home), "export", "cat", "--cache", "int8"]
    for more in ([], ["--format", "tflite"], ["--format", "gguf", "--precision", "q8_0"]):
        assert main([*export, *more]) == 0
    card, whole = run.folder / "export.json", (run.folder / "export.json").read_text()
    old = json.loads(whole)
    del old["models"][1]["cache"]  # as before files said it
    card.write_text(json.dumps(old))
    with pytest.raises(ExportError, match="damaged; run 'enigma export cat' again"):
        exported(run)
    card.write_text(whole)
    report = gate_run(run, dataset)
    agreed = {score.file: score.figures["cache_agreement"] for score in report.scores if score.file != gate.REFERENCE}
    assert set(agreed) == {"model.int8.onnx", "model.int4.onnx", "model.int8.tflite", "model.q8_0.gguf"}
    # Ten tokens of answers that it never learnt: in 4 bits two are nearly as likely, and one may change.
    assert agreed.pop("model.int4.onnx") >= 0.9
    assert min(agreed.values()) >= gate.LEAST_AGREEMENT, agreed
    monkeypatch.setattr(gate, "LEAST_AGREEMENT", 1.01)
    with pytest.raises(GateRefused, match=r"int8 cache: same token in .*at least 101%"):
        gate_run(run, dataset, rows=1)
    monkeypatch.undo()

    made = build_bundle(workspace, run, dataset, report, signing_key(workspace), licence="MIT")
    folder = tmp_path / "slot"
    folder.mkdir()
    with made.path.open("rb") as source:
        envelope = read_envelope(source)
    manifest = unpack_bundle(made.path, envelope, folder)
    assert manifest.options["cache"] == {model.file: "int8" for model in manifest.models}
    loaded = admit(manifest, envelope.digest, folder, 1, ["xllamacpp"])
    with closing(GgufLanguageEngine(folder / "model.q8_0.gguf")) as plain:
        assert cast(GgufLanguageEngine, loaded.engine).cache_bytes < 0.6 * plain.cache_bytes
    loaded.engine.close()


@needs_xllamacpp
def test_a_cache_that_nobody_can_keep_is_refused_at_the_export(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    talker(workspace)
    export = ["--home", str(workspace.home), "export", "cat", "--cache", "int8"]
    assert main([*export, "--format", "gguf"]) != 0
    assert "by 32 numbers, and this model's heads have 16; leave --cache out" in capsys.readouterr().err
    for more in (["--format", "hf"], ["--format", "gguf", "--to", "a.gguf"]):
        assert main([*export, *more]) != 0
        assert "other programs are told so themselves" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--to", "a.tflite"], "leave --to, --licence and --task out"),
        (["--adapters"], "of the ONNX files"),
        (["--precision", "q8_0"], "no precision 'q8_0' in TFLite; there are fp32, int8"),
    ],
)
def test_options_that_a_tflite_file_does_not_have_are_refused(
    more: list[str], said: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    talker(workspace)
    assert main(["--home", str(workspace.home), "export", "cat", "--format", "tflite", *more]) != 0
    assert said in capsys.readouterr().err
