"""New files for this user alone: what is written may be private, and folders for downloads are often open to others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_new(file: Path, content: bytes) -> None:
    """Write a file that isn't there yet, whole and on the disk, or leave none. Raises FileExistsError and other OSErrors."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        raise
