"""Writes that survive a power cut: synced files, atomic renames, and errors that name a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime.errors import StateError, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn an `OSError` inside into `StorageFull` or `StateError`, each with what to do."""
    try:
        yield
    except OSError as cause:
        if cause.errno in _FULL:
            raise StorageFull(
                f"The disk of {folder} is full, so nothing was changed; free some space and try again."
            ) from None
        name = cause.filename or folder
        raise StateError(f"{name} can't be used: {cause.strerror or cause}; check the state folder.") from None


def make_state(state: Path) -> None:
    """Make a device's state folder, see `make_private`; raises `StateError` for /, and for what all may write into, as /tmp: others
    would be locked out."""
    with contextlib.suppress(FileNotFoundError):
        if state.stat().st_mode & stat.S_ISVTX or state.resolve() == Path(state.anchor or "/"):
            raise StateError(f"Others use {state} too; give the device a folder of its own, as {state / 'enigma'}.")
    make_private(state)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter (0700), and its parents where they lack."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_stream(path: Path, read: Callable[[], bytes]) -> None:
    """Write a new file (0600) from `read` until it returns nothing, and sync it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while chunk := read():
            write_all(handle, chunk)
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, chunk: bytes) -> None:
    """Write every byte of a chunk: one call may write fewer, as it does when a disk fills up."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(handle, rest) :]


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file (0600) by this content; after a crash it is the old one or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    rest = [content]
    try:
        write_stream(part, lambda: rest.pop() if rest else b"")
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename, durably; the target must not exist."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder; what can't be removed is left for the next sweep."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def probe(folder: Path) -> None:
    """Write a byte there and remove it again; raises `StateError` and `StorageFull`, or doesn't come back."""
    path = folder / ".probe"
    with storage_errors(folder):
        write_atomic(path, b"?")
        path.unlink()


def free_bytes(folder: Path) -> int:
    """Bytes that this process may still write on the folder's disk."""
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def need_space(folder: Path, wanted: int, keep_free: int) -> None:
    """Raise `StorageFull` unless `wanted` bytes fit and `keep_free` remain."""
    free = free_bytes(folder)
    if free < wanted + keep_free:
        lacking = (wanted + keep_free - free + 2**20 - 1) // 2**20
        raise StorageFull(
            f"The device needs {lacking} MB more free space for this bundle, so nothing was changed; "
            "free some space and try again."
        )
