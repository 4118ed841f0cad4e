"""What a device follows: checked before it counts, and refused pushes where the repository alone is to be taken."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.errors import BadRequest, Forbidden, StateError
from edge_runtime.update.source import (
    FILE_NAME,
    checked_place,
    follow,
    forget,
    refuse_push,
    source_of,
    trust_folder,
    updates_folder,
)
from edge_runtime.update.tuf.metadata import Role, Root, key_of, sign, to_bytes

from ..conftest import edge_environment

SEED, OTHER = bytes(range(32)), bytes(range(1, 33))


def root(seed: bytes = SEED, signer: bytes | None = None) -> bytes:
    key = key_of(public_key_of(seed))
    role = Role((key.keyid,), 1)
    roles = dict.fromkeys(("root", "targets", "snapshot", "timestamp"), role)
    made = Root(1, datetime(2040, 1, 1, tzinfo=UTC), {key.keyid: key}, roles, True, {})
    return to_bytes(sign(made, [signer or seed]))


def test_a_device_follows_what_it_was_given(tmp_path: Path) -> None:
    assert source_of(tmp_path) is None
    follow(tmp_path, root(), ["https://updates.example/robots/", "/media/stick"], direct_push=False)
    source = source_of(tmp_path)
    assert source is not None
    assert (source.places, source.direct_push) == (("https://updates.example/robots", "/media/stick"), False)
    assert (trust_folder(tmp_path) / "root.json").read_bytes() == root()
    assert forget(tmp_path) and source_of(tmp_path) is None and not forget(tmp_path)


def test_the_same_root_keeps_what_was_learned_and_another_one_begins_anew(tmp_path: Path) -> None:
    follow(tmp_path, root(), ["/a"])
    trust = trust_folder(tmp_path)
    (trust / "timestamp.json").write_bytes(b"learned")
    (trust / "clock.json").write_bytes(b"floor")
    follow(tmp_path, root(), ["/b"])
    assert (trust / "timestamp.json").exists()
    follow(tmp_path, root(OTHER), ["/b"])
    assert not (trust / "timestamp.json").exists()
    assert (trust / "clock.json").read_bytes() == b"floor"
    assert (trust / "root.json").read_bytes() == root(OTHER)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff" * 100, root(SEED, OTHER), root()[:-30]])
def test_what_is_no_root_is_refused_and_changes_nothing(tmp_path: Path, content: bytes) -> None:
    follow(tmp_path, root(), ["/a"])
    with pytest.raises(BadRequest, match="isn't the root metadata"):
        follow(tmp_path, content, ["/b"])
    source = source_of(tmp_path)
    assert source is not None and source.places == ("/a",)


@pytest.mark.parametrize(
    "place",
    [
        "",
        "updates",
        "ftp://x/y",
        "http://",
        "https://me:secret@x/",
        "https://x/?a=1",
        "http://x:99999/",
        "/a\n",
        "file:///a",
    ],
)
def test_what_cannot_be_followed_is_told(place: str) -> None:
    with pytest.raises(BadRequest, match="can't be followed"):
        checked_place(place)


def test_pushes_are_refused_where_the_source_says_so(tmp_path: Path) -> None:
    refuse_push(tmp_path)
    follow(tmp_path, root(), ["/a"])
    refuse_push(tmp_path)
    follow(tmp_path, root(), ["/a"], direct_push=False)
    with pytest.raises(Forbidden, match="enigma release publish"):
        refuse_push(tmp_path)


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"format": 1, "from": [1], "root": "x", "direct_push": 1, "since": 0}']
)
def test_a_damaged_source_is_told_and_lets_no_push_through(tmp_path: Path, content: str) -> None:
    updates_folder(tmp_path).mkdir()
    (updates_folder(tmp_path) / FILE_NAME).write_text(content)
    with pytest.raises(StateError):
        refuse_push(tmp_path)


def test_a_device_that_follows_nothing_loads_nothing_of_it(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
import edge_runtime.daemon
from edge_runtime.config import Config
from edge_runtime.device import Device

async def begin() -> None:
    device = Device(Path(sys.argv[1]), Config())
    await device.start()
    await device.close()
    assert device.ready is True

asyncio.run(begin())
print(*(name for name in sys.modules if name.startswith("edge_runtime.update.")))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, env=edge_environment()
    )
    assert ran.returncode == 0, ran.stderr
    loaded = {name.removeprefix("edge_runtime.update.").partition(".")[0] for name in ran.stdout.split()}
    assert loaded & {"agent", "fetch", "journal", "machine", "reach", "steps", "tuf", "wishes"} == set()
    assert not updates_folder(tmp_path).exists()
