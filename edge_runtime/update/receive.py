"""A bundle as it arrives: its head is checked before the rest is taken, and it reaches the disk in pieces."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from edge_runtime.bundle import HEADER_BYTES, Envelope, read_envelope
from edge_runtime.errors import BundleError
from edge_runtime.update import disk
from edge_runtime.update.disk_threads import hangs, on_disk

T = TypeVar("T")
_WRITE_BYTES = 256 * 1024  # uploads reach the disk in pieces of this size


async def receive(
    path: Path,
    chunks: AsyncIterator[bytes],
    declared: int | None,
    check: Callable[[Envelope], None],
    tell: Callable[[int, int], None],
) -> None:
    """Write an upload to `path`, a new file (0600); raises `BundleError`, what `check` does, and errors of storage.

    declared: the length that the sender announced, if it did. check: looks at the head before more is taken. tell:
    called with the bytes taken and the bytes in all, four times at the most.
    """
    envelope: Envelope | None = None
    waiting = bytearray()
    taken = told = 0
    with disk.storage_errors(path.parent):
        folder = path.parent
        handle = await on_disk(folder, os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            async for chunk in chunks:
                waiting += chunk
                taken += len(chunk)
                if envelope is None:
                    if len(waiting) < HEADER_BYTES:
                        continue
                    envelope = await on_disk(folder, _checked, bytes(waiting[:HEADER_BYTES]), declared, check)
                total = HEADER_BYTES + envelope.length
                if taken > total:
                    raise BundleError("The upload goes on after the bundle's end; send the bundle alone.")
                if 4 * taken // total > told:
                    told = 4 * taken // total
                    tell(taken, total)
                if len(waiting) >= _WRITE_BYTES:
                    piece, waiting = bytes(waiting), bytearray()
                    await on_disk(folder, disk.write_all, handle, piece)
            if envelope is None:
                envelope = read_envelope(bytes(waiting))
            if taken < HEADER_BYTES + envelope.length:
                total = HEADER_BYTES + envelope.length
                raise BundleError(f"The upload ended after {taken:,} of {total:,} bytes; send it again.")
            await on_disk(folder, disk.write_all, handle, bytes(waiting))
        finally:
            if not hangs(folder):  # a thread that comes back late must not write into what has this number then
                os.close(handle)


def _checked(head: bytes, declared: int | None, check: Callable[[Envelope], None]) -> Envelope:
    envelope = read_envelope(head)
    check(envelope)
    total = HEADER_BYTES + envelope.length
    if declared is not None and declared != total:
        raise BundleError(f"The bundle has {total:,} bytes, not the {declared:,} announced; send the whole file.")
    return envelope


async def finish(work: Coroutine[object, object, T]) -> T:
    """Await what must not stop half-way, as a thread's work on a file; a cancellation waits for its end."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
