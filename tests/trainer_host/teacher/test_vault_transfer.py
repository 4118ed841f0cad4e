from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyrage
import pytest

from tests.trainer_host.teacher.test_vault_contents import GATEWAY, three
from tests.trainer_host.teacher.vault_traces import KEY, SPARE, clean_environment, on_terminal, traces
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.contents import Contents, to_text, with_endpoint
from trainer_host.teacher.vault.transfer import MAX_BYTES, from_age, to_age

PASSPHRASE = Secret("six words are easy to remember")
CONTENTS = with_endpoint(three(), GATEWAY)

needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="Debian's age isn't installed")


@pytest.fixture(scope="module")
def sealed() -> bytes:
    """One export; sealing takes a second on purpose."""
    return to_age(CONTENTS, PASSPHRASE)


@pytest.fixture(scope="module")
def armored() -> bytes:
    """The same as text."""
    return to_age(CONTENTS, PASSPHRASE, armored=True)


def test_an_export_is_imported_equal(sealed: bytes) -> None:
    assert from_age(sealed, PASSPHRASE) == CONTENTS


def test_a_wrong_passphrase_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeysError, match="passphrase is wrong"):
        from_age(sealed, Secret("six words are easy to forget"))


def test_the_file_holds_no_key_and_no_name(sealed: bytes, armored: bytes, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(sealed)
    (tmp_path / "two").write_bytes(armored)
    assert traces(tmp_path, KEY, SPARE, "gateway", "s3cret-team-token") == []


def test_a_changed_file_is_refused(sealed: bytes) -> None:
    for changed in (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"age-encryption.org/v1\n-> scrypt x", sealed[:100]):
        with pytest.raises(KeysError, match="was changed"):
            from_age(changed, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"age", b"\xff" * 100])
def test_another_file_is_told_from_a_file_of_keys(content: bytes) -> None:
    with pytest.raises(KeysError, match="isn't a file of keys"):
        from_age(content, PASSPHRASE)


def test_a_file_that_asks_for_hours_of_work_is_refused_at_once(sealed: bytes) -> None:
    head, _, rest = sealed.partition(b"\n-> scrypt ")
    stanza, _, body = rest.partition(b"\n")
    crafted = head + b"\n-> scrypt " + stanza.rsplit(b" ", 1)[0] + b" 40\n" + body
    with pytest.raises(KeysError, match="passphrase is wrong, or"):
        from_age(crafted, PASSPHRASE)


def test_a_file_that_is_too_big_or_sealed_for_a_public_key_is_refused() -> None:
    with pytest.raises(KeysError, match="at most 16 MiB"):
        from_age(b"x" * (MAX_BYTES + 1), PASSPHRASE)
    identity = pyrage.x25519.Identity.generate()
    with pytest.raises(KeysError, match="sealed for something else"):
        from_age(pyrage.encrypt(b"{}", [identity.to_public()]), PASSPHRASE)


@needs_age
def test_debians_age_opens_an_export(armored: bytes, tmp_path: Path) -> None:
    assert armored.isascii() and armored.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    (tmp_path / "keys.age").write_bytes(armored)
    status, shown = on_terminal(
        ["age", "--decrypt", "--output", str(tmp_path / "keys.json"), str(tmp_path / "keys.age")],
        [("Enter passphrase", PASSPHRASE.reveal())],
        clean_environment(),
    )
    assert status == 0, shown
    opened = (tmp_path / "keys.json").read_text()
    assert opened == to_text(CONTENTS).reveal()
    assert {key["name"] for key in json.loads(opened)["keys"]} == {"work", "spare", "old"}


@needs_age
def test_what_debians_age_sealed_is_imported(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(to_text(CONTENTS).reveal())
    status, shown = on_terminal(
        ["age", "--passphrase", "--armor", "--output", str(tmp_path / "keys.age"), str(tmp_path / "keys.json")],
        [("Enter passphrase", PASSPHRASE.reveal()), ("Confirm passphrase", PASSPHRASE.reveal())],
        clean_environment(),
    )
    assert status == 0, shown
    assert from_age((tmp_path / "keys.age").read_bytes(), PASSPHRASE) == CONTENTS


def test_without_the_package_a_sentence_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(KeysError, match="pyrage"):
        to_age(Contents(), PASSPHRASE)
