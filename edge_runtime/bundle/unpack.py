"""Checks a bundle file (signature, length, hash, in this order) and only then reads what is inside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

from edge_runtime.bundle.archive import CHUNK, Member, list_members
from edge_runtime.bundle.envelope import HEADER_BYTES, MAX_BUNDLE_BYTES, Envelope, read_envelope
from edge_runtime.bundle.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from edge_runtime.errors import BundleError

WriteFile = Callable[[Path, Callable[[], bytes]], None]


def verify_bundle(path: Path, trusted: Collection[bytes], max_bytes: int = MAX_BUNDLE_BYTES) -> Envelope:
    """Check a bundle file without parsing its payload.

    Raises `UntrustedSigner` unless one of the `trusted` raw public keys signed it, `BundleError` if it is too
    long, cut short, has bytes after its end, or was changed.
    """
    with path.open("rb") as bundle:
        envelope = read_envelope(bundle)
        envelope.check(trusted, max_bytes)
        check_payload(bundle, envelope)
    return envelope


def check_payload(bundle: BinaryIO, envelope: Envelope) -> None:
    """Compare the payload's length and SHA-256 with a checked envelope; `bundle` stands after its head."""
    actual = os.fstat(bundle.fileno()).st_size - HEADER_BYTES
    if actual != envelope.length:
        raise BundleError(
            f"The bundle should hold {envelope.length:,} bytes and holds {actual:,}; send the whole file."
        )
    digest = hashlib.sha256()
    while chunk := bundle.read(CHUNK):
        digest.update(chunk)
    if digest.digest() != envelope.sha256:
        raise BundleError("The bundle's content doesn't match its signed hash; copy or build it again.")


def unpack_bundle(path: Path, envelope: Envelope, folder: Path, write: WriteFile | None = None) -> Manifest:
    """Unpack a bundle that `verify_bundle` accepted into an existing empty folder; returns its manifest.

    write: how a file is written (a device passes one that syncs to disk); it gets the path and a function
    that returns the next bytes, empty at the end. Every file is compared with the manifest on the way.
    """
    put = write or _plain_write
    with path.open("rb") as bundle:
        members = {m.name: m for m in list_members(bundle, HEADER_BYTES, envelope.length)}
        manifest = Manifest.from_json(_manifest_bytes(bundle, members))
        if members.keys() - {MANIFEST_NAME} != manifest.files.keys():
            raise BundleError("The bundle's files aren't those that its manifest lists; build it again.")
        for name, member in members.items():
            reader = _Reader(bundle, member)
            put(folder / name, reader.next)
            entry = manifest.files.get(name)
            if entry and (entry.bytes != member.size or entry.sha256 != reader.digest.hexdigest()):
                raise BundleError(f"{name} in the bundle isn't the file that its manifest lists; build it again.")
    return manifest


class _Reader:
    """Hands out one member's bytes in chunks and hashes them on the way."""

    def __init__(self, source: BinaryIO, member: Member) -> None:
        self._source = source
        self._position = member.offset
        self._left = member.size
        self.digest = hashlib.sha256()

    def next(self) -> bytes:
        self._source.seek(self._position)
        chunk = self._source.read(min(CHUNK, self._left))
        if not chunk and self._left:
            raise BundleError("The bundle became shorter while it was unpacked; send it again.")
        self._position += len(chunk)
        self._left -= len(chunk)
        self.digest.update(chunk)
        return chunk


def _manifest_bytes(bundle: BinaryIO, members: dict[str, Member]) -> bytes:
    member = members.get(MANIFEST_NAME)
    if member is None or member.size > MAX_MANIFEST_BYTES:
        raise BundleError(f"The bundle has no usable {MANIFEST_NAME}; build it with 'enigma bundle'.")
    bundle.seek(member.offset)
    return bundle.read(member.size)


def _plain_write(path: Path, read: Callable[[], bytes]) -> None:
    with path.open("xb") as out:
        while chunk := read():
            out.write(chunk)
