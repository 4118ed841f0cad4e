"""Beside the reference implementation: repositories that it builds are changed at random, and both must agree.

No change is left out. Where the two may differ it is written down, with who is right by the specification, in `DIFFERENCES`,
which are asserted one by one; a difference that comes up at random must be one of those.
"""

from __future__ import annotations

import asyncio
import json
import re
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
from tuf.api.serialization import SerializationError
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
    except _THEIR_ERRORS:
        return ["refused"]
    seen: list[object] = ["taken"]
    for name in NAMES:
        try:
            found = updater.get_targetinfo(name)
            seen.append(found and (found.length, dict(found.hashes)))
        except _THEIR_ERRORS:
            seen.append("refused")
    return seen


# It doesn't expect some types of JSON where TUF has others, and ends with Python's own error.
_THEIR_ERRORS = (RepositoryError, DownloadError, TypeError)


async def _ours(files: dict[str, bytes], folder: Path) -> tuple[list[object], list[str]]:
    """What it comes to, and why what was refused was."""
    client = UpdateClient(folder, Memory(files))
    try:
        await client.refresh()
    except EdgeError as error:
        return ["refused"], [str(error)]
    why: list[str] = [""]
    seen: list[object] = ["taken"]
    for name in NAMES:
        try:
            found = await client.target(name)
            seen.append(found and (found[0].length, dict(found[0].hashes)))
            why.append("")
        except EdgeError as error:
            seen.append("refused")
            why.append(str(error))
    return seen, why


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
    """Any byte becomes any other one; what holds JSON together more often."""
    path = draw(st.sampled_from(sorted(made.files)))
    raw = bytearray(made.files[path])
    raw[draw(st.integers(0, len(raw) - 1))] = draw(st.sampled_from(b'"{}[],:019azA \\') | st.integers(0, 255))
    made.files[path] = bytes(raw)


_OTHER_VALUES = [
    "",
    "x",
    PAST.strftime("%Y-%m-%dT%H:%M:%SZ"),
    0,
    -1,
    1,
    2,
    10**30,
    True,
    False,
    None,
    [],
    ["x"],
    {},
    {"x": 1},
]


def _changed_value(made: Reference, draw: Draw) -> None:
    """Any value of a file goes, or becomes another one of any kind, signed as it should be or not."""
    role = draw(_any_role)
    pick, other = draw(st.integers(0, 10_000)), draw(st.sampled_from([..., *_OTHER_VALUES]))

    def change(outer: Any) -> None:
        places = list(_places(outer["signed"]))
        at, key = places[pick % len(places)]
        if other is ...:
            del at[key]
        else:
            at[key] = other

    made.alter(role, change, sign=draw(st.booleans()))


def _places(value: Any) -> Any:
    """Every value within a value, as (the container, its key)."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


CHANGES = (_new_version, _old_version, _expired, _other_keys, _lost_or_swapped, _flipped_byte, _changed_value)


# What ours says where the form alone is wrong, be it signed or not.
_FORM = re.compile(
    r"isn't as TUF 1\.0 has it|appears twice in one object|is nested too deeply|half of a surrogate pair"
)
_KINDS = {("ed25519", "ed25519")}


def _strange_keys(files: dict[str, bytes]) -> bool:
    """Whether any file has a key of a kind that a device doesn't know."""

    def kinds(value: Any) -> Any:
        if isinstance(value, dict):
            if "keytype" in value or "scheme" in value:
                yield value.get("keytype"), value.get("scheme")
            for inner in value.values():
                yield from kinds(inner)

    for path, raw in files.items():
        if path.startswith("metadata/"):
            try:
                found = list(kinds(json.loads(raw)))
            except ValueError:
                continue
            if any(kind not in _KINDS for kind in found):
                return True
    return False


def _is_known(files: dict[str, bytes], theirs: list[object], ours: list[object], why: list[str]) -> bool:
    """Whether the two differ in one of the ways that `DIFFERENCES` names, and in no other one."""
    if theirs == ["refused"]:
        return _strange_keys(files)
    if ours == ["refused"]:
        return bool(_FORM.search(why[0]))
    pairs = zip(theirs, ours, why, strict=True)
    return all(their == our or (our == "refused" and _FORM.search(because)) for their, our, because in pairs)


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
            their, (our, why) = _theirs(files, theirs, first), asyncio.run(_ours(files, ours))
            agree.append((their, our, why))
            if their != our:
                assert _is_known(files, their, our, why), agree
                return  # from here on they trust other things


_IMPOSSIBLE = (KeyError, ValueError, TypeError, AttributeError, IndexError, SerializationError)


# Where the two differ, each with who is right.


def _signed(role: str, change: Callable[[Any], None]) -> Callable[[Reference], None]:
    return lambda made: made.alter(role, lambda outer: change(outer["signed"]), sign=True)


def _repeated_key(made: Reference) -> None:
    path = made.place("targets")
    made.files[path] = made.files[path].replace(b'"version":1', b'"version":1,"version":1')


def _unsigned_null(made: Reference) -> None:
    made.alter("targets", lambda outer: outer["signed"].update(spec_version=None), sign=False)


