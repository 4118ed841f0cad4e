"""Copies of the update repository for devices without a network, and the check of a copy by a device's own client."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from edge_runtime.errors import EdgeError
from edge_runtime.update import disk
from edge_runtime.update.tuf.client import UpdateClient
from edge_runtime.update.tuf.metadata import Signed, Snapshot, TargetFile, Targets, to_bytes
from edge_runtime.update.tuf.transport import FolderTransport
from trainer_host.errors import TrainerError
from trainer_host.release.publish import hash_of
from trainer_host.release.repository import Repository
from trainer_host.release.repository_files import places, write_public
from trainer_host.release.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trainer_host.workspace import storage_errors

OnStep = Callable[[float, str], None]


def _nothing(share: float, note: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Copied:
    """What a copy holds. bytes: of its targets; until: when devices stop taking updates from it."""

    files: int
    bytes: int
    until: datetime


def export(repository: Repository, folder: Path, life: timedelta | None = None, on_step: OnStep = _nothing) -> Copied:
    """Write what clients need into `folder`, an empty one or an earlier copy, in an order in which it always counts.

    life: how long devices take updates from it; by default as long as from the repository itself.
    Raises `TrainerError` where the folder holds something else.
    """
    timestamp = repository.state().timestamp if life is None else repository.lasting(life)
    snapshot = repository.files.read(SNAPSHOT, timestamp.content.snapshot.version, Snapshot)
    now = repository.state()
    if folder.exists() and not (folder / "metadata").is_dir() and any(folder.iterdir()):
        raise TrainerError(f"{folder} holds something else; name an empty folder, or an earlier copy.")
    named = {name: signed for name, signed in now.named().items() if name != ROOT}
    files = sorted(_targets(named.values()), key=lambda target: target.name)
    with storage_errors(folder):
        for number, target in enumerate(files):
            on_step(number / len(files), target.name)
            source = repository.files.file(target)
            _copy(source, folder / source.relative_to(repository.public))
        metadata = folder / "metadata"
        for name, signed in [*sorted(named.items()), (SNAPSHOT, snapshot)]:
            for place in places(name, signed.content.version):
                _write(metadata / place, signed)
        _write(metadata / places(TIMESTAMP, None)[0], timestamp)
        for signed in repository.files.roots():
            _write(metadata / places(ROOT, signed.content.version)[0], signed)
    until = min(signed.content.expires for signed in (*named.values(), snapshot, timestamp, now.root))
    return Copied(len(files), sum(target.length for target in files), until)


def check(folder: Path, root: Path, on_step: OnStep = _nothing) -> Copied:
    """Read a repository as a device does that trusts `root`, and all of its targets; raises `TrainerError`."""
    if not root.is_file():
        raise TrainerError(f"{folder} is no update repository; name a folder that 'enigma release export' wrote.")
    try:
        return asyncio.run(_checked(folder, root, on_step))
    except EdgeError as cause:
        raise TrainerError(f"A device would refuse {folder}: {cause}") from None


async def _checked(folder: Path, root: Path, on_step: OnStep) -> Copied:
    with tempfile.TemporaryDirectory(prefix="enigma-verify-") as place:
        shutil.copyfile(root, Path(place) / "root.json")
        client = UpdateClient(Path(place), FolderTransport(folder))
        await client.refresh()
        trusted, until = client.trusted, []
        assert trusted.snapshot is not None and trusted.timestamp is not None
        files: list[TargetFile] = []
        for role in sorted(name.removesuffix(".json") for name in trusted.snapshot.meta):
            await client.target(f"{role}/")  # there is none, but the role that would sign for it is read
            made = trusted.targets(role, ROOT if role == TARGETS else TARGETS)
            files += made.targets.values()
            until.append(made.expires)
        for number, target in enumerate(files):
            on_step(number / len(files), target.name)
            path = folder / "targets" / target.path()
            if not path.is_file() or hash_of(path) != (target.length, target.hashes["sha256"]):
                raise TrainerError(f"A device would refuse {folder}: {path} is missing or damaged; copy it again.")
        length = sum(target.length for target in files)
        ends = (each.expires for each in (trusted.root, trusted.timestamp, trusted.snapshot))
        return Copied(len(files), length, min([*until, *ends]))


def _targets(signed: Iterable[Signed[Targets]]) -> list[TargetFile]:
    return [target for each in signed for target in each.content.targets.values()]


def _write(path: Path, signed: Signed) -> None:
    raw = to_bytes(signed)
    if not path.is_file() or path.read_bytes() != raw:
        write_public(path, raw)


def _copy(source: Path, target: Path) -> None:
    if target.is_file() and hash_of(target) == hash_of(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    with part.open("rb") as opened:
        os.fsync(opened.fileno())
    part.replace(target)
    disk.sync_folder(target.parent)
