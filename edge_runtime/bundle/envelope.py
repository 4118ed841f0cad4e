"""The fixed binary head of a bundle: length, hash, signer and an Ed25519 signature over them."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

from edge_runtime.errors import BundleError, UntrustedSigner

# 0x89 and the newlines catch transfers that strip the eighth bit or convert line ends, as in PNG's signature.
MAGIC = b"\x89ENIGMA\r\n\x1a\n\x00"
FORMAT = 1
_FIELDS = struct.Struct(">12sIQ32s32s")  # magic, format, payload length, payload sha256, signer's public key
SIGNATURE_BYTES = 64
HEADER_BYTES = _FIELDS.size + SIGNATURE_BYTES
MAX_BUNDLE_BYTES = 64 * 1024 * 1024  # 16 times what the gate allows a model to weigh; a device may set less


@dataclass(frozen=True)
class Envelope:
    """A bundle's head, as read from its first `HEADER_BYTES` bytes."""

    length: int
    sha256: bytes
    signer: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """The payload's SHA-256 in hex: the bundle's content address without its prefix."""
        return self.sha256.hex()

    @property
    def address(self) -> str:
        """The bundle's content address, `sha256:` and 64 hex digits."""
        return f"sha256:{self.digest}"

    def signed_part(self) -> bytes:
        """The bytes that the signature covers: everything before it."""
        return _FIELDS.pack(MAGIC, FORMAT, self.length, self.sha256, self.signer)

    def to_bytes(self) -> bytes:
        """The head as it stands in the file."""
        return self.signed_part() + self.signature

    def check(self, trusted: Collection[bytes], max_bytes: int = MAX_BUNDLE_BYTES) -> None:
        """Raise `UntrustedSigner` unless a key in `trusted` signed this head, `BundleError` if too long.

        trusted: raw 32-byte Ed25519 public keys. libsodium refuses malleable signatures and small-order keys.
        """
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        if self.signer not in trusted:
            raise UntrustedSigner(
                f"The bundle is signed by {fingerprint(self.signer)}, which this device doesn't trust; "
                "pair the host that made it, or add its key with 'enigma-edge trust add'."
            )
        try:
            VerifyKey(self.signer).verify(self.signed_part(), self.signature)
        except (BadSignatureError, ValueError):
            raise UntrustedSigner(
                "The bundle's signature is wrong: the file was changed after signing; copy or build it again."
            ) from None
        if self.length > max_bytes:
            raise BundleError(
                f"The bundle holds {self.length:,} bytes, and this device takes {max_bytes:,}; "
                "compress the model, or raise max_bundle_mb in the device's configuration."
            )


def read_envelope(source: BinaryIO | bytes) -> Envelope:
    """Read a head from an open file or from bytes; raises `BundleError` if this isn't a bundle.

    Nothing is checked but the magic and the format: call `Envelope.check` before using any field.
    """
    head = source[:HEADER_BYTES] if isinstance(source, bytes) else source.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise BundleError(f"The bundle ends after {len(head)} bytes, inside its head; send the whole file.")
    magic, form, length, sha256, signer = _FIELDS.unpack(head[: _FIELDS.size])
    if magic != MAGIC:
        raise BundleError("This isn't an Enigma bundle; send a .enigma file made by 'enigma bundle'.")
    if form != FORMAT:
        raise BundleError(f"The bundle has format {form}, this device reads {FORMAT}; update Enigma on the device.")
    return Envelope(length, sha256, signer, head[_FIELDS.size :])


def sign(length: int, sha256: bytes, signing_key: bytes) -> Envelope:
    """Sign a payload's length and hash with a 32-byte Ed25519 seed."""
    from nacl.signing import SigningKey

    key = SigningKey(signing_key)
    unsigned = Envelope(length, sha256, bytes(key.verify_key), b"")
    return Envelope(length, sha256, unsigned.signer, key.sign(unsigned.signed_part()).signature)


def public_key_of(signing_key: bytes) -> bytes:
    """The 32-byte public key that belongs to a 32-byte Ed25519 seed."""
    from nacl.signing import SigningKey

    return bytes(SigningKey(signing_key).verify_key)


def fingerprint(public_key: bytes) -> str:
    """A key as people compare it: the first 16 hex digits of the raw key."""
    return f"key {public_key.hex()[:16]}"
