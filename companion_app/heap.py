"""What is freed, and when: memory goes back to the system, and nothing is collected in the midst of a change."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_MMAP_THRESHOLD = -3  # malloc.h
# bytes; most textures of texts are larger, nearly all else is smaller
LARGE = 65_536


def give_back() -> None:
    """Keep large blocks apart from small ones, where the C library is glibc; call it before the window opens.

    glibc raises the bound by itself as large blocks are freed. Textures then lie among the small blocks, and what is freed
    between them is never given back: 4 MB after one screen with a list, 15 MB after all screens.
    """
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A change that every rule of the window follows.

    Rules of widgets that nobody shows any more are still bound until those are collected. In the midst of a change that would take
    the widget from under its rule, so it is done before, and not again until the end.
    """
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
