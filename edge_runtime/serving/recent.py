"""The latest requests, for who looks what a device is asked: what, by whom, how it ended and how long it took."""

from __future__ import annotations

import time
from collections import deque

Json = dict[str, object]
MAX_INPUT_CHARACTERS = 2000


class Recent:
    """A ring. most: of requests, none are kept where it is 0."""

    def __init__(self, most: int) -> None:
        self._kept: deque[Json] = deque(maxlen=most)

    def add(self, method: str, path: str, caller: str, status: int, seconds: float, asked: str | None = None) -> None:
        """One that was answered. path: as it came. caller: the id of its pairing. asked: its body, where it is wanted."""
        entry: Json = {
            "at": round(time.time(), 3),
            "method": method[:16],
            "path": path[:200],
            "caller": caller,
            "status": status,
            "ms": round(seconds * 1000, 3),
        }
        if asked is not None:
            entry["asked"] = asked[:MAX_INPUT_CHARACTERS]
        self._kept.append(entry)

    def newest_first(self) -> list[Json]:
        """All that are kept."""
        return list(reversed(self._kept))
