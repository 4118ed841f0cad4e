"""`enigma-edge tuf-client` as the conformance suite calls it, and what its user reads when it refuses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.update.tuf.metadata import canonical, time_text
from edge_runtime.update.tuf.verifiers import all_verifiers
from tests.edge_runtime.update.servers import FileServer
from tests.edge_runtime.update.tuf.making import BUNDLE, Made

pytest.importorskip("cryptography", reason="cryptography isn't installed: pip install 'enigma[dev]'")


@pytest.fixture
def made() -> Made:
    """One that hasn't expired by the system's clock, which the command asks."""
    made = Made()
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    for name in made.contents:
        made.change(name, expires=until)
    made.publish("root", "models/router", "fleet", "targets", "snapshot", "timestamp")
    return made


def _run(made: Made | Mapping[str, bytes], folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """(exit code, what was asked) of a command that is run beside a server."""
    files = made.served() if isinstance(made, Made) else dict(made)

    async def run() -> tuple[int, list[str]]:
        async with FileServer(files) as server:
            urls = ["--metadata-url", f"{server.url}/metadata/", "--target-base-url", f"{server.url}/targets/"]
            places = ["--metadata-dir", str(folder / "trust"), "--target-dir", str(folder / "files")]
            code = await asyncio.to_thread(main, ["tuf-client", *places, *urls, *arguments])
            return code, [asked.path for asked in server.asked]

    return asyncio.run(run())


def test_init_trusts_a_root_without_asking_and_refresh_keeps_unversioned_names(made: Made, tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(made.files["metadata/1.root.json"])
    assert _run(made, tmp_path, "init", str(tmp_path / "root")) == (0, [])
    assert [path.name for path in (tmp_path / "trust").iterdir()] == ["root.json"]
    code, asked = _run(made, tmp_path, "refresh")
    assert code == 0
    assert asked[:3] == ["metadata/2.root.json", "metadata/3.root.json", "metadata/timestamp.json"]
    kept = sorted(path.name for path in (tmp_path / "trust").iterdir())
    assert kept == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]


def test_download_fetches_each_target_once_and_stops_at_the_first_that_is_not_there(made: Made, tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(made.files["metadata/1.root.json"])
    _run(made, tmp_path, "init", str(tmp_path / "root"))
    code, asked = _run(made, tmp_path, "--target-name", BUNDLE, "--target-name", BUNDLE, "download")
    assert (code, sum(path.startswith("targets/") for path in asked)) == (0, 1)
    (file,) = (tmp_path / "files").iterdir()
    assert file.read_bytes() == b"a bundle"
    file.write_bytes(b"another")
    code, asked = _run(
        made, tmp_path, "--target-name", BUNDLE, "--target-name", "none", "--target-name", BUNDLE, "download"
    )
    assert (code, sum(path.startswith("targets/") for path in asked)) == (1, 1)
    assert file.read_bytes() == b"a bundle"


def test_a_repository_as_tuf_on_ci_and_sigstore_have_it_is_followed(tmp_path: Path) -> None:
    """[test_static_repository] Keys on P-256, some of which haven't signed; fields of its own; a first root that isn't 1."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    people = {f"{number:064x}": ec.generate_private_key(ec.SECP256R1()) for number in range(5)}
    online = {"ff" * 32: ec.generate_private_key(ec.SECP256R1())}
    everyone = {**people, **online}

    def key(keyid: str) -> dict[str, object]:
        public = everyone[keyid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        named = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": public}}
        return {**named, "keyid_hash_algorithms": ["sha256", "sha512"], "x-tuf-on-ci-keyowner": "@someone"}

    def role(*keyids: str) -> dict[str, object]:
        return {"keyids": list(keyids), "threshold": (len(keyids) + 1) // 2, "x-tuf-on-ci-expiry-period": 7}

    def file(kind: str, version: int, signers: tuple[str, ...], fields: dict[str, object]) -> bytes:
        expires = time_text(datetime.now(UTC).replace(microsecond=0) + timedelta(days=1))
        own = {"_type": kind, "spec_version": "1.0", "version": version, "expires": expires}
        signed = {**own, "x-tuf-on-ci-signing-period": 4, **fields}
        unsigned = [{"keyid": each, "sig": ""} for each in (people if len(signers) > 1 else ()) if each not in signers]
        made = [(each, everyone[each].sign(canonical(signed), ec.ECDSA(SHA256())).hex()) for each in signers]
        signatures = [*unsigned, *({"keyid": each, "sig": sig} for each, sig in made)]
        return json.dumps({"signatures": signatures, "signed": signed}, indent=1).encode()

    three, (machine,) = tuple(people)[1:4], online
    roles = {name: role(*people) for name in ("root", "targets")} | {
        name: role(machine) for name in ("timestamp", "snapshot")
    }
    keys = {each: key(each) for each in everyone}
    hashes = {kind: hashlib.new(kind, b"a key").hexdigest() for kind in ("sha256", "sha512")}
    below = {"keys": {machine: keys[machine]}, "roles": [{"name": "npm", "paths": ["npm/*"], "terminating": True, **role(machine)}]}  # fmt: skip
    custom = {"sigstore": {"status": "Active", "usage": "Rekor"}}
    targets = {"rekor.pub": {"length": 5, "hashes": hashes, "custom": custom}}
    named = {"targets.json": {"version": 10}, "gone.json": {"version": 3, "length": 797, "hashes": hashes}}
    files = {
        "metadata/timestamp.json": file("timestamp", 243, (machine,), {"meta": {"snapshot.json": {"version": 156}}}),
        "metadata/156.snapshot.json": file("snapshot", 156, (machine,), {"meta": named}),
        "metadata/10.targets.json": file("targets", 10, three, {"delegations": below, "targets": targets}),
        **{f"targets/{digest}.rekor.pub": b"a key" for digest in hashes.values()},
    }
    rooted = {"roles": roles, "keys": keys, "consistent_snapshot": True}
    (tmp_path / "root").write_bytes(file("root", 12, three, rooted))
    assert _run(files, tmp_path, "init", str(tmp_path / "root")) == (0, [])
    code, asked = _run(files, tmp_path, "--target-name", "rekor.pub", "download")
    assert (code, asked[0], asked[-1]) == (0, "metadata/13.root.json", f"targets/{hashes['sha256']}.rekor.pub")
    assert [path.read_bytes() for path in (tmp_path / "files").iterdir()] == [b"a key"]
    files["metadata/13.root.json"] = file("root", 13, three[:2], rooted)  # one signature too few
    assert _run(files, tmp_path, "refresh")[0] == 1


def test_what_is_missing_is_said_in_a_sentence(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, sentence in [
        (["init", str(tmp_path / "none")], "needs a root metadata file"),
        (["init"], "needs a root metadata file"),
        (["refresh"], "no root.json in"),
        (["download"], "needs --target-name"),
    ]:
        assert _run(made, tmp_path, *arguments)[0] == 1
        told = capsys.readouterr().err
        assert sentence in told
        assert told.startswith("enigma-edge: ")
        assert told.count("\n") == 1
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert _run(made, tmp_path, "refresh")[0] == 1
    assert "pip install cryptography" in capsys.readouterr().err


def test_each_kind_of_key_verifies_its_own_signatures_and_no_other() -> None:
    signer = pytest.importorskip("securesystemslib.signer", reason="tuf isn't installed: pip install 'enigma[dev]'")
    verifiers = all_verifiers()
    made = [
        signer.CryptoSigner.generate_ed25519(),
        signer.CryptoSigner.generate_ecdsa(),
        *(signer.CryptoSigner.generate_rsa(scheme=f"rsa{kind}-sha256") for kind in ("ssa-pss", "-pkcs1v15")),
    ]
    signatures = [bytes.fromhex(each.sign(b"payload").signature) for each in made]
    for key, own in zip((each.public_key for each in made), signatures, strict=True):
        verify = verifiers[key.keytype, key.scheme]
        public = key.keyval["public"]
        assert verify(public, own, b"payload")
        assert not verify(public, own, b"another")
        assert not verify("-----BEGIN PUBLIC KEY-----", own, b"payload")
        for other in (each for each in signatures if each is not own):
            assert not verify(public, other, b"payload")
        for wrong in (each.public_key.keyval["public"] for each in made if each.public_key.keytype != key.keytype):
            assert not verify(wrong, own, b"payload")
