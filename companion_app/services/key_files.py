"""Files of keys on this machine: age-encrypted, written for their owner alone, never over another file."""

from __future__ import annotations

import base64
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.private_files import write_new

NAME = "enigma-keys.age"  # where a person gives a folder
MAX_BYTES = 6 * 1024 * 1024  # base64 of it fits what a host takes
# How an age file begins, bare and as text (age-encryption.org/v1); nothing else leaves this machine.
_BARE, _ARMOUR = b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"


class KeyFileError(Exception):
    """The file cannot be used; the message is one sentence for the person."""


def new_key_file(path: str) -> Path:
    """Where a new file will be; raises `KeyFileError` where there is one already, or no folder for it."""
    file = _path(path)
    try:
        if file.is_dir():
            file /= NAME
        if file.exists():
            raise KeyFileError(tr("There is a file {file} already; choose another name.", file=file))
        if not file.parent.is_dir():
            raise KeyFileError(tr("There is no folder {folder}; choose another one.", folder=file.parent))
    except OSError as error:
        raise _cannot("write", file, error) from None
    return file


def write_key_file(path: Path, content: bytes) -> None:
    """Write a new file, mode 0600; what is no age file is not written. Raises `KeyFileError`."""
    if not content.startswith((_BARE, _ARMOUR)):
        raise KeyFileError(tr("The host did not send a sealed file; nothing was written."))
    try:
        write_new(path, content)  # whole or not at all: half of it can't be opened
    except FileExistsError:
        raise KeyFileError(tr("There is a file {path} already; choose another name.", path=path)) from None
    except OSError as error:
        raise _cannot("write", path, error) from None


def read_key_file(path: str) -> str:
    """A file of keys as a host takes it: its text, or base64 of its plain form. Raises `KeyFileError`."""
    file = _path(path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _cannot("read", file, error) from None
    if len(content) > MAX_BYTES:
        raise KeyFileError(tr("{file} is too large for a file of keys; choose another one.", file=file))
    if content.startswith(_BARE):
        return base64.b64encode(content).decode("ascii")
    if not content.startswith(_ARMOUR) or not content.isascii():
        raise KeyFileError(
            tr("{file} is not a file of keys; one comes from an export here, or 'enigma keys export'.", file=file)
        )
    return content.decode("ascii")


def _path(path: str) -> Path:
    try:
        return Path(path.strip()).expanduser()
    except RuntimeError:
        raise KeyFileError(
            tr("There is no home folder for {path}; give the whole path.", path=path.strip()[:80])
        ) from None


def _cannot(verb: str, path: Path, error: OSError) -> KeyFileError:
    why = (error.strerror or str(error)).lower()
    if verb == "write":
        return KeyFileError(tr("Cannot write {path} ({why}); choose another file.", path=path, why=why))
    return KeyFileError(tr("Cannot read {path} ({why}); choose another file.", path=path, why=why))
