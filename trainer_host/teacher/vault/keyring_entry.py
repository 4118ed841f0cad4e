"""The vault's master key in the keyring of the operating system, where there is a usable one (extra `keyring`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from trainer_host.errors import KeysError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE = "enigma key vault"
DEADLINE_SECONDS = 60.0  # a keyring may ask the person to unlock it; without a screen it would wait for ever


def usable() -> KeyringBackend | None:
    """The keyring to use, or None.

    The back ends fail and null keep nothing, and those of a priority under 1 aren't recommended by `keyring` (a
    plain file is one). The chainer writes into whichever comes first; the best of its parts is used in its place.
    """
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ModuleNotFoundError:
        return None
    backend = keyring.get_keyring()
    parts = list(backend.backends) if isinstance(backend, chainer.ChainerBackend) else [backend]
    for part in parts:
        if not isinstance(part, fail.Keyring | null.Keyring) and part.priority >= 1:
            return part
    return None


def store(salt: bytes, value: bytes) -> None:
    """Keep 32 bytes under the vault's salt, and read them back; raises `KeysError`."""
    text = base64.b64encode(value).decode()
    backend = _backend()
    _within_deadline(lambda: backend.set_password(SERVICE, salt.hex(), text))
    if load(salt) != value:
        raise KeysError("The keyring doesn't give back what it was given; use --passphrase or --key-file.")


def load(salt: bytes) -> bytes:
    """The 32 bytes of a vault; raises `KeysError` where the keyring doesn't have them."""
    backend = _backend()
    text = _within_deadline(lambda: backend.get_password(SERVICE, salt.hex()))
    try:
        return base64.b64decode(text or "", validate=True)
    except (ValueError, binascii.Error):
        return b""


def forget(salt: bytes) -> None:
    """Remove the entry of a vault; one that isn't there is fine."""
    from keyring.errors import PasswordDeleteError

    backend = _backend()

    def delete() -> None:
        with contextlib.suppress(PasswordDeleteError):
            backend.delete_password(SERVICE, salt.hex())

    _within_deadline(delete)


def _backend() -> KeyringBackend:
    if found := usable():
        return found
    raise KeysError(
        "The key vault is to be opened by the system's keyring, and there is no usable one here; install Enigma with "
        "the extra 'keyring', log in to a desktop, or use 'enigma keys protect --passphrase' where there is one."
    )


def _within_deadline(function: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[str] = []

    def run() -> None:
        try:
            done.append(function())
        except Exception as cause:  # back ends are plug-ins, and raise what their platform raises
            failed.append(type(cause).__name__)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    if done:
        return done[0]
    why = f"can't be used ({failed[0]})" if failed else f"hasn't answered for {DEADLINE_SECONDS:.0f} seconds"
    raise KeysError(f"The system's keyring {why}; unlock it and try again.")
