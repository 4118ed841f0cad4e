"""This process's memory: how much it holds, and giving back what a start or a closed model left."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Container, Mapping
from pathlib import Path

# mallopt(3). What is larger than a megabyte is a model's or a batch's, not a request's small change.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _LARGE = -1, -3, 1 << 20


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


def give_back_large() -> None:
    """Call first of all: what is large goes back to the system as soon as it is freed.

    glibc otherwise learns from a large block that was freed to keep those of its size, up to 32 MB and twice as much
    at the end of the heap: after batches of 16 a daemon with a model of 0.5 MB had 99 MB instead of 81 (measured).
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _LARGE)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
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
