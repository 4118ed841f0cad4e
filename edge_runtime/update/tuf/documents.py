"""What the documents of TUF 1.0 hold, and how that is read from JSON and written to it. Shared by host and device.

Specification: The Update Framework 1.0.31 (https://theupdateframework.github.io/specification/), section 4. Nothing that is
read here is trusted: see `metadata` and `trusted`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

Json = dict[str, object]
T = TypeVar("T")

SPEC_VERSION = "1.0.31"
ROOT, TIMESTAMP, SNAPSHOT, TARGETS = "root", "timestamp", "snapshot", "targets"
TOP_LEVEL = (ROOT, TIMESTAMP, SNAPSHOT, TARGETS)
_SPEC_VERSION = re.compile(r"1\.[0-9]+(\.[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True)
class Key:
    """A public key. public: 64 hex digits of an Ed25519 key; of other kinds, as the metadata has it."""

    keyid: str
    keytype: str
    scheme: str
    public: str

    @property
    def identity(self) -> str:
        """The same for the same key, under whatever id it stands."""
        return self.public.lower() if self.keytype == "ed25519" else "".join(self.public.split())


@dataclass(frozen=True)
class Role:
    """Which keys sign for a role, and how many of them must."""

    keyids: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class MetaFile:
    """What one role's metadata say of another's."""

    version: int
    length: int | None = None
    hashes: dict[str, str] | None = None


@dataclass(frozen=True)
class TargetFile:
    """A file of the repository. length: bytes; hashes: hex by algorithm; custom: what the publisher adds."""

    name: str
    length: int
    hashes: dict[str, str]
    custom: Json

    def path(self, prefixed: bool = True) -> str:
        """Where it lies below the repository's targets; prefixed: with consistent snapshots (section 6.2)."""
        folder, slash, name = self.name.rpartition("/")
        return f"{folder}{slash}{next(iter(self.hashes.values()))}.{name}" if prefixed else self.name


@dataclass(frozen=True)
class Delegation:
    """A role that signs for the targets whose names match. Either paths or path_hash_prefixes, the other one None."""

    name: str
    keyids: tuple[str, ...]
    threshold: int
    terminating: bool
    paths: tuple[str, ...] | None
    path_hash_prefixes: tuple[str, ...] | None = None

    @property
    def role(self) -> Role:
        """Who signs for it."""
        return Role(self.keyids, self.threshold)

    def covers(self, target: str) -> bool:
        """Whether a target's name is one of those that it may sign for."""
        if self.paths is not None:
            return any(_matches(target, pattern) for pattern in self.paths)
        digest = hashlib.sha256(target.encode()).hexdigest()
        return any(digest.startswith(prefix) for prefix in self.path_hash_prefixes or ())


@dataclass(frozen=True)
class Root:
    """Whom to trust for what."""

    version: int
    expires: datetime
    keys: dict[str, Key]
    roles: dict[str, Role]
    consistent_snapshot: bool
    extra: Json


@dataclass(frozen=True)
class Timestamp:
    """Which snapshot is the newest."""

    version: int
    expires: datetime
    snapshot: MetaFile
    extra: Json


@dataclass(frozen=True)
class Snapshot:
    """Which versions of all roles' metadata belong together; meta: by file name, as 'targets.json'."""

    version: int
    expires: datetime
    meta: dict[str, MetaFile]
    extra: Json


@dataclass(frozen=True)
class Targets:
    """Files, and roles that sign for more of them, those asked first first."""

    version: int
    expires: datetime
    targets: dict[str, TargetFile]
    keys: dict[str, Key]
    delegations: tuple[Delegation, ...]
    extra: Json


Content = Root | Timestamp | Snapshot | Targets
K = TypeVar("K", bound=Content)


def read_file(outer: Json, kind: type[K]) -> tuple[K, dict[str, str], Json]:
    """What a metadata file says, its signatures by key id, and the object that is signed; ValueError: what is wrong."""
    signatures: dict[str, str] = {}
    for entry in _list(outer, "signatures"):
        each = _object(entry, "a signature")
        keyid = _get(each, "keyid", str)
        if keyid in signatures:
            raise ValueError("it has two signatures of one key")
        signatures[keyid] = _get(each, "sig", str)
    document = _get(outer, "signed", dict)
    return cast(K, _READERS[kind](document)), signatures, document


