"""Expiry, clocks that are wrong or set back, and machines without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge_runtime.update.tuf import client as client_module
from edge_runtime.update.tuf.metadata import time_text
from edge_runtime.update.tuf.trusted import Expired
from tests.edge_runtime.update.tuf.making import BUNDLE, LATER, NOW, Device


async def test_expired_metadata_block_new_installs_and_say_what_to_do_and_a_renewal_opens_them(device: Device) -> None:
    await device.refresh()
    for role in ("timestamp", "snapshot", "targets", "root"):
        device.made.change(role, expires=NOW + timedelta(days=1))
        device.made.publish(role, *{"targets": ["snapshot", "timestamp"], "snapshot": ["timestamp"]}.get(role, []))
        await device.refresh()
        device.now = NOW + timedelta(days=1)
        with pytest.raises(Expired, match=rf"{role} metadata expired at 2026-11-27T16:00:00Z.*enigma release refresh"):
            await device.refresh()
        device.made.change(role, expires=LATER)
        device.made.publish(role, *{"targets": ["snapshot", "timestamp"], "snapshot": ["timestamp"]}.get(role, []))
        await device.refresh()
        device.now = NOW


async def test_a_delegated_role_that_expired_is_refused_also_long_after_the_refresh(device: Device) -> None:
    device.made.change("models/router", expires=NOW + timedelta(days=1))
    device.made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    device.now = NOW + timedelta(days=1)
    with pytest.raises(Expired, match="models/router"):
        await device.client.target(BUNDLE)


async def test_an_expired_timestamp_is_not_kept_as_the_newest(device: Device) -> None:
    await device.refresh()
    before = device.kept()
    device.made.change("timestamp", expires=NOW)
    device.made.publish("timestamp")
    with pytest.raises(Expired):
        await device.refresh()
    assert device.kept() == before


async def test_without_a_clock_the_signed_time_is_the_floor(device: Device) -> None:
    device.now = datetime(1970, 1, 1, tzinfo=UTC)
    await device.refresh()
    device.made.change("timestamp", extra={"issued": time_text(NOW + timedelta(days=20))})
    device.made.publish("timestamp")
    await device.refresh()
    device.start()  # the floor outlives a restart
    device.made.change("targets", expires=NOW + timedelta(days=19))
    device.made.publish("targets", "snapshot", "timestamp")
    with pytest.raises(Expired, match="it is 2026-12-16"):
        await device.refresh()


async def test_a_clock_that_is_set_back_makes_nothing_young_again(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen on purpose: the same timestamp again and again, until it is too old by the time that the machine ran."""
    ran = 1000.0
    monkeypatch.setattr(client_module, "_running", lambda: ran)
    device.now = datetime(1970, 1, 1, tzinfo=UTC)
    device.made.change("timestamp", expires=NOW + timedelta(days=7))
    device.made.publish("timestamp")
    await device.refresh()
    ran += timedelta(days=6).total_seconds()
    assert not await device.refresh()
    ran += timedelta(days=2).total_seconds()
    with pytest.raises(Expired, match="timestamp metadata expired"):
        await device.refresh()
    assert device.transport.asked[-1] == "metadata/timestamp.json"  # nothing below it is even fetched


async def test_a_thief_who_signs_the_far_future_stops_updates_only_until_the_key_is_taken_back(device: Device) -> None:
    made = device.made
    far = datetime(2099, 1, 1, tzinfo=UTC)
    made.change("timestamp", expires=far + timedelta(days=9), extra={"issued": time_text(far)})
    made.publish("timestamp")
    for _ in range(2):
        with pytest.raises(Expired, match="it is 2099-01-01"):
            await device.refresh()
    made.signers["timestamp"] = ["new timestamp"]
    made.trust()
    made.change("timestamp", expires=LATER, extra={"issued": time_text(NOW)})
    made.publish("root", "timestamp")
    assert await device.refresh()
    assert device.client.now() - NOW < timedelta(hours=1)


@pytest.mark.parametrize("told", ["soon", 5, None, "2026-11-26"])
async def test_another_field_of_that_name_says_no_time(device: Device, told: object) -> None:
    device.made.change("timestamp", extra={"issued": told})
    device.made.publish("timestamp")
    assert await device.refresh()
