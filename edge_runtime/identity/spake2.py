"""SPAKE2 on edwards25519 (RFC 9382): two who share a short code get a long key, and nobody else learns the code.

Whoever listens gets nothing to try codes on; whoever takes part can try one code for each run. The suite is
SPAKE2-edwards25519-SHA256-HKDF-HMAC, the group is libsodium's. Nothing here reads, writes or waits.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

# RFC 9382, section 6; appendix A says how they were drawn, and a test draws them again.
M = bytes.fromhex("d048032c6ea0b6d697ddc2e86bda85a33adac920f1bf18e1b0c6d166a5cecdaf")
N = bytes.fromhex("d3bfb518f44f3430f29d0c92af503865a1ed3281dc69b35dd868ba85f886c4ab")
SHARE_BYTES = 32
CONFIRM_BYTES = 32
_COFACTOR = (8).to_bytes(32, "little")


class NoShare(ValueError):
    """What the other side sent is no element of the group."""


@dataclass(frozen=True)
class Agreed:
    """What a run ends with. key: 16 secret bytes (Ke). first, second: what each side sends to show that it has them."""

    key: bytes
    first: bytes
    second: bytes

    def __repr__(self) -> str:
        return "Agreed(...)"


def scalar_of(code: str) -> bytes:
    """32 bytes, a scalar, from a code of a few digits.

    RFC 9382 wants a memory-hard function here, for passwords that live on: a code lives for minutes, and where it is
    kept lies beside it whatever a guess would have to cost.
    """
    from nacl.bindings import crypto_core_ed25519_scalar_reduce

    return crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"enigma pairing code\0" + code.encode()).digest())


def begin(scalar: bytes, *, first: bool) -> tuple[bytes, bytes]:
    """(secret, share) of one side, 32 bytes each: `secret` stays here, `share` is sent. first: who sends first."""
    from nacl.bindings import (
        crypto_core_ed25519_add,
        crypto_core_ed25519_scalar_reduce,
        crypto_scalarmult_ed25519_base_noclamp,
    )
    from nacl.utils import random

    secret = crypto_core_ed25519_scalar_reduce(random(64))
    share = crypto_core_ed25519_add(crypto_scalarmult_ed25519_base_noclamp(secret), _masked(M if first else N, scalar))
    return secret, share


def is_share(share: bytes) -> bool:
    """Whether these bytes are an element of the prime-order group, in its only encoding."""
    from nacl.bindings import crypto_core_ed25519_is_valid_point

    return len(share) == SHARE_BYTES and crypto_core_ed25519_is_valid_point(share)


def agree(scalar: bytes, secret: bytes, own: bytes, other: bytes, context: bytes, *, first: bool) -> Agreed:
    """The keys of a run, from the own share and the other side's.

    context: public bytes that both must see alike, or the confirmations differ: AAD of section 4, for example what
    the connection below looks like from here. Raises `NoShare`.
    """
    from nacl.bindings import (
        crypto_core_ed25519_scalar_mul,
        crypto_core_ed25519_sub,
        crypto_scalarmult_ed25519_noclamp,
    )
    from nacl.exceptions import CryptoError

    if not is_share(other):
        raise NoShare("No element of the group.")
    try:
        bare = crypto_core_ed25519_sub(other, _masked(N if first else M, scalar))
        shared = crypto_scalarmult_ed25519_noclamp(crypto_core_ed25519_scalar_mul(secret, _COFACTOR), bare)
    except CryptoError:  # the neutral element, which only a side that knows the scalar can bring about
        raise NoShare("No element of the group that can be used.") from None
    shares = (own, other) if first else (other, own)
    # The names of both sides are empty: who they are is settled by the code. A scalar counts as a big-endian number.
    parts = (b"", b"", *shares, shared, scalar[::-1])
    transcript = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    digest = hashlib.sha256(transcript).digest()
    confirmation = _hkdf(digest[16:], b"ConfirmationKeys" + context, 64)
    return Agreed(
        digest[:16],
        hmac.digest(confirmation[:32], transcript, "sha256"),
        hmac.digest(confirmation[32:], transcript, "sha256"),
    )


def sealing_key(agreed: Agreed, what: str) -> bytes:
    """32 bytes, a key for one purpose."""
    return _hkdf(agreed.key, b"enigma pairing " + what.encode(), 32)


def _masked(point: bytes, scalar: bytes) -> bytes:
    from nacl.bindings import crypto_scalarmult_ed25519_noclamp

    return crypto_scalarmult_ed25519_noclamp(scalar, point)


def _hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt."""
    key, made, block = hmac.digest(bytes(32), secret, "sha256"), b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([number]), "sha256")
        made += block
    return made[:length]
