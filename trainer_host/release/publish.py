"""What the update repository says of a bundle: what it needs, what it may cost, and the smaller ways to send it."""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.bundle import HEADER_BYTES, MAX_BUNDLE_BYTES, Manifest, list_members, read_envelope, verify_bundle
from edge_runtime.bundle.archive import Member
from edge_runtime.errors import EdgeError, UntrustedSigner
from edge_runtime.update.compatibility import schema_hash
from edge_runtime.update.desired import target_name
from edge_runtime.update.tuf.metadata import TargetFile
from trainer_host.compress.gate import read_report
from trainer_host.data.dataset import Json
from trainer_host.errors import TrainerError
from trainer_host.release.delta import Source, make_sources
from trainer_host.training.run import read_card
from trainer_host.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from trainer_host.release.repository import Repository
    from trainer_host.release.settle import Done

CHUNK = 2**20  # what a device checks, and keeps after a cut, at a time
# A device may be that much slower than the host that gated the model (a Raspberry Pi 4 against a desktop core is 4 to 8
# times), and a budget is there to find the model that hangs, not the device that is slow.
SLOWER = 10.0
LEAST_P95_MS = 50
# Of a model file, as a runtime holds it: its weights, once more in the order that its kernels like, and what runs
# through them; with what the runtime itself takes at its first model.
MEMORY_TIMES, MEMORY_MB = 4, 64


BASES = 3  # earlier versions from which a delta is made: devices that are further behind fetch the whole


@dataclass(frozen=True)
class Budgets:
    """What a model may cost on a device before it is rolled back; 0 is no bound. Whole numbers: TUF has no others.

    p95_ms: of an answer; memory_mb: MB.
    """

    p95_ms: int
    memory_mb: int


@dataclass(frozen=True)
class Release:
    """A bundle as it is published. target: its name in the repository. digest: of its payload, hex."""

    path: Path
    target: str
    digest: str
    manifest: Manifest
    custom: Json


def publish_bundles(
    workspace: Workspace,
    repository: Repository,
    bundles: Sequence[Path],
    trusted: bytes,
    *,
    p95_ms: int | None = None,
    memory_mb: int | None = None,
    on_step: Callable[[float, str], None] = lambda share, note: None,
) -> tuple[Done, list[Release]]:
    """Publish bundle files, with deltas from earlier versions of theirs; those that are there already change nothing.

    trusted, p95_ms, memory_mb: as in `release_of`, which says what is raised; `Repository.publish` besides.
    """
    have = repository.targets()
    releases, files = [], dict[str, tuple[Path, Json]]()
    with (
        storage_errors(repository.folder),
        tempfile.TemporaryDirectory(dir=repository.folder, prefix=".deltas-") as folder,
    ):
        for number, bundle in enumerate(bundles):
            on_step(number / len(bundles), bundle.name)
            release = release_of(workspace, bundle, trusted, p95_ms, memory_mb)
            releases.append(release)
            there = have.get(release.target)
            if there is not None and {**there.custom, "sources": []} == release.custom:
                continue
            bases = [repository.files.file(target) for target in _earlier(list(have.values()), release.manifest)]
            custom, sources = with_sources(release, make_sources(bundle, bases, Path(folder) / str(number)))
            files[release.target] = (bundle, custom)
            files |= sources
        return repository.publish(files), releases


def _earlier(targets: Sequence[TargetFile], manifest: Manifest) -> list[TargetFile]:
    """Published versions of a specialist below this one, the newest first."""
    found = [
        (_order(str(target.custom["version"])), target)
        for target in targets
        if target.custom.get("kind") == "bundle"
        and (target.custom.get("task"), target.custom.get("specialist")) == (manifest.task, manifest.name)
        and _order(str(target.custom["version"])) < _order(manifest.version)
    ]
    return [target for _, target in sorted(found, key=lambda each: each[0], reverse=True)[:BASES]]


def _order(version: str) -> tuple[tuple[int, ...], str]:
    """Of versions, the numbers first; of equal ones, one with a suffix (1.0.0-rc1) before the one without."""
    numbers, _, suffix = version.partition("-")
    return tuple(int(number) for number in re.findall(r"\d+", numbers)), suffix or "~"


