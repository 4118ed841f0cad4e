"""What every SQLite file of ours that several processes may open has in common."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

BUSY_SECONDS = 10.0  # that one process waits for another, usually
_LOOK_SECONDS = 0.01


def write_ahead(base: sqlite3.Connection, seconds: float = BUSY_SECONDS) -> None:
    """Who reads never waits for who writes, and a process that dies loses nothing.

    Two processes that open a new file at the same moment meet here, where SQLite doesn't wait by itself.
    """
    give_up = time.monotonic() + seconds
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as cause:
            if "locked" not in str(cause) or time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_SECONDS)


@contextmanager
def transaction(base: sqlite3.Connection, lock: str = "IMMEDIATE") -> Iterator[None]:
    """What is done inside counts whole, or not at all. lock: IMMEDIATE, the only one that writes; DEFERRED, to read."""
    base.execute(f"BEGIN {lock}")
    try:
        yield
        base.execute("COMMIT")
    except BaseException:
        if base.in_transaction:  # SQLite has ended it by itself where a disk is full
            base.execute("ROLLBACK")
        raise
