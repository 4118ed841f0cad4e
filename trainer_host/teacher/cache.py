"""Every reply that was paid for, by the hash of what was asked: what is in here is never asked, or paid, again.

One SQLite file (write-ahead log). A reply is committed before it is used, so after a kill -9 at any moment at most
the requests that were open are lost. Those are in here, too, and, committed together with its reply, the record of each
call that isn't in the audit log yet. Several processes may use the file at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

from edge_runtime.database import BUSY_SECONDS, transaction, write_ahead
from trainer_host.errors import TeacherStopped
from trainer_host.teacher.processes import runs
from trainer_host.teacher.providers import Dialect, Endpoint, SchemaForm, TokenLimit
from trainer_host.workspace import Workspace

FORMAT = 2
_FORMER = 1  # its requests that were under way are forgotten; nothing read them
# Pages of the log that are gathered before they go into the file, 16 MB: each time costs two fsyncs, and meanwhile nothing
# is sent. A reply that is kept lies in a page of its own otherwise, for keys are hashes, so replies have row numbers.
_CHECKPOINT_PAGES = 4000
_TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    request TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL, key TEXT,
    body BLOB NOT NULL, seconds REAL NOT NULL, cost TEXT, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS calls (
    request TEXT NOT NULL, process INTEGER NOT NULL, at REAL NOT NULL, call TEXT NOT NULL,
    PRIMARY KEY (request, process)
) WITHOUT ROWID;
DROP TABLE IF EXISTS sent;
CREATE TABLE IF NOT EXISTS dialects (endpoint TEXT PRIMARY KEY, dialect TEXT NOT NULL) WITHOUT ROWID;
"""
_OVER = "DELETE FROM calls WHERE request = ? AND process = ?"


class CacheUnusable(TeacherStopped):
    """The cache's file is damaged, or can't be written: nothing is asked, for the reply couldn't be kept."""

    exit_code = 2


@dataclass(frozen=True)
class Kept:
    """A reply that is to be kept. request: by `request_hash`. cost: US dollars, None where it isn't known, or not yet."""

    request: str
    body: bytes = field(repr=False)
    provider: str
    model: str
    task: str = ""
    key: str | None = None
    seconds: float = 0.0
    cost: Decimal | None = None


@dataclass(frozen=True)
class Changes:
    """What is to be committed, in this order.

    over: requests that came to nothing, or whose record is in the log. sent: requests about to be sent, and what is
    to be logged of each if its process ends before anything else is known. kept: replies. ended: requests, with or
    without a reply, and the records of their calls, which are to be logged.
    """

    over: Sequence[str] = ()
    sent: Sequence[tuple[str, str]] = ()
    kept: Sequence[Kept] = ()
    ended: Sequence[tuple[str, str]] = ()

    def __bool__(self) -> bool:
        return bool(self.over or self.sent or self.kept or self.ended)


@dataclass(frozen=True)
class Stored:
    """A reply as it came. key: the name of the stored key that paid. cost: US dollars, None where unknown."""

    body: bytes
    key: str | None
    seconds: float
    cost: Decimal | None


def request_hash(endpoint: Endpoint, body: bytes, sample: int = 0) -> str:
    """What the cache knows a request by: SHA-256 over all that makes it, 64 hex digits.

    The body holds the model, the prompts, the schema and the sampling. Extra headers count, values too, for they
    can choose the model behind a gateway; the key doesn't.
    """
    made = hashlib.sha256()
    parts = [endpoint.wire, endpoint.base_url, endpoint.model, str(sample)]
    parts += [part for header in endpoint.headers for part in header]
    for part in (*(part.encode() for part in parts), body):
        made.update(len(part).to_bytes(8, "big"))  # so that no part can pass for the end of another
        made.update(part)
    return made.hexdigest()


def replies_path(workspace: Workspace) -> Path:
    """The cache of a home folder."""
    return workspace.teacher / "replies.sqlite"


