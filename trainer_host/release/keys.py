"""The host's signing key: one Ed25519 seed in HOME/keys, readable by its owner alone."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass

from trainer_host.errors import TrainerError
from trainer_host.workspace import Workspace, storage_errors, write_atomic

FILE = "signing.key"


@dataclass(frozen=True)
class SigningKey:
    """seed: 32 secret bytes; public: 32 bytes that devices trust."""

    seed: bytes
    public: bytes

    def __repr__(self) -> str:  # the seed must not get into a log by way of a traceback
        return f"SigningKey(public={self.public.hex()})"


def signing_key(workspace: Workspace) -> SigningKey:
    """Read the key, or make it at the first use; raises `TrainerError` where it is damaged or open to others."""
    from edge_runtime.bundle import public_key_of

    path = workspace.keys / FILE
    with storage_errors(workspace.keys):
        private_folder(workspace)
        if not path.exists():
            write_atomic(path, base64.b64encode(os.urandom(32)) + b"\n", 0o600)
        if path.stat().st_mode & 0o077:
            raise TrainerError(f"{path} can be read by others; run 'chmod 600 {path}', or delete it.")
        content = path.read_bytes()
    try:
        seed = base64.b64decode(content.strip(), validate=True)
    except (ValueError, binascii.Error):
        seed = b""
    if len(seed) != 32:
        raise TrainerError(f"{path} isn't a signing key; restore it, or delete it and pair every device again.")
    return SigningKey(seed, public_key_of(seed))


def private_folder(workspace: Workspace) -> None:
    """Make HOME/keys for its owner alone."""
    workspace.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    workspace.keys.chmod(0o700)
