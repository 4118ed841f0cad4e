"""Makes a whole bundle file of a packed copy, or of a delta and the bundle it starts from, in bounded memory.

A packed copy is a plain .xz file of the bundle. A delta is 48 bytes (`_FIELDS`) and an .xz stream that holds the new
bundle's envelope, a byte with the number of files, and of each file its name (a byte for its length), its size (u64),
and steps until that many bytes are made. A step is its kind (a byte), a length (u32) and, where it reads the file of the
same name in the base, an offset there (u32): COPY takes bytes as they are; ADD takes them and adds, modulo 256, as many
bytes that follow; INSERT gives the bytes that follow. Bytes of weights that were trained on differ little, so that
what is added packs well; the steps of bsdiff (Percival, "Naive differences of executable code", 2003) are ADD and INSERT
too. All numbers are big-endian. The archive around the files is written anew in its one canonical form.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edge_runtime.bundle.archive import BLOCK, CHUNK, MAX_MEMBERS, header, payload_digest
from edge_runtime.bundle.envelope import HEADER_BYTES, read_envelope
from edge_runtime.errors import BundleError
from edge_runtime.update import disk

MAGIC = b"\x89ENIDELTA\r\n\x00"
FORMAT = 1
COPY, ADD, INSERT = range(3)
_FIELDS = struct.Struct(">12sI32s")  # magic, format, SHA-256 of the base's payload
_FROM_BASE = struct.Struct(">BII")
_OWN = struct.Struct(">BI")
_SIZE = struct.Struct(">Q")
_XZ_MAGIC = b"\xfd7zXZ\x00"
MAX_DICTIONARY = 8 * 2**20  # of the .xz stream; with more, weights pack no better
_MAX_MEMORY = MAX_DICTIONARY + 2**20  # what liblzma may take, whatever a file asks for
MAX_STEPS = 65_536  # bounds the time: a step costs microseconds, however few bytes it makes


def apply(delta: Path, base_files: Path | None, out: Path, most: int) -> None:
    """Write the bundle file that a delta or a packed copy stands for to `out`, a new file (0600), synced to disk.

    base_files: the folder of the base's unpacked files, as a slot has it. most: bytes that the result may have.

    The result's payload has the hash that its envelope says, but whether that is the wanted bundle is the caller's to
    check. Takes some 10 MiB, whatever the file holds. Raises `BundleError` for anything but a sound delta of this base,
    `StorageFull` and `StateError`; then nothing is left at `out`.
    """
    with disk.storage_errors(out.parent), delta.open("rb") as source:
        pieces = _checked(_made(source, base_files), most)
        try:
            disk.write_stream(out, lambda: next(pieces, b""))
        except FileExistsError:
            raise
        except BaseException:
            disk.remove(out)
            raise


def delta_head(base: str) -> bytes:
    """What a delta begins with. base: the SHA-256 of its base's payload, in hex."""
    return _FIELDS.pack(MAGIC, FORMAT, bytes.fromhex(base))


def file_head(name: str, size: int) -> bytes:
    """What a file's steps begin with."""
    return bytes([len(name)]) + name.encode("ascii") + _SIZE.pack(size)


def step_head(kind: int, length: int, offset: int = 0) -> bytes:
    """What a step begins with; behind an ADD or an INSERT come `length` bytes."""
    return _OWN.pack(kind, length) if kind == INSERT else _FROM_BASE.pack(kind, length, offset)


def _made(source: BinaryIO, base_files: Path | None) -> Iterator[bytes]:
    """The bytes of the new bundle file, in pieces that are never empty."""
    start = source.read(_FIELDS.size)
    if start.startswith(_XZ_MAGIC):
        source.seek(0)
        packed = _Packed(source)
        while piece := packed.some(CHUNK):
            yield piece
        packed.finish()
        return
    if not start.startswith(MAGIC):
        raise BundleError("This is no delta of a bundle, and no packed one; fetch the whole bundle.")
    if len(start) < _FIELDS.size:
        raise _cut_short()
    _, form, wanted = _FIELDS.unpack(start)
    if form != FORMAT:
        raise BundleError(f"The delta has format {form}, this device reads {FORMAT}; update Enigma on the device.")
    if base_files is None or not base_files.is_dir() or payload_digest(base_files) != wanted.hex():
        raise BundleError(
            f"This delta starts from the bundle {wanted.hex()[:12]}, which isn't there or is damaged; "
            "fetch the whole bundle."
        )
    yield from _patched(_Packed(source), base_files)


