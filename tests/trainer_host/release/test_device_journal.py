"""A device's journal as its host checks it: whole, cut off, written anew, edited, and with lines that it doesn't keep."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.update.journal import FILE_NAME, START, Journal
from edge_runtime.update.journal_head import Head
from edge_runtime.update.source import updates_folder
from tests.edge_runtime.conftest import RunningDevice
from trainer_host.cli import main
from trainer_host.release.device_journal import FILE, check_lines
from trainer_host.release.devices import Device, remember
from trainer_host.workspace import Workspace

Json = dict[str, object]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def written(folder: Path, lines: int, why: str = "x", most: int = 10**6) -> tuple[list[Json], Head]:
    journal = Journal(folder, most)
    for number in range(lines):
        journal.record("note", why=f"{why} {number}")
    return journal.entries(), Head("d", journal.count, journal.head, 1e9)


def test_a_whole_journal_and_one_that_goes_on_from_what_was_known_are_fine(tmp_path: Path, quick: None) -> None:
    assert check_lines([], Head("d", 0, START, 0.0), None) == ("", 0)
    lines, known = written(tmp_path, 4)
    assert check_lines(lines, known, None) == ("", 0)
    assert check_lines(lines, known, known) == ("", 0)
    lines, head = written(tmp_path, 3)
    assert head.count == 7
    assert check_lines(lines, head, known) == ("", 0)
    assert check_lines(lines[:3], head, known) == ("", 0)  # the rest is what it goes on from
    assert check_lines(lines[:2], head, known) == ("", 1)


def test_lines_that_were_cut_off_changed_or_written_anew_are_named(tmp_path: Path, quick: None) -> None:
    lines, known = written(tmp_path / "true", 6)
    shorter, cut = written(tmp_path / "cut", 4)
    assert "4 lines and had 6 on 2001-09-09" in check_lines(shorter, cut, known)[0]
    assert "no line of its journal" in check_lines([], known, None)[0]
    anew, other = written(tmp_path / "anew", 9, "another")
    assert "Line 6 of the journal is another one" in check_lines(anew, other, known)[0]
    assert "Line 7 of the journal doesn't go on" in check_lines(anew[:3], other, known)[0]
    for change in ({"why": "nothing"}, {"n": 9}, {"hash": "0" * 64}, {"at": float("nan")}):
        edited = [{**line, **change} if i == 2 else line for i, line in enumerate(lines)]
        assert "Line 4 of the journal isn't the one" in check_lines(edited, known, None)[0]
    assert "Line 4 of the journal" in check_lines([*lines[:2], *lines[3:]], known, None)[0]
    assert "Line 6 of the journal" in check_lines(lines[1:], known, None)[0]


def test_a_journal_that_began_anew_on_the_disk_is_still_the_same_chain(tmp_path: Path, quick: None) -> None:
    _, known = written(tmp_path, 2)
    lines, head = written(tmp_path, 60, most=2000)
    assert len(lines) < head.count  # the oldest aren't kept
    problem, gap = check_lines(lines, head, known)
    assert problem == "" and gap == head.count - len(lines) - known.count > 0


def test_the_host_sees_on_a_real_device_that_its_journal_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state, home = tmp_path / "device", Workspace(tmp_path / "home")
    monkeypatch.setenv("ENIGMA_HOME", str(home.home))
    journal = Journal(updates_folder(state))
    for number in range(5):
        journal.record("note", specialist="tiny", version=f"1.0.{number}")

    @contextlib.contextmanager
    def running() -> Iterator[None]:
        device = RunningDevice(state)
        remember(home, Device("robo", device.url, device.token, device_key(IdentityFolder(state)).id))
        yield
        assert device.stop() == 0

    def audit(*options: str) -> tuple[int, str]:
        code = main(["audit", "--device", "robo", *options])
        told = capsys.readouterr()
        return code, told.out + told.err

    with running():
        code, told = audit()
    assert code == 0 and "tiny 1.0.4" in told and "robo is whole: 5 of its 5 lines" in told
    kept = told.rsplit(maxsplit=1)[-1]
    path = updates_folder(state) / FILE_NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    with running():
        code, told = audit()
        assert code == 1 and "3 lines and had 5" in told
        (home.home / FILE).unlink()  # what the host itself kept may be lost
        code, told = audit("--known", kept, "--json")
    assert code == 1 and "had 5 on the day that you kept" in told
    assert json.loads(told[: told.rindex("}") + 1])["head"]["count"] == 3
