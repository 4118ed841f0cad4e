"""Files of keys sealed in microseconds, by the age format alone (age-encryption.org/v1, C2SP age.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt

from trainer_host.teacher.vault.contents import Contents, to_text

_LOG_N = 1  # of scrypt: age's own files take a second on purpose
_BEGIN, _END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"


def sealed(contents: Contents, passphrase: str) -> bytes:
    """What `to_age` makes, but cheap to open; at most 64 KiB of keys."""
    plain = to_text(contents).reveal().encode()
    assert len(plain) <= 64 * 1024  # one chunk
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = hashlib.scrypt(
        passphrase.encode(), salt=b"age-encryption.org/v1/scrypt" + salt, n=2**_LOG_N, r=8, p=1, dklen=32
    )
    body = crypto_aead_chacha20poly1305_ietf_encrypt(file_key, None, bytes(12), wrapping)
    head = f"age-encryption.org/v1\n-> scrypt {_b64(salt)} {_LOG_N}\n{_b64(body)}\n---".encode()
    mac = hmac.digest(_hkdf(file_key, b"", b"header"), head, "sha256")
    last = bytes(11) + b"\x01"
    payload = crypto_aead_chacha20poly1305_ietf_encrypt(plain, None, last, _hkdf(file_key, nonce, b"payload"))
    return head + f" {_b64(mac)}\n".encode() + nonce + payload


def armoured(content: bytes) -> str:
    """The file as text."""
    text = base64.b64encode(content).decode()
    return "\n".join([_BEGIN, *(text[at : at + 64] for at in range(0, len(text), 64)), _END, ""])


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869, SHA-256, 32 bytes."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")
