"""The device's own certificate for TLS: self-signed, always the same bytes, known to others by its hash.

X.509 (RFC 5280) with an Ed25519 key (RFC 8410), written out in DER, because a certificate needs no more than this and
a library for it would be the largest on a device. Nobody checks who signed it: who pairs learns its hash inside of the
pairing's own encryption and takes no other from then on. So it needs no clock either, and is valid for good.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

_ED25519 = bytes.fromhex("06032b6570")  # 1.3.101.112
_COMMON_NAME = bytes.fromhex("0603550403")  # 2.5.4.3
_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")  # 2.5.29.19
_ALT_NAME = bytes.fromhex("0603551d11")  # 2.5.29.17
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


def device_certificate(seed: bytes, id_: str) -> Certificate:
    """The certificate of a device from the 32 secret bytes of its key and its id; the same each time.

    Its key isn't the device's own, whose signatures mean something else, but one that follows from it.
    """
    from nacl.encoding import RawEncoder
    from nacl.hash import blake2b
    from nacl.signing import SigningKey

    key = SigningKey(blake2b(b"tls", 32, key=seed, person=b"enigma tls key", encoder=RawEncoder))
    algorithm = _tagged(_SEQUENCE, _ED25519)
    public = _tagged(_SEQUENCE, algorithm + _tagged(_BITS, b"\0" + bytes(key.verify_key)))
    name = f"enigma-{id_}"
    subject = _tagged(_SEQUENCE, _tagged(_SET, _tagged(_SEQUENCE, _COMMON_NAME + _tagged(_UTF8, name.encode("ascii")))))
    serial = hashlib.sha256(public).digest()[:16]
    extensions = _tagged(
        0xA3,
        _tagged(
            _SEQUENCE,
            _tagged(_SEQUENCE, _BASIC_CONSTRAINTS + _TRUE + _tagged(_OCTETS, _tagged(_SEQUENCE, b"")))
            + _tagged(
                _SEQUENCE, _ALT_NAME + _tagged(_OCTETS, _tagged(_SEQUENCE, _tagged(0x82, f"{name}.local".encode())))
            ),
        ),
    )
    signed = _tagged(
        _SEQUENCE,
        b"\xa0\x03\x02\x01\x02"  # version 3
        + _tagged(_INTEGER, bytes([serial[0] & 0x7F | 0x40]) + serial[1:])  # positive, and no zero first
        + algorithm
        + subject
        + _tagged(_SEQUENCE, _BEGIN + _NEVER)
        + subject
        + public
        + extensions,
    )
    der = _tagged(_SEQUENCE, signed + algorithm + _tagged(_BITS, b"\0" + key.sign(signed).signature))
    private = _tagged(
        _SEQUENCE, b"\x02\x01\x00" + algorithm + _tagged(_OCTETS, _tagged(_OCTETS, bytes(key)))
    )  # RFC 5958
    return Certificate(der, _pem("CERTIFICATE", der) + _pem("PRIVATE KEY", private))


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
