"""New files for this user alone: what is written may be private, and folders for downloads are often open to others."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from companion_app.i18n import tr

MAX_SAME = 1000  # files of one name in a folder


class PlaceError(Exception):
    """No new file can be there; the message is one sentence for the person."""


def new_place(path: str, name: str, suffix: str) -> Path:
    """Where a new file goes, never over another one. Raises `PlaceError`.

    path: as a person gave it, of the file itself or of a folder; empty: the folder for downloads, else the home folder.
    name, suffix: what the file is called in a folder, with a number where it is there already.
    """
    given = Path(path.strip()).expanduser() if path.strip() else _downloads()
    try:
        if not given.is_dir():
            if given.exists():
                raise PlaceError(tr("There is a file {file} already; choose another name.", file=given))
            if not given.parent.is_dir():
                raise PlaceError(tr("There is no folder {folder}; choose another one.", folder=given.parent))
            return given
        for number in range(1, MAX_SAME):
            file = given / (f"{name}.{suffix}" if number == 1 else f"{name} {number}.{suffix}")
            if not file.exists():
                return file
    except OSError as error:
        raise PlaceError(cannot(given, error)) from None
    raise PlaceError(tr("There are too many files {file} already; choose another name.", file=given / name))


def write_new(file: Path, content: bytes) -> None:
    """Write a file that isn't there yet, whole and on the disk, or leave none. Raises FileExistsError and other OSErrors."""
    with _new(file) as out:
        out.write(content)


def copy_new(source: Path, file: Path) -> None:
    """Copy a file to where none is yet, as `write_new`."""
    with source.open("rb") as content, _new(file) as out:
        shutil.copyfileobj(content, out)


def cannot(file: Path, error: OSError) -> str:
    """Why a file can't be used, in a sentence."""
    why = (error.strerror or str(error)).lower()
    return tr("{file} can't be used ({why}); choose another place.", file=file, why=why)


@contextlib.contextmanager
def _new(file: Path) -> Iterator[BinaryIO]:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        raise


def _downloads() -> Path:
    folder = Path.home() / "Downloads"
    return folder if folder.is_dir() else Path.home()
