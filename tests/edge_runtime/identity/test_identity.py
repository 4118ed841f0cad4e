"""Keys, tokens, codes and trust: private files, bounded tries, nothing in the clear."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest

from edge_runtime.errors import BadRequest, NotFound, PairingError, StateError
from edge_runtime.identity import pairing, tokens
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import SCOPES, Grant, grant, read_grant
from edge_runtime.identity.keys import decode_key, device_key
from edge_runtime.identity.pairing import issue_code, take_try, use_up
from edge_runtime.identity.tokens import MAX_TOKENS, TokenStore
from edge_runtime.identity.trust import TrustStore

RELEASER, OPERATOR = Grant("releaser"), Grant("operator", ("tiny",))


@pytest.fixture
def identity(tmp_path: Path) -> IdentityFolder:
    return IdentityFolder(tmp_path / "state")


def test_only_the_owner_can_read_anything(identity: IdentityFolder) -> None:
    device_key(identity)
    TokenStore(identity).add("a", RELEASER)
    TrustStore(identity).add(bytes(32), "b")
    issue_code(identity, RELEASER, 1, 5)
    for path in [identity.folder.parent, identity.folder, *identity.folder.iterdir()]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_device_keeps_its_key(identity: IdentityFolder) -> None:
    first = device_key(identity)
    assert device_key(identity) == first
    assert first.id == first.public.hex()[:16]
    (identity.folder / "device-key.json").write_text('{"seed": "short"}')
    with pytest.raises(StateError, match="damaged"):
        device_key(identity)


def test_tokens_are_found_until_removed_and_kept_as_hashes(identity: IdentityFolder) -> None:
    store = TokenStore(identity)
    host, phone = store.add("laptop", RELEASER), store.add("phone", OPERATOR)
    for token, name, given in ((host, "laptop", RELEASER), (phone, "phone", OPERATOR)):
        found = store.find(token)
        assert found is not None and (found.name, found.grant) == (name, given)
    assert store.find(host + "x") is None and store.find("") is None and store.find("\ud800") is None
    text = (identity.folder / "tokens.json").read_text()
    assert host not in text and phone not in text
    other_process = TokenStore(identity)
    first = other_process.find(host)
    assert first is not None
    other_process.remove(first.id)
    assert store.find(host) is None and store.find(phone) is not None
    with pytest.raises(NotFound):
        store.remove(first.id)


def test_pairings_are_bounded(identity: IdentityFolder) -> None:
    store = TokenStore(identity)
    for number in range(MAX_TOKENS):
        store.add(str(number), RELEASER)
    with pytest.raises(BadRequest, match="remove one"):
        store.add("one more", RELEASER)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": {"name": "x", "scope": "king", "sha256": ""}}'])
def test_a_damaged_token_file_is_told(identity: IdentityFolder, content: bytes) -> None:
    (identity.folder / "tokens.json").write_bytes(content)
    with pytest.raises(StateError):
        TokenStore(identity).find("x")


def test_a_token_ends_with_its_time_even_where_the_clock_starts_anew(
    identity: IdentityFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = TokenStore(identity), time.time()
    token = store.add("for a day", grant("viewer", days=1))
    assert store.find(token) is not None
    monkeypatch.setattr(tokens.time, "time", lambda: now + 86_500)
    assert store.find(token) is None
    later = store.add("later", RELEASER)
    monkeypatch.setattr(tokens.time, "time", lambda: 0.0)  # no battery behind the clock: 1970 again
    assert store.find(token) is None and store.find(later) is not None


def test_tokens_that_are_over_make_room(identity: IdentityFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = TokenStore(identity), time.time()
    for number in range(MAX_TOKENS):
        store.add(str(number), grant("viewer", days=1 if number else 0))
    monkeypatch.setattr(tokens.time, "time", lambda: now + 86_500)
    store.add("one more", RELEASER)
    assert [paired.name for paired in store.paired()] == ["0", "one more"]


def test_roles_of_earlier_versions_count_as_scopes(identity: IdentityFolder) -> None:
    entry = {"name": "x", "created": 1.0, "sha256": tokens.hash_token("enigma_x")}
    identity.write("tokens.json", {"a": {**entry, "role": "host"}})
    found = TokenStore(identity).find("enigma_x")
    assert found is not None and found.grant == RELEASER


def test_a_grant_is_read_back_as_it_was_and_reaches_as_far_as_it_says() -> None:
    for made in (RELEASER, OPERATOR, grant("operator", ("a", "b"), 60, 2.5)):
        assert read_grant(made.plain()) == made
    assert [[one.covers(other) for other in SCOPES].count(True) for one in map(Grant, SCOPES)] == [1, 2, 3, 4]
    assert OPERATOR.allows("tiny") and not OPERATOR.allows("other") and RELEASER.allows("other")
    assert str(grant("operator", ("a",), 60)) == "operator, only a, 60 requests a minute"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scope": "king"}, "viewer, operator, releaser or owner"),
        ({"scope": "operator", "only": ["x"] * 40}, "up to 32"),
        ({"scope": "operator", "only": ["a\nb"]}, "by its name"),
        ({"scope": "releaser", "only": ["x"]}, "Only an operator"),
        ({"scope": "viewer", "per_minute": -1}, "a minute"),
    ],
)
def test_a_grant_that_can_not_be_says_what_can(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_grant(fields)


@pytest.mark.parametrize(
    "fields", [{}, {"scope": 5}, {"scope": "viewer", "only": "x"}, {"scope": "viewer", "until": True}]
)
def test_a_malformed_grant_is_none(fields: dict[str, object]) -> None:
    assert read_grant(fields) is None


@pytest.mark.parametrize("days", [-1, 1e9, float("nan")])
def test_a_token_of_no_sensible_time_is_refused(days: float) -> None:
    with pytest.raises(BadRequest, match="days"):
        grant("viewer", days=days)


def test_a_code_has_six_digits_and_is_not_kept_as_such(identity: IdentityFolder) -> None:
    codes = {issue_code(identity, RELEASER, 1, 5) for _ in range(20)}
    assert len(codes) > 15 and all(len(code) == 6 and code.isdigit() for code in codes)
    kept = (identity.folder / "pairing.json").read_text()
    assert not any(code in kept for code in codes)


def test_a_code_has_so_many_tries_and_is_used_once(identity: IdentityFolder) -> None:
    issue_code(identity, RELEASER, 1, 2)
    scalar, given, left = take_try(identity)
    assert (given, left) == (RELEASER, 1) and take_try(identity) == (scalar, RELEASER, 0)
    with pytest.raises(PairingError, match="no valid"):
        take_try(identity)
    use_up(identity, scalar)  # who took the last try may still end well
    with pytest.raises(PairingError, match="no valid"):
        use_up(identity, scalar)


def test_a_code_ends_with_its_time_and_with_the_boot(identity: IdentityFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_code(identity, RELEASER, 0.01 / 60, 5)
    time.sleep(0.02)
    with pytest.raises(PairingError, match="no valid"):
        take_try(identity)
    issue_code(identity, RELEASER, 10, 5)
    monkeypatch.setattr(pairing, "_boot", lambda: "another boot")
    with pytest.raises(PairingError, match="no valid"):
        take_try(identity)


def test_parallel_guesses_get_no_more_tries_than_one_after_another(identity: IdentityFolder) -> None:
    issue_code(identity, RELEASER, 1, 5)
    outcomes: list[bool] = []

    def guess() -> None:
        try:
            take_try(identity)
            outcomes.append(True)
        except PairingError:
            outcomes.append(False)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 5 and len(outcomes) == 20


def test_trust_is_added_and_removed_by_prefix(identity: IdentityFolder) -> None:
    store = TrustStore(identity)
    store.add(b"\xaa" * 32, "one")
    store.add(b"\xab" * 32, "two")
    assert store.keys() == {b"\xaa" * 32, b"\xab" * 32}
    for prefix in ("", "a", "ff"):
        with pytest.raises(NotFound):
            store.remove(prefix)
    assert store.remove("AB").name == "two"
    assert store.keys() == {b"\xaa" * 32}


@pytest.mark.parametrize("text", ["", "AAAA", "zz" * 32, "é" * 44, "A" * 65, None, 5, "A" * 43])
def test_what_is_no_key_is_refused(text: object) -> None:
    with pytest.raises(BadRequest, match="32 bytes"):
        decode_key(text)
