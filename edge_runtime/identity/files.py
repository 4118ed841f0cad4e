"""The identity folder (0700): JSON files (0600) that the daemon and the commands change one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import StateError
from edge_runtime.update import disk

Json = dict[str, object]


class IdentityFolder:
    """STATE/identity with its lock; the daemon and `enigma-edge pair` work on it at the same time."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "identity"
        with disk.storage_errors(state):
            disk.make_state(state)
            disk.make_private(self.folder)
            disk.sync_folder(state)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the folder's lock while reading and writing back."""
        with disk.storage_errors(self.folder):
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def read(self, name: str) -> Json:
        """A file's object, empty where there is no such file; raises `StateError` where it is damaged."""
        path = self.folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as cause:
            raise StateError(f"{path} can't be read: {cause.strerror}.") from None
        return strict_json.loads_object(content, str(path), StateError)

    def write(self, name: str, value: Json) -> None:
        """Replace a file; durable and atomic."""
        with disk.storage_errors(self.folder):
            disk.write_atomic(self.folder / name, strict_json.dumps(value))

    def stamp(self, name: str) -> tuple[int, int, int]:
        """Changes whenever the file does: every write makes a new inode."""
        try:
            stat = (self.folder / name).stat()
        except OSError:
            return (0, 0, 0)
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
