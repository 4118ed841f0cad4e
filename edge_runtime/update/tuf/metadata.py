"""TUF 1.0 metadata: documents with signatures over them, how they are read, signed and verified. Shared by host and device.

Specification: The Update Framework 1.0.31 (https://theupdateframework.github.io/specification/), sections 4 and 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic
from urllib.parse import quote

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.update.tuf.documents import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Content,
    Delegation,
    Json,
    K,
    Key,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    read_file,
    time_of,
    time_text,
    write_document,
)

__all__ = [
    "ED25519",
    "ROOT",
    "SNAPSHOT",
    "TARGETS",
    "TIMESTAMP",
    "Content",
    "Delegation",
    "Key",
    "MetaFile",
    "MetadataError",
    "NotTrusted",
    "Role",
    "Root",
    "Signed",
    "Snapshot",
    "TargetFile",
    "Targets",
    "Timestamp",
    "Verifier",
    "add_signature",
    "canonical",
    "check_bytes",
    "file_name",
    "key_of",
    "parse",
    "sign",
    "time_of",
    "time_text",
    "to_bytes",
    "verify",
    "verify_ed25519",
]

Verifier = Callable[[str, bytes, bytes], bool]  # (a key's public half, signature, what is signed) -> whether it fits
# Of files and of metadata. A hash of another kind than these says nothing, so a file that has one is refused.
_HASHES = ("sha256", "sha384", "sha512")


class MetadataError(EdgeError):
    """Something in an update repository isn't TUF 1.0 metadata."""

    status = 502
    code = "metadata"


class NotTrusted(MetadataError):
    """Metadata or a file lack the signatures or the hash that they need, or are older than what was seen before."""

    code = "not_trusted"


@dataclass(frozen=True)
class Signed(Generic[K]):
    """Metadata with signatures (hex, by key id). document: what is signed, with all that this version doesn't know."""

    content: K
    signatures: dict[str, str]
    document: Json

    @cached_property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical(self.document)


def canonical(value: object) -> bytes:
    """Canonical JSON as TUF signs it (section 4.2: the OLPC's); raises `MetadataError` for fractions, which it hasn't."""
    parts: list[str] = []
    _canonical(value, parts.append)
    return "".join(parts).encode("utf-8")


def key_of(public: bytes) -> Key:
    """A raw 32-byte Ed25519 public key as a key of TUF; its id is the hash of its canonical JSON."""
    described = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}
    return Key(hashlib.sha256(canonical(described)).hexdigest(), "ed25519", "ed25519", public.hex())


def parse(raw: bytes, kind: type[K], what: str = "") -> Signed[K]:
    """Read a metadata file; nothing in it is trusted yet. what: its name in errors. Raises `MetadataError`."""
    what = f"The update repository's {what or kind.__name__.lower()} metadata"
    try:
        return Signed(*read_file(strict_json.loads_object(raw, what, MetadataError), kind))
    except ValueError as cause:
        raise MetadataError(f"{what} isn't as TUF 1.0 has it: {cause}.") from None


def to_bytes(signed: Signed[K]) -> bytes:
    """A metadata file."""
    signatures = [{"keyid": keyid, "sig": signature} for keyid, signature in sorted(signed.signatures.items())]
    return strict_json.dumps({"signatures": signatures, "signed": signed.document})


def sign(content: K, seeds: Sequence[bytes]) -> Signed[K]:
    """Sign with 32-byte Ed25519 seeds."""
    signed = Signed(content, {}, write_document(content))
    for seed in seeds:
        signed = add_signature(signed, seed)
    return signed


def add_signature(signed: Signed[K], seed: bytes) -> Signed[K]:
    """The same metadata with one more signature."""
    from nacl.signing import SigningKey

    key = SigningKey(seed)
    made = {key_of(bytes(key.verify_key)).keyid: key.sign(signed.payload).signature.hex()}
    return Signed(signed.content, {**signed.signatures, **made}, signed.document)


def verify_ed25519(public: str, signature: bytes, payload: bytes) -> bool:
    """libsodium refuses malleable signatures and keys of small order."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(bytes.fromhex(public)).verify(payload, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


ED25519: Mapping[tuple[str, str], Verifier] = {("ed25519", "ed25519"): verify_ed25519}


def verify(
    signed: Signed[K],
    keys: Mapping[str, Key],
    role: Role,
    what: str = "",
    verifiers: Mapping[tuple[str, str], Verifier] = ED25519,
) -> None:
    """Raise `NotTrusted` unless as many different keys of the role signed as must; one key under two ids is one.

    verifiers: by (keytype, scheme); a device knows Ed25519 alone.
    """
    counted: set[str] = set()
    for keyid in role.keyids:
        key, told = keys.get(keyid), signed.signatures.get(keyid)
        verifier = None if key is None else verifiers.get((key.keytype, key.scheme))
        if key is None or told is None or verifier is None or key.identity in counted:
            continue
        try:
            signature = bytes.fromhex(told)
        except ValueError:
            continue
        if verifier(key.public, signature, signed.payload):
            counted.add(key.identity)
            if len(counted) >= role.threshold:
                return
    raise NotTrusted(
        f"The update repository's {what or type(signed.content).__name__.lower()} metadata has {len(counted)} of the "
        f"{role.threshold} signatures that it needs, so nothing of it was taken."
    )


def check_bytes(raw: bytes, length: int | None, hashes: Mapping[str, str] | None, what: str) -> None:
    """Raise `NotTrusted` unless bytes are as long as signed metadata say, and have their hashes."""
    if length is not None and len(raw) != length:
        raise NotTrusted(f"{what} has {len(raw):,} bytes, and {length:,} were signed; nothing of it was taken.")
    for algorithm, wanted in (hashes or {}).items():
        if algorithm not in _HASHES:
            raise NotTrusted(
                f"{what} is signed by a hash of the kind '{algorithm[:20]}', which this version can't check."
            )
        found = hashlib.new(algorithm, raw).hexdigest()
        if found != wanted:
            raise NotTrusted(
                f"{what} has the {algorithm} {found[:16]}..., and {wanted[:16]}... was signed; nothing was taken."
            )


def file_name(name: str, version: int | None = None) -> str:
    """Of a role's metadata: the name quoted whole, so that it is one name in one folder; versioned for clients."""
    quoted = quote(name, safe="")
    return f"{quoted}.json" if version is None else f"{version}.{quoted}.json"


def _canonical(value: object, write: Callable[[str], None]) -> None:
    if isinstance(value, str):
        write('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
    elif value is None or isinstance(value, bool):
        write({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, int):
        write(str(value))
    elif isinstance(value, dict):
        for i, key in enumerate(sorted(value)):
            write(",{"[not i])
            _canonical(key, write)
            write(":")
            _canonical(value[key], write)
        write("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            write(",["[not i])
            _canonical(item, write)
        write("]" if value else "[]")
    else:
        raise MetadataError(
            f"TUF's metadata hold no {type(value).__name__}; write fractions as text or in smaller units."
        )