def release_of(
    workspace: Workspace, bundle: Path, trusted: bytes, p95_ms: int | None = None, memory_mb: int | None = None
) -> Release:
    """Check a bundle file and say of it what devices are told.

    trusted: the public key that must have signed it. p95_ms, memory_mb: budgets, instead of those from the gate's
    figures and the size of the model. Raises `TrainerError` for a damaged bundle, and for one of another signer.
    """
    try:
        envelope = verify_bundle(bundle, {trusted}, MAX_BUNDLE_BYTES)
        with bundle.open("rb") as opened:
            read_envelope(opened)
            members = {each.name: each for each in list_members(opened, HEADER_BYTES, envelope.length)}
            manifest = Manifest.from_json(_content(opened.name, members["manifest.json"]))
    except UntrustedSigner:
        raise TrainerError(
            f"{bundle} can't be published: another host made and signed it. Publish it there, or make it here with "
            "'enigma bundle'."
        ) from None
    except EdgeError as cause:
        raise TrainerError(f"{bundle} can't be published: {cause}") from None
    sizes = [manifest.files[model.file].bytes for model in manifest.models]
    opsets = [_opset(bundle, members[model.file]) for model in manifest.models if model.file.endswith(".onnx")]
    found = _gated_budgets(workspace, manifest)
    budgets = Budgets(
        found.p95_ms if p95_ms is None else _amount(p95_ms, "--p95-ms"),
        found.memory_mb if memory_mb is None else _amount(memory_mb, "--memory-mb"),
    )
    custom: Json = {
        "kind": "bundle",
        "specialist": manifest.name,
        "task": manifest.task,
        "version": manifest.version,
        "bundle": envelope.digest,
        "requires": {
            "runtimes": _runtimes(manifest),
            "machines": [],
            "memory_mb": _megabytes(min(sizes)),
            "opset": min(opsets, default=0),
            "schema": schema_hash(manifest.io),
        },
        "budgets": {"p95_ms": budgets.p95_ms, "memory_mb": budgets.memory_mb},
        "chunks": chunks_of(bundle),
        "licence": manifest.licence,
        "data": str(manifest.lineage.get("dataset", "")),
        "sources": [],
    }
    target = target_name(manifest.task, manifest.name, manifest.version)
    return Release(bundle, target, envelope.digest, manifest, custom)


def with_sources(release: Release, sources: Sequence[Source]) -> tuple[Json, dict[str, tuple[Path, Json]]]:
    """The `custom` of a bundle that can be made from `sources`, and each source's target: name -> (file, custom)."""
    folder = release.target.rsplit("/", 1)[0]
    said: list[Json] = []
    targets: dict[str, tuple[Path, Json]] = {}
    for source in sources:
        suffix = "xz" if source.base is None else f"{source.base[:12]}.delta"
        name = f"{folder}/{release.target.rsplit('/', 1)[1]}.{suffix}"
        facts: Json = {"base": source.base, "scheme": source.scheme, "memory_mb": source.memory_mb}
        said.append({"target": name, "bytes": source.bytes, **facts})
        chunks = chunks_of(source.path)
        targets[name] = (source.path, {"kind": "delta", "of": release.target, "chunks": chunks, **facts})
    return {**release.custom, "sources": said}, targets


def chunks_of(path: Path) -> list[str]:
    """The hex SHA-256 of each MiB of a file, the last of what is left."""
    return [hashlib.sha256(piece).hexdigest() for piece in _pieces(path)]


def hash_of(path: Path) -> tuple[int, str]:
    """Length and hex SHA-256 of a file."""
    digest, length = hashlib.sha256(), 0
    for piece in _pieces(path):
        digest.update(piece)
        length += len(piece)
    return length, digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with storage_errors(path.parent), path.open("rb") as opened:
        while piece := opened.read(CHUNK):
            yield piece


def _runtimes(manifest: Manifest) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for model in manifest.models:
        for scored in model.scored_in:
            found.setdefault(scored.runtime, set()).add(scored.version)
    return {name: sorted(found[name]) for name in sorted(found)}


def _gated_budgets(workspace: Workspace, manifest: Manifest) -> Budgets:
    """From the gate's card of the run that the bundle names, where it lies here; else no bound on the time."""
    biggest = max(manifest.files[model.file].bytes for model in manifest.models)
    memory = MEMORY_TIMES * _megabytes(biggest) + MEMORY_MB
    for name in workspace.names(workspace.runs):
        try:
            run = read_card(workspace.runs / name)
            if run.address == manifest.lineage.get("run"):
                slowest = max((score.p99_ms for score in read_report(run).chosen()), default=0.0)
                return Budgets(max(LEAST_P95_MS, math.ceil(SLOWER * slowest)), memory)
        except TrainerError:  # no run; or exported or gated anew since, so that its figures are another model's
            continue
    return Budgets(0, memory)


def _amount(value: int, option: str) -> int:
    if not 0 <= value < 10**9:
        raise TrainerError(f"{option} must be a number from 0 on; 0 is no bound.")
    return value


def _megabytes(count: int) -> int:
    return -(-count // 2**20)


def _content(path: str, member: Member) -> bytes:
    with Path(path).open("rb") as opened:
        opened.seek(member.offset)
        return opened.read(member.size)


def _opset(bundle: Path, member: Member) -> int:
    """The opset of ONNX's own operators that a model file names; 0 where it names none.

    Walks the outermost fields of a ModelProto (onnx.proto: opset_import is 8, in it domain 1 and version 2): the graph
    needn't be read for it.
    """
    model = memoryview(_content(str(bundle), member))
    for number, value in _fields(model):
        if number == 8 and isinstance(value, memoryview):
            entry = dict(_fields(value))
            version = entry.get(2, 0)
            if not entry.get(1) and isinstance(version, int):
                return version
    return 0


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of a protobuf message's fields, as far as they are varints and lengths with bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: int | memoryview
        if key & 7 == 0:
            value, at = _varint(message, at)
        elif key & 7 == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            return
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
