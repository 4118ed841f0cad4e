"""The log of every call to a provider: appended to, each line bound to the one before it by a hash.

A line is a JSON object whose last two members are the hash of the line before (`prev`) and the hash of this line's
own bytes up to there (`hash`). Beside the log lies its head: how many lines there are, and the hash of the last one.
`trainer_host.teacher.audit_check` finds what was edited, deleted, inserted or moved; what it can't find is said there.

`trainer_host.teacher.calls` says what is written of a call. A record survives the end of the process, at any point;
only a power cut can lose lines that were just written.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer_host.errors import TrainerError
from trainer_host.teacher.calls import Call, call_of, to_text
from trainer_host.workspace import Workspace, storage_errors

GENESIS = "0" * 64  # what the first line names as the one before it
ROTATE_BYTES = 16 * 2**20  # some 40,000 calls
# Of what is read at once. Fields are cut, so no line comes near: a recorded character takes 12 bytes at most.
MAX_LINE = 2**19
_HEAD_BYTES = 256  # one write within a sector, so that it is the old head or the new one
_LOCK_SECONDS = 30.0
_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_HASH_BYTES = len(',"hash":""}') + 64


@dataclass(frozen=True)
class Entry:
    """A call as it stands in the log. number: 1 for the first line ever. time: when it was sent, ISO 8601, UTC."""

    number: int
    time: str
    call: Call


@dataclass(frozen=True)
class Head:
    """The end of the log. count: lines ever. hash: of the last. file: how many files were rotated away. size: bytes
    of the current file."""

    count: int = 0
    hash: str = GENESIS
    file: int = 0
    size: int = 0


def audit_path(workspace: Workspace) -> Path:
    """The log of a home folder."""
    return workspace.home / "teacher" / "audit.jsonl"


class AuditLog:
    """Appends calls; several processes may do so at the same time."""

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.path = path
        self._rotate = rotate_bytes
        with storage_errors(path.parent):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def record(self, *calls: Call) -> None:
        """Append calls, in one write; raises `TrainerError` where the log can't be written."""
        self.record_texts([to_text(call) for call in calls])

    def record_texts(self, texts: Sequence[str]) -> None:
        """As `record`, of calls as `to_text` writes them."""
        if not texts:
            return
        with storage_errors(self.path.parent), locked(self.path):
            head, junk, lost = _resume(self.path)
            lines: list[bytes] = []
            size = 0
            for text in texts:
                body = f'{{"n":{head.count + 1},{text[1:-1]}'
                if junk:
                    body += f',"torn":"{hashlib.sha256(junk).hexdigest()}"'
                if lost:
                    body += ',"lost_head":true'
                junk, lost = b"", False
                line = _sealed(body, head.hash)
                if head.size + size and head.size + size + len(line) > self._rotate:
                    if lines:
                        self._add(head, lines)
                    head, lines, size = _rotated(self.path, head), [], 0
                lines.append(line)
                size += len(line) + 1
                head = Head(head.count + 1, stated_hash(line), head.file, head.size)
            self._add(head, lines)

    def _add(self, head: Head, lines: Sequence[bytes]) -> None:
        """head: with the count and hash of the last of the lines."""
        size = _append(self.path, b"\n".join(lines))
        write_head(self.path, Head(head.count, head.hash, head.file, size))


def entries(path: Path) -> Iterator[Entry]:
    """All calls that can be read, oldest first; lines that can't are passed over (`audit_check` names them)."""
    for file in files(path):
        yield from _entries(file)


def entries_since(path: Path, time: str) -> Iterator[Entry]:
    """Calls that were sent at that time or later, and some before; a long log isn't read from its beginning."""
    existing = files(path)
    first = 0
    for number in range(len(existing) - 1, -1, -1):
        first = number
        began = next(iter(_entries(existing[number])), None)
        if began is not None and began.time < time:
            # A line stands where its call ended, so one that was sent earlier may stand in the file before.
            first = max(0, number - 1)
            break
    for file in existing[first:]:
        yield from _entries(file)


def files(path: Path) -> list[Path]:
    """The log's files that exist, oldest first."""
    pattern = re.compile(re.escape(path.stem) + r"\.\d{6}" + re.escape(path.suffix))
    if not path.parent.is_dir():
        return []
    old = sorted(entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name))
    return [*old, path] if path.exists() else old


def rotated_name(path: Path, number: int) -> Path:
    """Where the file number `number` (from 1) went."""
    return path.with_name(f"{path.stem}.{number:06d}{path.suffix}")


