"""Verifies the log of calls: names the first line that was edited, deleted, inserted or moved.

What can't be found: a person who may write to the folder can replace the log *and* its head by others that fit
together, whether shorter, changed or empty. Copy the head (its `count` and `hash`) elsewhere from time to time: a log
that is verified against such a copy can't have been changed before it. Lines after the head's last one are accepted
where they are bound to it, because a process may have ended between the two writes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from trainer_host.teacher.audit import (
    GENESIS,
    Head,
    files,
    line_hash,
    lines_of,
    locked,
    parsed,
    read_head,
    rotated_name,
    with_junk,
)
from trainer_host.workspace import storage_errors

_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line. number: as the log counts its lines, from 1. file: where that is, by name."""

    number: int
    file: str
    text: str


@dataclass(frozen=True)
class Verification:
    """lines: that are as they were written. problems: in the order of the log, at most 100. torn: places where a
    process or the machine ended in the middle of a line that it hadn't counted yet: no problem, but told."""

    lines: int
    problems: tuple[Problem, ...]
    torn: int
    head: Head | None

    @property
    def ok(self) -> bool:
        """Whether nothing was changed, as far as one can tell."""
        return not self.problems

    def sentence(self, what: str = "calls") -> str:
        """For a person. what: the log's lines are about."""
        torn = f"; {self.torn} unfinished line(s) of a process that ended" if self.torn else ""
        if self.ok:
            return f"The log is whole: {self.lines} {what}{torn}."
        first, more = self.problems[0], len(self.problems) - 1
        rest = f"; {more} more problem(s) after it" if more else ""
        return f"The log was changed: line {first.number} in {first.file} {first.text}{rest}{torn}."


def verify(path: Path, known: tuple[int, str] | None = None) -> Verification:
    """Check all files of a log; raises `TrainerError` where they can't be read.

    known: (count, hash) of a head that was copied elsewhere; the log must still hold it.
    """
    if not path.parent.is_dir():
        return _Check(None, known).ended(path, torn=b"")
    with storage_errors(path.parent):
        with locked(path):  # for the figures alone: what is appended meanwhile is not looked at
            head = read_head(path)
            ends = {file: file.stat().st_size for file in files(path)}
        check = _Check(head, known)
        rotated = head.file if head is not None else 0
        for number in range(1, rotated + 1):
            if (file := rotated_name(path, number)) not in ends:
                check.missing_file(file)
        junk = b""
        for file, end in ends.items():
            for line in lines_of(file, 0, end):
                junk = check.line(file.name, line, junk)
        return check.ended(path, torn=junk)


class _Check:
    """Walks the lines; after a problem it goes on from what the line itself says."""

    def __init__(self, head: Head | None, known: tuple[int, str] | None) -> None:
        self.head = head
        self.count = 0  # number of the last line
        self.prev = GENESIS
        self.good = 0
        self.torn = 0
        self.problems: list[Problem] = []
        self._marks = [mark for mark in (known, (head.count, head.hash) if head is not None else None) if mark]
        self._missing: str | None = None
        self._skipped: set[int] = set()  # numbers that weren't there in their turn

    def missing_file(self, file: Path) -> None:
        self._missing = self._missing or file.name

    def line(self, file: str, line: bytes, junk: bytes) -> bytes:
        """Look at a line; returns the lines before the next one that are none."""
        fields = parsed(line)
        if fields is None:
            return with_junk(junk, line)
        number, own = int(str(fields["n"])), line_hash(line)
        if junk:
            if fields.get("torn") == hashlib.sha256(junk).hexdigest():
                self.torn += 1
            else:
                self._unreadable(file, number)
        if own is None:
            self._found(self.count + 1, file, "was edited")
            self.count, self.prev = self.count + 1, ""
            return b""
        if not self._in_place(file, number, str(fields.get("prev"))):
            return b""
        if fields.get("lost_head"):
            self._found(number, file, "was written after the log's head had gone, so lines before it may lack")
        self.count, self.prev = number, own
        self.good += 1
        if any(count == number and hash_then != own for count, hash_then in self._marks):
            self._found(number, file, "isn't the one that the head counted: it or lines before it were written anew")
        return b""

    def _in_place(self, file: str, number: int, prev: str) -> bool:
        """Whether a line stands where the walk may go on from it."""
        expected = self.count + 1
        if number > expected:
            gone = f"is missing, and so are those up to {number - 1}" if number > expected + 1 else "is missing"
            self._skipped.update(range(expected, min(number, expected + _MOST_PROBLEMS)))
            self._found(expected, self._missing or file, f"{gone} (deleted or moved)")
        elif number < expected:
            moved = number in self._skipped
            self._found(number, file, "was moved here" if moved else "stands there twice: one of the two was inserted")
            return False
        elif self.prev not in ("", prev):
            self._found(self.count, file, "was written anew: the next line is bound to another")
        return True

    def _unreadable(self, file: str, number: int) -> None:
        if number == self.count + 1:
            self._found(number, file, "has something before it that is no line of the log")
        else:
            self._found(self.count + 1, file, "is no line of the log any more")
            self.count += number > self.count + 1
        self.prev = ""

    def ended(self, path: Path, torn: bytes) -> Verification:
        if torn:
            if self.head is not None and self.count < self.head.count:
                self._found(self.count + 1, path.name, "is cut off")
                self.count += 1
            else:
                self.torn += 1
        if self.head is None and (self.good or self.problems):
            self._found(self.count + 1, path.name + ".head", "can't be told: the head is gone, so the end may be too")
        for count, _ in sorted(self._marks):
            if count > self.count:
                gone = "is missing" if count == self.count + 1 else f"and all up to {count} are missing"
                self._found(self.count + 1, path.name, f"{gone} at the end")
                self.count = count
        return Verification(self.good, tuple(self.problems), self.torn, self.head)

    def _found(self, number: int, file: str, text: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(number, file, text))
