"""What happened to releases on this device: one line of JSON each, chained by hashes, from which the state is read again.

A line that is on the disk happened. Each holds the whole state of the specialist it is about, so a journal may begin
anywhere: when it grows too long it begins anew with a line that holds every state and goes on in the same chain, and the
one before stays beside it. A line that a power cut tore is dropped; a chain that is broken elsewhere is put aside, and
the journal goes on from the last sound line and says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import StateError
from edge_runtime.update import disk
from edge_runtime.update.machine import Unit, unit_from

_log = logging.getLogger(__name__)
Json = dict[str, object]
FILE_NAME = "journal.jsonl"
FORMER_NAME = "journal.1.jsonl"
DAMAGED_NAME = "journal.damaged.jsonl"
MOST_BYTES = 256 * 1024  # some 300 lines; with the one before it twice that lies on the disk
MOST_SHOWN = 200
_MOST_LINE = 64 * 1024
START = "0" * 64  # what the first line of all comes after


class Journal:
    """The journal of a folder; blocks, and is used by one thread at a time.

    units: specialist -> its state; since: when it was written down, in seconds since 1970. head: the hash of the last line.
    """

    def __init__(self, folder: Path, most: int = MOST_BYTES) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._most = most
        self.units: dict[str, Unit] = {}
        self.since: dict[str, float] = {}
        self.head = START
        self._count = 0
        self._size = 0
        with disk.storage_errors(folder):
            disk.make_private(folder)
            self._load()

    def record(self, what: str, specialist: str = "", unit: Unit | None = None, **fields: object) -> Json:
        """Write a line down, durably, before anybody acts on it; raises `StorageFull` or `StateError`.

        unit: the state of the specialist from now on. fields: what else a reader wants to know, JSON.
        """
        line: Json = {"specialist": specialist, **fields}
        if unit is not None:
            line["unit"] = unit.plain()
        with disk.storage_errors(self._folder):
            if self._size > self._most:
                self._rotate()
            written = self._append(what, line)
        if unit is not None:
            self._stands(specialist, unit, written)
        return written

    @property
    def count(self) -> int:
        """How many lines were ever written, those that aren't kept any more too."""
        return self._count

    def entries(self, most: int = MOST_SHOWN, before: int | None = None) -> list[Json]:
        """The latest lines, the newest first. before: only those with a lower number than this."""
        with disk.storage_errors(self._folder):
            found = _read(self._path)[0]
            if len(found) < most or before is not None:
                found = _read(self._folder / FORMER_NAME)[0] + found
        return [line for line in found[::-1] if before is None or _number(line) < before][:most]

    def _append(self, what: str, fields: Json) -> Json:
        line = {"n": self._count, "at": round(time.time(), 3), "what": what, **fields, "prev": self.head}
        line["hash"] = hash_of(line)
        raw = strict_json.dumps(line)
        if len(raw) > _MOST_LINE and what != "checkpoint":
            raise StateError("A line of the journal of updates would be too long.")
        new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, self._size)  # what a full disk left of a line
            os.lseek(handle, self._size, os.SEEK_SET)
            disk.write_all(handle, raw)
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, self._size)
            raise
        finally:
            os.close(handle)
        if new:
            disk.sync_folder(self._folder)
        self._size += len(raw)
        self._count += 1
        self.head = str(line["hash"])
        return line

    def _rotate(self) -> None:
        self._path.replace(self._folder / FORMER_NAME)  # a kill here: `_load` goes on from the former
        self._size = 0
        self._append("checkpoint", {"units": self._plain()})

    def _load(self) -> None:
        former = self._folder / FORMER_NAME
        whole = self._take(self._path)
        if not self._count and former.exists():  # killed while it began anew
            whole = self._take(former) and whole
            self._size = 0
            if self._count:
                self._append("checkpoint", {"units": self._plain()})
        if not whole:
            _log.warning("the journal of updates in %s is damaged; it goes on from line %d", self._folder, self._count)
            kept = self._path if self._path.exists() else former
            disk.write_atomic(self._folder / DAMAGED_NAME, kept.read_bytes())
            self._append("damaged", {"units": self._plain()})

    def _stands(self, name: str, unit: Unit, line: Json) -> None:
        at, former = line.get("at"), self.units.get(name)
        if isinstance(at, int | float) and (former is None or former.state is not unit.state):
            self.since[name] = float(at)
        self.units[name] = unit

    def _plain(self) -> Json:
        return {name: unit.plain() for name, unit in self.units.items()}

    def _take(self, path: Path) -> bool:
        """Read a file's lines; whether nothing but a torn last line is wrong with it."""
        lines, self._size, whole = _read(path)
        for line in lines:
            try:
                units = line.get("units")
                for name, raw in units.items() if isinstance(units, dict) else ():
                    self._stands(name, unit_from(raw), line)
                if "unit" in line:
                    self._stands(str(line["specialist"]), unit_from(line["unit"]), line)
            except StateError:
                return False
            self.head, self._count = str(line["hash"]), _number(line) + 1
        return whole


def _read(path: Path) -> tuple[list[Json], int, bool]:
    """The sound lines from the start, the bytes that they take, and whether at most a torn line follows."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, True
    lines: list[Json] = []
    taken, before = 0, ""
    pieces = content.split(b"\n")
    for raw in pieces[:-1]:
        try:
            line = strict_json.loads_object(raw, "The line", StateError)
        except StateError:
            break
        told = line.get("hash")
        if told != hash_of(line) or (before and line.get("prev") != before) or _number(line) < 0:
            break
        before = str(told)
        lines.append(line)
        taken += len(raw) + 1
    # Bytes reach a disk in any order, so the last line may be torn and end with its newline all the same.
    rest = content[taken:]
    return lines, taken, rest.count(b"\n") == 0 or (rest.count(b"\n") == 1 and rest.endswith(b"\n"))


def hash_of(line: Json) -> str:
    """What a line's "hash" must be, over all else that it holds."""
    return hashlib.sha256(strict_json.dumps({key: value for key, value in line.items() if key != "hash"})).hexdigest()


def _number(line: Json) -> int:
    number = line.get("n")
    return number if isinstance(number, int) and not isinstance(number, bool) else -1
