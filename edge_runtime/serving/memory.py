"""This process's memory: how much it holds, and giving back what a start or a closed model left."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path


def rss_bytes() -> int:
    """Resident memory now; 0 where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Most resident memory since the program began; 0 where the system doesn't tell.

    The kernel's `ru_maxrss` isn't that: it goes on from whatever started the program.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def trim() -> None:
    """Return freed memory to the system: glibc otherwise keeps most of a closed model (215 MB, measured)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: nothing to do
        return


def settle() -> None:
    """Call once all is loaded: what lives until the end is never searched for garbage again.

    The modules are some hundred thousand objects, and a full collection over them in the middle of a request takes
    tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    trim()
