"""The files of the update repository: metadata and targets that clients see, and what waits for signatures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from edge_runtime.errors import EdgeError
from edge_runtime.update import disk
from edge_runtime.update.tuf.metadata import (
    Content,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    file_name,
    parse,
    to_bytes,
)
from trainer_host.errors import TrainerError
from trainer_host.release.publish import hash_of
from trainer_host.release.roles import FLEET, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trainer_host.workspace import storage_errors, write_atomic

K = TypeVar("K", bound=Content)

MOST_METADATA_BYTES = 512 * 1024  # of one role: what a device reads; some 150 versions with their chunks and deltas
KEPT = 8  # versions of metadata that stay: for clients that began to read a while ago
_COPY = 2**20


@dataclass(frozen=True)
class State:
    """The metadata that count together."""

    root: Signed[Root]
    timestamp: Signed[Timestamp]
    snapshot: Signed[Snapshot]
    targets: Signed[Targets]
    delegated: Mapping[str, Signed[Targets]]

    def named(self) -> dict[str, Signed]:
        """Those that other roles' keys vouch for, by name: all but snapshot and timestamp."""
        return {ROOT: self.root, TARGETS: self.targets, **self.delegated}


class Files:
    """What lies in HOME/updates; `public` is served."""

    def __init__(self, folder: Path) -> None:
        self.public = folder / "repository"
        self._metadata = self.public / "metadata"
        self._pending = folder / "pending"

    def begun(self) -> bool:
        """Whether there is anything."""
        return (self._metadata / "timestamp.json").is_file() or bool(self._waiting())

    def state(self) -> State | None:
        """What clients see, None before the first root is signed; raises `TrainerError` where it is damaged."""
        if not (self._metadata / "timestamp.json").is_file():
            return None
        timestamp = self.read(TIMESTAMP, None, Timestamp)
        snapshot = self.read(SNAPSHOT, timestamp.content.snapshot.version, Snapshot)
        named = {
            entry.removesuffix(".json"): self.read(entry.removesuffix(".json"), about.version, Targets)
            for entry, about in snapshot.content.meta.items()
        }
        if TARGETS not in named or FLEET not in named:
            raise self._damaged("its snapshot names no targets")
        root = self.read(ROOT, max(self._versions(ROOT), default=1), Root)
        return State(root, timestamp, snapshot, named.pop(TARGETS), named)

    def read(self, name: str, version: int | None, kind: type[K]) -> Signed[K]:
        """A role's metadata; raises `TrainerError` where they aren't there or are damaged."""
        path = self._metadata / places(name, version)[0]
        try:
            with path.open("rb") as opened:
                return parse(opened.read(MOST_METADATA_BYTES + 1), kind)
        except (OSError, EdgeError) as cause:
            raise self._damaged(f"{path.name}: {cause}") from None

    def roots(self) -> list[Signed[Root]]:
        """All roots from the first on: a device goes from one to the next."""
        return [self.read(ROOT, version, Root) for version in self._versions(ROOT)]

    def write(self, name: str, signed: Signed) -> None:
        """Put metadata where clients look for them."""
        with storage_errors(self._metadata):
            for place in places(name, None if name == TIMESTAMP else signed.content.version):
                write_public(self._metadata / place, to_bytes(signed))

    def file(self, target: TargetFile) -> Path:
        """Where a target lies."""
        return self.public / "targets" / target.path()

    def store(self, name: str, raw: bytes) -> TargetFile:
        """Write a small target; what metadata say of it."""
        made = TargetFile(name, len(raw), {"sha256": hashlib.sha256(raw).hexdigest()}, {})
        with storage_errors(self.public):
            if not self.file(made).exists():
                write_public(self.file(made), raw)
        return made

    def copy(self, source: Path, target: TargetFile) -> None:
        """Copy a target's file; raises `TrainerError` where it isn't what metadata will say."""
        path = self.file(target)
        with storage_errors(path.parent):
            if path.is_file() and hash_of(path) == (target.length, target.hashes["sha256"]):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            digest = hashlib.sha256()
            with source.open("rb") as opened, part.open("wb") as out:
                while piece := opened.read(_COPY):
                    digest.update(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            if digest.hexdigest() != target.hashes["sha256"]:
                part.unlink()
                raise TrainerError(f"{source} was changed while it was published; publish it again.")
            part.replace(path)
            disk.sync_folder(path.parent)

    def pending(self, now: State | None) -> dict[str, Signed]:
        """What waits for signatures, by name, but for what was put in force since."""
        found: dict[str, Signed] = {}
        have = {} if now is None else now.named()
        for path in self._waiting():
            name = unquote(path.name.removesuffix(".json"))
            try:
                with path.open("rb") as opened:
                    raw = opened.read(MOST_METADATA_BYTES + 1)
                signed: Signed = parse(raw, Root) if name == ROOT else parse(raw, Targets)
            except (OSError, EdgeError) as cause:
                raise TrainerError(
                    f"{path} can't be read ({cause}); delete it, and ask for the change again."
                ) from None
            if name not in have or signed.content.version > have[name].content.version:
                found[name] = signed
        return found

    def keep(self, pending: Mapping[str, Signed]) -> None:
        """Let this wait, and nothing else."""
        with storage_errors(self._pending):
            self._pending.mkdir(parents=True, exist_ok=True)
            for name, signed in pending.items():
                write_atomic(self._pending / file_name(name), to_bytes(signed))
            for path in self._waiting():
                if path.name not in map(file_name, pending):
                    path.unlink()
            disk.sync_folder(self._pending)

    def sweep(self, now: State) -> None:
        """Remove metadata that no client reads any more."""
        with storage_errors(self.public):
            newest = {name: signed.content.version for name, signed in now.named().items() if name != ROOT}
            for name, last in {**newest, SNAPSHOT: now.snapshot.content.version}.items():
                for version in self._versions(name):
                    if version <= last - KEPT:
                        for place in reversed(places(name, version)):
                            (self._metadata / place).unlink(missing_ok=True)
                            if "/" in place and (self._metadata / place).parent.is_dir():
                                (self._metadata / place).parent.rmdir()

    def tidy(self, now: State) -> None:
        """Remove targets that no kept metadata name any more, and what a killed command left half written."""
        with storage_errors(self.public):
            named: set[Path] = set()
            for role in now.delegated:
                for version in self._versions(role):
                    named |= {self.file(each) for each in self.read(role, version, Targets).content.targets.values()}
            for signed in self.pending(now).values():
                if isinstance(signed.content, Targets):
                    named |= {self.file(each) for each in signed.content.targets.values()}
            for path in [*(self.public / "targets").rglob("*"), *self._metadata.rglob(".*.part")]:
                if path.is_file() and path not in named:
                    path.unlink()

    def _waiting(self) -> list[Path]:
        return sorted(self._pending.glob("*.json"))

    def _versions(self, name: str) -> list[int]:
        tail = f".{file_name(name)}"
        found = [path.name.removesuffix(tail) for path in self._metadata.glob(f"*{tail}")]
        return sorted(int(version) for version in found if version.isdecimal())

    def _damaged(self, why: str) -> TrainerError:
        return TrainerError(f"The update repository {self.public} is damaged ({why}); restore it from a copy.")


def places(name: str, version: int | None) -> list[str]:
    """Where metadata lie; the first one is read here. timestamp.json has no version.

    TUF 1.0 quotes a role's name in addresses, so of "models/router" a client asks for 1.models%2Frouter.json. Where the
    copy lies in a folder, that is the file's name; web servers turn %2F into a slash first, so for them it lies there too.
    """
    quoted = file_name(name, version)
    return list(dict.fromkeys([quoted, unquote(quoted)]))


def write_public(path: Path, raw: bytes) -> None:
    """Write a file that others read, durably; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, raw)
    disk.sync_folder(path.parent)
