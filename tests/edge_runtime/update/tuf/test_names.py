"""Names of roles and targets that try to lead out of their folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_runtime.errors import StateError
from edge_runtime.update.tuf.client import NotReached, UpdateClient
from edge_runtime.update.tuf.metadata import Delegation, MetadataError, Targets
from edge_runtime.update.tuf.transport import FolderTransport
from tests.edge_runtime.update.tuf.making import LATER, NOW, Device, Made


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