def lines_of(file: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Lines without their newlines; one that is too long comes in pieces."""
    with storage_errors(file.parent), file.open("rb") as source:
        source.seek(start)
        left = (end if end is not None else os.fstat(source.fileno()).st_size) - start
        while left > 0 and (line := source.readline(min(left, MAX_LINE))):
            left -= len(line)
            yield line.removesuffix(b"\n")


def sealed(fields: dict[str, object], prev: str) -> bytes:
    """A line of the log, without its newline."""
    return _sealed(json.dumps(fields, separators=(",", ":"))[:-1], prev)


def stated_hash(line: bytes) -> str:
    """The hash that a line of `sealed` ends with."""
    return line[-2 - 64 : -2].decode()


def parsed(line: bytes) -> dict[str, object] | None:
    """A line's members, None for what is no line of ours. Its hash isn't checked."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("n"), int):
        return None
    return value


def line_hash(line: bytes) -> str | None:
    """The hash that a line states, None unless it is the right one."""
    body, tail = line[:-_HASH_BYTES], line[-_HASH_BYTES:]
    stated = _HASH.fullmatch(tail)
    if stated is None or hashlib.sha256(body).hexdigest().encode() != stated[1]:
        return None
    return stated[1].decode()


def read_head(path: Path) -> Head | None:
    """The head beside the log; None where it is missing or unreadable."""
    try:
        handle = os.open(_head_path(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            value = json.loads(os.read(handle, _HEAD_BYTES))
        finally:
            os.close(handle)
        return Head(int(value["count"]), str(value["hash"]), int(value["file"]), int(value["size"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_head(path: Path, head: Head) -> None:
    """Replace the head by one write of always the same length."""
    text = json.dumps({"count": head.count, "hash": head.hash, "file": head.file, "size": head.size})
    handle = os.open(_head_path(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(handle, text.encode().ljust(_HEAD_BYTES - 1) + b"\n", 0)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the log's lock; raises `TrainerError` where another process doesn't let go of it."""
    handle = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TrainerError(
                        f"Another process holds {path.name}.lock for {_LOCK_SECONDS:.0f} seconds; end it and try again."
                    ) from None
                time.sleep(0.002)
        yield
    finally:
        os.close(handle)


def follows(fields: dict[str, object], line: bytes, count: int, prev: str) -> str | None:
    """The hash of a line that rightly follows line number `count`, else None."""
    if fields.get("n") != count + 1 or fields.get("prev") != prev:
        return None
    return line_hash(line)


def with_junk(junk: bytes, line: bytes) -> bytes:
    """What a line that is none adds to those right before it; the hash of it is what `torn` states."""
    return (junk + line + b"\n")[-MAX_LINE:]


def _sealed(text: str, prev: str) -> bytes:
    body = f'{text},"prev":"{prev}"'.encode()
    return body + f',"hash":"{hashlib.sha256(body).hexdigest()}"}}'.encode()


def _resume(path: Path) -> tuple[Head, bytes, bool]:
    """Where the log goes on; bytes of a line that was begun and not ended; whether the head was lost.

    The head is what counts: where the file holds fewer lines, the next one is bound to the head's hash all the
    same, and the gap stays visible. Lines behind the head were written by a process that ended before it could
    write the head; they count where they are bound to what is before them.
    """
    head = read_head(path)
    lost = head is None and bool(files(path))
    if head is None:
        head = _last_readable(path) if lost else Head()
        if not lost:
            write_head(path, head)
    if head.size and not lost and _size(path) == head.size:  # as nearly always
        return head, b"", False
    if (moved := rotated_name(path, head.file + 1)).exists():  # the process ended while it rotated
        grown, _ = _read_on(moved, head)
        head = Head(grown.count, grown.hash, head.file + 1, 0)
    if path.exists():
        return *_read_on(path, head), lost
    return Head(head.count, head.hash, head.file, 0), b"", lost


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_on(file: Path, head: Head) -> tuple[Head, bytes]:
    size = file.stat().st_size
    if size == head.size:
        return head, b""
    count, last, junk = head.count, head.hash, b""
    for line in lines_of(file, min(head.size, size), size):
        fields = parsed(line)
        if fields is None:
            junk = with_junk(junk, line)
        elif (own := follows(fields, line, count, last)) is not None:
            count, last, junk = count + 1, own, b""
    return Head(count, last, head.file, size), junk


def _last_readable(path: Path) -> Head:
    """The best guess at a lost head: the last line whose own hash is right."""
    found = Head()
    existing = files(path)
    for file in existing:
        for line in lines_of(file):
            fields, own = parsed(line), line_hash(line)
            if fields is not None and own is not None:
                found = Head(int(str(fields["n"])), own)
    rotated = len([file for file in existing if file != path])
    return Head(found.count, found.hash, rotated, path.stat().st_size if path.exists() else 0)


def _rotated(path: Path, head: Head) -> Head:
    path.rename(rotated_name(path, head.file + 1))
    moved = Head(head.count, head.hash, head.file + 1, 0)
    write_head(path, moved)
    return moved


def _append(path: Path, line: bytes) -> int:
    """Write lines and the last one's newline in one piece, on lines of their own; returns the file's size."""
    line += b"\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.pwrite(handle, line, size)
        if written != len(line):  # the disk is full: leave no half line behind
            os.ftruncate(handle, size)
            raise TrainerError(f"{path} can't be written (the disk is full); free some space and try again.")
        return size + len(line)
    finally:
        os.close(handle)


def _entries(file: Path) -> Iterator[Entry]:
    for line in lines_of(file):
        if (fields := parsed(line)) is not None and (call := call_of(fields)) is not None:
            yield Entry(int(str(fields["n"])), call.time, call)


# A call asks for these several times, and paths are slow to make.
@functools.lru_cache(maxsize=16)
def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


@functools.lru_cache(maxsize=16)
def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
