"""The vault's master key in a file beside it: what is left where there is no passphrase and no keyring."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from trainer_host.errors import KeysError
from trainer_host.teacher.vault.sealing import KEY_BYTES
from trainer_host.workspace import write_atomic

NAME = "providers.key"


def store(folder: Path, value: bytes) -> None:
    """Write the 32 bytes for the owner alone."""
    write_atomic(folder / NAME, base64.b64encode(value) + b"\n", 0o600)


def load(folder: Path) -> bytes:
    """The 32 bytes; raises `KeysError` where the file isn't there, is damaged, or could be read by others."""
    path = folder / NAME
    try:
        # Asked of the open file, so that it is the one that is read.
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise KeysError(
                    f"{path} can be read by others; run 'chmod 600 {path}', and renew the keys if others use this machine."
                )
            content = opened.read(1024)
    except FileNotFoundError:
        raise KeysError(
            f"{path} isn't there, and the key vault can't be opened without it; "
            "restore it from a copy, or delete providers.vault and add the keys again."
        ) from None
    try:
        value = base64.b64decode(content.strip(), validate=True)
    except (ValueError, binascii.Error):
        value = b""
    # Base64 has spare bits at its end: only the one spelling that `store` writes is taken.
    if len(value) != KEY_BYTES or base64.b64encode(value) != content.strip():
        raise KeysError(
            f"{path} is damaged; restore it from a copy, or delete it and providers.vault and add the keys again."
        )
    return value
