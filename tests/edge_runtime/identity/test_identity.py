"""Keys, tokens, codes and trust: private files, bounded tries, nothing in the clear."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest

from edge_runtime.errors import BadRequest, NotFound, PairingError, StateError
from edge_runtime.identity import pairing
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import decode_key, device_key
from edge_runtime.identity.pairing import issue_code, redeem_code
from edge_runtime.identity.tokens import MAX_TOKENS, TokenStore
from edge_runtime.identity.trust import TrustStore


@pytest.fixture
def identity(tmp_path: Path) -> IdentityFolder:
    return IdentityFolder(tmp_path / "state")


def test_only_the_owner_can_read_anything(identity: IdentityFolder) -> None:
    device_key(identity)
    TokenStore(identity).add("a", "host")
    TrustStore(identity).add(bytes(32), "b")
    issue_code(identity, "host", 1, 5)
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
    host, phone = store.add("laptop", "host"), store.add("phone", "companion")
    for token, name, role in ((host, "laptop", "host"), (phone, "phone", "companion")):
        found = store.find(token)
        assert found is not None and (found.name, found.role) == (name, role)
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
        store.add(str(number), "host")
    with pytest.raises(BadRequest, match="remove one"):
        store.add("one more", "host")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": {"name": "x", "role": "king", "sha256": ""}}'])
def test_a_damaged_token_file_is_told(identity: IdentityFolder, content: bytes) -> None:
    (identity.folder / "tokens.json").write_bytes(content)
    with pytest.raises(StateError):
        TokenStore(identity).find("x")


def test_a_code_works_once_as_people_type_it(identity: IdentityFolder) -> None:
    code = issue_code(identity, "companion", 1, 5)
    assert code not in (identity.folder / "pairing.json").read_text()
    typed = f" {code[:3].lower()} {code[3:].replace('0', 'o').replace('1', 'l')} "
    assert redeem_code(identity, typed) == "companion"
    with pytest.raises(PairingError, match="no valid"):
        redeem_code(identity, code)


def test_wrong_tries_void_a_code_and_a_new_one_replaces_it(identity: IdentityFolder) -> None:
    code = issue_code(identity, "host", 1, 2)
    for words in ("1 more try", "last try", "no valid"):
        with pytest.raises(PairingError, match=words):
            redeem_code(identity, "WRONG")
    with pytest.raises(PairingError):
        redeem_code(identity, code)
    first, second = issue_code(identity, "host", 1, 5), issue_code(identity, "host", 1, 5)
    with pytest.raises(PairingError):
        redeem_code(identity, first)
    assert redeem_code(identity, second) == "host"


def test_a_code_ends_with_its_time_and_with_the_boot(identity: IdentityFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    code = issue_code(identity, "host", 0.01 / 60, 5)
    time.sleep(0.02)
    with pytest.raises(PairingError, match="no valid"):
        redeem_code(identity, code)
    code = issue_code(identity, "host", 10, 5)
    monkeypatch.setattr(pairing, "_boot", lambda: "another boot")
    with pytest.raises(PairingError, match="no valid"):
        redeem_code(identity, code)


def test_parallel_guesses_get_no_more_tries_than_one_after_another(identity: IdentityFolder) -> None:
    code = issue_code(identity, "host", 1, 5)
    outcomes: list[str] = []

    def guess() -> None:
        try:
            outcomes.append(redeem_code(identity, "WRONG"))
        except PairingError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("is wrong" in outcome for outcome in outcomes) == 5
    with pytest.raises(PairingError):
        redeem_code(identity, code)


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
