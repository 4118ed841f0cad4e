"""What is known of batches that are under way, in one SQLite file: written before it is acted upon.

A batch is written down with all its requests before it is sent, and marked when its id is known. So whatever moment a
process ends at, the next one knows which requests may be answered already, and where.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from edge_runtime.database import BUSY_SECONDS, transaction, write_ahead
from trainer_host.errors import TeacherStopped
from trainer_host.teacher.batch.common import Item
from trainer_host.teacher.providers import Endpoint
from trainer_host.workspace import Workspace

FORMAT = 1
# state of a part: sending (its id isn't known), running (it is), done. state of an item: open, answered, or a Reason.
_TABLES = """
CREATE TABLE IF NOT EXISTS parts (
    id TEXT PRIMARY KEY, place TEXT NOT NULL, key TEXT, state TEXT NOT NULL, remote TEXT NOT NULL,
    before TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    part TEXT NOT NULL, id TEXT NOT NULL, task TEXT NOT NULL, worst TEXT, most_tokens INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (part, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS foreign_batches (part TEXT NOT NULL, remote TEXT NOT NULL, PRIMARY KEY (part, remote));
"""


@dataclass(frozen=True)
class Part:
    """One batch. id: our mark. key: the stored key's name. remote: the provider's id, "" while it isn't known.
    before: see `Lost`. at: seconds since 1970 when it was written down."""

    id: str
    key: str | None
    remote: str
    before: str
    at: float


@dataclass(frozen=True)
class OpenItem:
    """A request of a batch that has no result yet. worst: US dollars set aside. most_tokens: of its answer."""

    id: str
    task: str
    worst: Decimal | None
    most_tokens: int


def store_path(workspace: Workspace) -> Path:
    """The file of a home folder."""
    return workspace.home / "teacher" / "batches.sqlite"


class BatchStore:
    """The file of one home folder; one process at a time. Raises `TeacherStopped` where it can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
                self._prepare()
            except BaseException:
                os.close(self._lock)
                raise

    def __enter__(self) -> BatchStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the next process in."""
        self._db.close()
        os.close(self._lock)

    def begin(self, part: Part, place: str, items: Sequence[tuple[Item, int]]) -> None:
        """Write down a batch that is about to be sent. items: each with the most tokens of its answer."""
        rows = [
            (part.id, item.id, item.task, None if item.worst is None else str(item.worst), tokens, "open")
            for item, tokens in items
        ]
        with self._errors(), self._durable(), transaction(self._db):
            self._db.execute(
                "INSERT INTO parts VALUES (?, ?, ?, 'sending', '', ?, ?)",
                (part.id, place, part.key, part.before, part.at),
            )
            self._db.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)

    def sent(self, part: str, remote: str) -> None:
        """The provider's id is known."""
        with self._errors(), self._durable():
            self._db.execute("UPDATE parts SET state = 'running', remote = ? WHERE id = ?", (remote, part))

    def isnt(self, part: str, remote: str) -> None:
        """A batch that was taken for this one holds other requests."""
        with self._errors(), transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO foreign_batches VALUES (?, ?)", (part, remote))
            self._db.execute("UPDATE parts SET state = 'sending', remote = '' WHERE id = ?", (part,))

    def known_remotes(self, part: str) -> frozenset[str]:
        """Batches that are others than this one."""
        with self._errors():
            rows = self._db.execute(
                "SELECT remote FROM parts WHERE id != ? AND remote != '' "
                "UNION SELECT remote FROM foreign_batches WHERE part = ?",
                (part, part),
            ).fetchall()
        return frozenset(str(row[0]) for row in rows)

    def never_sent(self, part: str) -> None:
        """Forget a batch that the provider doesn't have."""
        with self._errors(), transaction(self._db):
            self._db.execute("DELETE FROM items WHERE part = ?", (part,))
            self._db.execute("DELETE FROM parts WHERE id = ?", (part,))

    def close_item(self, part: str, item: str, state: str) -> None:
        """A request has its result. state: "answered", or a `Reason`."""
        with self._errors():
            self._db.execute("UPDATE items SET state = ? WHERE part = ? AND id = ?", (state, part, item))

    def finish(self, part: str) -> None:
        """All that there is of a batch was read, and every request of it is closed."""
        with self._errors():
            self._db.execute("UPDATE parts SET state = 'done' WHERE id = ?", (part,))

    def under_way(self, place: str) -> list[Part]:
        """Batches of an endpoint that aren't done, oldest first."""
        with self._errors():
            rows = self._db.execute(
                "SELECT id, key, remote, before, at FROM parts WHERE place = ? AND state != 'done' ORDER BY at, id",
                (place,),
            ).fetchall()
        return [Part(str(row[0]), row[1], str(row[2]), str(row[3]), float(row[4])) for row in rows]

    def open_items(self, part: str) -> list[OpenItem]:
        """Requests of a batch without a result."""
        with self._errors():
            rows = self._db.execute(
                "SELECT id, task, worst, most_tokens FROM items WHERE part = ? AND state = 'open'", (part,)
            ).fetchall()
        return [OpenItem(str(a), str(b), None if c is None else Decimal(str(c)), int(d)) for a, b, c, d in rows]

    def item_ids(self, part: str) -> frozenset[str]:
        """All requests of a batch, with a result or not."""
        with self._errors():
            rows = self._db.execute("SELECT id FROM items WHERE part = ?", (part,)).fetchall()
        return frozenset(str(row[0]) for row in rows)

    def _prepare(self) -> None:
        write_ahead(self._db)
        self._db.execute("PRAGMA synchronous = NORMAL")
        with transaction(self._db):
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, FORMAT):
                raise TeacherStopped(f"{self.path} was written by another version of Enigma; use that version.")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {FORMAT}")

    @contextlib.contextmanager
    def _durable(self) -> Iterator[None]:
        """What is committed inside is on the disk: a batch that a power cut made us forget would be paid twice."""
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            raise TeacherStopped(
                "Another process of this home folder works on batches; wait for its end, or end it."
            ) from None
        except sqlite3.ProgrammingError:
            raise  # closed: a mistake of ours
        except sqlite3.DatabaseError as cause:
            raise TeacherStopped(
                f"{self.path} can't be read or written ({cause}); check its folder's rights and the disk."
            ) from None
        except OSError as cause:
            raise TeacherStopped(
                f"{self.path} can't be opened ({cause.strerror}); check its folder's rights and the disk."
            ) from None


def place_of(endpoint: Endpoint) -> str:
    """What tells the batches of one endpoint from those of others."""
    return json.dumps([endpoint.provider, endpoint.wire, endpoint.base_url, endpoint.model])
