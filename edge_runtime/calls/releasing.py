"""What serves on a device: pushing, switching, going back, and the repository that it follows."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from edge_runtime.calls.link import Json, Link, named, once

PUSH_CHUNK = 64 * 1024
# A push waits for unpacking, syncing to a slow SD card and the golden vectors.
PUSH_TIMEOUT = 120.0
UPDATE_TIMEOUT = 150.0  # until a slow repository was asked, see `edge_runtime.update.reach`


class Releasing(Link):
    """A device's bundles and updates."""

    async def push(
        self, bundle: Path, on_progress: Callable[[int, int], None] | None = None, *, key: str | None = None
    ) -> Json:
        """Deliver a bundle; once it serves: `{"specialist", "version", "bundle", "runtime", "changed"}`.

        on_progress: called with the bytes sent and the bytes in all. Raises the device's reason where it
        refuses; its former model then goes on answering.
        """
        total = bundle.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total), **once(key)}
        body = _read_in_chunks(bundle, total, on_progress)
        return await self._call("POST", "/v1/bundles", data=body, headers=headers, timeout=PUSH_TIMEOUT)

    async def versions(self) -> Json:
        """`{"specialists": {name: [{"bundle", "version", "active"}]}}`: what lies on the device, what serves first."""
        return await self._call("GET", "/v1/versions")

    async def switch(self, specialist: str, bundle: str, *, key: str | None = None) -> Json:
        """Let another bundle on the device serve: `{"specialist", "version", "bundle", "changed"}`; needs a host's token."""
        return await self._call(
            "POST",
            f"/v1/switch/{named(specialist)}",
            json={"bundle": bundle},
            headers=once(key),
            timeout=PUSH_TIMEOUT,
        )

    async def roll_back(self, specialist: str, *, key: str | None = None) -> Json:
        """Let the previous bundle of a specialist serve again; needs a host's token."""
        return await self._call("POST", f"/v1/rollback/{named(specialist)}", headers=once(key), timeout=PUSH_TIMEOUT)

    async def remove(self, specialist: str) -> Json:
        """Unload a specialist, an adapter for example, and forget its bundles; needs a host's token."""
        return await self._call("POST", f"/v1/remove/{named(specialist)}", timeout=PUSH_TIMEOUT)

    async def updates(self) -> Json:
        """What the device tells of itself and its releases; `edge_runtime.update.report` reads it."""
        return await self._call("GET", "/v1/updates")

    async def check_updates(self) -> Json:
        """Let the device ask the repository that it follows now; what came of it, as `updates` tells."""
        return await self._call("POST", "/v1/updates/check", json={}, timeout=PUSH_TIMEOUT)

    async def update_journal(self, most: int = 200, before: int | None = None) -> Json:
        """`{"journal": [...], "head", "signed"}`: what happened to releases, the newest first, in a chain of hashes.

        before: only lines with a lower number. signed: where the chain ends now, see `edge_runtime.update.journal_head`.
        """
        older = "" if before is None else f"&before={before}"
        return await self._call("GET", f"/v1/updates/journal?most={most}{older}")

    async def apply_updates(self, folder: str) -> Json:
        """Let the device take updates once from a folder of its own, as a stick; needs an owner's token."""
        return await self._call("POST", "/v1/updates/apply", json={"folder": folder}, timeout=UPDATE_TIMEOUT)

    async def follow_updates(self, root: bytes, urls: Sequence[str], direct_push: bool = True) -> Json:
        """Let the device follow a repository of updates; needs an owner's token.

        root: the repository's root metadata, which the device trusts from here on. direct_push: whether bundles are
        taken from paired hosts besides.
        """
        sent: Json = {"root": base64.b64encode(root).decode("ascii"), "urls": list(urls), "direct_push": direct_push}
        return await self._call("PUT", "/v1/updates/source", json=sent, timeout=UPDATE_TIMEOUT)

    async def forget_updates(self) -> Json:
        """Let the device follow nothing any more; needs an owner's token."""
        return await self._call("DELETE", "/v1/updates/source", timeout=UPDATE_TIMEOUT)


async def _read_in_chunks(
    path: Path, total: int, on_progress: Callable[[int, int], None] | None
) -> AsyncIterator[bytes]:
    sent = 0
    with path.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, PUSH_CHUNK):
            yield chunk
            sent += len(chunk)
            if on_progress:
                on_progress(sent, total)
