"""A .gguf file that a person brings becomes a bundle, and answers on a device as llama.cpp answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.bundle import read_envelope, unpack_bundle
from edge_runtime.errors import BundleError
from edge_runtime.language.template import CHATML
from edge_runtime.update.admit import Loaded, admit
from tests.trainer_host.learnt import learnt
from tests.trainer_host.talker import ASKED, said, talker
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError, GateRefused
from trainer_host.release.keys import signing_key
from trainer_host.workspace import Workspace

pytest.importorskip("xllamacpp", reason="the files run on it")
pytest.importorskip("gguf", reason="the tests' files are written with it")


def written(path: Path, head: int | None = 32, **options: str | None) -> Path:
    """A file with ChatML's template. head: numbers of a head, see `learnt`."""
    from trainer_host.export.gguf import export_gguf
    from trainer_host.students.language.chat_jinja import jinja_of

    made = learnt(head=head)
    given = {"chat_template": jinja_of(CHATML), "end": CHATML.end, "licence": "mit", "name": "Cat", **options}
    export_gguf(made.state, made.config, made.tokenizer, path, "q8_0", **given)  # type: ignore[arg-type]
    return path


def admitted(path: Path, folder: Path, *, small_cache: bool = False) -> Loaded:
    folder.mkdir()
    with path.open("rb") as source:
        envelope = read_envelope(source)
    manifest = unpack_bundle(path, envelope, folder)
    return admit(manifest, envelope.digest, folder, 1, ["xllamacpp"], small_cache=small_cache)


def test_it_answers_out_of_its_bundle_and_the_manifest_says_what_was_not_examined(
    workspace: Workspace, tmp_path: Path
) -> None:
    from trainer_host.release.own_gguf import GATE, bundle_own

    path = written(tmp_path / "Cat 1.gguf")
    made = bundle_own(workspace, path, signing_key(workspace), name="cat", context=128)
    loaded = admitted(made.path, tmp_path / "slot")
    manifest = loaded.manifest
    assert (manifest.licence, manifest.metrics["gate"]) == ("MIT", GATE)
    assert manifest.models[0].scored_in[0].accuracy is None
    assert manifest.models[0].precision == "q8_0"
    assert loaded.engine.context == 128  # type: ignore[attr-defined]
    asked = {"messages": [{"role": "user", "content": ASKED[0]}], "max_tokens": 8}
    assert loaded.specialist.run(asked)["reply"] == said(path, ASKED[0], 8).strip()
    loaded.engine.close()
    assert (tmp_path / "slot" / "model.gguf").read_bytes() == path.read_bytes()
    again = bundle_own(workspace, path, signing_key(workspace), name="cat", context=128)
    assert (again.fresh, again.address) == (False, made.address)


def test_on_a_dataset_it_is_examined(workspace: Workspace, tmp_path: Path) -> None:
    from trainer_host.release.own_gguf import bundle_own

    talker(workspace)
    made = bundle_own(
        workspace,
        written(tmp_path / "cat.gguf"),
        signing_key(workspace),
        name="cat",
        dataset=open_dataset(workspace.dataset("talk")),
    )
    loaded = admitted(made.path, tmp_path / "slot")
    loaded.engine.close()
    metrics = loaded.manifest.metrics
    assert metrics["rows"] == 2
    assert loaded.manifest.models[0].scored_in[0].accuracy == metrics["accuracy"]
    assert float(str(metrics["perplexity"])) > 1


