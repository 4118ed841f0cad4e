"""What tests of the official conformance suite ask (v2.4.0 and one file after it), in our own words and without its processes.

The suite isn't a package. `scripts/tuf_conformance.sh` runs a checkout of it; here is what its newer tests added, so that it is
held where there is no checkout too. The names in brackets are the suite's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from edge_runtime.update.tuf.client import NotReached
from edge_runtime.update.tuf.metadata import (
    Delegation,
    Key,
    MetadataError,
    MetaFile,
    NotTrusted,
    TargetFile,
    Targets,
    file_name,
    sign,
    to_bytes,
)
from edge_runtime.update.tuf.trusted import Expired
from tests.edge_runtime.update.tuf.making import BUNDLE, LATER, NOW, Device, Made, seed_of

TOP = ("root", "snapshot", "targets", "timestamp")


def roles_of(device: Device) -> dict[str, int]:
    """The versions of what a device trusts, by role."""
    return {name.removesuffix(".json"): json.loads(raw)["signed"]["version"] for name, raw in device.kept().items()}


def metadata_asked(device: Device) -> list[str]:
    """The delegated roles whose metadata were asked for, in turn."""
    names = [path.rpartition("/")[2].split(".", 1)[1] for path in device.transport.asked if "/timestamp" not in path]
    return [name.removesuffix(".json") for name in names if name.removesuffix(".json") not in TOP]


def tree(folder: Path, patterns: dict[tuple[str, str], tuple[str, ...]], files: dict[str, str]) -> Device:
    """patterns: (delegator, role) -> paths, in their order; files: target -> the role that has it."""
    made = Made()
    names = list(dict.fromkeys(role for _, role in patterns))
    for name in names:
        made.signers[name] = [name]
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
    for delegator in dict.fromkeys(delegator for delegator, _ in patterns):
        below = [
            Delegation(role, (), 1, False, paths) for (above, role), paths in patterns.items() if above == delegator
        ]
        made.delegate(*below)
        if delegator != "targets":
            held = made.contents["targets"]
            assert isinstance(held, Targets)
            made.change(delegator, delegations=held.delegations, keys=held.keys)
    made.delegate(*(Delegation(role, (), 1, False, paths) for (a, role), paths in patterns.items() if a == "targets"))
    for target, role in files.items():
        made.add(role, target, target.encode())
    made.publish(*names, "targets", "snapshot", "timestamp")
    return Device(made, folder / "trust")


# [test_targetfile_search]: which target is found, and whose metadata are asked for on the way.
SEARCHED = {
    "plain": ("plain", True, []),
    "a star": ("README.md", True, ["A"]),
    "separators": ("releases/x/x_v1", True, ["B", "C"]),
    "a pattern below a pattern": ("releases/y/y_v1.zip", True, ["B", "D"]),
    "not delegated all the way": ("releases/z/z_v1.zip", False, ["B"]),
    "a star and a slash": ("releases/README.md", False, []),
    "one letter": ("foo-1.tgz", True, ["A"]),
    "several letters": ("foo-alpha.tgz", False, []),
    "another case": ("README.MD", False, []),
}


@pytest.mark.parametrize(("target", "found", "asked"), SEARCHED.values(), ids=SEARCHED)
async def test_patterns_decide_who_is_asked(tmp_path: Path, target: str, found: bool, asked: list[str]) -> None:
    device = tree(
        tmp_path,
        {
            ("targets", "A"): ("*.doc", "*.md", "foo-?.tgz"),
            ("targets", "B"): ("releases/*/*",),
            ("B", "C"): ("releases/x/*",),
            ("B", "D"): ("releases/y/*.zip",),
        },
        {
            "plain": "targets",
            "README.md": "A",
            "releases/README.md": "A",
            "foo-1.tgz": "A",
            "foo-alpha.tgz": "A",
            "releases/x/x_v1": "C",
            "releases/y/y_v1.zip": "D",
            "releases/z/z_v1.zip": "D",
        },
    )
    await device.refresh()
    assert (await device.client.target(target) is not None) is found
    assert metadata_asked(device) == asked


async def test_a_role_that_was_trusted_by_one_delegators_word_is_not_by_anothers(tmp_path: Path) -> None:
    """[test_cached_role_is_verified_against_current_delegator]"""
    patterns = {("targets", name): (f"{name}/*",) for name in ("parent-a", "parent-b")}
    patterns |= {(name, "release"): (f"{name}/*",) for name in ("parent-a", "parent-b")}
    device = tree(tmp_path, patterns, {"parent-a/root": "release", "parent-b/root": "release"})
    made = device.made
    held = made.contents["parent-b"]
    assert isinstance(held, Targets)
    made.signers["release"] = ["the key that b names"]
    made.delegate(Delegation("release", (), 1, False, ("parent-b/*",)))
    other = made.contents["targets"]
    assert isinstance(other, Targets)
    made.change("parent-b", delegations=other.delegations, keys=other.keys)
    made.delegate(*(Delegation(name, (), 1, False, (f"{name}/*",)) for name in ("parent-a", "parent-b")))
    made.publish("parent-b", "targets", "snapshot", "timestamp")  # what is released stays signed by a's key alone
    await device.refresh()
    assert await device.client.target("parent-a/root") is not None
    with pytest.raises(NotTrusted, match="0 of the 1"):
        await device.client.target("parent-b/root")
    assert await device.client.target("parent-a/root") is not None


async def test_a_role_that_the_snapshot_does_not_name_is_not_even_asked_for(tmp_path: Path) -> None:
    """[test_delegation_not_in_snapshot]"""
    device = tree(tmp_path, {("targets", "delegated"): ("delegated/*",)}, {"delegated/foo": "delegated"})
    meta = dict(device.made.contents["snapshot"].meta)  # type: ignore[union-attr]
    del meta["delegated.json"]
    device.made.change("snapshot", meta=meta)
    device.made.publish("snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(NotTrusted, match="doesn't name the metadata of 'delegated'"):
        await device.client.target("delegated/foo")
    assert metadata_asked(device) == [] and set(roles_of(device)) == set(TOP)


async def test_a_delegated_role_that_expired_is_neither_taken_nor_kept_in_use_until_it_is_renewed(
    device: Device,
) -> None:
    """[test_delegated_targets_expired, test_expired_local_delegated_targets, ..._updates]"""
    made, day = device.made, timedelta(days=1)
    made.change("models/router", expires=NOW - day)
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(Expired):
        await device.client.target(BUNDLE)
    assert set(roles_of(device)) == set(TOP)  # it wasn't trusted for a moment
    made.change("models/router", expires=NOW + 7 * day)
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target(BUNDLE) is not None
    device.now = NOW + 18 * day
    device.start()
    await device.refresh()
    with pytest.raises(Expired):
        await device.client.target(BUNDLE)
    made.change("models/router", expires=NOW + 21 * day)
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target(BUNDLE) is not None


@pytest.mark.parametrize("kinds", [["sha256"], ["sha512"], ["sha256", "sha512"], ["unknown-hash"]])
async def test_hashes_that_are_known_are_checked_and_others_are_not_taken_for_any(
    device: Device, kinds: list[str]
) -> None:
    """[test_download_with_hash_algorithms, test_download_with_unknown_hash_algorithm]"""
    content = b"target file contents"
    known = {kind: hashlib.new(kind, content).hexdigest() for kind in ("sha256", "sha512")}
    hashes = {kind: known.get(kind, known["sha512"]) for kind in kinds}
    target = TargetFile("file", len(content), hashes, {})
    device.made.change("targets", targets={"file": target})
    for digest in hashes.values():
        device.made.files[f"targets/{digest}.file"] = content
    device.made.publish("targets", "snapshot", "timestamp")
    await device.refresh()
    found = await device.client.target("file")
    assert found is not None
    if "unknown-hash" in kinds:
        with pytest.raises(NotTrusted, match="can't check"):
            await device.client.read(found[0], 100)
    else:
        assert await device.client.read(found[0], 100) == content


async def test_a_wrong_signature_beside_enough_right_ones_is_passed_over_and_two_of_one_key_are_refused(
    device: Device,
) -> None:
    """[test_invalid_sig_in_valid_metadata, test_duplicate_sig_keyids]"""
    made = device.made
    made.signers["timestamp"] = ["timestamp", "another"]
    made.trust()
    made.publish("root", "timestamp")
    path = f"metadata/{file_name('timestamp')}"
    for wrong in ("30" * 64, "", "no hex"):
        made.publish("timestamp")
        raw = json.loads(made.files[path])
        raw["signatures"][0]["sig"] = wrong
        made.files[path] = json.dumps(raw).encode()
        assert await device.refresh()
    made.publish("timestamp")
    raw = json.loads(made.files[path])
    raw["signatures"].append(raw["signatures"][0])
    made.files[path] = json.dumps(raw).encode()
    before = device.kept()
    with pytest.raises(MetadataError, match="two signatures of one key"):
        await device.refresh()
    assert device.kept() == before


async def test_another_roles_metadata_signed_by_the_same_key_are_not_taken(device: Device) -> None:
    """[test_incorrect_metadata_type]"""
    made = device.made
    made.signers["snapshot"] = ["snapshot", "timestamp"]
    made.trust()
    made.change("snapshot", meta={"snapshot.json": MetaFile(1)}, version=2)
    made.publish("root")
    await device.refresh()
    raw = to_bytes(sign(made.contents["snapshot"], [seed_of("timestamp")]))
    made.files["metadata/timestamp.json"] = raw
    with pytest.raises(MetadataError, match="its type isn't 'timestamp'"):
        await device.refresh()


async def test_fields_that_nobody_knows_are_signed_and_change_nothing(device: Device) -> None:
    """[test_custom_fields, test_deprecated_keyid_hash_algorithms, test_metadata_bytes_match]"""
    made = device.made
    made.change("root", extra={"custom-field": "value", "keyid_hash_algorithms": ["md5"]})
    made.publish("root")
    raw = json.dumps(json.loads(made.files["metadata/timestamp.json"]), indent=3).encode() + b" "
    made.files["metadata/timestamp.json"] = raw
    await device.refresh()
    assert roles_of(device)["root"] == 2
    assert device.kept()["timestamp.json"] == raw  # to the byte, so that hashes over it hold


def _no_timestamp(made: Made) -> None:
    del made.files["metadata/timestamp.json"]


def _no_snapshot(made: Made) -> None:
    made.change("timestamp", snapshot=MetaFile(2))
    made.publish("timestamp")


def _no_targets(made: Made) -> None:
    meta = {**made.contents["snapshot"].meta, "targets.json": MetaFile(2)}  # type: ignore[union-attr]
    made.change("snapshot", meta=meta)
    made.publish("snapshot", "timestamp")


@pytest.mark.parametrize(
    ("lack", "trusted"),
    [
        (_no_timestamp, {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}),
        (_no_snapshot, {"root": 1, "timestamp": 2, "snapshot": 1, "targets": 1}),
        (_no_targets, {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 1}),
    ],
)
async def test_what_lacks_ends_a_refresh_and_what_came_before_it_is_kept(
    device: Device, lack: Callable[[Made], None], trusted: dict[str, int]
) -> None:
    """[test_timestamp_404, test_snapshot_404, test_targets_404]"""
    await device.refresh()
    lack(device.made)
    with pytest.raises(NotReached):
        await device.refresh()
    assert roles_of(device) == trusted


async def test_a_key_that_cannot_be_used_is_passed_over_where_others_reach_the_threshold(device: Device) -> None:
    """A kind of key from another time, in a role that enough others sign for."""
    made = device.made
    made.trust()
    root = made.contents["root"]
    strange = Key("ff" * 32, "post-quantum", "mldsa65", "00")
    role = root.roles["timestamp"]  # type: ignore[union-attr]
    more = dataclasses.replace(role, keyids=(strange.keyid, *role.keyids))
    made.change(
        "root",
        keys={**root.keys, strange.keyid: strange},  # type: ignore[union-attr]
        roles={**root.roles, "timestamp": more},  # type: ignore[union-attr]
    )
    made.publish("root", "timestamp")
    assert await device.refresh()
