"""This process's memory: how much it holds, and giving back what a start or a closed model left."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Container, Mapping
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


def available_bytes() -> int | None:
    """What programs may still take without others losing theirs to the disk; None where the system doesn't tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


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


def who_holds_what(name: str, needed: int, budget: int, held: Mapping[str, int], pinned: Container[str]) -> str:
    """Why a model that needs so many bytes doesn't fit, as a sentence for a person."""

    def megabytes(count: int) -> str:
        return f"{count / 2**20:.1f} MB"

    holders = [
        f"{other} {megabytes(count)}{' (pinned)' if other in pinned else ''}"
        for other, count in sorted(held.items(), key=lambda item: -item[1])
        if other != name
    ]
    return (
        f"'{name}' needs {megabytes(needed)} of the {megabytes(budget)} for models, which are held by "
        f"{', '.join(holders) or 'nobody'}; raise models.memory_mb, unpin or remove one."
    )
