"""The caches of several texts side by side, so that one run can read the next token of each of them.

A text's cache is a row of arrays that have room for some more. The room takes memory only where a text is written, and
gives it back once the text is closed.
"""

from __future__ import annotations

import math
import mmap
import threading
from collections.abc import Mapping

import numpy as np

MOST = 8  # rows side by side: a step over so many reads each weight once, and lasts no longer than a person notices
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0)
_LAZY = _PRIVATE | getattr(mmap, "MAP_ANONYMOUS", 0) | getattr(mmap, "MAP_NORESERVE", 0)


class Rows:
    """Arrays [rows, ...] by name, and which of the rows are taken.

    shapes: of one row, with its dtype. rows: fewer are made where the system lends no room for so many; raises
    `MemoryError` where there is none for one.
    """

    def __init__(self, shapes: Mapping[str, tuple[tuple[int, ...], type[np.generic]]], rows: int) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.row_bytes = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in shapes.values())
        self._lock = threading.Lock()
        if not _PRIVATE:  # systems that lend no memory before it is written
            rows = 1
        self._memory, rows = _lent(self.row_bytes, rows)
        at = 0
        for name, (shape, kind) in shapes.items():
            count = rows * math.prod(shape)
            flat = np.frombuffer(self._memory, kind, count, at)
            self.arrays[name] = flat.reshape(rows, *shape)
            at += flat.nbytes
        self._free = list(range(rows))

    def take(self) -> int | None:
        """The first free row, None where there is none."""
        with self._lock:
            return self._free.pop(0) if self._free else None

    def give(self, row: int) -> None:
        """Let a row be taken again, and its memory go."""
        with self._lock:
            self._free = sorted({*self._free, row})
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        at = 0
        for array in self.arrays.values():
            size = array[row].nbytes
            # whole pages of this row alone
            first = -(-(at + row * size) // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (at + (row + 1) * size) // mmap.PAGESIZE * mmap.PAGESIZE
            if end > first:
                self._memory.madvise(mmap.MADV_DONTNEED, first, end - first)
            at += array.nbytes


def _lent(row_bytes: int, rows: int) -> tuple[mmap.mmap, int]:
    while True:
        try:
            memory = mmap.mmap(-1, row_bytes * rows, flags=_LAZY) if _PRIVATE else mmap.mmap(-1, row_bytes * rows)
        except OSError:
            if rows == 1:
                raise MemoryError from None
            rows //= 2
        else:
            break
    # A huge page would take the memory of neighbours that nobody writes.
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        except OSError:  # a kernel without huge pages
            return memory, rows
    return memory, rows
