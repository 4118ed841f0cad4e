"""SPAKE2 by another implementation: the curve's arithmetic written out in Python, and RFC 9382's own way to M and N."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from edge_runtime.identity import spake2

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
BASE_Y = 4 * pow(5, -1, P) % P


def _x(y: int, odd: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return P - x if x % 2 != odd else x


def _point(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    x = _x(y, odd) if y < P else None
    return None if x is None else (x, y)


def _raw(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _add(one: Point, two: Point) -> Point:
    (x1, y1), (x2, y2) = one, two
    product = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def _times(number: int, point: Point) -> Point:
    found = (0, 1)
    while number:
        if number & 1:
            found = _add(found, point)
        point, number = _add(point, point), number >> 1
    return found


@pytest.mark.parametrize(("name", "constant"), [("M", spake2.M), ("N", spake2.N)])
def test_the_constants_are_the_first_points_of_their_seeds(name: str, constant: bytes) -> None:
    digest = f"edwards25519 point generation seed ({name})".encode()
    for _ in range(100):
        digest = hashlib.sha256(digest).digest()
        point = _point(digest)
        if point is not None and _times(L, point) == (0, 1):
            break
    assert digest == constant


def test_both_sides_and_another_implementation_agree() -> None:
    scalar = spake2.scalar_of("482913")
    secret, first = spake2.begin(scalar, first=True)
    theirs, second = spake2.begin(scalar, first=False)
    one = spake2.agree(scalar, secret, first, second, b"context", first=True)
    assert one == spake2.agree(scalar, theirs, second, first, b"context", first=False)
    base, m, n = (_x(BASE_Y, 0) or 0, BASE_Y), _point(spake2.M), _point(spake2.N)
    sent = _point(second)
    assert m is not None and n is not None and sent is not None
    w, x = int.from_bytes(scalar, "little"), int.from_bytes(secret, "little")
    assert first == _raw(_add(_times(x, base), _times(w, m)))
    shared = _times(8 * x, _add(sent, _times(L - w, n)))
    transcript = b""
    for part in (b"", b"", first, second, _raw(shared), w.to_bytes(32, "big")):
        transcript += len(part).to_bytes(8, "little") + part
    digest = hashlib.sha256(transcript).digest()
    key = hmac.digest(bytes(32), digest[16:], "sha256")
    half = hmac.digest(key, b"ConfirmationKeys" + b"context" + b"\x01", "sha256")
    assert one.key == digest[:16] and one.first == hmac.digest(half, transcript, "sha256")


def test_another_code_or_another_context_gives_other_confirmations() -> None:
    scalar, wrong = spake2.scalar_of("482913"), spake2.scalar_of("482914")
    secret, first = spake2.begin(scalar, first=True)
    theirs, second = spake2.begin(wrong, first=False)
    guess = spake2.agree(wrong, theirs, second, first, b"", first=False)
    here = spake2.agree(scalar, secret, first, second, b"", first=True)
    elsewhere = spake2.agree(scalar, secret, first, second, b"another certificate", first=True)
    assert len({guess.first, guess.second, here.first, here.second, elsewhere.first, elsewhere.second}) == 6
    assert here.key == elsewhere.key != guess.key and "key" not in repr(here)


def test_what_is_no_element_is_refused() -> None:
    scalar = spake2.scalar_of("482913")
    secret, own = spake2.begin(scalar, first=True)
    small = [(1).to_bytes(32, "little"), bytes(32), (P - 1).to_bytes(32, "little")]  # orders 1, 4 and 2
    for share in (b"", own[:31], own + b"\0", b"\xff" * 32, (P + 1).to_bytes(32, "little"), *small):
        assert not spake2.is_share(share)
        with pytest.raises(spake2.NoShare):
            spake2.agree(scalar, secret, own, share, b"", first=True)
    # N times the scalar leaves nothing that depends on a secret.
    from nacl.bindings import crypto_scalarmult_ed25519_noclamp

    with pytest.raises(spake2.NoShare):
        spake2.agree(scalar, secret, own, crypto_scalarmult_ed25519_noclamp(scalar, spake2.N), b"", first=True)
