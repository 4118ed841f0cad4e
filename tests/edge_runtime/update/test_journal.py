"""The journal of releases: chained, bounded, and read again after anything that happens to a disk."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from pathlib import Path

import pytest

from edge_runtime import strict_json
from edge_runtime.errors import StorageFull
from edge_runtime.update import journal as journals
from edge_runtime.update.journal import DAMAGED_NAME, FILE_NAME, FORMER_NAME, Journal
from edge_runtime.update.machine import Release, State, Unit

FETCHING = Unit(State.FETCHING, Release("r-1", "models/router/tiny-1.0.0.enigma", "1" * 64, "2" * 64))


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here loses what was written, so these tests needn't wait for a disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def filled(folder: Path, lines: int = 5) -> Journal:
    journal = Journal(folder)
    for number in range(lines):
        journal.record("want", f"tiny-{number % 3}", Unit(State.FETCHING, FETCHING.release, boots=number))
    return journal


def test_a_line_says_what_came_before_it_and_anyone_can_check_that(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    before = "0" * 64
    for raw in (tmp_path / FILE_NAME).read_bytes().splitlines():
        line = json.loads(raw)
        said = line.pop("hash")
        assert line["prev"] == before
        assert hashlib.sha256(strict_json.dumps(line)).hexdigest() == said
        before = said
    assert journal.head == before


def test_the_state_is_read_again_from_the_lines(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    again = Journal(tmp_path)
    assert (again.units, again.head) == (journal.units, journal.head)
    assert [line["n"] for line in again.entries()] == [4, 3, 2, 1, 0]
    assert again.record("note", why="x")["n"] == 5


def test_a_line_torn_at_any_byte_is_dropped(tmp_path: Path) -> None:
    journal = filled(tmp_path, 2)
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        again = Journal(tmp_path)
        assert list(again.units) == ["tiny-0"], end
        assert not (tmp_path / DAMAGED_NAME).exists()
    again.record("want", "tiny-1", journal.units["tiny-1"])
    assert Journal(tmp_path).units == journal.units


def test_a_changed_line_is_noticed_and_what_came_before_it_counts(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    changed = lines[2].replace(b'"boots":2', b'"boots":0')
    assert changed != lines[2]
    path.write_bytes(b"".join([*lines[:2], changed, *lines[3:]]))
    again = Journal(tmp_path)
    assert sorted(again.units) == ["tiny-0", "tiny-1"]
    assert again.entries()[0]["what"] == "damaged"
    assert (tmp_path / DAMAGED_NAME).read_bytes().count(b"\n") == 5
    assert Journal(tmp_path).head == again.head  # and it goes on


def test_a_line_taken_out_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    assert Journal(tmp_path).entries()[0]["what"] == "damaged"


def test_it_stays_bounded_and_in_one_chain(tmp_path: Path) -> None:
    journal = Journal(tmp_path, most=4096)
    for number in range(100):
        journal.record("want", f"tiny-{number % 3}", Unit(State.FETCHING, FETCHING.release, boots=number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * 4096
    again = Journal(tmp_path, most=4096)
    assert {name: unit.boots for name, unit in again.units.items()} == {"tiny-0": 99, "tiny-1": 97, "tiny-2": 98}
    lines = again.entries()[::-1]
    assert (tmp_path / FORMER_NAME).exists()
    assert any(line["what"] == "checkpoint" for line in lines)
    for before, line in itertools.pairwise(lines):
        assert line["prev"] == before["hash"]


def test_a_kill_while_it_begins_anew_loses_nothing(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    (tmp_path / FILE_NAME).rename(tmp_path / FORMER_NAME)  # and there it died
    again = Journal(tmp_path)
    assert again.units == journal.units
    assert again.entries()[0]["prev"] == journal.head
    (tmp_path / FILE_NAME).write_bytes(b'{"n":')  # or a little later
    assert Journal(tmp_path).units == journal.units


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(tmp_path, 2)

    def full(handle: int, chunk: bytes) -> None:
        os.write(handle, chunk[: len(chunk) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(journals.disk, "write_all", full)
        with pytest.raises(StorageFull):
            journal.record("want", "other", FETCHING)
    assert "other" not in journal.units
    journal.record("want", "third", FETCHING)
    assert sorted(Journal(tmp_path).units) == ["third", "tiny-0", "tiny-1"]


@pytest.mark.parametrize("content", [b"\x00" * 4096, b"[]\n[]\n", b"{}\n" * 3, b"\xff\n\n\n"])
def test_what_is_no_journal_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    journal = Journal(tmp_path)
    assert journal.units == {}
    journal.record("want", "tiny", FETCHING)
    assert Journal(tmp_path).units == {"tiny": FETCHING}
