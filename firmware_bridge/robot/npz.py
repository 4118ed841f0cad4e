"""Reads a file of named arrays that may be anything."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from firmware_bridge.robot.config import RobotError

_WRONG = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, what: str, *names: str) -> tuple[np.ndarray, ...]:
    """The arrays of those names in an .npz; raises `RobotError`, which says that it is no `what`."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return tuple(kept[name] for name in names)
    except _WRONG as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RobotError(f"{path} is no {what} ({why}).") from None
