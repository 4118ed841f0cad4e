"""Beside the reference implementation: repositories that it builds are changed at random, and both must agree.

Known and wanted differences (the changes below leave them out; `test_metadata` and `test_client` hold them): we don't count
a key twice that stands under two ids, and refuse hashes other than SHA-2, JSON with repeated keys, values of another type
than TUF gives them (true for a number, text for a list), a delegated role with another one's name in other letters, and
metadata over 512 KB. Keys of unknown kinds verify nothing, but what names them beside others is taken.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import EdgeError
from edge_runtime.update.tuf.client import UpdateClient
from tests.edge_runtime.update.tuf.making import Memory

pytest.importorskip("tuf", reason="python-tuf isn't installed: pip install 'enigma[dev]'")

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import CanonicalJSONSerializer, JSONSerializer
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

ROLES = ("root", "timestamp", "snapshot", "targets", "models/router", "fleet")
NAMES = ("models/router/a.enigma", "fleet/desired.json", "models/other/b", "fleet/sub/c", "d")
SOON, LATER, PAST = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) for days in (30, 300, -1))


@cache
def _signers(role: str) -> tuple[CryptoSigner, ...]:
    return tuple(CryptoSigner.generate_ed25519() for _ in range(3))


@dataclass
class Reference:
    """A repository by tuf.api.metadata. raw: how one published file was changed after it was signed."""

    made: dict[str, Metadata] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    signers: dict[str, list[CryptoSigner]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.signers = {role: list(_signers(role)[:1]) for role in ROLES}
        root = Root(expires=SOON)
        for role in ROLES[:4]:
            root.add_key(self.signers[role][0].public_key, role)
        targets = Targets(expires=SOON, delegations=Delegations({}, {}))
        assert targets.delegations is not None
        for role in ROLES[4:]:
            assert targets.delegations.roles is not None
            targets.delegations.roles[role] = DelegatedRole(role, [], 1, role == "fleet", [f"{role}/*"])
            targets.add_key(self.signers[role][0].public_key, role)
        self.made = {"root": Metadata(root), "timestamp": Metadata(Timestamp(expires=SOON))}
        self.made |= {"snapshot": Metadata(Snapshot(expires=SOON)), "targets": Metadata(targets)}
        self.made |= {role: Metadata(Targets(expires=SOON)) for role in ROLES[4:]}
        for role, name in zip(("models/router", "fleet", "models/router", "fleet", "targets"), NAMES, strict=True):
            self.made[role].signed.targets[name] = TargetFile.from_data(name, name.encode(), ["sha256"])  # type: ignore[attr-defined]
        for role in ("root", "models/router", "fleet", "targets", "snapshot", "timestamp"):
            self.publish(role, bump=False)

    def publish(self, role: str, bump: bool = True, hashes: bool = False) -> None:
        """Sign it and let those above name it."""
        metadata = self.made[role]
        metadata.signed.version += bump
        metadata.signatures.clear()
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        raw = metadata.to_bytes(JSONSerializer(compact=role != "root"))
        version = metadata.signed.version
        about = MetaFile.from_data(version, raw, ["sha256"]) if hashes else MetaFile(version)
        if isinstance(metadata.signed, Targets):
            self.made["snapshot"].signed.meta[f"{role}.json"] = about  # type: ignore[attr-defined]
        elif role == "snapshot":
            self.made["timestamp"].signed.snapshot_meta = about  # type: ignore[attr-defined]
        self.files[self.place(role)] = raw

    def place(self, role: str) -> str:
        """Where its newest version lies."""
        quoted = role.replace("/", "%2F")
        return (
            f"metadata/{quoted}.json"
            if role == "timestamp"
            else f"metadata/{self.made[role].signed.version}.{quoted}.json"
        )

    def alter(self, role: str, change: Callable[[Any], None], sign: bool) -> None:
        """Change a published file's JSON, and sign that, or not."""
        outer = json.loads(self.files[self.place(role)])
        change(outer)
        if sign:
            payload = CanonicalJSONSerializer().serialize(_Payload(outer["signed"]))  # type: ignore[arg-type]
            signatures = [signer.sign(payload) for signer in self.signers[role]]
            outer["signatures"] = [{"keyid": each.keyid, "sig": each.signature} for each in signatures]
        self.files[self.place(role)] = json.dumps(outer).encode()


@dataclass
class _Payload:
    content: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.content


class _Fetcher(FetcherInterface):
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def _fetch(self, url: str) -> Any:
        path = url.removeprefix("http://repo/")
        if path not in self.files:
            raise DownloadHTTPError("it isn't there", 404)
        return iter([self.files[path]])


def _theirs(files: dict[str, bytes], folder: Path, first: bytes) -> list[object]:
    fetcher = _Fetcher(files)
    config = UpdaterConfig(
        timestamp_max_length=16 * 1024,
        **dict.fromkeys(("root_max_length", "snapshot_max_length", "targets_max_length"), 2**19),
    )
    updater = Updater(
        str(folder), "http://repo/metadata/", None, "http://repo/targets/", fetcher, config, bootstrap=first
    )
    try:
        updater.refresh()
    except (RepositoryError, DownloadError):
        return ["refused"]
    seen: list[object] = ["taken"]
    for name in NAMES:
        try:
            found = updater.get_targetinfo(name)
            seen.append(found and (found.length, dict(found.hashes)))
        except (RepositoryError, DownloadError):
            seen.append("refused")
    return seen


