from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_runtime.bundle import unpack_bundle, verify_bundle
from edge_runtime.update.admit import admit
from tests.trainer_host.conftest import Trained
from trainer_host.compress.gate import gate_run
from trainer_host.errors import NotThere, TrainerError
from trainer_host.release.bundle import Built, build_bundle, find_bundle
from trainer_host.release.keys import SigningKey, signing_key
from trainer_host.students.word_vectors import SOURCE
from trainer_host.training.run import REPORT


def key_of(seed: int) -> SigningKey:
    from edge_runtime.bundle import public_key_of

    raw = bytes([seed]) * 32
    return SigningKey(raw, public_key_of(raw))


def build(trained: Trained, **options: str) -> Built:
    report = gate_run(trained.run, trained.dataset)
    return build_bundle(trained.workspace, trained.run, trained.dataset, report, key_of(7), **options)  # type: ignore[arg-type]


def test_a_device_admits_what_was_built(exported: Trained, tmp_path: Path) -> None:
    made = build(exported)
    envelope = verify_bundle(made.path, [key_of(7).public])
    assert envelope.address == made.address
    folder = tmp_path / "slot"
    folder.mkdir()
    manifest = unpack_bundle(made.path, envelope, folder)
    assert manifest.golden.count == 32
    assert manifest.labels == ("music", "travel", "weather")
    assert manifest.lineage["dataset"] == exported.dataset.content
    assert manifest.lineage["run"] == exported.run.address
    assert manifest.tokenizer is not None and manifest.tokenizer.file in manifest.files
    assert manifest.options["vectors"] == SOURCE and SOURCE["licence"] == "MIT"
    for runtime in ("onnxruntime", "ai-edge-litert"):
        admitted = admit(manifest, envelope.digest, folder, 1, [runtime])
        assert admitted.specialist.run({"text": "rain and snow today please"})["label"] == "weather"
        admitted.engine.close()


def test_two_runs_with_the_same_weights_give_the_same_bundle(exported: Trained) -> None:
    # That one seed gives the same weights, students/test_router.py shows; that they give the same files, compress/test_gate.py.
    content, run = build(exported).path.read_bytes(), exported.run
    shutil.rmtree(exported.workspace.bundles)
    (run.folder / REPORT).write_text('{"seconds": 12345.6}')  # on another machine it took longer
    assert build(exported).path.read_bytes() == content


def test_the_same_content_keeps_its_version_and_new_content_gets_the_next(exported: Trained) -> None:
    first = build(exported)
    assert (first.version, first.fresh) == ("1.0.0", True)
    again = build(exported)
    assert (again.version, again.fresh, again.address) == ("1.0.0", False, first.address)
    other = build(exported, licence="MIT")
    assert other.version == "1.1.0"
    assert find_bundle(exported.workspace, "easy") == other.path
    with pytest.raises(TrainerError, match=r"another bundle easy-1\.0\.0"):
        build(exported, licence="MIT", version="1.0.0")


def test_a_bundle_that_is_not_there_is_named(exported: Trained) -> None:
    with pytest.raises(NotThere, match="enigma bundle"):
        find_bundle(exported.workspace, "easy")
    with pytest.raises(NotThere, match="no bundle"):
        find_bundle(exported.workspace, "some/where.enigma")


def test_a_version_that_is_none_is_one_sentence(exported: Trained) -> None:
    with pytest.raises(TrainerError, match="three numbers"):
        build(exported, version="first")


def test_a_private_key_makes_its_own_signature(exported: Trained) -> None:
    report = gate_run(exported.run, exported.dataset)
    key = signing_key(exported.workspace)
    made = build_bundle(exported.workspace, exported.run, exported.dataset, report, key)
    assert verify_bundle(made.path, [key.public]).signer == key.public


def test_makers_of_the_data_are_named_under_the_signature_and_their_licence_is_kept(
    exported: Trained, tmp_path: Path
) -> None:
    from dataclasses import asdict

    from trainer_host.data.dataset import seal
    from trainer_host.data.packs.card import Parent
    from trainer_host.errors import DataError

    parent = Parent(f"sha256:{'a' * 64}", "easy", "1.0.0", "CC-BY-SA-4.0", ("Ada",))
    data = exported.dataset
    params = {**data.params, "parents": [asdict(parent)]}
    forked = seal(data.folder, name=data.name, task=data.task, teacher=data.teacher, seed=data.seed, params=params, figures=data.figures)  # fmt: skip
    trained = Trained(exported.workspace, forked, exported.run)
    with pytest.raises(DataError, match=r"--licence CC-BY-SA-4\.0"):
        build(trained)
    made = build(trained, licence="CC-BY-SA-4.0")
    envelope = verify_bundle(made.path, [key_of(7).public])
    (tmp_path / "slot").mkdir()
    manifest = unpack_bundle(made.path, envelope, tmp_path / "slot")
    assert manifest.lineage["parents"] == [{**asdict(parent), "authors": ["Ada"]}]