class ReplyCache:
    """The file of one home folder; a context manager. Every method raises `CacheUnusable`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Prompts and answers are nobody else's; SQLite gives its other two files the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def find(self, request: str) -> Stored | None:
        """The reply to a request, None where there is none yet. request: by `request_hash`."""
        with self._errors():
            row = self._db.execute(
                "SELECT body, key, seconds, cost FROM replies WHERE request = ?", (request,)
            ).fetchone()
        return None if row is None else Stored(bytes(row[0]), row[1], float(row[2]), _money(row[3]))

    def keep(
        self,
        request: str,
        body: bytes,
        *,
        provider: str,
        model: str,
        task: str = "",
        key: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Commit a reply; it is in the file when this returns."""
        self.write(Changes(kept=(Kept(request, body, provider, model, task, key, seconds),)))

    def write(self, changes: Changes) -> None:
        """Commit several changes at once. All of it is in the file when this returns, or none."""
        at, process = time.time(), os.getpid()
        replies = [
            (one.request, one.provider, one.model, one.task, one.key, one.body, one.seconds, _text(one.cost), at)
            for one in changes.kept
        ]
        records = [(record, request, process) for request, record in changes.ended]
        with self._errors(), transaction(self._db):
            if changes.over:
                self._db.executemany(_OVER, [(request, process) for request in changes.over])
            if changes.sent:
                marks = [(request, process, at, call) for request, call in changes.sent]
                self._db.executemany("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)", marks)
            if replies:
                self._db.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", replies)
            if records:
                self._db.executemany("UPDATE calls SET call = ? WHERE request = ? AND process = ?", records)

    def priced(self, request: str, cost: Decimal | None) -> None:
        """What a kept reply cost, once that is settled."""
        with self._errors():
            self._db.execute("UPDATE replies SET cost = ? WHERE request = ?", (_text(cost), request))

    @contextlib.contextmanager
    def left_over(self) -> Iterator[list[str]]:
        """What is to be logged of the calls of processes that have ended, oldest first; forgotten after the block.

        Nobody else writes meanwhile; where the block raises, or this process ends in it, they stay.
        """
        with self._errors():
            none = self._db.execute("SELECT 1 FROM calls LIMIT 1").fetchone() is None
        if none:
            yield []
            return
        with self._errors(), transaction(self._db):
            rows = self._db.execute("SELECT request, process, at, call FROM calls ORDER BY at").fetchall()
            found = [row for row in rows if not runs(int(row[1]), float(row[2]))]
            yield [str(row[3]) for row in found]
            gone = [(row[0], row[1]) for row in found]
            self._db.executemany(_OVER, gone)

    def count(self) -> int:
        """How many replies there are."""
        with self._errors():
            return int(self._db.execute("SELECT count(*) FROM replies").fetchone()[0])

    def dialect(self, endpoint: Endpoint) -> Dialect:
        """What is known of how an endpoint is spoken to: what was learned, else its own."""
        with self._errors():
            row = self._db.execute("SELECT dialect FROM dialects WHERE endpoint = ?", (_place(endpoint),)).fetchone()
        found = None if row is None else _dialect(str(row[0]))
        return found or endpoint.dialect

    def learned(self, endpoint: Endpoint, dialect: Dialect) -> None:
        """Remember a dialect: with another one, a rerun would ask in other bytes, and pay again."""
        with self._errors():
            self._db.execute(
                "INSERT OR REPLACE INTO dialects VALUES (?, ?)", (_place(endpoint), json.dumps(asdict(dialect)))
            )

    def _prepare(self) -> None:
        write_ahead(self._db)
        # A process that dies loses nothing; a power cut may lose the last commits, never the file.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        with transaction(self._db):
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, _FORMER, FORMAT):
                raise CacheUnusable(
                    f"The cache {self.path} was written by another version of Enigma (format {version}); "
                    "use that version, or move the file away: then all is asked anew."
                )
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {FORMAT}")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # closed, or another thread: a mistake of ours
        except sqlite3.OperationalError as cause:
            raise CacheUnusable(
                f"The cache {self.path} can't be written or read ({cause}); check its folder's rights and the disk."
            ) from None
        except sqlite3.DatabaseError as cause:
            raise CacheUnusable(
                f"The cache {self.path} is damaged ({cause}); move it away: then all is asked anew."
            ) from None
        except OSError as cause:
            raise CacheUnusable(
                f"The cache {self.path} can't be opened ({cause.strerror}); check its folder's rights and the disk."
            ) from None


def _place(endpoint: Endpoint) -> str:
    return json.dumps([endpoint.wire, endpoint.base_url, endpoint.model])


def _dialect(text: str) -> Dialect | None:
    try:
        value = json.loads(text)
        return Dialect(
            cast(SchemaForm, str(value["schema"])),
            cast(TokenLimit, str(value["token_limit"])),
            bool(value["temperature"]),
            bool(value["options"]),
            bool(value.get("logprobs", True)),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _money(text: object) -> Decimal | None:
    try:
        return None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None


def _text(cost: Decimal | None) -> str | None:
    return None if cost is None else str(cost)
