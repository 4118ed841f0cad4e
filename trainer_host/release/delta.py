"""Smaller ways to send a bundle: packed, and as the difference from a bundle that devices have already."""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.bundle.archive import list_members
from edge_runtime.bundle.envelope import HEADER_BYTES, read_envelope
from edge_runtime.errors import BundleError
from edge_runtime.update.delta import ADD, COPY, INSERT, MAX_DICTIONARY, MAX_STEPS, delta_head, file_head, step_head
from trainer_host.errors import DataError
from trainer_host.workspace import storage_errors, write_atomic

XZ, SUB8, BSDIFF4 = "xz", "sub8", "bsdiff4"
_BLOCK = 64 * 1024  # of a file of equal length: each is copied, subtracted or sent as it is
_LARGEST_SEARCHED = 16 * 2**20  # bsdiff takes some 17 times a file's bytes of memory
_DEVICE_BUFFERS = 2 * 2**20  # of the device, beside the dictionary
_WORTH = 0.97  # of the next best way: one that spares less isn't worth a file on the server

Step = tuple[int, int, int, bytes]  # kind, length, offset in the base, bytes that go with it


@dataclass(frozen=True)
class Source:
    """A file from which a device can make a bundle.

    base: the hex SHA-256 of the payload that it starts from, None where it starts from nothing. scheme: xz; sub8, where
    bytes are subtracted one by one; bsdiff4, where bsdiff found what moved in some file. memory_mb:
    what making the bundle of it takes on the device.
    """

    path: Path
    base: str | None
    scheme: str
    memory_mb: int

    @property
    def bytes(self) -> int:
        """The file's length."""
        return self.path.stat().st_size


def make_sources(new: Path, bases: Sequence[Path], into: Path) -> list[Source]:
    """Write NEW.xz and a NEW.BASE.delta for each base, those that spare something; the smallest first.

    new, bases: bundle files. The same files give the same bytes, where the same programs made them: without the extra
    `delta` (bsdiff4), files whose length changed are sent whole. Raises `DataError` for what is no bundle.
    """
    wanted = _Bundle.read(new)
    found: list[tuple[str, str | None, str, bytes]] = []
    packed = _pack(wanted.content)
    if len(packed) <= _WORTH * len(wanted.content):
        found.append((f"{new.name}.xz", None, XZ, packed))
    least = min(len(packed), len(wanted.content))
    for path in bases:
        base = _Bundle.read(path)
        scheme, steps = _program(base, wanted)
        delta = delta_head(base.digest) + _pack(steps)
        if base.digest != wanted.digest and len(delta) <= _WORTH * least:
            found.append((f"{new.name}.{base.digest[:12]}.delta", base.digest, scheme, delta))
    made = []
    with storage_errors(into):
        into.mkdir(parents=True, exist_ok=True)
        for name, digest, scheme, content in sorted(found, key=lambda each: (len(each[3]), each[0])):
            write_atomic(into / name, content)
            unpacked = len(wanted.content)
            made.append(Source(into / name, digest, scheme, _memory_mb(unpacked)))
    return made


@dataclass(frozen=True)
class _Bundle:
    content: bytes
    digest: str
    files: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> _Bundle:
        """Signature and hash aren't checked: a device does that, of what it makes."""
        try:
            with path.open("rb") as source:
                envelope = read_envelope(source)
                members = list_members(source, HEADER_BYTES, envelope.length)
                source.seek(0)
                content = source.read()
        except BundleError as cause:
            raise DataError(f"{path}: {cause}") from None
        except OSError as cause:
            raise DataError(f"{path} can't be read ({cause.strerror}); name a bundle file.") from None
        files = {each.name: content[each.offset : each.offset + each.size] for each in members}
        return cls(content, envelope.digest, files)