async def _ours(files: dict[str, bytes], folder: Path) -> list[object]:
    client = UpdateClient(folder, Memory(files))
    try:
        await client.refresh()
    except EdgeError:
        return ["refused"]
    seen: list[object] = ["taken"]
    for name in NAMES:
        try:
            found = await client.target(name)
            seen.append(found and (found[0].length, dict(found[0].hashes)))
        except EdgeError:
            seen.append("refused")
    return seen


# Changes. Each takes the repository and a way to draw.

Draw = Callable[[st.SearchStrategy[Any]], Any]
_any_role = st.sampled_from(ROLES)
_names = {"root": (), "timestamp": (), "snapshot": ("timestamp",), "targets": ("snapshot", "timestamp")}


def _published(made: Reference, role: str, hashes: bool = False) -> None:
    made.publish(role, hashes=hashes)
    for above in _names.get(role, ("snapshot", "timestamp")):
        made.publish(above, hashes=hashes)


def _new_version(made: Reference, draw: Draw) -> None:
    _published(made, draw(_any_role), draw(st.booleans()))


def _old_version(made: Reference, draw: Draw) -> None:
    role = draw(_any_role)
    made.made[role].signed.version = draw(st.integers(0, 3)) or 1
    _published(made, role)


def _expired(made: Reference, draw: Draw) -> None:
    role = draw(_any_role)
    made.made[role].signed.expires = draw(st.sampled_from([PAST, LATER]))
    _published(made, role, draw(st.booleans()))


def _other_keys(made: Reference, draw: Draw) -> None:
    """Keys and a threshold of a role change; who signs may be others."""
    role = draw(_any_role)
    above = made.made["root" if role in ROLES[:4] else "targets"].signed
    rule = above.get_delegated_role(role)  # type: ignore[attr-defined]
    rule.keyids.clear()
    chosen = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    for i in chosen:
        above.add_key(_signers(role)[i].public_key, role)  # type: ignore[attr-defined]
    rule.threshold = draw(st.integers(1, len(chosen)))
    old = made.signers[role]
    made.signers[role] = [
        _signers(role)[i] for i in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    ]
    if role == "root" and draw(st.booleans()):
        made.signers[role] = list(dict.fromkeys([*old, *made.signers[role]]))
    if role not in ROLES[:4] and draw(st.booleans()):
        _published(made, role)
    _published(made, "root" if role in ROLES[:4] else "targets")
    if draw(st.booleans()):
        _published(made, role)


def _lost_or_swapped(made: Reference, draw: Draw) -> None:
    paths = sorted(made.files)
    if draw(st.booleans()):
        del made.files[draw(st.sampled_from(paths))]
    else:
        made.files[draw(st.sampled_from(paths))] = made.files[draw(st.sampled_from(paths))]


def _flipped_byte(made: Reference, draw: Draw) -> None:
    """A letter within a text, a digit, or what holds them together."""
    path = draw(st.sampled_from(sorted(made.files)))
    raw = bytearray(made.files[path])
    raw[draw(st.integers(0, len(raw) - 1))] = draw(st.sampled_from(b'"{}[],:019azA \\'))
    if _plain(bytes(raw)):
        made.files[path] = bytes(raw)


def _changed_value(made: Reference, draw: Draw) -> None:
    """Any value of a file goes, or becomes another one of its kind, signed as it should be or not."""
    role = draw(_any_role)
    pick, other = draw(st.integers(0, 10_000)), draw(st.integers(0, 5))

    def change(outer: Any) -> None:
        places = [place for place in _places(outer["signed"]) if place[1] not in ("keytype", "scheme")]
        at, key = places[pick % len(places)]
        old = at[key]
        others = {
            str: ["", "x", PAST.strftime("%Y-%m-%dT%H:%M:%SZ")],
            int: [0, -1, 1, 2],
            bool: [not old],
            list: [[]],
            dict: [{}],
        }
        options = others[type(old)]
        if other == 5:
            del at[key]
        else:
            at[key] = options[other % len(options)]

    made.alter(role, change, sign=draw(st.booleans()))


def _places(value: Any) -> Any:
    """Every value within a value, as (the container, its key)."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


CHANGES = (_new_version, _old_version, _expired, _other_keys, _lost_or_swapped, _flipped_byte, _changed_value)


def _plain(raw: bytes) -> bool:
    """Whether it holds none of the differences that are wanted: repeated keys, and hashes of other kinds."""
    repeated = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.append(len(dict(found)) != len(found))
        return dict(found)

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except ValueError:
        return True
    return not any(repeated)


@given(st.data())
@settings(max_examples=40, derandomize=True, deadline=None)
def test_both_take_and_refuse_the_same(data: st.DataObject) -> None:
    """Each client keeps its folder over up to three rounds of changes, so what was seen before counts."""
    made = Reference()
    first = made.files["metadata/1.root.json"]
    with tempfile.TemporaryDirectory() as place:
        theirs, ours = Path(place, "theirs"), Path(place, "ours")
        theirs.mkdir()
        ours.mkdir()
        (ours / "root.json").write_bytes(first)
        agree = []
        for _ in range(data.draw(st.integers(1, 3), label="rounds")):
            for change in data.draw(st.lists(st.sampled_from(CHANGES), max_size=2), label="changes"):
                try:
                    change(made, data.draw)
                except _IMPOSSIBLE:
                    continue
            files = dict(made.files)
            agree.append((_theirs(files, theirs, first), asyncio.run(_ours(files, ours))))
            assert agree[-1][0] == agree[-1][1], agree


_IMPOSSIBLE = (KeyError, ValueError, TypeError, AttributeError, IndexError)
