"""The device's own Ed25519 key, made at the first start; its public half is the device's identity."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from edge_runtime.bundle import public_key_of
from edge_runtime.errors import BadRequest, StateError
from edge_runtime.identity.certificate import id_of
from edge_runtime.identity.files import IdentityFolder

_FILE = "device-key.json"


@dataclass(frozen=True)
class DeviceKey:
    """seed: 32 secret bytes; public: 32 bytes."""

    seed: bytes
    public: bytes

    @property
    def id(self) -> str:
        """The device's id, see `id_of`."""
        return id_of(self.public)


def device_key(identity: IdentityFolder) -> DeviceKey:
    """Read the device's key, or make it; raises `StateError` where the file is damaged."""
    from nacl.utils import random

    with identity.changing():
        stored = identity.read(_FILE).get("seed")
        if stored is None:
            seed = random(32)
            identity.write(_FILE, {"seed": base64.b64encode(seed).decode("ascii")})
        else:
            try:
                seed = decode_key(stored)
            except BadRequest:
                raise StateError(f"{identity.folder / _FILE} is damaged; restore it, or delete it.") from None
    return DeviceKey(seed, public_key_of(seed))


def decode_key(text: object) -> bytes:
    """32 bytes from base64 or hex; raises `BadRequest`."""
    raw = b""
    if isinstance(text, str) and len(text) <= 64:
        try:
            raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raw = b""
    if len(raw) != 32:
        raise BadRequest("A key is 32 bytes, written in base64 or in 64 hex digits.")
    return raw