def write_document(content: Content) -> Json:
    """A role's document."""
    return {
        **content.extra,
        "_type": type(content).__name__.lower(),
        "spec_version": SPEC_VERSION,
        "version": content.version,
        "expires": time_text(content.expires),
        **_own(content),
    }


def time_text(at: datetime) -> str:
    """A time as TUF writes it; `at` must be aware, in UTC."""
    if at.tzinfo is not UTC:
        raise ValueError("times of metadata are in UTC")
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def time_of(text: object) -> datetime:
    """A time as TUF writes it; raises ValueError."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("a time isn't of the form 2026-11-26T16:00:00Z")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Reading. All of these raise ValueError with what is wrong.


def _get(of: Json, key: str, kind: type[T]) -> T:
    value = of.get(key)
    if type(value) is not kind:  # JSON's true is no number
        raise ValueError(f"'{key}' is missing, or is no {_KINDS[kind]}")
    return value


_KINDS = {str: "text", int: "whole number", bool: "true or false", dict: "object", list: "list"}


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def _list(of: Json, key: str) -> list[object]:
    return _get(of, key, list)


def _texts(of: Json, key: str) -> tuple[str, ...]:
    values = _list(of, key)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"'{key}' holds something else than text")
    return tuple(str(value) for value in values)


def _at_least(of: Json, key: str, least: int) -> int:
    value = _get(of, key, int)
    if value < least:
        raise ValueError(f"'{key}' is less than {least}")
    return value


def _hashes(of: Json) -> dict[str, str]:
    hashes = _get(of, "hashes", dict)
    if not hashes or not all(isinstance(value, str) for value in hashes.values()):
        raise ValueError("'hashes' is empty, or holds something else than text")
    return hashes


def _common(document: Json, kind: str, own: Sequence[str]) -> tuple[int, datetime, Json]:
    """(version, expires, what else it holds)."""
    if document.get("_type") != kind:
        raise ValueError(f"its type isn't '{kind}'")
    if not _SPEC_VERSION.fullmatch(_get(document, "spec_version", str)):
        raise ValueError("its specification isn't TUF 1")
    known = {"_type", "spec_version", "version", "expires", *own}
    extra = {key: value for key, value in document.items() if key not in known}
    return _at_least(document, "version", 1), time_of(document.get("expires")), extra


def _keys(of: Json) -> dict[str, Key]:
    return {keyid: _key(keyid, _object(value, "a key")) for keyid, value in _get(of, "keys", dict).items()}


def _key(keyid: str, of: Json) -> Key:
    public = _get(_get(of, "keyval", dict), "public", str)
    return Key(keyid, _get(of, "keytype", str), _get(of, "scheme", str), public)


def _role(of: Json) -> Role:
    keyids = _texts(of, "keyids")
    if len(set(keyids)) != len(keyids):
        raise ValueError("a role names a key twice")
    return Role(keyids, _at_least(of, "threshold", 1))


def _meta_file(of: Json) -> MetaFile:
    length = None if "length" not in of else _at_least(of, "length", 0)
    return MetaFile(_at_least(of, "version", 1), length, _hashes(of) if "hashes" in of else None)


def _target_file(name: str, of: Json) -> TargetFile:
    custom = _get(of, "custom", dict) if "custom" in of else {}
    return TargetFile(name, _at_least(of, "length", 0), _hashes(of), custom)


def _delegation(of: Json) -> Delegation:
    name, role = _get(of, "name", str), _role(of)
    # Not even in other letters: some sticks and cards hold 'Root.json' and 'root.json' to be one file.
    if not name or name.lower() in TOP_LEVEL:
        raise ValueError("a delegated role has no name, or that of another role")
    paths, prefixes = (_texts(of, key) if key in of else None for key in ("paths", "path_hash_prefixes"))
    if (paths is None) is (prefixes is None):
        raise ValueError("a delegated role must have either 'paths' or 'path_hash_prefixes'")
    return Delegation(name, role.keyids, role.threshold, _get(of, "terminating", bool), paths, prefixes)


def _root(document: Json) -> Root:
    version, expires, extra = _common(document, ROOT, ("keys", "roles", "consistent_snapshot"))
    roles = {name: _role(_object(value, "a role")) for name, value in _get(document, "roles", dict).items()}
    if set(roles) != set(TOP_LEVEL):
        raise ValueError("its roles aren't root, timestamp, snapshot and targets")
    consistent = "consistent_snapshot" in document and _get(document, "consistent_snapshot", bool)
    return Root(version, expires, _keys(document), roles, consistent, extra)


def _timestamp(document: Json) -> Timestamp:
    version, expires, extra = _common(document, TIMESTAMP, ("meta",))
    about = _object(_get(document, "meta", dict).get("snapshot.json"), "its snapshot")
    return Timestamp(version, expires, _meta_file(about), extra)


def _snapshot(document: Json) -> Snapshot:
    version, expires, extra = _common(document, SNAPSHOT, ("meta",))
    meta = {name: _meta_file(_object(value, "a file")) for name, value in _get(document, "meta", dict).items()}
    return Snapshot(version, expires, meta, extra)


def _targets(document: Json) -> Targets:
    version, expires, extra = _common(document, TARGETS, ("targets", "delegations"))
    found = _get(document, "targets", dict)
    targets = {name: _target_file(name, _object(value, "a target")) for name, value in found.items()}
    if "delegations" not in document:
        return Targets(version, expires, targets, {}, (), extra)
    below = _get(document, "delegations", dict)
    roles = tuple(_delegation(_object(value, "a delegation")) for value in _list(below, "roles"))
    if len({role.name for role in roles}) != len(roles):
        raise ValueError("it delegates to a role twice")
    return Targets(version, expires, targets, _keys(below), roles, extra)


_READERS: Mapping[type[object], Callable[[Json], Content]] = {
    Root: _root,
    Timestamp: _timestamp,
    Snapshot: _snapshot,
    Targets: _targets,
}


# Writing


def _own(content: Content) -> Json:
    match content:
        case Root():
            roles = {name: _signers(role) for name, role in content.roles.items()}
            return {"keys": _written(content.keys), "roles": roles, "consistent_snapshot": content.consistent_snapshot}
        case Timestamp():
            return {"meta": {"snapshot.json": _about(content.snapshot)}}
        case Snapshot():
            return {"meta": {name: _about(each) for name, each in content.meta.items()}}
        case Targets():
            targets = {name: _target(each) for name, each in content.targets.items()}
            if not content.delegations and not content.keys:
                return {"targets": targets}
            roles_below = [_below(each) for each in content.delegations]
            return {"targets": targets, "delegations": {"keys": _written(content.keys), "roles": roles_below}}


def _written(keys: Mapping[str, Key]) -> Json:
    return {
        keyid: {"keytype": key.keytype, "scheme": key.scheme, "keyval": {"public": key.public}}
        for keyid, key in keys.items()
    }


def _signers(role: Role) -> Json:
    return {"keyids": list(role.keyids), "threshold": role.threshold}


def _about(file: MetaFile) -> Json:
    told: Json = {"version": file.version}
    if file.length is not None:
        told["length"] = file.length
    if file.hashes is not None:
        told["hashes"] = dict(file.hashes)
    return told


def _target(file: TargetFile) -> Json:
    told: Json = {"length": file.length, "hashes": dict(file.hashes)}
    return {**told, "custom": file.custom} if file.custom else told


def _below(each: Delegation) -> Json:
    told: Json = {"name": each.name, **_signers(each.role), "terminating": each.terminating}
    if each.paths is not None:
        return {**told, "paths": list(each.paths)}
    return {**told, "path_hash_prefixes": list(each.path_hash_prefixes or ())}


def _matches(target: str, pattern: str) -> bool:
    """Section 4.5: shell patterns, of which none goes over a '/'."""
    from fnmatch import fnmatchcase

    parts, wanted = target.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
