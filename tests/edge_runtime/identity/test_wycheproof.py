"""Project Wycheproof's vectors (C2SP/wycheproof, Apache-2.0) against the primitives that devices and hosts rely on.

Each vector is a known attack or edge case. They are data of their own repository: put its testvectors_v1/*.json beside this
one, in ../shared/data/wycheproof, or name their folder in ENIGMA_WYCHEPROOF.
"""

from __future__ import annotations

import hmac
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import nacl.bindings
import nacl.exceptions
import pytest

from edge_runtime.identity.spake2 import _hkdf
from edge_runtime.update.tuf.metadata import verify_ed25519

_BESIDE = Path(__file__).parents[4] / "shared" / "data" / "wycheproof"
FOLDER = Path(os.environ.get("ENIGMA_WYCHEPROOF") or _BESIDE)


def _vectors(name: str, count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, vector) of a file; there must be as many as there were when this was written, or more."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"there is no {path.name} of Wycheproof's vectors: see this module's first lines")
    groups = json.loads(path.read_bytes())["testGroups"]
    found = [(group, vector) for group in groups for vector in group["tests"]]
    assert len(found) >= count
    return found


def _wrong(found: list[tuple[dict[str, Any], bool]]) -> list[int]:
    """The vectors whose outcome isn't as it should be: valid ones taken, invalid ones refused."""
    return [vector["tcId"] for vector, taken in found if taken is not (vector["result"] == "valid")]


def test_ed25519_takes_every_valid_signature_and_no_other() -> None:
    vectors = _vectors("ed25519", 151)
    taken = [
        (vector, verify_ed25519(group["publicKey"]["pk"], bytes.fromhex(vector["sig"]), bytes.fromhex(vector["msg"])))
        for group, vector in vectors
    ]
    assert _wrong(taken) == []
    assert Counter(vector["result"] for _, vector in vectors)["invalid"] >= 63


def test_x25519_agrees_on_every_valid_secret_and_refuses_those_that_are_zero() -> None:
    refused = 0
    for _, vector in _vectors("x25519", 518):
        private, public = bytes.fromhex(vector["private"]), bytes.fromhex(vector["public"])
        try:
            shared = nacl.bindings.crypto_scalarmult(private, public)
        except (nacl.exceptions.RuntimeError, RuntimeError):
            assert vector["result"] == "acceptable", vector["tcId"]  # a key of small order, which gives nothing secret
            assert set(bytes.fromhex(vector["shared"])) == {0}, vector["tcId"]
            refused += 1
        else:
            assert shared.hex() == vector["shared"], vector["tcId"]
            assert any(shared), vector["tcId"]
    assert refused >= 31


def test_xchacha20_poly1305_opens_every_valid_box_and_no_other() -> None:
    taken = []
    for _, vector in _vectors("xchacha20_poly1305", 315):
        raw = {name: bytes.fromhex(vector[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")}
        if len(raw["iv"]) != nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES:
            assert vector["result"] == "invalid", vector["tcId"]
            continue
        opened, sealed = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt, raw["ct"] + raw["tag"]
        try:
            message = opened(sealed, raw["aad"], raw["iv"], raw["key"])
        except nacl.exceptions.CryptoError:
            taken.append((vector, False))
        else:
            taken.append((vector, message == raw["msg"]))
            made = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(message, raw["aad"], raw["iv"], raw["key"])
            assert made == sealed, vector["tcId"]
    assert _wrong(taken) == []
    assert len(taken) > 200


def test_our_hkdf_makes_the_keys_of_every_vector_without_a_salt() -> None:
    ours = [vector for _, vector in _vectors("hkdf_sha256", 86) if not vector["salt"] and vector["result"] == "valid"]
    for vector in ours:
        made = _hkdf(bytes.fromhex(vector["ikm"]), bytes.fromhex(vector["info"]), vector["size"])
        assert made.hex() == vector["okm"], vector["tcId"]
    assert len(ours) >= 5


def test_hmac_sha256_takes_every_valid_tag_and_no_other() -> None:
    taken = []
    for group, vector in _vectors("hmac_sha256", 174):
        made = hmac.digest(bytes.fromhex(vector["key"]), bytes.fromhex(vector["msg"]), "sha256")
        taken.append((vector, hmac.compare_digest(made[: group["tagSize"] // 8], bytes.fromhex(vector["tag"]))))
    assert _wrong(taken) == []
