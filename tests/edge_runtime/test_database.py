"""Files of SQLite that several processes open at the same moment."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from edge_runtime.database import transaction, write_ahead


def test_a_new_file_that_another_one_holds_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    base = sqlite3.connect(path, timeout=0, isolation_level=None)  # so that SQLite itself never waits
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(base, 0.05)
    held = threading.Timer(0.1, other.execute, ["COMMIT"])
    held.start()
    write_ahead(base, 60)
    held.join()
    assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    base.close()
    other.close()


def test_what_fails_within_a_transaction_counts_not_at_all(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "some.sqlite", isolation_level=None)
    base.execute("CREATE TABLE words (word TEXT)")
    with transaction(base):
        base.execute("INSERT INTO words VALUES ('kept')")
    with pytest.raises(KeyError), transaction(base):
        base.execute("INSERT INTO words VALUES ('lost')")
        raise KeyError
    assert base.execute("SELECT word FROM words").fetchall() == [("kept",)]
    base.close()


def test_a_full_disk_is_told_as_such_and_the_next_transaction_begins(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "some.sqlite", isolation_level=None)
    base.execute("CREATE TABLE words (word TEXT)")
    base.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError, match="full"), transaction(base):
        for _ in range(9):
            base.execute("INSERT INTO words VALUES (?)", ("x" * 4000,))
    with transaction(base):
        base.execute("INSERT INTO words VALUES ('kept')")
    assert base.execute("SELECT word FROM words").fetchall() == [("kept",)]
    base.close()


def test_a_change_that_cant_be_kept_at_its_end_is_taken_back(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "some.sqlite", isolation_level=None)
    base.execute("PRAGMA foreign_keys = ON")
    base.execute("CREATE TABLE words (word TEXT PRIMARY KEY, root TEXT REFERENCES words DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(base):
        base.execute("INSERT INTO words VALUES ('lost', 'nothing')")  # what it refers to is looked for by COMMIT
    with transaction(base):
        base.execute("INSERT INTO words VALUES ('kept', NULL)")
    assert base.execute("SELECT word FROM words").fetchall() == [("kept",)]
    base.close()
