from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from trainer_host.errors import NameRefused, NotThere, TrainerError
from trainer_host.release.keys import signing_key
from trainer_host.workspace import Workspace, checked_name, default_home, making, storage_errors, write_atomic


@pytest.mark.parametrize("name", ["", "Home", "a b", "../up", "a/b", "-dash", "x" * 65, "ümlaut", ".hidden"])
def test_a_name_that_could_leave_its_folder_or_break_a_bundle_is_refused(name: str) -> None:
    with pytest.raises(NameRefused, match="lower-case"):
        checked_name(name)


def test_the_home_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("ENIGMA_HOME")
    assert default_home().name == "enigma"


def test_a_missing_dataset_is_named_beside_those_that_exist(workspace: Workspace) -> None:
    with pytest.raises(NotThere, match="make one with 'enigma data import'"):
        workspace.dataset("desk")
    (workspace.data / "other").mkdir(parents=True)
    (workspace.data / "other" / "dataset.json").write_text("{}")
    with pytest.raises(NotThere, match="there are other"):
        workspace.dataset("desk")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with making(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), making(target) as folder:
        (folder / "a").write_text("2")
        raise RuntimeError
    assert (target / "a").read_text() == "1"
    with making(target) as folder:
        (folder / "b").write_text("3")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders can't be locked there, so what is left stays")
def test_what_a_killed_process_left_goes_away_and_what_another_one_makes_does_not(tmp_path: Path) -> None:
    target = tmp_path / "a[1]"
    code = "import sys, pathlib, trainer_host.workspace as w\nwith w.making(pathlib.Path(sys.argv[1])):\n print(flush=True)\n input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with making(target) as folder:
            assert len(list(tmp_path.iterdir())) == 2  # both make it
            (folder / "x").write_text("ours")
        other.kill()
        other.wait()
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".a[1].0123abcd.part").write_text("a file, which write_atomic may be at")
    (tmp_path / ".a[1].shards.part").mkdir()  # somebody else's
    with making(target) as folder:
        (folder / "x").write_text("again")
    assert {path.name for path in tmp_path.iterdir()} == {"a[1]", ".a[1].0123abcd.part", ".a[1].shards.part"}
    assert (target / "x").read_text() == "again"


def test_a_file_that_cannot_be_written_is_named_and_not_its_part(tmp_path: Path) -> None:
    target = tmp_path / "no such folder" / "sheet.png"
    with pytest.raises(TrainerError, match=r"sheet\.png can't be written or read") as caught, storage_errors(target):
        write_atomic(target, b"content")
    assert ".part" not in str(caught.value)


def test_an_atomic_write_leaves_no_part_behind(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"one", 0o600)
    write_atomic(tmp_path / "file", b"two", 0o600)
    assert (tmp_path / "file").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 1


def test_the_signing_key_is_made_once_and_readable_by_its_owner_alone(workspace: Workspace) -> None:
    key = signing_key(workspace)
    assert signing_key(workspace) == key
    path = workspace.keys / "signing.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(workspace.keys.stat().st_mode) == 0o700
    assert key.seed.hex() not in repr(key)
    path.chmod(0o644)
    with pytest.raises(TrainerError, match="chmod 600"):
        signing_key(workspace)


def test_a_damaged_signing_key_is_never_replaced_in_silence(workspace: Workspace) -> None:
    signing_key(workspace)
    path = workspace.keys / "signing.key"
    path.write_bytes(b"rubbish\n")
    with pytest.raises(TrainerError, match="restore it"):
        signing_key(workspace)
    assert path.read_bytes() == b"rubbish\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TrainerError, match="can't be used"), storage_errors(tmp_path):
        (tmp_path / "x").write_text("")
