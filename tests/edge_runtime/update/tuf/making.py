"""A small repository in memory whose every part a test can change, and what a client sees of it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from nacl.signing import SigningKey

from edge_runtime.update.places import Refused, Unreachable
from edge_runtime.update.tuf.client import UpdateClient
from edge_runtime.update.tuf.metadata import (
    Content,
    Delegation,
    MetaFile,
    NotTrusted,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    file_name,
    key_of,
    sign,
    time_text,
    to_bytes,
)

NOW = datetime(2026, 11, 26, 16, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
BUNDLE = "models/router/home-1.0.0.enigma"
DESIRED = "fleet/desired.json"


def seed_of(name: str) -> bytes:
    """A key's seed."""
    return hashlib.sha256(name.encode()).digest()


class Made:
    """A repository as ours are: targets delegates to models/router and to fleet. Change `contents`, then `publish`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.signers = {name: [name] for name in ("root", "timestamp", "snapshot", "targets", "models/router", "fleet")}
        self.contents: dict[str, Content] = {
            "root": Root(0, LATER, {}, {}, True, {}),
            "targets": Targets(0, LATER, {}, {}, (), {}),
            "models/router": Targets(0, LATER, {}, {}, (), {}),
            "fleet": Targets(0, LATER, {}, {}, (), {}),
            "snapshot": Snapshot(0, LATER, {}, {}),
            "timestamp": Timestamp(0, LATER, MetaFile(1), {"issued": time_text(NOW - timedelta(hours=1))}),
        }
        self.trust()
        self.delegate(
            Delegation("models/router", (), 1, True, ("models/router/*",)),
            Delegation("fleet", (), 1, True, ("fleet/*",)),
        )
        self.add("models/router", BUNDLE, b"a bundle")
        self.add("fleet", DESIRED, b"{}")
        self.publish("root", "models/router", "fleet", "targets", "snapshot", "timestamp")

    def change(self, name: str, **fields: object) -> None:
        """Other values in a role's metadata, not published yet."""
        self.contents[name] = dataclasses.replace(self.contents[name], **fields)  # type: ignore[arg-type]

    def trust(self, threshold: int = 1) -> None:
        """Let the root name who signs now."""
        keys = [key for role in ("root", "timestamp", "snapshot", "targets") for key in self._keys(role)]
        roles = {
            role: Role(tuple(key.keyid for key in self._keys(role)), threshold if role == "root" else 1)
            for role in ("root", "timestamp", "snapshot", "targets")
        }
        self.change("root", keys={key.keyid: key for key in keys}, roles=roles)

    def delegate(self, *delegations: Delegation) -> None:
        """Let targets name these roles and who signs for them now."""
        named = tuple(
            dataclasses.replace(each, keyids=tuple(k.keyid for k in self._keys(each.name))) for each in delegations
        )
        keys = {key.keyid: key for each in delegations for key in self._keys(each.name)}
        self.change("targets", delegations=named, keys=keys)

    def add(self, role: str, name: str, content: bytes) -> TargetFile:
        """A target, its file at once."""
        made = TargetFile(name, len(content), {"sha256": hashlib.sha256(content).hexdigest()}, {})
        now = self.contents[role]
        assert isinstance(now, Targets)
        self.change(role, targets={**now.targets, name: made})
        self.files[f"targets/{made.path()}"] = content
        return made

    def publish(self, *names: str, bump: bool = True) -> None:
        """Sign these roles' metadata, in this order; those above name the new versions."""
        for name in names:
            if bump:
                self.change(name, version=self.contents[name].version + 1)
            content = self.contents[name]
            raw = to_bytes(sign(content, [seed_of(signer) for signer in self.signers[name]]))
            snapshot = self.contents["snapshot"]
            assert isinstance(snapshot, Snapshot)
            if isinstance(content, Targets):
                about = MetaFile(content.version, len(raw), {"sha256": hashlib.sha256(raw).hexdigest()})
                self.change("snapshot", meta={**snapshot.meta, f"{name}.json": about})
            if name == "snapshot":
                self.change("timestamp", snapshot=MetaFile(content.version))
            for place in {file_name(name, None if name == "timestamp" else content.version)}:
                self.files[f"metadata/{place}"] = raw

    def served(self) -> dict[str, bytes]:
        """The files as a web server knows them, whose addresses are unquoted."""
        return {unquote(path): content for path, content in self.files.items()}

    def write(self, folder: Path) -> None:
        """The files in a folder."""
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)

    def begin(self, folder: Path) -> Path:
        """A device's folder that trusts this repository's first root."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.json").write_bytes(self.files["metadata/1.root.json"])
        return folder

    def _keys(self, role: str) -> list:
        return [key_of(bytes(SigningKey(seed_of(name)).verify_key)) for name in self.signers[role]]


class Memory:
    """A transport over a repository in memory. lost: what can't be reached; asked: paths in turn."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.lost: set[str] = set()
        self.asked: list[str] = []

    async def fetch(self, path: str, most: int) -> bytes:
        """See `Transport`."""
        self.asked.append(path)
        if path in self.lost:
            raise Unreachable("it is lost")
        if path not in self.files:
            raise Refused("it isn't there")
        if len(self.files[path]) > most:
            raise NotTrusted("too long")
        return self.files[path]


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
