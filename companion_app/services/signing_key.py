"""The key that signs updates, and what it signed: files of the config folder, for this user alone. The key never leaves it."""

from __future__ import annotations

import base64
import binascii
import secrets

from companion_app.i18n import N_
from companion_app.services.remember import Memory

KEY_FILE, SIGNED_FILE = "signing.json", "signed.json"
KEY_LOST = N_("make a new key, and let the host put it in the place of the old one")
SIGNED_LOST = N_("what was signed before is not known any more, so look at each update as at the first")
SEED_BYTES = 32  # Ed25519, RFC 8032


def read_seed(memory: Memory) -> bytes | None:
    """The 32 bytes of this machine's key, None where none was made; raises `RememberError`."""
    document = memory.read(KEY_FILE, KEY_LOST)
    if document is None:
        return None
    try:
        seed = bytes.fromhex(str(document.get("seed")))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise memory.set_aside(KEY_FILE, KEY_LOST)
    return seed


def make_seed(memory: Memory) -> bytes:
    """A new key, or the one that is there: nothing here replaces a key. Raises `RememberError`."""
    if (seed := read_seed(memory)) is None:
        seed = secrets.token_bytes(SEED_BYTES)
        memory.write(KEY_FILE, {"seed": seed.hex()})
    return seed


def signed_before(memory: Memory, host: str) -> dict[str, bytes]:
    """The metadata that were signed last for a host, by role; raises `RememberError` where the file is damaged."""
    found = (memory.read(SIGNED_FILE, SIGNED_LOST) or {}).get(host, {})
    try:
        return {role: base64.b64decode(raw, validate=True) for role, raw in found.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise memory.set_aside(SIGNED_FILE, SIGNED_LOST) from None


def keep_signed(memory: Memory, host: str, role: str, raw: bytes) -> None:
    """Remember what is about to be signed: a host could otherwise have two things of one version signed."""
    document = memory.read(SIGNED_FILE, SIGNED_LOST) or {}
    known = document.get(host)
    roles = known if isinstance(known, dict) else {}
    memory.write(SIGNED_FILE, {**document, host: {**roles, role: base64.b64encode(raw).decode()}})
