"""A signed target as it lies on the disk: a run of verified chunks, until it is whole."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import EdgeError
from edge_runtime.update import disk

CHUNK_BYTES = 2**20
MOST_BYTES = 4096 * CHUNK_BYTES  # as max_bundle_mb at most


class FetchError(EdgeError):
    """A target wasn't fetched; what was, stays for the next try."""

    status = 502
    code = "fetch"


class NotOffered(FetchError):
    """No place has the target as it was signed: to try them again soon is in vain, another target may do."""

    code = "not_offered"


@dataclass(frozen=True)
class Plan:
    """A signed target. paths: below a place's address, tried in this order; length: bytes; hashes: hex SHA-256.

    chunks: of each MiB in turn, the last one shorter. Raises `FetchError` where they don't fit the length.
    """

    target: str
    paths: tuple[str, ...]
    length: int
    sha256: str
    chunks: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < self.length <= MOST_BYTES or len(self.chunks) != -(-self.length // CHUNK_BYTES) or not self.paths:
            raise FetchError(f"The target '{self.target[:80]}' doesn't list its chunks as it should; publish it again.")

    def at(self, chunk: int) -> int:
        """The offset of a chunk, the length for the one after the last."""
        return min(chunk * CHUNK_BYTES, self.length)

    def size(self, chunk: int) -> int:
        """Bytes of a chunk."""
        return self.at(chunk + 1) - self.at(chunk)


def write_chunk(plan: Plan, number: int, chunk: bytes, path: Path) -> bool:
    """Append a chunk durably; False where it isn't the signed one."""
    if hashlib.sha256(chunk).hexdigest() != plan.chunks[number]:
        return False
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.lseek(handle, number * CHUNK_BYTES, os.SEEK_SET)
        disk.write_all(handle, chunk)
        os.fsync(handle)
    finally:
        os.close(handle)
    if not number:
        disk.sync_folder(path.parent)
    return True


def sound_chunks(plan: Plan, path: Path) -> int:
    """How many chunks in a row lie in a part; what follows them is cut off."""
    try:
        part = path.open("r+b")
    except FileNotFoundError:
        return 0
    with part:
        number = 0
        while number < len(plan.chunks):
            chunk = part.read(plan.size(number))
            if hashlib.sha256(chunk).hexdigest() != plan.chunks[number]:
                break
            number += 1
        part.truncate(min(number * CHUNK_BYTES, plan.length))
    return number


def is_whole(plan: Plan, path: Path) -> bool:
    """Whether a file is the target; one that isn't any more is removed."""
    try:
        sound = path.stat().st_size == plan.length and _hash(path) == plan.sha256
    except FileNotFoundError:
        return False
    if not sound:
        disk.remove(path)
    return sound


def complete(plan: Plan, part: Path, whole: Path) -> None:
    """Move a part that has all chunks to where the whole target lies; raises `NotOffered` where it hasn't the signed hash."""
    if part.stat().st_size != plan.length or _hash(part) != plan.sha256:
        disk.remove(part)
        raise NotOffered(f"The chunks of '{plan.target[:80]}' aren't those of its hash; publish it again.")
    disk.move(part, whole)


def _hash(path: Path) -> str:
    with path.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()