def test_with_a_cache_of_int8_it_must_find_the_same_tokens(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer_host.release import own_gguf

    path, options = written(tmp_path / "cat.gguf"), {"name": "cat", "context": 128, "cache": "int8"}
    made = own_gguf.bundle_own(workspace, path, signing_key(workspace), **options)  # type: ignore[arg-type]
    loaded = admitted(made.path, tmp_path / "slot")
    loaded.engine.close()
    assert loaded.manifest.options["cache"] == {"model.gguf": "int8"}
    assert own_gguf.LEAST_AGREEMENT <= float(str(loaded.manifest.metrics["cache_agreement"])) <= 1
    talker(workspace)
    options["dataset"] = open_dataset(workspace.dataset("talk"))
    monkeypatch.setattr(own_gguf, "LEAST_AGREEMENT", 1.01)
    with pytest.raises(GateRefused, match=r"the same next token in .*should in 101%; leave --cache out"):
        own_gguf.bundle_own(workspace, path, signing_key(workspace), **options)  # type: ignore[arg-type]


def test_a_device_may_keep_a_smaller_cache_than_the_bundle_says_where_the_answers_stay(
    workspace: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from trainer_host.release.own_gguf import bundle_own

    for head, cache in ((32, "int8"), (None, "float")):
        path = written(tmp_path / f"{cache}.gguf", head)
        made = bundle_own(workspace, path, signing_key(workspace), name=cache, context=128)
        loaded = admitted(made.path, tmp_path / cache, small_cache=True)
        assert loaded.cache == cache
        loaded.engine.close()
    assert [record.getMessage()[:52] for record in caplog.records] == [
        "float 1.0.0 in xllamacpp with a cache of int8: llama"
    ]


def test_what_a_device_could_not_use_is_refused_in_a_sentence(workspace: Workspace, tmp_path: Path) -> None:
    from trainer_host.release.own_gguf import bundle_own

    good = written(tmp_path / "good.gguf")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(good.read_bytes()[:5000])
    for path, options, words in (
        (written(tmp_path / "free.gguf", licence=""), {}, "doesn't say its licence"),
        (good, {"licence": "Apache-2.0"}, "says that its licence is MIT"),
        (good, {"context": 257}, "up to 256 tokens"),
        (good, {"task": "vision"}, "isn't one of texts"),
        (good, {"task": "code"}, "say --data NAME"),
        (cut, {}, "isn't a whole GGUF file"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            bundle_own(workspace, path, signing_key(workspace), name="cat", **options)
        assert "\n" not in str(caught.value)
    assert not list(workspace.home.glob("bundles/*"))


def test_the_command_names_it_after_the_file(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "My Cat_2.Q8_0.gguf")
    home = ["--home", str(workspace.home)]
    assert main([*home, "bundle", str(path)]) == 0
    said_ = capsys.readouterr().out
    assert "my-cat-2-q8-0-1.0.0.enigma" in said_ and "no float model to compare it with" in said_
    for options, words in (
        (["--runtime", "onnx"], "llama.cpp alone"),
        (["--rows", "0"], "--rows must be"),
    ):
        assert main([*home, "bundle", str(path), *options]) == 2
        assert words in capsys.readouterr().err
    assert main([*home, "bundle", str(tmp_path / "none.gguf")]) == 2
    assert "There is no file" in capsys.readouterr().err


def test_what_a_device_could_not_ask_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    from trainer_host.release.own_gguf import bundle_own

    for template, words in (
        ("{% if %}", "can't be used: Expected an expression"),
        ("{{ raise_exception('never') }}", r"can't write one message \(never\)"),
        ("{{ bos_token }}", "leaves the message out"),
    ):
        path = written(tmp_path / "odd.gguf", chat_template=template)
        with pytest.raises(BundleError, match=words):
            bundle_own(workspace, path, signing_key(workspace), name="cat")
    part = tmp_path / "part.gguf"
    part.write_bytes(written(tmp_path / "c.gguf").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer_host.release.own_gguf.read_values", split_in_three)
        with pytest.raises(DataError, match="one of 3 files; join them first"):
            bundle_own(workspace, part, signing_key(workspace), name="cat")


def split_in_three(path: Path) -> object:
    from trainer_host.students.language.gguf_values import read_values

    values, tensors = read_values(path)
    return values | {"split.count": 3}, tensors


def test_a_file_without_a_template_is_asked_as_llama_cpp_asks_it(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "bare.gguf", chat_template=None)
    assert main(["--home", str(workspace.home), "bundle", str(path)]) == 0
    assert "has no chat template" in capsys.readouterr().out
    loaded = admitted(workspace.home / "bundles" / "bare-1.0.0.enigma", tmp_path / "slot")
    asked = {"messages": [{"role": "user", "content": ASKED[0]}], "max_tokens": 8}
    assert loaded.specialist.run(asked)["reply"] == said(path, ASKED[0], 8).strip()
    loaded.engine.close()
