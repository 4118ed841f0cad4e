"""Writes a signed bundle: the same manifest, files and key give the same bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from edge_runtime.bundle.archive import CHUNK, Content, write_payload
from edge_runtime.bundle.envelope import HEADER_BYTES, Envelope, sign
from edge_runtime.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest
from edge_runtime.errors import BundleError

SUFFIX = ".enigma"


def file_name(manifest: Manifest) -> str:
    """The bundle's usual file name, NAME-VERSION.enigma."""
    return f"{manifest.name}-{manifest.version}{SUFFIX}"


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, Content], signing_key: bytes) -> Envelope:
    """Pack `files` beside their manifest, sign with a 32-byte Ed25519 seed, and write `path` atomically.

    `manifest.files` is filled in here. Raises `BundleError` where the manifest names a file that isn't given,
    or is otherwise one that a device would refuse.
    """
    if MANIFEST_NAME in files:
        raise BundleError(f"{MANIFEST_NAME} is written by the packer; leave it out of the files.")
    entries = {name: _entry(content) for name, content in files.items()}
    # Through its own JSON, so that what is signed is exactly what a device will accept.
    complete = Manifest.from_json(dataclasses.replace(manifest, files=entries).to_json())
    contents: dict[str, Content] = {**files, MANIFEST_NAME: complete.to_json()}
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as out:
            out.write(bytes(HEADER_BYTES))
            length, digest = write_payload(contents, out.write)
            envelope = sign(length, digest, signing_key)
            out.seek(0)
            out.write(envelope.to_bytes())
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    return envelope


def _entry(content: Content) -> FileEntry:
    if isinstance(content, bytes):
        return FileEntry(len(content), hashlib.sha256(content).hexdigest())
    digest = hashlib.sha256()
    size = 0
    with content.open("rb") as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(size, digest.hexdigest())
