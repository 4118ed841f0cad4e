"""What a device says of itself, signed by its own key: {"signed": what it says, "key", "signature"}, the last two in hex."""

from __future__ import annotations

import re

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.identity.certificate import id_of
from edge_runtime.identity.keys import DeviceKey

Json = dict[str, object]
_KEY, _SIGNATURE = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")


def sign(kind: str, content: Json, key: DeviceKey) -> Json:
    """A statement. kind: keeps its signature from being taken for one over something else by the same key."""
    from nacl.signing import SigningKey

    signature = SigningKey(key.seed).sign(_to_sign(kind, content)).signature
    return {"signed": content, "key": key.public.hex(), "signature": signature.hex()}


def check(kind: str, raw: object, device: str, known: str, what: str, error: type[EdgeError]) -> Json:
    """What a device said; raises `error`, of which `what` is the subject, where its key didn't sign it.

    device: its id, which is the first 64 bits of its key; known: the whole key in hex, empty where it isn't known.
    """
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    top = raw if isinstance(raw, dict) else {}
    content, key, signature = top.get("signed"), top.get("key"), top.get("signature")
    if not (
        isinstance(content, dict)
        and isinstance(key, str)
        and isinstance(signature, str)
        and _KEY.fullmatch(key)
        and _SIGNATURE.fullmatch(signature)
    ):
        raise error(f"{what} isn't signed as a device signs; update Enigma on it.")
    public = bytes.fromhex(key)
    if id_of(public) != device or known not in ("", key):
        raise error(f"{what} is signed by another key than the device's.")
    try:
        VerifyKey(public).verify(_to_sign(kind, content), bytes.fromhex(signature))
    except (BadSignatureError, ValueError):  # the latter for numbers that JSON can't hold, as 1e999
        raise error(f"{what} has a wrong signature.") from None
    return content


def _to_sign(kind: str, content: Json) -> bytes:
    return f"enigma {kind}\0".encode() + strict_json.dumps(content)
