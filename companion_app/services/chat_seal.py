"""Seals conversations for the disk, so that a copy of their file alone tells nobody anything.

XChaCha20-Poly1305 (libsodium's `Aead`, draft-irtf-cfrg-xchacha-03) over each part of a row, bound to its place, so that parts
can't be exchanged. The key lies in a file beside, for this user alone: whoever can read all of this user's files can read the
conversations too. A keyring may ask somebody to unlock it, and forget; a conversation must open without that.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.secret import Aead

KEY_FILE = "chats.key"


class Sealing:
    """Seals and opens with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._box = Aead(key)

    def seal(self, content: bytes, place: str) -> bytes:
        """place: what the content is, and of which row; the same to open it."""
        return bytes(self._box.encrypt(content, place.encode()))

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises `ValueError` where it was changed, moved, or sealed by another key."""
        try:
            return self._box.decrypt(bytes(sealed), place.encode())
        except (CryptoError, TypeError, ValueError):
            raise ValueError(place) from None


def key_in(folder: Path) -> bytes:
    """The key of this folder's conversations, made where there is none, or none that is one. Raises OSErrors."""
    path = folder / KEY_FILE
    try:
        with path.open("rb") as file:
            key = file.read(Aead.KEY_SIZE + 1)
        if len(key) == Aead.KEY_SIZE:
            return key
        path.unlink()  # what it sealed is lost, and said to be where it is opened
    except FileNotFoundError:
        pass  # it is made now
    key = secrets.token_bytes(Aead.KEY_SIZE)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(key)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    return key
