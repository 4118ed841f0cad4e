"""Memory that is freed goes back to the system, where the C library is glibc."""

from __future__ import annotations

import sys

M_MMAP_THRESHOLD = -3  # malloc.h
# bytes; most textures of texts are larger, nearly all else is smaller
LARGE = 65_536


def give_back() -> None:
    """Keep large blocks apart from small ones; call it before the window opens.

    glibc raises the bound by itself as large blocks are freed. Textures then lie among the small blocks, and what is freed
    between them is never given back: 4 MB after one screen with a list, 15 MB after all screens.
    """
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE)
