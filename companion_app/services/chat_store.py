"""Conversations on disk: one SQLite file of the config folder, for this user alone, that a crash at any moment leaves whole.

What was said is sealed in it, see `chat_seal`; when, and in how many bytes, isn't. Votes that a host hasn't confirmed lie there
too. All calls block; `ChatCommands` makes them in a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.chat_json import ChatFileError, dumps, loads
from companion_app.services.chat_seal import KEY_FILE, Sealing, key_in
from companion_app.state.chat import Conversation, Listed

FILE = "chats.db"
MAX_LISTED = 1000
AROUND = 40  # characters around what was searched for
_SEALED = 1  # the file's user_version
_SCHEMA = """
CREATE TABLE IF NOT EXISTS chats(
    id TEXT PRIMARY KEY, title BLOB NOT NULL, updated REAL NOT NULL, words BLOB NOT NULL, document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chats_updated ON chats(updated DESC);
-- sent: 0 not yet; 1 the host has it; 2 the host has a former one, and hears of this.
CREATE TABLE IF NOT EXISTS votes(id TEXT PRIMARY KEY, pair BLOB NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
"""


class ChatStore:
    """The conversations; opened when first used. Every method raises `ChatFileError` and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._sealing: Sealing | None = None

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def listed(self) -> tuple[Listed, ...]:
        """All of them, the latest first."""
        with self._open() as database:
            rows = database.execute("SELECT id, title, updated FROM chats ORDER BY updated DESC LIMIT ?", (MAX_LISTED,))
            return tuple(Listed(id, self._text(title, "title", id), updated) for id, title, updated in rows)

    def search(self, query: str) -> tuple[Listed, ...]:
        """Those that have all these words in a title, a message or an answer, whatever their case."""
        words = query.casefold().split()
        if not words:
            return ()
        found = []
        with self._open() as database:
            for id, title, updated, sealed in database.execute(
                "SELECT id, title, updated, words FROM chats ORDER BY updated DESC"
            ):
                text = self._text(sealed, "words", id)
                if all(word in text for word in words):
                    found.append(Listed(id, self._text(title, "title", id), updated, _around(text, words[0])))
                if len(found) == MAX_LISTED:
                    break
        return tuple(found)

    def read(self, id: str) -> Conversation:
        """One of them."""
        with self._open() as database:
            row = database.execute("SELECT document FROM chats WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise ChatFileError(tr("This conversation isn't there any more."))
        return loads(self._opened(row[0], "document", id))

    def keep(self, one: Conversation) -> None:
        """Write one, in the place of what was there of it."""
        said = [one.title, *(part for turn in one.turns for part in (turn.asked, *(r.text for r in turn.replies)))]
        words, document = "\n".join(said).casefold(), dumps(one)
        with self._open() as database:
            sealed = [
                self._sealed(content, part, one.id)
                for part, content in (("title", one.title.encode()), ("words", words.encode()), ("document", document))
            ]
            row = (one.id, sealed[0], one.updated, *sealed[1:])
            database.execute("INSERT OR REPLACE INTO chats VALUES(?, ?, ?, ?, ?)", row)

    def every(self) -> Iterator[bytes]:
        """The document of each, the oldest first."""
        with self._open() as database:
            ids = [row[0] for row in database.execute("SELECT id FROM chats ORDER BY updated")]
        for id in ids:  # one at a time: others may write in between
            with self._open() as database:
                row = database.execute("SELECT document FROM chats WHERE id = ?", (id,)).fetchone()
            if row is not None:
                yield self._opened(row[0], "document", id)

    def delete(self, id: str) -> None:
        """Remove one for good: SQLite overwrites what it held."""
        with self._open() as database:
            database.execute("DELETE FROM chats WHERE id = ?", (id,))
        with self._open() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what it held stands in the journal too

    def keep_vote(self, id: str, row: dict[str, object] | None) -> None:
        """Keep a vote or a thumb for the host; None where it was taken back, which the host hears if it has it."""
        with self._open() as database:
            if row is None:
                database.execute("DELETE FROM votes WHERE id = ? AND sent = 0", (id,))
                database.execute("UPDATE votes SET pair = x'', sent = 2 WHERE id = ?", (id,))
            else:
                database.execute(
                    "INSERT INTO votes VALUES(?, ?, 0) ON CONFLICT(id) DO UPDATE SET pair = excluded.pair, "
                    "sent = CASE WHEN sent = 0 THEN 0 ELSE 2 END",
                    (id, self._sealed(json.dumps(row, ensure_ascii=False).encode(), "pair", id)),
                )

    def votes(self) -> tuple[tuple[str, dict[str, object] | None], ...]:
        """(id, row) of those that the host hasn't confirmed, the oldest first; None where it is taken back."""
        with self._open() as database:
            rows = database.execute("SELECT id, pair FROM votes WHERE sent <> 1 ORDER BY rowid LIMIT 1000").fetchall()
            return tuple((str(id), json.loads(self._opened(row, "pair", id)) if len(row) else None) for id, row in rows)

    def sent(self, id: str) -> None:
        """The host has this vote, or has none of it any more."""
        with self._open() as database:
            database.execute("DELETE FROM votes WHERE id = ? AND length(pair) = 0", (id,))
            database.execute("UPDATE votes SET sent = 1 WHERE id = ?", (id,))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file, within a transaction."""
        with self._lock:
            try:
                if self._database is None:
                    self._database = self._connect()
                with self._database:
                    yield self._database
            except sqlite3.DatabaseError as error:
                if self._database is None or not _is_damage(error):
                    raise ChatFileError(self._sentence(error)) from None
                self._database.close()
                self._database = None
                raise self._set_aside() from None
            except OSError as error:
                raise ChatFileError(self._sentence(error)) from None

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journal the mode of the file itself.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("PRAGMA secure_delete=ON")
            self._sealing = Sealing(key_in(self._path.parent))
            self._begin(database)
            opens = self._opens(database)
        except (sqlite3.DatabaseError, OSError) as error:
            database.close()
            if isinstance(error, sqlite3.DatabaseError) and _is_damage(error):
                raise self._set_aside() from None
            raise
        if not opens:
            database.close()
            raise self._set_aside()
        return database

    def _opens(self, database: sqlite3.Connection) -> bool:
        """Whether the key is the one that the file was sealed with."""
        row = database.execute("SELECT id, title FROM chats LIMIT 1").fetchone()
        try:
            if row is not None:
                self._opened(row[1], "title", row[0])
        except ChatFileError:
            return False
        return True

    def _begin(self, database: sqlite3.Connection) -> None:
        """Make the tables; what a version before this kept as it was said is sealed."""
        database.executescript(_SCHEMA)
        if database.execute("PRAGMA user_version").fetchone()[0] >= _SEALED:
            return
        with database:
            for id, title, words, document in database.execute(
                "SELECT id, title, words, document FROM chats"
            ).fetchall():
                sealed = [
                    self._sealed(content.encode() if isinstance(content, str) else bytes(content), part, id)
                    for part, content in (("title", title), ("words", words), ("document", document))
                ]
                database.execute("UPDATE chats SET title = ?, words = ?, document = ? WHERE id = ?", (*sealed, id))
            for id, pair in database.execute("SELECT id, pair FROM votes").fetchall():
                sealed_pair = b"" if pair == "null" else self._sealed(str(pair).encode(), "pair", id)
                database.execute("UPDATE votes SET pair = ? WHERE id = ?", (sealed_pair, id))
            database.execute(f"PRAGMA user_version = {_SEALED}")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was said stood in the journal too

    def _sealed(self, content: bytes, part: str, id: str) -> bytes:
        assert self._sealing is not None
        return self._sealing.seal(content, f"{part} {id}")

    def _opened(self, sealed: bytes, part: str, id: str) -> bytes:
        assert self._sealing is not None
        try:
            return self._sealing.open(sealed, f"{part} {id}")
        except ValueError:
            raise ChatFileError(
                tr("A conversation can't be opened: {file} isn't the one that it was sealed with.", file=KEY_FILE)
            ) from None

    def _text(self, sealed: bytes, part: str, id: str) -> str:
        return self._opened(sealed, part, id).decode()

    def _set_aside(self) -> ChatFileError:
        aside = self._path.with_suffix(".damaged")
        try:
            self._path.replace(aside)
        except OSError as error:
            return ChatFileError(self._sentence(error))
        for rest in ("-wal", "-shm"):
            self._path.with_name(self._path.name + rest).unlink(missing_ok=True)
        return ChatFileError(
            tr("{file} was damaged and is kept as {aside}; a new one begins.", file=FILE, aside=aside.name)
        )

    def _sentence(self, error: Exception) -> str:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return tr("Conversations can't be kept in {path} ({why}).", path=self._path, why=why.lower())


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _around(text: str, word: str) -> str:
    at = text.find(word)
    start = max(0, at - AROUND)
    cut = " ".join(text[start : at + len(word) + AROUND].split())
    return f"{'…' if start else ''}{cut}…"
