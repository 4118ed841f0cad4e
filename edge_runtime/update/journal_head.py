"""Where a device's journal ends, signed by the device's own key: whoever kept one sees that lines were cut off since."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.identity.certificate import id_of
from edge_runtime.identity.keys import DeviceKey

Json = dict[str, object]
_ABOUT = b"enigma journal head\0"  # keeps the signature from being taken for one over something else by the same key
_HASH = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_MOST_LINES = 10**12


class HeadError(EdgeError):
    """What a device says of its journal can't be relied on."""

    status = 422
    code = "journal_head"


@dataclass(frozen=True)
class Head:
    """count: lines that were ever written; hash: that of the last one, in hex; at: seconds since 1970 by the device's clock."""

    device: str
    count: int
    hash: str
    at: float


def sign_head(head: Head, key: DeviceKey) -> Json:
    """As JSON with the device's signature; `read_head` reads it."""
    from nacl.signing import SigningKey

    content = {"device": head.device, "count": head.count, "hash": head.hash, "at": head.at}
    signature = SigningKey(key.seed).sign(_ABOUT + strict_json.dumps(content)).signature
    return {"signed": content, "key": key.public.hex(), "signature": signature.hex()}


def read_head(raw: object, device: str, known: str = "") -> Head:
    """The head of a device's journal; raises `HeadError` where its key didn't sign it.

    device: its id, which is the first 64 bits of its key; known: the whole key in hex, empty where it isn't known.
    """
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    top: Mapping[str, object] = raw if isinstance(raw, dict) else {}
    content, key, signature = top.get("signed"), top.get("key"), top.get("signature")
    if not (
        isinstance(content, dict)
        and isinstance(key, str)
        and isinstance(signature, str)
        and _HASH.fullmatch(key)
        and _SIGNATURE.fullmatch(signature)
    ):
        raise HeadError("The device doesn't sign the head of its journal; update Enigma on it.")
    if id_of(bytes.fromhex(key)) != device or known not in ("", key):
        raise HeadError("The head of the journal is signed by another key than the device's.")
    try:
        VerifyKey(bytes.fromhex(key)).verify(_ABOUT + strict_json.dumps(content), bytes.fromhex(signature))
    except (BadSignatureError, ValueError):
        raise HeadError("The signature of the journal's head is wrong.") from None
    count, last, at = content.get("count"), content.get("hash"), content.get("at")
    if (
        content.get("device") != device
        or isinstance(count, bool)
        or not isinstance(count, int)
        or not 0 <= count <= _MOST_LINES
        or not isinstance(last, str)
        or not _HASH.fullmatch(last)
        or isinstance(at, bool)
        or not isinstance(at, int | float)
    ):
        raise HeadError("The head of the journal can't be read, or is of another device.")
    return Head(device, count, last, float(at))
