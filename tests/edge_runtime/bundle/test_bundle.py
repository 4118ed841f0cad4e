"""Bundles: reproducible, and nothing inside is read before signature, length and hash are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.bundle import (
    HEADER_BYTES,
    Manifest,
    archive,
    envelope,
    public_key_of,
    read_envelope,
    unpack,
    unpack_bundle,
    verify_bundle,
    write_bundle,
)
from edge_runtime.errors import BundleError, UntrustedSigner

from .. import tiny

TRUSTED = frozenset({public_key_of(tiny.KEY)})


def write(path: Path, **files: bytes) -> envelope.Envelope:
    contents: dict[str, archive.Content] = {"model.onnx": b"model", "golden.json": b"[]"}
    contents |= {name.replace("_", "."): content for name, content in files.items()}
    return write_bundle(path, tiny.manifest(), contents, tiny.KEY)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.enigma", tmp_path / "b.enigma"
    assert write(first).address == write(second).address
    assert first.read_bytes() == second.read_bytes()
    assert write(second, vocab_txt=b"x").address != write(first).address


def test_a_bundle_unpacks_to_what_was_packed(tmp_path: Path) -> None:
    made = write(tmp_path / "a.enigma", vocab_txt=b"words")
    folder = tmp_path / "out"
    folder.mkdir()
    verified = verify_bundle(tmp_path / "a.enigma", TRUSTED)
    assert verified == made
    manifest = unpack_bundle(tmp_path / "a.enigma", verified, folder)
    assert (folder / "vocab.txt").read_bytes() == b"words"
    assert Manifest.from_json((folder / "manifest.json").read_bytes()) == manifest
    assert archive.payload_digest(folder) == made.digest


def test_nothing_is_parsed_before_it_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("the payload was parsed")

    path = tmp_path / "a.enigma"
    write(path)
    monkeypatch.setattr(unpack, "list_members", fail)
    monkeypatch.setattr(Manifest, "from_json", fail)
    verify_bundle(path, TRUSTED)
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x80]) + content[position + 1 :])
        with pytest.raises(BundleError):
            verify_bundle(path, TRUSTED)
    for length in (0, 10, HEADER_BYTES - 1, HEADER_BYTES, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BundleError):
            verify_bundle(path, TRUSTED)
    path.write_bytes(content + b"\0")
    with pytest.raises(BundleError):
        verify_bundle(path, TRUSTED)


def test_the_signature_is_checked_before_the_length(tmp_path: Path) -> None:
    """An unsigned head can't make a device allocate or read anything by claiming a length."""
    huge = envelope.Envelope(2**63, bytes(32), public_key_of(tiny.KEY), bytes(64))
    with pytest.raises(UntrustedSigner, match="signature"):
        huge.check(TRUSTED, 10)
    signed = envelope.sign(2**40, bytes(32), tiny.KEY)
    with pytest.raises(BundleError, match="takes 10"):
        signed.check(TRUSTED, 10)


def test_a_stranger_s_key_and_no_key_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.enigma")
    for trusted in (frozenset(), frozenset({public_key_of(tiny.OTHER_KEY)})):
        with pytest.raises(UntrustedSigner, match="doesn't trust"):
            verify_bundle(tmp_path / "a.enigma", trusted)


def test_a_malleable_signature_is_refused(tmp_path: Path) -> None:
    """s + L verifies with lax libraries (Wycheproof); libsodium must refuse it."""
    made = write(tmp_path / "a.enigma")
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(made.signature[32:], "little") + order
    forged = envelope.Envelope(made.length, made.sha256, made.signer, made.signature[:32] + s.to_bytes(32, "little"))
    with pytest.raises(UntrustedSigner):
        forged.check(TRUSTED)


def test_a_signed_bundle_whose_files_differ_from_its_manifest_is_refused(tmp_path: Path) -> None:
    """A signer's own mistake, or a stolen key in careless hands."""
    path = tmp_path / "a.enigma"
    write(path)
    folder = tmp_path / "good"
    folder.mkdir()
    good = unpack_bundle(path, verify_bundle(path, TRUSTED), folder)
    honest = {p.name: p.read_bytes() for p in folder.iterdir()}
    for name, files in {
        "changed": honest | {"model.onnx": b"other"},
        "extra": honest | {"extra.bin": b"x"},
        "missing": {k: v for k, v in honest.items() if k != "model.onnx"},
        "no manifest": {k: v for k, v in honest.items() if k != "manifest.json"},
    }.items():
        _write_raw(path, files)
        out = tmp_path / name
        out.mkdir()
        with pytest.raises(BundleError):
            unpack_bundle(path, verify_bundle(path, TRUSTED), out)
    assert good.name == "tiny"


def test_the_packer_refuses_what_a_device_would(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"golden\.json"):
        write_bundle(tmp_path / "a.enigma", tiny.manifest(), {"model.onnx": b""}, tiny.KEY)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "a.enigma", tiny.manifest(), {"manifest.json": b""}, tiny.KEY)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_named_as_what_they_are_not(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="isn't an Enigma bundle"):
        read_envelope(b"PK\x03\x04" * 100)


def _write_raw(path: Path, files: dict[str, bytes]) -> None:
    chunks: list[bytes] = []
    length, digest = archive.write_payload(files, chunks.append)  # type: ignore[arg-type]
    path.write_bytes(envelope.sign(length, digest, tiny.KEY).to_bytes() + b"".join(chunks))
