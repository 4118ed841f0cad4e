"""TUF's documents as we read, write, sign and verify them, beside the reference implementation."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from edge_runtime.update.tuf.metadata import (
    Content,
    Delegation,
    Key,
    MetadataError,
    MetaFile,
    NotTrusted,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    add_signature,
    canonical,
    check_bytes,
    file_name,
    key_of,
    parse,
    sign,
    time_of,
    time_text,
    to_bytes,
    verify,
)

SEEDS = [bytes([i]) * 32 for i in range(1, 4)]
KEYS = [key_of(bytes(SigningKey(seed).verify_key)) for seed in SEEDS]
BY_ID = {key.keyid: key for key in KEYS}
ALL = tuple(BY_ID)
UNTIL = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
HASHES = {"sha256": "ab" * 32}

CONTENTS: list[Content] = [
    Root(3, UNTIL, BY_ID, {name: Role(ALL[:2], 2) for name in ("root", "timestamp", "snapshot", "targets")}, True, {}),
    Timestamp(7, UNTIL, MetaFile(4), {"issued": "2026-11-26T16:00:00Z"}),
    Snapshot(4, UNTIL, {"targets.json": MetaFile(2, 512, HASHES), "models/router.json": MetaFile(1)}, {}),
    Targets(
        2,
        UNTIL,
        {'models/router/a "b"\\ü.enigma': TargetFile('models/router/a "b"\\ü.enigma', 9, HASHES, {"kind": "bundle"})},
        BY_ID,
        (
            Delegation("models/router", ALL, 2, False, ("models/router/*",)),
            Delegation("bins", ALL[:1], 1, True, None, ("00", "ff")),
        ),
        {"x-note": ["kept", {"as": None}]},
    ),
    Targets(1, UNTIL, {}, {}, (), {}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_what_is_written_is_read_back_and_still_verifies(content: Content) -> None:
    signed = sign(content, SEEDS[:2])
    read = parse(to_bytes(signed), type(content))
    assert read == signed
    assert read.content == content
    verify(read, BY_ID, Role(ALL, 2))
    with pytest.raises(NotTrusted, match="2 of the 3 signatures"):
        verify(read, BY_ID, Role(ALL, 3))
    verify(add_signature(read, SEEDS[2]), BY_ID, Role(ALL, 3))


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_the_reference_reads_and_verifies_what_we_sign(content: Content) -> None:
    reference = pytest.importorskip("tuf.api.metadata", reason="tuf isn't installed: pip install 'enigma[dev]'")
    raw = to_bytes(sign(content, SEEDS[:1]))
    read = reference.Metadata.from_bytes(raw)
    key = reference.Key.from_dict(
        KEYS[0].keyid, {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": KEYS[0].public}}
    )
    key.verify_signature(read.signatures[KEYS[0].keyid], read.signed_bytes)
    assert read.signed.version == content.version
    assert read.signed.expires == UNTIL
    again = parse(read.to_bytes(), type(content))  # with its spaces and its order of keys
    assert again.content == content
    verify(again, BY_ID, Role(ALL, 1))


def test_the_id_of_a_key_is_the_references() -> None:
    signer = pytest.importorskip("securesystemslib.signer", reason="tuf isn't installed: pip install 'enigma[dev]'")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    made = signer.SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEYS[0].public)))
    assert made.keyid == KEYS[0].keyid


@given(JSON)
@settings(max_examples=30, derandomize=True, deadline=None)
def test_canonical_json_is_the_references(value: object) -> None:
    formats = pytest.importorskip("securesystemslib.formats", reason="tuf isn't installed: pip install 'enigma[dev]'")
    assert canonical(value) == formats.encode_canonical(value).encode()


def test_canonical_json_has_no_fractions_and_says_what_to_do() -> None:
    with pytest.raises(MetadataError, match="smaller units"):
        canonical({"p95_ms": 40.0})


def test_one_key_under_two_ids_counts_once() -> None:
    key = KEYS[0]
    twice = {
        name: Key(name, "ed25519", "ed25519", public) for name, public in [("a", key.public), ("b", key.public.upper())]
    }
    made = sign(CONTENTS[1], SEEDS[:1])
    signature = next(iter(made.signatures.values()))
    both = Signed(made.content, {"a": signature, "b": signature}, made.document)
    verify(both, twice, Role(("a", "b"), 1))
    with pytest.raises(NotTrusted, match="1 of the 2"):
        verify(both, twice, Role(("a", "b"), 2))


def test_signatures_of_other_bytes_keys_and_kinds_count_for_nothing() -> None:
    made = sign(CONTENTS[1], SEEDS[:1])
    for wrong in ("", "zz", "00" * 64, "é", next(iter(sign(CONTENTS[0], SEEDS[:1]).signatures.values()))):
        with pytest.raises(NotTrusted):
            verify(Signed(made.content, {ALL[0]: wrong}, made.document), BY_ID, Role(ALL[:1], 1))
    with pytest.raises(NotTrusted):  # a key that isn't the role's
        verify(made, BY_ID, Role(ALL[1:], 1))
    with pytest.raises(NotTrusted):  # a kind of key that a device doesn't know
        verify(made, {ALL[0]: Key(ALL[0], "ecdsa", "ecdsa-sha2-nistp256", KEYS[0].public)}, Role(ALL[:1], 1))


def test_a_changed_field_that_this_version_does_not_know_breaks_the_signature() -> None:
    raw = json.loads(to_bytes(sign(CONTENTS[3], SEEDS[:1])))
    raw["signed"]["delegations"]["roles"][0]["x-unknown"] = 1
    with pytest.raises(NotTrusted):
        verify(parse(json.dumps(raw).encode(), Targets), BY_ID, Role(ALL[:1], 1))


def _with(content: Content, path: str, value: object) -> bytes:
    """A file with one value of its signed part put in or, if `value` is ..., taken out."""
    outer = json.loads(to_bytes(sign(content, SEEDS[:1])))
    at = outer["signed"]
    *before, last = path.split("|")
    for step in before:
        at = at[int(step) if isinstance(at, list) else step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(outer).encode()


@pytest.mark.parametrize(
    ("content", "path", "value"),
    [
        (0, "_type", "timestamp"),
        (0, "spec_version", "2.0.0"),
        (0, "spec_version", ...),
        (0, "version", 0),
        (0, "version", True),
        (0, "version", "3"),
        (0, "expires", "2027-01-02"),
        (0, "expires", "2027-02-30T00:00:00Z"),
        (0, "expires", 5),
        (0, "roles|root", ...),
        (0, "roles|mirrors", {"keyids": [], "threshold": 1}),
        (0, "roles|root|threshold", 0),
        (0, "roles|root|keyids", ["a", "a"]),
        (0, "roles|root|keyids", [1]),
        (0, f"keys|{ALL[0]}|keyval", {"public": 3}),
        (0, "keys", []),
        (1, "meta", {}),
        (1, "meta|snapshot.json|version", 0),
        (1, "meta|snapshot.json|length", -1),
        (1, "meta|snapshot.json|hashes", {}),
        (2, "meta|targets.json", 5),
        (3, "targets", []),
        (3, "delegations|roles|0|paths", ...),
        (3, "delegations|roles|0|path_hash_prefixes", ["0"]),
        (3, "delegations|roles|0|name", "Root"),
        (3, "delegations|roles|0|name", ""),
        (3, "delegations|roles|0|terminating", 1),
        (3, "delegations|roles|1|name", "models/router"),
        (3, "x-note", 0.5),
    ],
)
def test_what_is_not_tuf_is_refused_in_one_sentence(content: int, path: str, value: object) -> None:
    made = CONTENTS[content]
    with pytest.raises(MetadataError, match="metadata") as refused:
        verify(parse(_with(made, path, value), type(made)), BY_ID, Role(ALL[:1], 1))
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"{}", b'{"signed":{},"signatures":{}}', b"[" * 100_000, b'{"a":1,"a":2}']
)
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(MetadataError):
        parse(raw, Root)


def test_two_signatures_under_one_id_are_refused() -> None:
    outer = json.loads(to_bytes(sign(CONTENTS[1], SEEDS[:1])))
    outer["signatures"] *= 2
    with pytest.raises(MetadataError, match="two signatures"):
        parse(json.dumps(outer).encode(), Timestamp)


def test_bytes_must_have_the_signed_length_and_every_signed_hash() -> None:
    import hashlib

    right = {"sha256": hashlib.sha256(b"abc").hexdigest(), "sha512": hashlib.sha512(b"abc").hexdigest()}
    check_bytes(b"abc", 3, right, "A file")
    check_bytes(b"abc", None, None, "A file")
    for length, hashes in [(4, right), (3, {**right, "sha512": "0"}), (3, {**right, "md5": "0"}), (3, {"sha256": "é"})]:
        with pytest.raises(NotTrusted, match="A file"):
            check_bytes(b"abc", length, hashes, "A file")


def test_a_delegations_patterns_do_not_go_over_a_slash() -> None:
    models = Delegation("models/router", (), 1, False, ("models/router/*", "models/?.bin"))
    assert models.covers("models/router/home-1.0.0.enigma")
    assert models.covers("models/a.bin")
    for other in ("models/router", "models/router/a/b", "models/ab.bin", "Models/router/a", "x/models/router/a", ""):
        assert not models.covers(other)


def test_a_delegation_by_hash_covers_the_names_whose_hash_begins_so() -> None:
    import hashlib

    digest = hashlib.sha256("a/ü".encode()).hexdigest()
    assert Delegation("bin", (), 1, False, None, (digest[:2],)).covers("a/ü")
    assert not Delegation("bin", (), 1, False, None, (digest[1:3],)).covers("a/ü") or digest[:2] == digest[1:3]


def test_names_of_roles_and_targets_stay_in_their_folder() -> None:
    assert file_name("models/router", 3) == "3.models%2Frouter.json"
    assert "/" not in file_name("../../etc/passwd")
    target = TargetFile("models/router/a.enigma", 1, {"sha256": "ab" * 32}, {})
    assert target.path() == f"models/router/{'ab' * 32}.a.enigma"
    assert target.path(prefixed=False) == target.name


def test_times_are_read_as_they_are_written() -> None:
    assert time_of(time_text(UNTIL)) == UNTIL
    assert time_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="UTC"):
        time_text(datetime(2026, 1, 1))