def _strange_key_beside(made: Reference) -> None:
    strange = {"keytype": "post-quantum", "scheme": "mldsa65", "keyval": {"public": "00"}}

    def change(signed: Any) -> None:
        signed["delegations"]["keys"]["ff" * 32] = strange
        signed["delegations"]["roles"][0]["keyids"].append("ff" * 32)

    made.alter("targets", lambda outer: change(outer["signed"]), sign=True)


def _key_under_two_ids(made: Reference) -> None:
    def change(signed: Any) -> None:
        role = signed["delegations"]["roles"][0]
        signed["delegations"]["keys"]["again"] = signed["delegations"]["keys"][role["keyids"][0]]
        role.update(keyids=[*role["keyids"], "again"], threshold=2)

    made.alter("targets", lambda outer: change(outer["signed"]), sign=True)

    def twice(outer: Any) -> None:
        outer["signatures"].append({**outer["signatures"][0], "keyid": "again"})

    made.alter("models/router", twice, sign=False)


def _other_letters(made: Reference) -> None:
    made.alter("targets", lambda outer: outer["signed"]["delegations"]["roles"][1].update(name="Snapshot"), sign=True)


ROUTER, FLEET = NAMES[0], NAMES[1]
# name -> (what is changed, a target, whether theirs and ours take it, what ours says). Who is right, and why, stands above each.
DIFFERENCES: dict[str, tuple[Callable[[Reference], None], str, bool, bool, str]] = {
    # Ours. RFC 8259 leaves open which of two counts, and canonical JSON has no such object: parsers that differ would trust
    # different things by one signature.
    "a repeated key": (_repeated_key, ROUTER, True, False, "appears twice"),
    # Ours. Sections 4.3 to 4.6 give each field its type: VERSION is an integer, TERMINATING a boolean, PATHS a list of texts.
    "true for a number": (_signed("targets", lambda s: s.update(version=True)), ROUTER, True, False, "no whole number"),
    "a number for true": (
        _signed("targets", lambda s: s["delegations"]["roles"][0].update(terminating=1)),
        ROUTER,
        True,
        False,
        "no true or false",
    ),
    "a text for a list": (
        _signed("targets", lambda s: s["delegations"]["roles"][1].update(paths="*")),
        ROUTER,
        True,
        False,
        "no list",
    ),
    "a number among key ids": (
        _signed("targets", lambda s: s["delegations"]["roles"][1]["keyids"].append(5)),
        ROUTER,
        True,
        False,
        "something else than text",
    ),
    # Ours. What was signed is what is verified (section 4.2); the reference writes the document again, with its own default
    # in the place of null, and verifies that.
    "null in a place that has a default": (_unsigned_null, ROUTER, True, False, "no text"),
    # Ours. Section 4.2 lets adopters define further kinds of keys. One that isn't known verifies nothing here, but the others
    # that a role names still reach its threshold, or no kind of key could ever be introduced.
    "a key of an unknown kind beside a known one": (_strange_key_beside, ROUTER, False, True, ""),
    # Ours. A threshold is one of different keys (section 4.2, KEYID identifies a key).
    "one key under two ids": (_key_under_two_ids, ROUTER, True, False, "1 of the 2 signatures"),
    # Nobody: a name is a name. On a card that knows no case the role's file would be another one's, so ours refuses it.
    "another role's name in other letters": (_other_letters, ROUTER, True, False, "that of another role"),
}


@pytest.mark.parametrize(("change", "target", "their", "our", "says"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_where_the_two_differ_is_known_and_stays_so(
    tmp_path: Path, change: Callable[[Reference], None], target: str, their: bool, our: bool, says: str
) -> None:
    made = Reference()
    first = made.files["metadata/1.root.json"]
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    (tmp_path / "ours" / "root.json").write_bytes(first)
    change(made)
    at = 1 + NAMES.index(target)
    theirs = _theirs(dict(made.files), tmp_path / "theirs", first)
    ours, why = asyncio.run(_ours(dict(made.files), tmp_path / "ours"))

    def taken(seen: list[object]) -> bool:
        return seen[0] == "taken" and isinstance(seen[at], tuple)

    assert (taken(theirs), taken(ours)) == (their, our), (theirs, ours, why)
    assert says in " ".join(why)


def test_hashes_that_ours_can_not_check_are_told_by_both_and_the_file_is_taken_by_one(tmp_path: Path) -> None:
    """Ours takes SHA-2 alone, of whatever kinds section 4.5 allows: a hash that can be forged is worse than none."""
    made = Reference()
    made.made["targets"].signed.targets["d"] = TargetFile.from_data("d", b"d", ["md5"])  # type: ignore[attr-defined]
    _published(made, "targets")
    client = UpdateClient(tmp_path, Memory(made.files))
    (tmp_path / "root.json").write_bytes(made.files["metadata/1.root.json"])

    async def read() -> None:
        await client.refresh()
        found = await client.target("d")
        assert found is not None and list(found[0].hashes) == ["md5"]
        made.files[f"targets/{found[0].path()}"] = b"d"
        made.made["targets"].signed.targets["d"].verify_length_and_hashes(b"d")  # type: ignore[attr-defined]
        with pytest.raises(EdgeError, match="can't check"):
            await client.read(found[0], 10)

    asyncio.run(read())