def _patched(packed: _Packed, base_files: Path) -> Iterator[bytes]:
    yield packed.exactly(HEADER_BYTES)
    count, steps = packed.exactly(1)[0], 0
    if count > MAX_MEMBERS:
        raise _damaged()
    for _ in range(count):
        name = packed.exactly(packed.exactly(1)[0]).decode("ascii", "replace")
        (size,) = _SIZE.unpack(packed.exactly(_SIZE.size))
        yield header(name, size)
        left = size
        path = base_files / name
        with path.open("rb") if path.is_file() else io.BytesIO() as base:
            while left:
                steps += 1
                kind, length = _OWN.unpack(packed.exactly(_OWN.size))
                if kind > INSERT or not 0 < length <= left or steps > MAX_STEPS:
                    raise _damaged()
                left -= length
                if kind != INSERT:
                    base.seek(int.from_bytes(packed.exactly(4), "big"))
                while length:
                    piece = min(CHUNK, length)
                    length -= piece
                    fresh = packed.exactly(piece) if kind != COPY else b""
                    yield fresh if kind == INSERT else _from_base(base, piece, fresh)
        if size % BLOCK:
            yield bytes(-size % BLOCK)
    yield bytes(2 * BLOCK)
    packed.finish()


def _from_base(base: BinaryIO, count: int, more: bytes) -> bytes:
    """The next bytes of a file of the base, with `more` added where there is any."""
    old = base.read(count)
    if len(old) != count:
        raise _damaged()
    return (np.frombuffer(old, np.uint8) + np.frombuffer(more, np.uint8)).tobytes() if more else old


def _checked(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Pass a bundle file's bytes on, but never more than its head says, nor than `most`; the hash must fit at the end."""
    start, total, digest = b"", 0, hashlib.sha256()
    length = most
    for piece in pieces:
        total += len(piece)
        if total > length:
            raise BundleError(f"The bundle would have more than {length:,} bytes; fetch the whole bundle.")
        if len(start) < HEADER_BYTES:
            start += piece
            if len(start) < HEADER_BYTES:
                continue
            length = HEADER_BYTES + read_envelope(start).length
            if length > most:
                raise BundleError(f"The bundle would have {length:,} bytes, and {most:,} are allowed.")
            if total > length:
                raise BundleError(f"The bundle would have more than {length:,} bytes; fetch the whole bundle.")
            piece, start = start, start[:HEADER_BYTES]
            digest.update(piece[HEADER_BYTES:])
        else:
            digest.update(piece)
        yield piece
    if read_envelope(start).sha256 != digest.digest() or total != length:
        raise _damaged()


class _Packed:
    """What an .xz stream holds, read in pieces; raises `BundleError` where it isn't sound."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY)

    def some(self, most: int) -> bytes:
        """At most so many bytes, none at the end."""
        while not self._xz.eof:
            packed = self._source.read(CHUNK) if self._xz.needs_input else b""
            if self._xz.needs_input and not packed:
                raise _cut_short()
            try:
                made = self._xz.decompress(packed, most)
            except lzma.LZMAError:
                raise _damaged() from None
            if made:
                return made
        return b""

    def exactly(self, count: int) -> bytes:
        """So many bytes, at most `CHUNK`."""
        made = self.some(count) if count else b""
        while len(made) < count:
            more = self.some(count - len(made))
            if not more:
                raise _damaged()
            made += more
        return made

    def finish(self) -> None:
        """Nothing may follow."""
        if self.some(1) or self._xz.unused_data or self._source.read(1):
            raise BundleError("The delta goes on after its end; fetch it again.")


def _cut_short() -> BundleError:
    return BundleError("The delta ends too early; fetch it again.")


def _damaged() -> BundleError:
    return BundleError("The delta is damaged; fetch it again, or the whole bundle.")
