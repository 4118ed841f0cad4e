"""The device's own certificate for TLS: self-signed, always the same bytes, known to others by its hash.

X.509 (RFC 5280) with an Ed25519 key (RFC 8410), written out in DER, because a certificate needs no more than this and
a library for it would be the largest on a device. Nobody checks who signed it: who pairs learns its hash inside of the
pairing's own encryption and takes no other from then on. So it needs no clock either, and is valid for good.

Where the key of TLS may have got about, the device takes another one. The new certificate carries, in an extension of its
own, how often that was done, and the device's signature over it: who knows the device's key from a pairing takes it for
the one before, and never goes back.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass

_ED25519 = bytes.fromhex("06032b6570")  # 1.3.101.112
_COMMON_NAME = bytes.fromhex("0603550403")  # 2.5.4.3
_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")  # 2.5.29.19
_ALT_NAME = bytes.fromhex("0603551d11")  # 2.5.29.17
# 2.25 and a UUID as a number (ITU-T X.667), which needs no registration: 0b6a9c1e-4a57-4d0e-9a58-5e1f6cf1a7d3.
_RENEWED = bytes.fromhex("06136996eace87c9a5bab49d9aac97c3f6e7c6cf53")
_SIGNED = b"enigma tls certificate\0"  # before what the device's key signs, so that it means nothing else
_RENEWAL_BYTES, _KEY_BYTES, _SIGNATURE_BYTES = 4, 32, 64
_PROOF_BYTES = _RENEWAL_BYTES + _KEY_BYTES + _SIGNATURE_BYTES
_BEHIND_PROOF = 7 + 3 + _SIGNATURE_BYTES  # of a certificate: the algorithm, and the signature with its head
_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _UTF8, _TRUE = 0x30, 0x31, 0x02, 0x03, 0x04, 0x0C, b"\x01\x01\xff"
_BEGIN, _NEVER = b"\x17\x0d200101000000Z", b"\x18\x0f99991231235959Z"  # RFC 5280, 4.1.2.5: no well-defined end


@dataclass(frozen=True)
class Certificate:
    """der: the certificate. pem: the certificate and its private key, for `ssl.SSLContext.load_cert_chain`."""

    der: bytes
    pem: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `der`, in hex: by what others know it."""
        return hashlib.sha256(self.der).hexdigest()

    def __repr__(self) -> str:  # the key must not get into a log by way of a traceback
        return f"Certificate({self.fingerprint})"


@dataclass(frozen=True)
class Proof:
    """What a renewed certificate shows: of which device it is (its public key, 32 bytes), and how often it was renewed."""

    device: bytes
    renewals: int


def device_certificate(seed: bytes, id_: str, renewals: int = 0) -> Certificate:
    """The certificate of a device from the 32 secret bytes of its key and its id; the same each time.

    Its key isn't the device's own, whose signatures mean something else, but one that follows from it, and another one
    after each renewal.
    """
    from nacl.encoding import RawEncoder
    from nacl.hash import blake2b
    from nacl.signing import SigningKey

    told = b"tls" if not renewals else b"tls %d" % renewals
    key = SigningKey(blake2b(told, 32, key=seed, person=b"enigma tls key", encoder=RawEncoder))
    public, proof = bytes(key.verify_key), b""
    if renewals:
        device = SigningKey(seed)
        count = renewals.to_bytes(_RENEWAL_BYTES, "big")
        proof = count + bytes(device.verify_key) + device.sign(_SIGNED + count + public).signature
    content = _content(public, id_, proof)
    der = _with_signature(content, key.sign(content).signature)
    private = _tagged(
        _SEQUENCE, b"\x02\x01\x00" + _tagged(_SEQUENCE, _ED25519) + _tagged(_OCTETS, _tagged(_OCTETS, bytes(key)))
    )  # RFC 5958
    return Certificate(der, _pem("CERTIFICATE", der) + _pem("PRIVATE KEY", private))


def proof_in(der: bytes) -> Proof | None:
    """What a certificate proves, None where it isn't byte for byte a renewed one, signed by the device that it names.

    Nothing is parsed: all sizes are known, so the parts are cut out, and the certificate is written again from them.
    """
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    proof_at = len(der) - _BEHIND_PROOF - _PROOF_BYTES
    public_at = len(der) - _BEHIND_PROOF - _behind_public()
    if min(proof_at, public_at) < 0:
        return None
    proof, public = der[proof_at : proof_at + _PROOF_BYTES], der[public_at : public_at + _KEY_BYTES]
    count, device = proof[:_RENEWAL_BYTES], proof[_RENEWAL_BYTES : _RENEWAL_BYTES + _KEY_BYTES]
    content = _content(public, id_of(device), proof)
    if _with_signature(content, der[-_SIGNATURE_BYTES:]) != der:
        return None
    try:
        VerifyKey(public).verify(content, der[-_SIGNATURE_BYTES:])
        VerifyKey(device).verify(_SIGNED + count + public, proof[-_SIGNATURE_BYTES:])
    except (BadSignatureError, ValueError):
        return None
    return Proof(device, int.from_bytes(count, "big"))


def id_of(public: bytes) -> str:
    """A device's id: the first 16 hex digits of its public key."""
    return public.hex()[:16]


def _content(public: bytes, id_: str, proof: bytes) -> bytes:
    """What a certificate's own key signs. proof: in the extension of renewed ones, the last one; empty for none."""
    algorithm = _tagged(_SEQUENCE, _ED25519)
    told = _tagged(_SEQUENCE, algorithm + _tagged(_BITS, b"\0" + public))
    name = f"enigma-{id_}"
    subject = _tagged(_SEQUENCE, _tagged(_SET, _tagged(_SEQUENCE, _COMMON_NAME + _tagged(_UTF8, name.encode("ascii")))))
    serial = hashlib.sha256(told).digest()[:16]
    return _tagged(
        _SEQUENCE,
        b"\xa0\x03\x02\x01\x02"  # version 3
        + _tagged(_INTEGER, bytes([serial[0] & 0x7F | 0x40]) + serial[1:])  # positive, and no zero first
        + algorithm
        + subject
        + _tagged(_SEQUENCE, _BEGIN + _NEVER)
        + subject
        + told
        + _extensions(name, proof),
    )


def _extensions(name: str, proof: bytes) -> bytes:
    constraints = _tagged(_SEQUENCE, _BASIC_CONSTRAINTS + _TRUE + _tagged(_OCTETS, _tagged(_SEQUENCE, b"")))
    names = _tagged(_OCTETS, _tagged(_SEQUENCE, _tagged(0x82, f"{name}.local".encode())))
    renewed = _tagged(_SEQUENCE, _RENEWED + _tagged(_OCTETS, proof)) if proof else b""
    return _tagged(0xA3, _tagged(_SEQUENCE, constraints + _tagged(_SEQUENCE, _ALT_NAME + names) + renewed))


def _with_signature(content: bytes, signature: bytes) -> bytes:
    return _tagged(_SEQUENCE, content + _tagged(_SEQUENCE, _ED25519) + _tagged(_BITS, b"\0" + signature))


@functools.cache
def _behind_public() -> int:
    """Bytes from the beginning of a renewed certificate's key to the end of its extensions."""
    return _KEY_BYTES + len(_extensions("enigma-" + "0" * 16, bytes(_PROOF_BYTES)))


def _tagged(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    size = len(content)
    length = (
        bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes([tag]) + length + content


def _pem(kind: str, der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
