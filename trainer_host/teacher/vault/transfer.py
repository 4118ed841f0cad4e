"""Keys in one file, to take to another computer: the `age` format with a passphrase (age-encryption.org/v1, scrypt)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.contents import Contents, from_text, to_text

MAX_BYTES = 16 * 1024 * 1024  # a thousand of the longest keys are 4 MB, and armour adds a third
# How an age file begins, bare and as text; only these are handed to the parser.
_BEGINNINGS = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")


class _Pyrage(Protocol):
    """What of `pyrage.passphrase` is used; the package has no types."""

    encrypt: Callable[..., bytes]
    decrypt: Callable[[bytes, str], bytes]


def to_age(contents: Contents, passphrase: Secret, armored: bool = False) -> bytes:
    """The keys and endpoints, sealed; `age --decrypt` shows them as JSON. armored: as text."""
    return _pyrage().encrypt(to_text(contents).reveal().encode(), passphrase.reveal(), armored=armored)


def from_age(content: bytes, passphrase: Secret) -> Contents:
    """What `to_age` or another tool sealed by this passphrase; raises `KeysError`."""
    if len(content) > MAX_BYTES:
        raise KeysError(f"A file of keys has at most {MAX_BYTES // 1024**2} MiB; this one is something else.")
    if not content.startswith(_BEGINNINGS):
        raise KeysError("That isn't a file of keys; 'enigma keys export' makes one.")
    age = _pyrage()
    from pyrage import DecryptError

    try:
        plain = Secret(age.decrypt(content, passphrase.reveal()).decode())
    except (DecryptError, UnicodeError):
        raise KeysError(
            "The file of keys can't be opened: the passphrase is wrong, or the file was changed or sealed for something else."
        ) from None
    return from_text(plain)


def _pyrage() -> _Pyrage:
    try:
        from pyrage import passphrase
    except ModuleNotFoundError:
        raise KeysError("Files of keys need the package pyrage; install Enigma with the extra 'trainer'.") from None
    return cast(_Pyrage, passphrase)
