"""The vault's file: a fixed header, then a PyNaCl SecretBox; any change of any byte is noticed.

Layout, 65 bytes and the box, numbers big-endian:

    magic 8 | kind 1 | argon2id operations 4, memory in KiB 4 | salt 16 | check of the key 16 | check of these 49 bytes 16
    nonce 24 | Poly1305 tag 16 | ciphertext

The box's key is BLAKE2b over the header, keyed by the master key: so the header is authenticated too. The check of the
key tells a wrong passphrase from a damaged file; the check of the header finds damage before argon2id is run on it.
"""

from __future__ import annotations

import hmac
import struct
import unicodedata
from dataclasses import dataclass
from enum import Enum

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret

MAGIC = b"ENIGMAV1"
MAX_BYTES = 16 * 1024 * 1024  # 1000 of the longest keys are 4 MB
KEY_BYTES = 32
SALT_BYTES = 16

_HEADER = struct.Struct(">8scII16s16s")
_CHECK_BYTES = 16


class Protection(Enum):
    """What holds the master key: a passphrase in the person's head, the system's keyring, a file beside the vault."""

    PASSPHRASE = b"p"
    KEYRING = b"k"
    KEY_FILE = b"f"


@dataclass(frozen=True)
class Limits:
    """Cost of argon2id: passes, and memory in KiB."""

    operations: int
    kibibytes: int


MODERATE = Limits(3, 256 * 1024)  # libsodium's crypto_pwhash_*LIMIT_MODERATE: 0.7 s on a desktop
# What a file may ask for, libsodium's lowest and its SENSITIVE: a crafted one can't take all memory.
_LEAST, _MOST = Limits(1, 8), Limits(4, 1024 * 1024)
_NO_LIMITS = Limits(0, 0)


class MasterKey:
    """32 secret bytes that don't show themselves, and the header that they belong to."""

    __slots__ = ("_value", "header")

    def __init__(self, value: bytes, header: Header) -> None:
        self._value = value
        self.header = header

    def __repr__(self) -> str:
        return "MasterKey(...)"

    def is_right(self) -> bool:
        """Whether the header was made with it."""
        return hmac.compare_digest(_hash(b"enigma vault check", self._value)[:_CHECK_BYTES], self.header.key_check)

    def box_key(self) -> bytes:
        """The key of the SecretBox."""
        return _hash(self.header.packed(), self._value)


@dataclass(frozen=True)
class Header:
    """How the vault is sealed. limits: (0, 0) unless by a passphrase. salt: also names the entry in a keyring."""

    protection: Protection
    limits: Limits
    salt: bytes
    key_check: bytes = b""

    def packed(self) -> bytes:
        """Its bytes, with their check."""
        start = _HEADER.pack(
            MAGIC, self.protection.value, self.limits.operations, self.limits.kibibytes, self.salt, self.key_check
        )
        return start + _hash(start)[:_CHECK_BYTES]


HEADER_BYTES = _HEADER.size + _CHECK_BYTES


def new_master(protection: Protection, secret: Secret | bytes, limits: Limits = MODERATE) -> MasterKey:
    """A master key with a fresh salt, from a passphrase or from 32 random bytes."""
    from nacl.utils import random

    salt = random(SALT_BYTES)
    used = limits if protection is Protection.PASSPHRASE else _NO_LIMITS
    value = _derived(secret, used, salt) if isinstance(secret, Secret) else secret
    return MasterKey(value, Header(protection, used, salt, _hash(b"enigma vault check", value)[:_CHECK_BYTES]))


def master_of(header: Header, secret: Secret | bytes) -> MasterKey | None:
    """The master key of a vault, or None where the passphrase or the bytes are wrong."""
    value = _derived(secret, header.limits, header.salt) if isinstance(secret, Secret) else secret
    master = MasterKey(value, header)
    return master if len(value) == KEY_BYTES and master.is_right() else None


def seal(master: MasterKey, plain: Secret) -> bytes:
    """The file's content; differs each time, since the nonce is random."""
    from nacl.secret import SecretBox

    return master.header.packed() + bytes(SecretBox(master.box_key()).encrypt(plain.reveal().encode()))


def read_header(content: bytes) -> Header:
    """The header of a vault; raises `KeysError` where it isn't one or was changed."""
    start = content[: _HEADER.size]
    if len(content) < HEADER_BYTES or not hmac.compare_digest(
        _hash(start)[:_CHECK_BYTES], content[_HEADER.size : HEADER_BYTES]
    ):
        raise _damaged()
    magic, kind, operations, kibibytes, salt, key_check = _HEADER.unpack(start)
    limits = Limits(operations, kibibytes)
    try:
        protection = Protection(kind)
    except ValueError:
        raise _damaged() from None
    if magic != MAGIC or not _allowed(protection, limits):
        raise _damaged()
    return Header(protection, limits, salt, key_check)


def unseal(master: MasterKey, content: bytes) -> Secret:
    """What `seal` was given; raises `KeysError` where one byte of the content was changed."""
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        return Secret(SecretBox(master.box_key()).decrypt(content[HEADER_BYTES:]).decode())
    # PyNaCl raises ValueError and TypeError for a box that is too short to hold its nonce and tag.
    except (CryptoError, ValueError, TypeError):
        raise _damaged() from None


def _allowed(protection: Protection, limits: Limits) -> bool:
    if protection is not Protection.PASSPHRASE:
        return limits == _NO_LIMITS
    return (
        _LEAST.operations <= limits.operations <= _MOST.operations
        and _LEAST.kibibytes <= limits.kibibytes <= _MOST.kibibytes
    )


def _derived(passphrase: Secret, limits: Limits, salt: bytes) -> bytes:
    from nacl.exceptions import RuntimeError as DerivationError
    from nacl.pwhash import argon2id

    try:
        return argon2id.kdf(KEY_BYTES, _normal(passphrase.reveal()), salt, limits.operations, limits.kibibytes * 1024)
    except (DerivationError, MemoryError):
        raise KeysError(f"Opening the key vault takes {limits.kibibytes // 1024} MiB of memory; free some.") from None


def _normal(text: str) -> bytes:
    # NFC: the same letters are the same passphrase, however a keyboard composes them.
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _hash(content: bytes, key: bytes = b"") -> bytes:
    from hashlib import blake2b

    return blake2b(content, key=key, digest_size=KEY_BYTES).digest()


def _damaged() -> KeysError:
    return KeysError(
        "The key vault isn't as it was written: it failed its authentication, so it is damaged or was changed. "
        "Restore HOME/keys/providers.vault from a copy, or delete it and add the keys again."
    )
