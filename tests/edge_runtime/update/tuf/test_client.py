"""A device's TUF client: what it finds, what it asks for, and what it does when the disk or the network fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import StateError, StorageFull
from edge_runtime.update.tuf import client as client_module
from edge_runtime.update.tuf.client import NotReached
from edge_runtime.update.tuf.metadata import NotTrusted
from edge_runtime.update.tuf.transport import FolderTransport
from tests.edge_runtime.update.tuf.making import BUNDLE, DESIRED, Device, Made


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
