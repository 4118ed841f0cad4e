"""Conversations on the disk: whole after a crash, sealed, and set aside where they can't be opened."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from companion_app.services.chat_json import ChatFileError, dumps
from companion_app.services.chat_store import FILE, ChatStore
from companion_app.state.chat import Conversation, Turn


def test_a_damaged_file_is_kept_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    store = ChatStore(tmp_path)
    with pytest.raises(ChatFileError, match="damaged"):
        store.listed()
    assert store.listed() == ()
    assert (tmp_path / "chats.damaged").exists()
    store.close()


def test_what_was_sent_survives_a_kill(tmp_path: Path) -> None:
    store = ChatStore(tmp_path)
    store.keep(Conversation("0" * 16, (), "Kept", turns=(Turn(1, "Hello"),)))
    # No close: as after a power cut, another process finds what is on disk.
    again = ChatStore(tmp_path)
    assert [one.title for one in again.listed()] == ["Kept"]
    again.close()
    store.close()


def test_what_was_said_is_sealed_on_the_disk_and_a_row_in_anothers_place_is_refused(tmp_path: Path) -> None:
    store = ChatStore(tmp_path)
    for number, word in enumerate(("marmalade", "Büroklammer")):
        store.keep(Conversation(str(number) * 16, (), f"About {word}", turns=(Turn(1, f"I like {word} so much"),)))
    store.keep_vote("v", {"prompt": "marmalade?"})
    assert [one.title for one in store.search("BÜRO so")] == ["About Büroklammer"]
    content = b"".join(file.read_bytes() for file in tmp_path.glob("chats.db*"))
    assert b"armalade" not in content and b"klammer" not in content and b"0" * 16 in content
    assert (tmp_path / "chats.key").stat().st_mode & 0o777 == 0o600
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as other, other:
        other.execute("UPDATE chats SET document = (SELECT document FROM chats WHERE id LIKE '1%') WHERE id LIKE '0%'")
    with pytest.raises(ChatFileError, match="sealed"):
        store.read("0" * 16)
    assert store.read("1" * 16).turns[0].asked == "I like Büroklammer so much"
    store.close()
    (tmp_path / "chats.key").write_bytes(b"x" * 32)  # another key: what it can't open is kept aside, not overwritten
    store = ChatStore(tmp_path)
    with pytest.raises(ChatFileError, match="damaged"):
        store.listed()
    assert store.listed() == () and (tmp_path / "chats.damaged").exists()
    store.close()


def test_what_a_version_before_kept_unsealed_is_sealed(tmp_path: Path) -> None:
    one = Conversation("0" * 16, (), "Old", turns=(Turn(1, "about marmalade"),))
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as before, before:
        before.execute("PRAGMA journal_mode=WAL")
        before.execute("CREATE TABLE chats(id TEXT PRIMARY KEY, title TEXT, updated REAL, words TEXT, document BLOB)")
        before.execute("CREATE TABLE votes(id TEXT PRIMARY KEY, pair TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0)")
        before.execute("INSERT INTO chats VALUES(?, 'Old', 1.0, 'old\nabout marmalade', ?)", (one.id, dumps(one)))
        before.execute("INSERT INTO votes VALUES('a', '{\"prompt\": \"marmalade\"}', 0), ('b', 'null', 2)")
    store = ChatStore(tmp_path)
    assert [each.title for each in store.search("marmalade")] == ["Old"] and store.read(one.id).turns == one.turns
    assert store.votes() == (("a", {"prompt": "marmalade"}), ("b", None))
    content = b"".join(file.read_bytes() for file in tmp_path.glob("chats.db*"))
    assert b"marmalade" not in content
    store.close()
