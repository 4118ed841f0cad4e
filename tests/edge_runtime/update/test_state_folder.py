"""A device's state folder is its own: what others use is refused, and left as it was."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.errors import StateError
from edge_runtime.update.disk import make_state


def test_a_folder_that_all_may_write_into_is_not_locked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for arguments in (["run"], ["pair"]):
        assert main([*arguments, "--state", str(shared)]) == 1
        said = capsys.readouterr().err
        assert f"Others use {shared} too; give the device a folder of its own, as {shared / 'enigma'}." in said
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777 and not list(shared.iterdir())
    with pytest.raises(StateError, match="Others use / too"):
        make_state(Path("/"))


def test_a_folder_of_its_own_is_its_owner_s_alone(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir(mode=0o755)
    for state in (given, tmp_path / "new" / "state"):
        make_state(state)
        make_state(state)
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
