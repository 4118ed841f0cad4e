"""The latest lines of the log in memory, for who looks after a device from afar."""

from __future__ import annotations

import logging
from collections import deque

Json = dict[str, object]
MOST = 200
MAX_CHARACTERS = 500  # of a line; with escapes, all of them take 600 kB at worst


class KeptLog(logging.Handler):
    """A ring of lines; traces are left out, as they stand in the log itself."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Json] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one; called by `logging`, from any thread."""
        try:
            text = f"{record.name}: {record.getMessage()}"
        except (TypeError, ValueError):  # arguments that don't fit their text
            text = f"{record.name}: {record.msg}"
        line = "".join(char if char.isprintable() else " " for char in text[:MAX_CHARACTERS])
        self._lines.append({"at": round(record.created, 3), "level": record.levelname.lower(), "text": line})

    def newest_first(self) -> list[Json]:
        """[{"at", "level", "text"}], at in seconds since 1970."""
        return list(reversed(self._lines))
