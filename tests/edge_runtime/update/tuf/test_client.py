"""A device's TUF client against repositories that are newer, older, mixed, frozen, forged, cut off and renewed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_runtime.errors import StateError, StorageFull
from edge_runtime.update.tuf import client as client_module
from edge_runtime.update.tuf.client import NotReached, UpdateClient
from edge_runtime.update.tuf.metadata import Delegation, MetadataError, MetaFile, NotTrusted, Targets, time_text
from edge_runtime.update.tuf.transport import FolderTransport
from edge_runtime.update.tuf.trusted import Expired
from tests.edge_runtime.update.tuf.making import BUNDLE, DESIRED, LATER, NOW, Made, Memory


class Device:
    """A client whose clock a test sets."""

    def __init__(self, made: Made, folder: Path) -> None:
        self.made = made
        self.folder = made.begin(folder)
        self.now = NOW
        self.transport = Memory(made.files)
        self.start()

    def start(self) -> None:
        """As after a restart."""
        self.client = UpdateClient(self.folder, self.transport, lambda: self.now)

    async def refresh(self) -> bool:
        return await self.client.refresh()

    def kept(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(Made(), tmp_path / "trust")


async def test_a_target_is_found_with_the_role_that_signed_for_it_and_read(device: Device) -> None:
    assert await device.refresh()
    found = await device.client.target(BUNDLE)
    assert found is not None
    target, role = found
    assert role == "models/router"
    assert await device.client.read(target, 100) == b"a bundle"
    assert await device.client.target(DESIRED, "fleet") is not None
    assert await device.client.target(DESIRED, "models/router") is None
    assert await device.client.target("models/router/other") is None
    assert await device.client.target("elsewhere/a") is None


async def test_only_what_is_needed_is_fetched_and_nothing_twice(device: Device) -> None:
    await device.refresh()
    names = [path.rpartition("/")[2] for path in device.transport.asked]
    assert names == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    device.transport.asked.clear()
    device.start()
    assert not await device.refresh()
    await device.client.target(BUNDLE)
    await device.client.target(BUNDLE)
    names = [path.rpartition("/")[2] for path in device.transport.asked]
    assert names == ["2.root.json", "timestamp.json", "1.models%2Frouter.json"]


async def test_a_new_bundle_is_seen(device: Device) -> None:
    await device.refresh()
    device.made.add("models/router", "models/router/home-1.1.0.enigma", b"a newer bundle")
    device.made.publish("models/router", "snapshot", "timestamp")
    assert await device.refresh()
    found = await device.client.target("models/router/home-1.1.0.enigma", "models/router")
    assert found is not None
    assert await device.client.read(found[0], 100) == b"a newer bundle"


async def test_a_folder_serves_as_a_web_server_does(device: Device, tmp_path: Path) -> None:
    device.made.write(tmp_path / "stick")
    device.transport = FolderTransport(tmp_path / "stick")  # type: ignore[assignment]
    device.start()
    assert await device.refresh()
    found = await device.client.target(BUNDLE)
    assert found is not None
    assert await device.client.read(found[0], 100) == b"a bundle"
    device.transport = FolderTransport(tmp_path / "pulled out")  # type: ignore[assignment]
    device.start()
    with pytest.raises(NotReached):
        await device.refresh()


# Attacks


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


@pytest.mark.parametrize("role", ["models/router", "fleet"])
async def test_a_delegated_role_by_another_key_is_refused(device: Device, role: str) -> None:
    device.made.signers[role] = ["a thief"]
    device.made.publish(role, "snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(NotTrusted, match="0 of the 1 signatures"):
        await device.client.target({"fleet": DESIRED}.get(role, BUNDLE))


async def test_a_role_can_not_sign_for_names_that_were_not_delegated_to_it(device: Device) -> None:
    device.made.add("fleet", "models/router/home-9.9.9.enigma", b"forged by the online key")
    device.made.publish("fleet", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target("models/router/home-9.9.9.enigma") is None


async def test_a_role_that_two_delegate_to_must_be_signed_as_each_of_them_says(device: Device) -> None:
    made = device.made
    shared = Delegation("shared", (), 1, True, ("a/*", "b/*"))
    for name, signer in (("a", "key of a"), ("b", "key of b")):
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
        made.signers |= {name: [name], "shared": [signer]}
        made.delegate(shared)
        below = made.contents["targets"]
        assert isinstance(below, Targets)
        made.change(name, delegations=below.delegations, keys=below.keys)
    made.contents["shared"] = Targets(0, LATER, {}, {}, (), {})
    made.signers["shared"] = ["key of a"]
    made.add("shared", "a/x", b"x")
    made.add("shared", "b/y", b"y")
    made.delegate(*(Delegation(name, (), 1, True, (f"{name}/*",)) for name in "ab"))
    made.publish("shared", "a", "b", "targets", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target("a/x", "shared") is not None
    with pytest.raises(NotTrusted, match="0 of the 1"):  # though it is there and trusted, by another one's word
        await device.client.target("b/y")


async def test_of_two_roles_that_may_sign_for_a_name_the_one_named_first_counts(device: Device) -> None:
    made = device.made
    for name in ("second", "first"):
        made.signers[name] = [name]
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
        made.add(name, "x/1", name.encode())
    made.delegate(*(Delegation(name, (), 1, False, ("x/*",)) for name in ("first", "second")))
    made.publish("first", "second", "targets", "snapshot", "timestamp")
    await device.refresh()
    found = await device.client.target("x/1")
    assert found is not None
    assert found[1] == "first"
    assert await device.client.read(found[0], 100) == b"first"


@pytest.mark.parametrize("terminating", [True, False])
async def test_behind_a_terminating_role_nobody_else_is_asked(device: Device, terminating: bool) -> None:
    made = device.made
    for name in ("first", "second"):
        made.signers[name] = [name]
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
    made.add("second", "x/1", b"second")
    made.delegate(*(Delegation(name, (), 1, terminating, ("x/*",)) for name in ("first", "second")))
    made.publish("first", "second", "targets", "snapshot", "timestamp")
    await device.refresh()
    assert (await device.client.target("x/1") is None) is terminating


async def test_two_of_two_signatures_are_needed_where_the_delegation_says_so(device: Device) -> None:
    made = device.made
    made.signers["models/router"] = ["models/router", "phone"]
    made.delegate(Delegation("models/router", (), 2, True, ("models/router/*",)))
    made.signers["models/router"] = ["models/router"]  # the host's alone
    made.publish("models/router", "targets", "snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(NotTrusted, match="1 of the 2"):
        await device.client.target(BUNDLE)
    made.signers["models/router"] = ["models/router", "phone"]
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target(BUNDLE) is not None


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


async def test_a_target_must_be_what_was_signed_and_no_longer(device: Device) -> None:
    await device.refresh()
    found = await device.client.target(BUNDLE)
    assert found is not None
    path = f"targets/{found[0].path()}"
    for wrong in (b"b bundle", b"", b"a bundle and more"):
        device.made.files[path] = wrong
        with pytest.raises(NotTrusted):
            await device.client.read(found[0], 100)
    with pytest.raises(NotTrusted, match="may have 7"):
        await device.client.read(found[0], 7)


# Names


@pytest.mark.parametrize(
    "name", ["../../../outside", "/etc/outside", "..", "a/../../b", "\x00", "models/router/x" * 40]
)
async def test_the_names_of_roles_lead_out_of_no_folder(tmp_path: Path, name: str) -> None:
    made = Made()
    made.signers[name] = ["odd"]
    made.contents[name] = Targets(0, LATER, {}, {}, (), {})
    made.delegate(Delegation(name, (), 1, True, ("odd/*",)))
    made.add(name, "odd/a", b"odd")
    made.publish(name, "targets", "snapshot", "timestamp")
    device = Device(made, tmp_path / "in" / "trust")
    await device.refresh()
    try:
        assert await device.client.target("odd/a") is not None
    except (StateError, ValueError):  # a file's name may have 255 bytes
        assert len(name) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["trust"]


@pytest.mark.parametrize(
    ("name", "digest"),
    [("../../outside", ""), ("odd/../../../outside", ""), ("odd/a", "../../../outside"), ("/outside", "")],
)
async def test_the_names_of_targets_lead_out_of_no_folder(tmp_path: Path, name: str, digest: str) -> None:
    made = Made()
    target = made.add("targets", name, b"secret")
    if digest:
        target = dataclasses.replace(target, hashes={"sha256": digest})
    made.change("targets", targets={name: target})
    made.publish("targets", "snapshot", "timestamp")
    folder = tmp_path / "stick" / "repository"
    for path, content in made.files.items():
        if path.startswith("metadata"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    for outside in (tmp_path, tmp_path / "stick", folder):
        for known in ("outside", f"{target.hashes['sha256'].rpartition('/')[2]}.outside", "outside.a"):
            (outside / known).write_bytes(b"secret")
    client = UpdateClient(made.begin(tmp_path / "trust"), FolderTransport(folder), lambda: NOW)
    with pytest.raises((NotReached, MetadataError)):
        await client.refresh()
        found = await client.target(name)
        assert found is not None
        await client.read(found[0], 100)


# Time


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


# Faults


async def test_a_refresh_that_breaks_off_anywhere_is_finished_by_a_later_one(tmp_path: Path) -> None:
    made = Made()
    whole = Device(made, tmp_path / "whole")
    await whole.refresh()
    made.signers["timestamp"] = ["new timestamp"]
    made.trust()
    made.publish("root", "targets", "snapshot", "timestamp")
    await whole.refresh()
    steps = list(dict.fromkeys(whole.transport.asked))
    for step in steps:
        device = Device(made, tmp_path / step.replace("/", "-"))
        device.transport.lost = {step}
        for _ in range(2):
            try:
                await device.refresh()
            except NotReached as error:
                assert "asked again later" in str(error)
        device.transport.lost = set()
        device.start()
        await device.refresh()
        assert device.kept() == whole.kept()


async def test_a_damaged_file_of_the_device_is_fetched_again_and_a_damaged_root_is_an_error(device: Device) -> None:
    await device.refresh()
    for name in ("timestamp.json", "snapshot.json", "targets.json"):
        for damage in (b"", b"{}", b"\xff" * 100, b" " * 600_000, (device.folder / name).read_bytes()[:-20]):
            before = (device.folder / name).read_bytes()
            (device.folder / name).write_bytes(damage)
            device.start()
            await device.refresh()
            assert (device.folder / name).read_bytes() == before
    (device.folder / "root.json").write_bytes(b"{}")
    device.start()
    with pytest.raises(StateError, match=r"root\.json can't be used; set the source of updates anew"):
        await device.refresh()
    (device.folder / "root.json").unlink()
    with pytest.raises(StateError, match="No update repository is trusted yet"):
        await device.refresh()


async def test_a_full_disk_is_named_and_nothing_is_trusted(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(client_module.disk, "write_atomic", full)
    with pytest.raises(StorageFull):
        await device.refresh()
    with pytest.raises(StateError):
        await device.client.target(BUNDLE)


async def test_what_a_repository_lacks_is_named(device: Device) -> None:
    del device.made.files["metadata/1.snapshot.json"]
    with pytest.raises(NotReached, match=r"hasn't got its file metadata/1\.snapshot\.json"):
        await device.refresh()


async def test_delegations_without_an_end_are_given_up(tmp_path: Path) -> None:
    made = Made()
    for i in range(40):
        made.signers[f"r{i}"] = ["r"]
        made.contents[f"r{i}"] = Targets(0, LATER, {}, {}, (), {})
    made.delegate(Delegation("r0", (), 1, False, ("deep/*",)))
    below = made.contents["targets"]
    assert isinstance(below, Targets)
    for i in range(39):
        here = dataclasses.replace(below.delegations[0], name=f"r{i + 1}")
        made.change(f"r{i}", delegations=(here,), keys=below.keys)
    made.add("r20", "deep/near", b"n")
    made.add("r39", "deep/far", b"f")
    made.publish(*(f"r{i}" for i in range(40)), "targets", "snapshot", "timestamp")
    device = Device(made, tmp_path / "trust")
    await device.refresh()
    assert await device.client.target("deep/near") is not None
    assert await device.client.target("deep/far") is None
