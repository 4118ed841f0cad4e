"""The latest requests, for who looks what a device is asked: what, by whom, how it ended and how long it took."""

from __future__ import annotations

import time
from collections import deque

Json = dict[str, object]
MAX_INPUT_CHARACTERS = 2000


class Recent:
    """A ring. most: of requests, none are kept where it is 0."""

    def __init__(self, most: int) -> None:
        self._kept: deque[tuple[float, str, str, str, int, float, str | None]] = deque(maxlen=most)

    def add(self, method: str, path: str, caller: str, status: int, seconds: float, asked: str | None = None) -> None:
        """One that was answered. path: as it came. caller: the id of its pairing. asked: its body, where it is wanted."""
        kept = None if asked is None else asked[:MAX_INPUT_CHARACTERS]
        self._kept.append((time.time(), method[:16], path[:200], caller, status, seconds, kept))

    def newest_first(self) -> list[Json]:
        """All that are kept."""
        return [_told(*each) for each in reversed(self._kept)]


def _told(at: float, method: str, path: str, caller: str, status: int, seconds: float, asked: str | None) -> Json:
    entry: Json = {
        "at": round(at, 3),
        "method": method,
        "path": path,
        "caller": caller,
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    return entry if asked is None else {**entry, "asked": asked}
