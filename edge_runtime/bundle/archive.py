"""The payload of a bundle: a deterministic, uncompressed USTAR tar, read only in its one canonical form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_runtime.errors import BundleError

BLOCK = 512
MAX_MEMBERS = 64  # a bundle has about six files
CHUNK = 256 * 1024
# Flat names only: no separators, no leading dot, so no path can leave the folder on any file system.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

Content = bytes | Path


@dataclass(frozen=True)
class Member:
    """One file inside a payload: its name, where its bytes start in the payload, and how many they are."""

    name: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """The only USTAR header that stands for this name and size: mode 0644, ids and time 0, a regular file."""
    if not NAME.fullmatch(name):
        raise BundleError(f"{name!r} can't be a file name in a bundle; use letters, digits, dot, dash, underscore.")
    if size >= 8**11:
        raise BundleError(f"{name} has {size:,} bytes, which is too long for a bundle.")
    fields = bytearray(BLOCK)
    fields[0 : len(name)] = name.encode("ascii")
    fields[100:108] = b"0000644\0"
    fields[108:116] = b"0000000\0"
    fields[116:124] = b"0000000\0"
    fields[124:136] = b"%011o\0" % size
    fields[136:148] = b"00000000000\0"
    fields[148:156] = b" " * 8
    fields[156:157] = b"0"
    fields[257:265] = b"ustar\x0000"
    fields[329:337] = b"0000000\0"
    fields[337:345] = b"0000000\0"
    fields[148:156] = b"%06o\0 " % sum(fields)
    return bytes(fields)


def write_payload(files: Mapping[str, Content], write: Callable[[bytes], object]) -> tuple[int, bytes]:
    """Feed the payload's bytes to `write`, sorted by name; returns its length and SHA-256.

    The same names and contents give the same bytes on every machine.
    """
    if len(files) > MAX_MEMBERS:
        raise BundleError(f"A bundle holds at most {MAX_MEMBERS} files, and this one would have {len(files)}.")
    digest = hashlib.sha256()
    length = 0
    for chunk in _chunks(files):
        digest.update(chunk)
        length += len(chunk)
        write(chunk)
    return length, digest.digest()


def payload_digest(folder: Path) -> str:
    """The content address (hex, without prefix) that the files in this folder have as a payload."""
    files: dict[str, Content] = {path.name: path for path in folder.iterdir()}
    return write_payload(files, lambda chunk: None)[1].hex()


def list_members(payload: BinaryIO, start: int, length: int) -> list[Member]:
    """Read the index of a payload that lies at `start` in a file; offsets are within the file.

    Anything but the canonical form (order, names, padding, header fields, end) raises `BundleError`, so a
    payload has one reading and no room for anything hidden. Reads headers and padding only.
    """
    end = start + length
    position = start
    members: list[Member] = []
    while True:
        block = _read(payload, position, BLOCK, end)
        if not any(block):
            break
        name, size = _parse(block)
        if header(name, size) != block or (members and name <= members[-1].name):
            raise BundleError("The bundle's archive isn't in its canonical form; build it with 'enigma bundle'.")
        if len(members) == MAX_MEMBERS:
            raise BundleError(f"The bundle holds more than {MAX_MEMBERS} files.")
        members.append(Member(name, position + BLOCK, size))
        padding = -size % BLOCK
        position += BLOCK + size
        if any(_read(payload, position, padding, end)):
            raise BundleError("The bundle's archive hides bytes between its files; build it again.")
        position += padding
    if position + 2 * BLOCK != end or any(_read(payload, position, 2 * BLOCK, end)):
        raise BundleError("The bundle's archive doesn't end where it should; build it again.")
    return members


def _parse(block: bytes) -> tuple[str, int]:
    raw = block[:100].rstrip(b"\0")
    octal = block[124:135]
    if not raw.isascii() or not NAME.fullmatch(raw.decode("ascii")) or not re.fullmatch(rb"[0-7]{11}", octal):
        raise BundleError("The bundle's archive has a file name or size that isn't allowed; build it again.")
    return raw.decode("ascii"), int(octal, 8)


def _read(payload: BinaryIO, position: int, count: int, end: int) -> bytes:
    if position + count > end:
        raise BundleError("The bundle's archive ends inside a file; build it again.")
    payload.seek(position)
    block = payload.read(count)
    if len(block) != count:
        raise BundleError("The bundle's archive ends inside a file; send the whole file.")
    return block


def _chunks(files: Mapping[str, Content]) -> Iterator[bytes]:
    for name in sorted(files):
        content = files[name]
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        yield header(name, size)
        if isinstance(content, bytes):
            yield content
        else:
            yield from _file_chunks(content, size)
        if size % BLOCK:
            yield bytes(-size % BLOCK)
    yield bytes(2 * BLOCK)


def _file_chunks(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as source:
        while left:
            chunk = source.read(min(CHUNK, left))
            if not chunk:
                raise BundleError(f"{path.name} became shorter while it was read.")
            left -= len(chunk)
            yield chunk
