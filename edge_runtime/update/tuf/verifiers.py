"""RSA and ECDSA signatures, for the conformance suite's repositories alone: a device's updates are signed by Ed25519."""

from __future__ import annotations

from collections.abc import Mapping

from edge_runtime.errors import NotEquipped
from edge_runtime.update.tuf.metadata import ED25519, Verifier

_SHA = ("sha256", "sha384", "sha512")


def all_verifiers() -> Mapping[tuple[str, str], Verifier]:
    """By (keytype, scheme), of all kinds that TUF 1.0 names (section 4.2); raises `NotEquipped` without `cryptography`."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise NotEquipped(
            "'enigma-edge tuf-client' needs the package cryptography; 'pip install cryptography'."
        ) from None
    return {
        **ED25519,
        **{("rsa", f"rsassa-pss-{sha}"): _rsa(sha, pss=True) for sha in _SHA},
        **{("rsa", f"rsa-pkcs1v15-{sha}"): _rsa(sha, pss=False) for sha in _SHA},
        **{
            (keytype, f"ecdsa-sha2-nistp{bits}"): _ecdsa(f"secp{bits}r1", f"sha{bits}")
            for bits in (256, 384)
            for keytype in ("ecdsa", f"ecdsa-sha2-nistp{bits}")  # the second is of older repositories
        },
    }


def _rsa(sha: str, pss: bool) -> Verifier:
    def verify(public: str, signature: bytes, payload: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        algorithm = getattr(hashes, sha.upper())()
        wanted = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO) if pss else padding.PKCS1v15()
        try:
            key = load_pem_public_key(public.encode())
            if not isinstance(key, RSAPublicKey):
                return False
            key.verify(signature, payload, wanted, algorithm)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    return verify


def _ecdsa(curve: str, sha: str) -> Verifier:
    def verify(public: str, signature: bytes, payload: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(public.encode())
            if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != curve:
                return False
            key.verify(signature, payload, ECDSA(getattr(hashes, sha.upper())()))
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    return verify
