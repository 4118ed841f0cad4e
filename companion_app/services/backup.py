"""One sealed file of all that this app keeps: pairings, the signing key, settings, answers; conversations where wanted.

A line that says what it is, then argon2id's cost and salt, then XSalsa20-Poly1305 over packed JSON (libsodium's SecretBox).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import day_of
from companion_app.services.chat_json import ChatFileError, from_json
from companion_app.services.private_files import write_new
from companion_app.services.remember import DEVICES, HOST, SETTINGS, Memory
from companion_app.services.signing_key import KEY_FILE

if TYPE_CHECKING:
    from nacl.secret import SecretBox

    from companion_app.services.chat_store import ChatStore
    from companion_app.state.chat import Conversation

NAME = "enigma-companion.backup"  # where a person gives a folder
MAGIC = b"enigma-companion backup 1\n"
MAX_BYTES = 64 * 2**20
ROOM = 8 * 2**20  # of it for all but conversations
MAX_FILES = 200
# RFC 9106's second choice asks for 64 MB and 3 passes; a phone can do twice that. Later versions may ask for more.
OPS, MEMORY = 3, 128 * 2**20
MOST_OPS, MOST_MEMORY = 20, 2**30
_HEADER = struct.Struct(">II16s")


class BackupError(Exception):
    """The backup can't be made or used; the message is one sentence for the person."""


@dataclass(frozen=True)
class Opened:
    """What a backup holds: when it was made (ISO 8601), documents by their file's name, and conversations."""

    made: str
    files: dict[str, dict[str, object]]
    conversations: tuple[Conversation, ...] = ()

    def lines(self, memory: Memory) -> tuple[str, ...]:
        """What it holds, for a person who decides on it."""
        devices = self.files.get(DEVICES, {}).get("devices")
        count = len(devices) if isinstance(devices, list) else 0
        host = self.files.get(HOST, {}).get("host")
        found = [
            tr("Made on {day}.", day=day_of(self.made)),
            ntr("{number} paired device.", "{number} paired devices.", count),
        ]
        if isinstance(host, dict):
            found.append(tr("The host {name}.", name=str(host.get("name"))[:80]))
        if KEY_FILE in self.files:
            same = memory.read(KEY_FILE, "") in (None, self.files[KEY_FILE])
            found.append(
                tr("The key that signs updates.")
                if same
                else tr("Another key that signs updates: it would take the place of this machine's.")
            )
        if SETTINGS in self.files:
            found.append(tr("The settings."))
        if self.conversations:
            found.append(ntr("{number:,} conversation.", "{number:,} conversations.", len(self.conversations)))
        others = len(self.files.keys() - {DEVICES, HOST, KEY_FILE, SETTINGS})
        if others:
            found.append(ntr("{number} other file of this app.", "{number} other files of this app.", others))
        return tuple(found)


def collect(memory: Memory) -> dict[str, dict[str, object]]:
    """All documents of the config folder. Raises `RememberError`."""
    names = sorted(path.name for path in memory.folder.glob("*.json") if path.is_file() and not path.is_symlink())
    found: dict[str, dict[str, object]] = {}
    for name in names[:MAX_FILES]:
        document = memory.read(name, tr("it is left out of the backup"))
        if document is not None:
            found[name] = document
    return found


def conversations(chats: ChatStore) -> list[bytes]:
    """The document of each conversation. Raises `BackupError` for more than a backup takes, and `ChatFileError`."""
    found, size = [], 0
    for document in chats.every():
        found.append(document)
        size += len(document)
        if size > MAX_BYTES - ROOM:
            raise BackupError(
                tr(
                    "The conversations hold more than the {size:,} MB that a backup takes; delete some, or leave them out.",
                    size=(MAX_BYTES - ROOM) // 2**20,
                )
            )
    return found


def seal(files: dict[str, dict[str, object]], passphrase: str, conversations: Sequence[bytes] = ()) -> bytes:
    """The backup's bytes. It takes about a second, on purpose."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    said = [json.loads(document) for document in conversations]
    plain = json.dumps({"made": made, "files": files, "conversations": said}, ensure_ascii=False).encode()
    salt = os.urandom(16)
    return (
        MAGIC + _HEADER.pack(OPS, MEMORY, salt) + _box(passphrase, OPS, MEMORY, salt).encrypt(zlib.compress(plain, 9))
    )


def unseal(content: bytes, passphrase: str) -> Opened:
    """What a backup holds. Raises `BackupError`: no backup, another passphrase, changed since."""
    from nacl.exceptions import CryptoError

    if not content.startswith(MAGIC) or len(content) < len(MAGIC) + _HEADER.size + 40:
        raise BackupError(tr("That is no backup of this app; choose another file."))
    ops, memory, salt = _HEADER.unpack_from(content, len(MAGIC))
    if not (1 <= ops <= MOST_OPS and 8192 <= memory <= MOST_MEMORY):
        raise BackupError(tr("That is a backup of a newer version; update this app first."))
    try:
        packed = _box(passphrase, ops, memory, salt).decrypt(content[len(MAGIC) + _HEADER.size :])
    except CryptoError:
        raise BackupError(
            tr("The passphrase is another one, or the file was changed; nothing was changed here.")
        ) from None
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(packed, MAX_BYTES)
        document = json.loads(plain)
        files = document["files"]
        said = document.get("conversations", [])
        good = isinstance(files, dict) and all(
            isinstance(one, dict) and name.endswith(".json") and Path(name).name == name and not name.startswith(".")
            for name, one in files.items()
        )
        talks = tuple(from_json(one) for one in said)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError, ChatFileError):
        good, document, files, talks = False, {}, {}, ()
    if not good:
        raise BackupError(tr("The backup can't be read; nothing was changed here."))
    return Opened(str(document.get("made"))[:40], files, talks)


def restore(memory: Memory, opened: Opened, chats: ChatStore | None = None) -> None:
    """Put what it holds in the place of what is here; what it doesn't hold stays. Raises `RememberError`, `ChatFileError`."""
    if chats is not None:
        for one in opened.conversations:
            chats.keep(one)
    for name, document in opened.files.items():
        memory.write(name, document)


def write(path: str, content: bytes) -> Path:
    """A new file, for this user alone; raises `BackupError` where there is one already."""
    file = _path(path)
    if file.is_dir():
        file /= NAME
    try:
        write_new(file, content)
    except FileExistsError:
        raise BackupError(tr("There is a file {path} already; choose another name.", path=file)) from None
    except OSError as error:
        raise _cannot(file, error) from None
    return file


def read(path: str) -> bytes:
    """A file's bytes; raises `BackupError`."""
    file = _path(path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _cannot(file, error) from None
    if len(content) > MAX_BYTES:
        raise BackupError(tr("{path} is too large for a backup of this app; choose another file.", path=file))
    return content


def _box(passphrase: str, ops: int, memory: int, salt: bytes) -> SecretBox:
    from nacl.pwhash import argon2id
    from nacl.secret import SecretBox

    return SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=ops, memlimit=memory))


def _path(path: str) -> Path:
    try:
        return Path(path.strip()).expanduser()
    except RuntimeError:
        raise BackupError(
            tr("There is no home folder for {path}; give the whole path.", path=path.strip()[:80])
        ) from None


def _cannot(path: Path, error: OSError) -> BackupError:
    why = (error.strerror or str(error)).lower()
    return BackupError(tr("Cannot use {path} ({why}); choose another file.", path=path, why=why))
