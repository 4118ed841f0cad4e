from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of, verify_bundle
from edge_runtime.config import Config
from edge_runtime.update.compatibility import misfits, this_device
from edge_runtime.update.delta import apply
from edge_runtime.update.probation import rules_of
from edge_runtime.update.slots import Slots
from tests.edge_runtime import tiny
from tests.trainer_host.release.updates import Clock, made
from trainer_host.compress.files import ModelFile
from trainer_host.compress.gate import GateReport, Limits, Score
from trainer_host.errors import TrainerError
from trainer_host.release.publish import CHUNK, chunks_of, publish_bundles, release_of
from trainer_host.release.repository import Repository
from trainer_host.training.run import Run, write_json
from trainer_host.workspace import Workspace

pytestmark = pytest.mark.skipif(tiny.RUNTIME != "onnxruntime", reason="the tiny model is ONNX's")
TRUSTED = public_key_of(tiny.KEY)
TARGET = "models/router/tiny-{}.0.0.enigma"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return made(tmp_path / "home", Clock())


def bundle(folder: Path, version: int) -> Path:
    path = folder / f"tiny-{version}.0.0.enigma"
    tiny.make_bundle(path, tiny.usable_manifest(f"{version}.0.0"), seed=version)
    return path


def test_a_device_finds_in_the_target_whether_it_fits_and_what_it_may_cost(
    workspace: Workspace, tmp_path: Path
) -> None:
    release = release_of(workspace, bundle(tmp_path, 1), TRUSTED)
    assert misfits(release.custom, this_device(Config())) == []
    requires = release.custom["requires"]
    assert isinstance(requires, dict) and requires["opset"] == 17 and list(requires["runtimes"]) == ["onnxruntime"]
    assert rules_of(release.custom, 1, 1.0, 1).p95_ms is None  # nobody gated it here
    stricter = release_of(workspace, release.path, TRUSTED, p95_ms=5, memory_mb=100)
    assert stricter.custom["budgets"] == {"p95_ms": 5, "memory_mb": 100}
    assert {**stricter.custom, "budgets": release.custom["budgets"]} == release.custom


def test_the_time_that_a_model_may_take_comes_from_the_gate_that_let_it_pass(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = workspace.runs / "easy"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    sha256 = hashlib.sha256(b"model").hexdigest()
    run = Run(folder, "easy", "router", "easy", "sha256:0", "teacher", 1, None, "sha256:1")
    write_json(folder / "run.json", run._card())
    item = ModelFile("model.onnx", "int8", ("onnxruntime",), {}, {}, 5, sha256, 0.0, {})
    write_json(folder / "export.json", {"weights": run.weights, "models": [dataclasses.asdict(item)]})
    score = Score("model.onnx", sha256, "int8", "onnxruntime", "1.32.0", 0.9, 0.0, 5, 3.1, 7.21)
    report = GateReport(run.weights, Limits(), (score,), ())
    write_json(folder / "gate.json", dataclasses.asdict(report))
    path = tmp_path / "tiny.enigma"
    described = tiny.usable_manifest()
    tiny.make_bundle(path, dataclasses.replace(described, lineage={"run": run.address, "dataset": "sha256:0"}))
    release = release_of(workspace, path, TRUSTED)
    assert rules_of(release.custom, 1, 1.0, 1).p95_ms == 73  # a device may take ten times as long
    assert release.custom["data"] == "sha256:0"
    write_json(folder / "gate.json", {**dataclasses.asdict(report), "weights": "sha256:2"})  # of another training
    assert rules_of(release_of(workspace, path, TRUSTED).custom, 1, 1.0, 1).p95_ms is None


def test_a_bundle_travels_with_chunks_and_with_deltas_that_make_the_same_file(
    workspace: Workspace, repository: Repository, tmp_path: Path
) -> None:
    first, second = bundle(tmp_path, 1), bundle(tmp_path, 2)
    for path in (first, second):
        assert publish_bundles(workspace, repository, [path], TRUSTED)[0].changed
    targets = repository.targets()
    found, content = targets[TARGET.format(2)], second.read_bytes()
    assert repository.files.file(found).read_bytes() == content
    assert found.custom["chunks"] == [hashlib.sha256(content).hexdigest()]
    slots = Slots(tmp_path / "device")
    base = verify_bundle(first, [TRUSTED])
    staged, _ = slots.unpack(first, base)
    sources = found.custom["sources"]
    assert isinstance(sources, list) and {source["base"] for source in sources} >= {base.digest}
    for number, source in enumerate(sources):
        target = targets[source["target"]]
        assert (target.custom["kind"], target.custom["of"], target.length) == ("delta", found.name, source["bytes"])
        out = tmp_path / f"made-{number}"
        apply(repository.files.file(target), slots.files_in(staged) if source["base"] else None, out, 2 * len(content))
        assert out.read_bytes() == content


def test_each_mib_of_a_file_has_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2 * CHUNK) + b"end")
    full, rest = hashlib.sha256(bytes(CHUNK)).hexdigest(), hashlib.sha256(b"end").hexdigest()
    assert chunks_of(path) == [full, full, rest]


def test_publishing_again_measures_nothing_and_changes_nothing(
    workspace: Workspace, repository: Repository, tmp_path: Path
) -> None:
    paths = [bundle(tmp_path, 1), bundle(tmp_path, 2)]
    publish_bundles(workspace, repository, paths, TRUSTED)
    before = repository.state()
    done, releases = publish_bundles(workspace, repository, paths, TRUSTED)
    assert not done.changed and len(releases) == 2 and repository.state() == before


@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "foreign"])
def test_what_devices_would_refuse_is_not_published(
    workspace: Workspace, repository: Repository, tmp_path: Path, how: str
) -> None:
    path = bundle(tmp_path, 1)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"empty": b"", "cut": content[:-1], "flipped": flipped, "foreign": content}[how])
    trusted = public_key_of(tiny.OTHER_KEY) if how == "foreign" else TRUSTED
    why = "another host made and signed it.*'enigma bundle'" if how == "foreign" else ".*"
    with pytest.raises(TrainerError, match=rf"can't be published: {why}\.$"):
        publish_bundles(workspace, repository, [path], trusted)
    assert repository.targets() == {}
