"""Repositories that are older, mixed, forged and cut: a device's client takes nothing of them and keeps what it had."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from edge_runtime.errors import StateError
from edge_runtime.update.tuf.metadata import MetaFile, NotTrusted
from tests.edge_runtime.update.tuf.making import BUNDLE, Device, Made


def _roll_back_timestamp(made: Made) -> None:
    made.files["metadata/timestamp.json"] = made.old["metadata/timestamp.json"]  # type: ignore[attr-defined]


def _roll_back_timestamp_alone(made: Made) -> None:
    made.change("timestamp", version=0)
    made.publish("timestamp")


def _roll_back_snapshot(made: Made) -> None:
    made.change("snapshot", version=0)
    made.publish("snapshot", "timestamp")


def _roll_back_role(made: Made) -> None:
    made.change("models/router", version=0)
    made.publish("models/router", "snapshot", "timestamp")


def _drop_role(made: Made) -> None:
    meta = dict(made.contents["snapshot"].meta)  # type: ignore[union-attr]
    del meta["fleet.json"]
    made.change("snapshot", meta=meta)
    made.publish("snapshot", "timestamp")


def _mix_and_match(made: Made) -> None:
    made.publish("snapshot", "timestamp")
    made.files["metadata/4.snapshot.json"] = made.files["metadata/3.snapshot.json"]
    made.publish("timestamp")
    made.files["metadata/3.snapshot.json"] = made.files["metadata/2.snapshot.json"]


def _other_bytes_of_a_signed_hash(made: Made) -> None:
    """Signed by the right key, but not the file that the snapshot names."""
    made.change("targets", extra={"another": 1})
    made.publish("targets", "snapshot", "timestamp")
    made.change("targets", extra={"another": 2})  # as long
    held = made.contents["snapshot"]
    made.publish("targets", bump=False)
    made.contents["snapshot"] = held


def _other_version_than_named(made: Made) -> None:
    made.publish("targets")
    raw, meta = made.files["metadata/2.targets.json"], dict(made.contents["snapshot"].meta)  # type: ignore[union-attr]
    meta["targets.json"] = MetaFile(3)
    made.change("snapshot", meta=meta)
    made.publish("snapshot", "timestamp")
    made.files["metadata/3.targets.json"] = raw


def _other_snapshot_than_hashed(made: Made) -> None:
    made.publish("snapshot")
    made.change("timestamp", snapshot=MetaFile(made.contents["snapshot"].version, None, {"sha256": "ab" * 32}))
    made.publish("timestamp")


def _forge(name: str) -> Callable[[Made], None]:
    def forge(made: Made) -> None:
        made.signers[name] = ["a thief"]
        made.publish(
            name, *([] if name == "timestamp" else ["timestamp"] if name == "snapshot" else ["snapshot", "timestamp"])
        )

    return forge


def _change_without_signing(made: Made) -> None:
    made.publish("timestamp")
    made.files["metadata/timestamp.json"] = made.files["metadata/timestamp.json"].replace(b"2026-12-26", b"2029-12-26")


def _root_by_a_thief(made: Made) -> None:
    made.signers["root"] = ["a thief"]
    made.trust()
    made.publish("root")


def _root_by_the_old_key_alone(made: Made) -> None:
    made.signers["root"] = ["new root"]
    made.trust()
    made.signers["root"] = ["root"]
    made.publish("root")


def _root_of_another_version(made: Made) -> None:
    made.change("root", version=2)
    made.publish("root")
    made.files["metadata/2.root.json"] = made.files["metadata/3.root.json"]


def _one_key_twice(made: Made) -> None:
    root = made.contents["root"]
    key = next(key for key in root.keys.values() if key.keyid in root.roles["root"].keyids)  # type: ignore[union-attr]
    again = dataclasses.replace(key, keyid="again", public=key.public.upper())
    made.change("root", keys={**root.keys, "again": again})  # type: ignore[union-attr]
    role = dataclasses.replace(root.roles["root"], keyids=(key.keyid, "again"), threshold=2)  # type: ignore[union-attr]
    made.change("root", roles={**root.roles, "root": role})  # type: ignore[union-attr]
    made.publish("root")
    raw = json.loads(made.files["metadata/2.root.json"])
    raw["signatures"].append({**raw["signatures"][0], "keyid": "again"})
    made.files["metadata/2.root.json"] = json.dumps(raw).encode()


ATTACKS = [
    _roll_back_timestamp,
    _roll_back_timestamp_alone,
    _roll_back_snapshot,
    _roll_back_role,
    _drop_role,
    _mix_and_match,
    _other_bytes_of_a_signed_hash,
    _other_version_than_named,
    _other_snapshot_than_hashed,
    _forge("timestamp"),
    _forge("snapshot"),
    _forge("targets"),
    _change_without_signing,
    _root_by_a_thief,
    _root_by_the_old_key_alone,
    _root_of_another_version,
    _one_key_twice,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__qualname__.replace("_forge.<locals>.", ""))
async def test_an_attack_is_refused_and_what_was_there_stays(device: Device, attack: Callable[[Made], None]) -> None:
    made = device.made
    made.old = dict(made.files)  # type: ignore[attr-defined]
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    before = device.kept()
    attack(made)
    for _ in range(2):  # the second time, after what the first left
        with pytest.raises(NotTrusted):
            await device.refresh()
        with pytest.raises(StateError, match="refresh first"):
            await device.client.target(BUNDLE)
        device.start()
    after = device.kept()
    assert after["root.json"] == before["root.json"]
    assert set(after) == set(before)