def _program(base: _Bundle, new: _Bundle) -> tuple[str, bytes]:
    """The scheme, and what a delta's .xz stream holds."""
    made = [new.content[:HEADER_BYTES], bytes([len(new.files)])]
    scheme, room = SUB8, MAX_STEPS
    for name in sorted(new.files):
        old, wanted = base.files.get(name, b""), new.files[name]
        steps, moved = _steps(old, wanted)
        if len(steps) > room - len(new.files):
            steps, moved = [(INSERT, len(wanted), 0, wanted)], False
        room -= len(steps)
        scheme = BSDIFF4 if moved else scheme
        made += [file_head(name, len(wanted)), _joined(steps)]
    return scheme, b"".join(made)


def _steps(old: bytes, new: bytes) -> tuple[list[Step], bool]:
    """How a file is made from that of the same name in the base; whether bsdiff found it."""
    steps: list[Step] = [(INSERT, len(new), 0, new)] if new else []
    if not old or not new:
        return steps, False
    if len(old) == len(new):
        steps = list(_subtracted(old, new))
        if 2 * sum(length for kind, length, _, _ in steps if kind == INSERT) <= len(new):
            return steps, False
    if max(len(old), len(new)) <= _LARGEST_SEARCHED:  # most of it isn't where it was, whatever its length
        moved = _moved(old, new)
        if moved and len(_pack(_joined(moved))) < len(_pack(_joined(steps))):
            return moved, True
    return steps, False


def _subtracted(old: bytes, new: bytes) -> Iterator[Step]:
    """Block by block, whichever packs best: nothing, the difference, or the bytes themselves."""
    before, after = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
    kinds = []
    for at in range(0, len(new), _BLOCK):
        part = slice(at, at + _BLOCK)
        if new[part] == old[part]:
            kinds.append(COPY)
        else:
            kinds.append(ADD if _entropy(after[part] - before[part]) < _entropy(after[part]) else INSERT)
    first = 0
    for number, kind in enumerate(kinds):
        if number + 1 < len(kinds) and kinds[number + 1] == kind:
            continue
        start, end = first * _BLOCK, min((number + 1) * _BLOCK, len(new))
        more = {COPY: b"", ADD: (after[start:end] - before[start:end]).tobytes(), INSERT: new[start:end]}[kind]
        yield kind, end - start, start, more
        first = number + 1


def _moved(old: bytes, new: bytes) -> list[Step]:
    """The steps that bsdiff finds; none where it isn't installed."""
    try:
        from bsdiff4.core import diff
    except ImportError:
        return []
    control, different, extra = diff(old, new)
    steps: list[Step] = []
    at = read = taken = 0
    for add, insert, seek in _signed(control).reshape(-1, 3).tolist():
        if add:
            part = different[read : read + add]
            steps.append((ADD, add, at, part) if any(part) else (COPY, add, at, b""))
        if insert:
            steps.append((INSERT, insert, 0, extra[taken : taken + insert]))
        at, read, taken = at + add + seek, read + add, taken + insert
    return steps


def _signed(control: bytes) -> np.ndarray:
    """int64 [numbers]: bsdiff writes eight bytes each, the lowest first, and the sign as the highest bit."""
    raw = np.frombuffer(control, "<u8")
    size = (raw & np.uint64(2**63 - 1)).astype(np.int64)
    return np.where(raw >> np.uint64(63), -size, size)


def _joined(steps: Sequence[Step]) -> bytes:
    return b"".join(step_head(kind, length, offset) + more for kind, length, offset, more in steps)


def _entropy(values: np.ndarray) -> float:
    """Bits per byte, each by itself."""
    shares = np.bincount(values, minlength=256) / len(values)
    return float(-(shares * np.log2(shares, out=np.zeros(256), where=shares > 0)).sum())


def _dictionary(length: int) -> int:
    """Bytes of the packer's dictionary: no more than the content has, for a device has to hold it."""
    return min(MAX_DICTIONARY, max(64 * 1024, 1 << (length - 1).bit_length()))


def _memory_mb(length: int) -> int:
    return -(-(_dictionary(length) + _DEVICE_BUFFERS) // 2**20)


def _pack(content: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": _dictionary(len(content))}]
    return lzma.compress(content, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)
