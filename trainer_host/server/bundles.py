"""Signed bundles over the API: which lie here, and the files themselves, whole or from some byte on."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from edge_runtime.api.wire import reply
from edge_runtime.bundle import HEADER_BYTES, MAX_BUNDLE_BYTES, Manifest, list_members, read_envelope
from edge_runtime.bundle.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES
from edge_runtime.errors import BundleError, EdgeError, NotFound
from trainer_host.errors import NotThere
from trainer_host.release.publish import hash_of
from trainer_host.server.fields import Json
from trainer_host.server.releases import repository_of
from trainer_host.workspace import Workspace

MAX_SHOWN = 200  # of the newest; the older ones are on the host
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Lying:
    """A bundle that lies here. made: seconds since 1970; published: whether devices can fetch it by themselves."""

    path: Path
    sha256: str
    bytes: int
    specialist: str
    version: str
    task: str
    made: float
    published: bool

    def plain(self) -> Json:
        """As it is told."""
        return {
            "sha256": self.sha256,
            "file": f"{self.specialist}-{self.version}.enigma",
            "bytes": self.bytes,
            "specialist": self.specialist,
            "version": self.version,
            "task": self.task,
            "made": round(self.made, 3),
            "published": self.published,
        }


class BundleRoutes:
    """/v1/bundles."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._turn = asyncio.Lock()
        # What was read of a file, by its path, length and time, so that it is hashed once.
        self._read: dict[tuple[Path, int, int], Lying | str] = {}

    async def all(self, request: web.Request) -> web.Response:
        """All of them, the newest first, and the files that are none."""
        found, damaged = await self._look()
        return reply({"bundles": [one.plain() for one in found[:MAX_SHOWN]], "damaged": damaged[:MAX_SHOWN]})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """The file with this SHA-256; `Range` is understood, so that a download can go on."""
        sha256 = request.match_info["sha256"]
        found, _ = await self._look()
        lying = next((one for one in found if one.sha256 == sha256), None) if _HASH.fullmatch(sha256) else None
        if lying is None:
            raise NotFound("There is no bundle with this hash; GET /v1/bundles lists those that there are.")
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{lying.specialist}-{lying.version}.enigma"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(lying.path, headers=headers)

    async def _look(self) -> tuple[list[Lying], list[str]]:
        async with self._turn:
            return await asyncio.to_thread(self._all)

    def _all(self) -> tuple[list[Lying], list[str]]:
        """Blocks: it hashes files that are new."""
        published = {one.sha256: one for one in _published(self._workspace)}
        known: dict[tuple[Path, int, int], Lying | str] = {}
        for path in sorted(self._workspace.bundles.glob("*.enigma")):
            try:
                about = path.stat()
                key = path, about.st_size, about.st_mtime_ns
                known[key] = self._read.get(key) or _read(path, about.st_size, about.st_mtime)
            except OSError as cause:
                known[path, 0, 0] = f"{path.name} can't be read ({cause.strerror})."
        self._read = known
        made = {one.sha256: one for one in known.values() if isinstance(one, Lying) and one.sha256 not in published}
        newest = sorted([*published.values(), *made.values()], key=lambda one: one.made, reverse=True)
        return newest, [one for one in known.values() if isinstance(one, str)]


def _published(workspace: Workspace) -> list[Lying]:
    """Those of the update repository whose file lies here; none where there is no repository."""
    try:
        repository = repository_of(workspace)
    except NotThere:
        return []
    found = []
    for target in repository.targets().values():
        path, custom = repository.files.file(target), target.custom
        if custom.get("kind") == "bundle" and path.is_file():
            specialist, version, task = (str(custom.get(name, "")) for name in ("specialist", "version", "task"))
            sha256, made = target.hashes["sha256"], path.stat().st_mtime
            found.append(Lying(path, sha256, target.length, specialist, version, task, made, True))
    return found


def _read(path: Path, length: int, made: float) -> Lying | str:
    """What a bundle file says of itself, or why it can't be used; its signature is for the device to check."""
    try:
        if length > MAX_BUNDLE_BYTES:
            raise BundleError(f"it is larger than {MAX_BUNDLE_BYTES // 2**20} MB")
        with path.open("rb") as opened:
            envelope = read_envelope(opened)
            members = {each.name: each for each in list_members(opened, HEADER_BYTES, envelope.length)}
            member = members.get(MANIFEST_NAME)
            if member is None or member.size > MAX_MANIFEST_BYTES:
                raise BundleError(f"it has no usable {MANIFEST_NAME}")
            opened.seek(member.offset)
            manifest = Manifest.from_json(opened.read(member.size))
    except EdgeError as cause:
        return f"{path.name} is no whole bundle: {cause}"
    return Lying(path, hash_of(path)[1], length, manifest.name, manifest.version, manifest.task, made, False)
