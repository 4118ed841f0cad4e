from __future__ import annotations

import hashlib
import struct

import nacl.bindings
import pytest
from nacl.pwhash import argon2id

from tests.trainer_host.teacher.vault_traces import KEY, LOW, forms
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.vault.sealing import (
    HEADER_BYTES,
    MODERATE,
    Header,
    MasterKey,
    Protection,
    master_of,
    new_master,
    read_header,
    seal,
    unseal,
)

PASSPHRASE = Secret("correct horse battery")
PLAIN = Secret('{"a small": "vault", "key": "' + KEY + '"}')


def open_again(content: bytes, secret: Secret | bytes = PASSPHRASE) -> Secret | None:
    master = master_of(read_header(content), secret)
    return None if master is None else unseal(master, content)


def sealed(protection: Protection = Protection.PASSPHRASE, secret: Secret | bytes = PASSPHRASE) -> bytes:
    return seal(new_master(protection, secret, LOW), PLAIN)


@pytest.mark.parametrize(
    ("protection", "secret"),
    [(Protection.PASSPHRASE, PASSPHRASE), (Protection.KEY_FILE, b"k" * 32), (Protection.KEYRING, b"r" * 32)],
)
def test_a_flipped_bit_anywhere_is_an_authentication_error(protection: Protection, secret: Secret | bytes) -> None:
    content = sealed(protection, secret)
    assert open_again(content, secret) == PLAIN
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            with pytest.raises(KeysError, match="failed its authentication"):
                open_again(bytes(changed), secret)


def test_a_shortened_or_lengthened_file_is_an_authentication_error() -> None:
    content = sealed()
    for changed in [content[:length] for length in range(len(content))] + [content + b"\0", b"", content * 2]:
        with pytest.raises(KeysError, match="failed its authentication"):
            open_again(changed)


def test_a_header_that_was_forged_with_its_check_opens_nothing() -> None:
    """Who changes the file on purpose can compute the check again: the box's key depends on the header."""
    content = sealed()
    header = read_header(content)
    for forged in (
        Header(header.protection, LOW, b"s" * 16, header.key_check),
        Header(header.protection, type(LOW)(2, 8), header.salt, header.key_check),
        Header(header.protection, LOW, header.salt, b"c" * 16),
    ):
        assert open_again(forged.packed() + content[HEADER_BYTES:]) is None, "as with a wrong passphrase"
    right = new_master(Protection.PASSPHRASE, PASSPHRASE, LOW)
    with pytest.raises(KeysError, match="failed its authentication"):
        unseal(right, right.header.packed() + content[HEADER_BYTES:])


@pytest.mark.parametrize(
    "limits", [(0, 8), (1, 7), (5, 8), (1, 2**20 + 1), (2**32 - 1, 2**32 - 1)], ids=lambda pair: f"{pair[0]}-{pair[1]}"
)
def test_a_crafted_file_cannot_ask_for_all_memory_or_time(limits: tuple[int, int]) -> None:
    header = read_header(sealed())
    asked = Header(header.protection, type(LOW)(*limits), header.salt, header.key_check)
    with pytest.raises(KeysError, match="failed its authentication"):
        read_header(asked.packed() + b"x" * 60)


def test_a_wrong_passphrase_is_told_from_a_damaged_file() -> None:
    content = sealed()
    for wrong in ("correct horse batterz", "", "correct horse battery "):
        assert master_of(read_header(content), Secret(wrong)) is None
    assert master_of(read_header(content), b"k" * 31) is None


def test_two_seals_of_the_same_key_differ_in_all_but_the_header() -> None:
    master = new_master(Protection.PASSPHRASE, PASSPHRASE, LOW)
    one, two = seal(master, PLAIN), seal(master, PLAIN)
    assert one[:HEADER_BYTES] == two[:HEADER_BYTES]
    nonces = {content[HEADER_BYTES : HEADER_BYTES + 24] for content in (one, two)}
    assert len(nonces) == 2 and one[HEADER_BYTES + 24 :] != two[HEADER_BYTES + 24 :]
    again = sealed()
    assert again[:HEADER_BYTES] != one[:HEADER_BYTES], "each vault has a salt of its own"


def test_the_sealed_bytes_hold_the_key_in_no_form() -> None:
    for protection, secret in ((Protection.PASSPHRASE, PASSPHRASE), (Protection.KEY_FILE, b"k" * 32)):
        content = sealed(protection, secret)
        assert not any(form in content for form in forms(KEY))


def test_the_same_letters_are_the_same_passphrase() -> None:
    content = sealed(secret=Secret("Schlüssel für alle"))
    assert open_again(content, Secret("Schlu\u0308ssel fu\u0308r alle")) == PLAIN


def test_new_vaults_use_libsodiums_moderate_limits() -> None:
    assert MODERATE.operations == argon2id.OPSLIMIT_MODERATE
    assert MODERATE.kibibytes * 1024 == argon2id.MEMLIMIT_MODERATE
    master = new_master(Protection.PASSPHRASE, PASSPHRASE)
    assert read_header(seal(master, PLAIN)).limits == MODERATE


def test_the_file_opens_by_its_documented_layout_alone() -> None:
    content = sealed()
    magic, kind, operations, kibibytes, salt, key_check, header_check = struct.unpack(">8scII16s16s16s", content[:65])
    assert (magic, kind) == (b"ENIGMAV1", b"p")
    master = nacl.bindings.crypto_pwhash_alg(
        32, b"correct horse battery", salt, operations, kibibytes * 1024, nacl.bindings.crypto_pwhash_ALG_ARGON2ID13
    )
    assert hashlib.blake2b(b"enigma vault check", key=master, digest_size=32).digest()[:16] == key_check
    assert hashlib.blake2b(content[:49], digest_size=32).digest()[:16] == header_check
    box_key = hashlib.blake2b(content[:65], key=master, digest_size=32).digest()
    assert nacl.bindings.crypto_secretbox_open(content[89:], content[65:89], box_key) == PLAIN.reveal().encode()


def test_a_master_key_does_not_show_itself() -> None:
    master = MasterKey(b"k" * 32, new_master(Protection.KEY_FILE, b"k" * 32).header)
    assert repr(master) == "MasterKey(...)"
    assert not hasattr(master, "__dict__")
