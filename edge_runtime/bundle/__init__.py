"""A bundle: the one signed file that carries a specialist to a device (see docs/device.md for the layout)."""

from edge_runtime.bundle.archive import Member, list_members, payload_digest, write_payload
from edge_runtime.bundle.envelope import (
    HEADER_BYTES,
    MAX_BUNDLE_BYTES,
    Envelope,
    public_key_of,
    read_envelope,
)
from edge_runtime.bundle.manifest import FileEntry, Golden, Manifest, ModelFile, Scored, Tokenizer
from edge_runtime.bundle.pack import file_name, write_bundle
from edge_runtime.bundle.unpack import unpack_bundle, verify_bundle

__all__ = [
    "HEADER_BYTES",
    "MAX_BUNDLE_BYTES",
    "Envelope",
    "FileEntry",
    "Golden",
    "Manifest",
    "Member",
    "ModelFile",
    "Scored",
    "Tokenizer",
    "file_name",
    "list_members",
    "payload_digest",
    "public_key_of",
    "read_envelope",
    "unpack_bundle",
    "verify_bundle",
    "write_bundle",
    "write_payload",
]
