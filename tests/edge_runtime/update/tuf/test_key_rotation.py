"""Keys that change: new roots one by one, and what was signed by a key that was taken back."""

from __future__ import annotations

import pytest

from edge_runtime.update.tuf.metadata import NotTrusted
from tests.edge_runtime.update.tuf.making import Device


async def test_a_key_that_was_taken_back_counts_no_more_and_fast_forwarded_versions_are_forgotten(
    device: Device,
) -> None:
    made = device.made
    made.change("timestamp", version=10_000)
    made.change("snapshot", version=9_000)
    made.publish("snapshot", "timestamp")  # by a thief of the online keys
    await device.refresh()
    made.signers |= {"timestamp": ["new timestamp"], "snapshot": ["new snapshot"]}
    made.trust()
    made.change("snapshot", version=1)
    made.change("timestamp", version=1)
    made.publish("root", "snapshot", "timestamp")
    assert await device.refresh()
    assert device.client.trusted.timestamp is not None
    assert device.client.trusted.timestamp.version == 2
    made.signers["timestamp"] = ["timestamp"]
    made.publish("timestamp")
    with pytest.raises(NotTrusted):
        await device.refresh()


async def test_roots_are_followed_one_by_one_through_changes_of_keys_and_threshold(device: Device) -> None:
    made = device.made
    for new, threshold in [(["root", "phone", "paper"], 2), (["phone", "paper", "other"], 2), (["last"], 1)]:
        old, made.signers["root"] = made.signers["root"], new
        made.trust(threshold)
        made.signers["root"] = [*old, *new]
        made.publish("root")
        made.signers["root"] = new
    await device.refresh()
    assert device.client.trusted.root.version == 4
    assert (device.folder / "root.json").read_bytes() == made.files["metadata/4.root.json"]
    made.signers["root"] = ["phone", "paper", "other"]  # whose time is over
    made.publish("root")
    with pytest.raises(NotTrusted):
        await device.refresh()
