"""The disk that forgets: it keeps what POSIX promises after a power cut, may lose the rest, and follows a real process."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .crash_disk import STRACE, Call, CrashDisk, Tree, calls, put

OLD, NEW = b"the old pointer", b"the new pointer, which is longer"
ATOMIC = (
    Call("open", ".p.part", flags="O_WRONLY|O_CREAT|O_EXCL"),
    Call("write", ".p.part", data=NEW),
    Call("fsync", ".p.part"),
    Call("rename", ".p.part", "p"),
    Call("fsync", ""),
)


def left_by(tmp_path: Path, done: tuple[Call, ...]) -> list[Tree]:
    """What a cut after these calls may leave of a folder with one file."""
    folder = tmp_path / "before"
    put({"p": OLD}, folder)
    disk = CrashDisk(folder)
    for call in done:
        disk.do(call)
    return list(disk.after_a_cut(random.Random(0), mixes=20))


@pytest.mark.parametrize("count", range(len(ATOMIC) + 1))
def test_a_synced_write_and_rename_is_the_old_or_the_new_file_at_every_step(tmp_path: Path, count: int) -> None:
    pointers = {tree.get("p") for tree in left_by(tmp_path, ATOMIC[:count])}
    assert pointers == ({OLD} if count < 4 else {OLD, NEW} if count == 4 else {NEW})


def test_without_the_sync_a_rename_may_leave_an_empty_a_half_or_a_zeroed_file(tmp_path: Path) -> None:
    unsynced = tuple(call for call in ATOMIC if call.path != ".p.part" or call.kind != "fsync")
    pointers = {tree.get("p") for tree in left_by(tmp_path, unsynced)}
    assert pointers == {b"", NEW, NEW[: len(NEW) // 2], bytes(len(NEW))}


def test_a_synced_file_without_its_synced_folder_may_have_no_name(tmp_path: Path) -> None:
    trees = left_by(tmp_path, ATOMIC[:3])
    assert {".p.part" in tree for tree in trees} == {True, False}
    assert {tree.get(".p.part") for tree in trees} == {None, NEW}


def test_a_rename_between_folders_may_leave_both_names_and_never_none(tmp_path: Path) -> None:
    done = (Call("mkdir", "d"), Call("fsync", ""), Call("rename", "p", "d/p"))
    trees = left_by(tmp_path, done)
    assert {("p" in tree, "d/p" in tree) for tree in trees} == {(True, False), (True, True), (False, True)}


def test_names_below_a_folder_that_was_lost_are_lost(tmp_path: Path) -> None:
    trees = left_by(tmp_path, (Call("mkdir", "d"), Call("open", "d/f", flags="O_CREAT"), Call("fsync", "d")))
    assert {("d" in tree, "d/f" in tree) for tree in trees} == {(False, False), (True, True)}


SCRIPT = """
import os, shutil, sys
root = sys.argv[1]
os.mkdir(f"{root}/d")
h = os.open(f"{root}/d/a, b", os.O_WRONLY | os.O_CREAT)
os.write(h, b'x\\0y"\\n'); os.lseek(h, 1, 0); os.write(h, b"Z"); os.fsync(h); os.pwrite(h, b"!", 9); os.ftruncate(h, 11)
os.close(h)
os.rename(f"{root}/d/a, b", f"{root}/d/c")
open(f"{root}/p", "r+b").write(b"THE")
open(f"{root}/e", "wb").write(b"tail")
os.mkdir(f"{root}/t"); open(f"{root}/t/f", "wb").close(); shutil.rmtree(f"{root}/t")
os.unlink(f"{root}/e")
h = os.open(root, os.O_RDONLY); os.fsync(h)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace isn't installed (Debian: apt-get install strace)")
def test_a_replay_of_what_strace_wrote_down_is_what_the_process_did(tmp_path: Path) -> None:
    before, root, log = tmp_path / "before", tmp_path / "root", tmp_path / "log"
    for folder in (before, root):
        put({"p": OLD}, folder)
    subprocess.run(["strace", *STRACE, "-o", log, sys.executable, "-S", "-c", SCRIPT, root], check=True, timeout=60)
    disk = CrashDisk(before)
    made = calls(log, root)
    for call in made:
        disk.do(call)
    assert disk.live() == {"d": None, "d/c": b'xZy"\n\0\0\0\0!\0', "p": b"THE old pointer"}
    assert {path.relative_to(root).as_posix() for path in root.rglob("*")} == set(disk.live())
    assert [call.path for call in made if call.kind == "fsync"] == ["d/a, b", ""]
    cut = {tree["d/c"] for tree in disk.after_a_cut(random.Random(0)) if "d/c" in tree}
    assert b'xZy"\n' in cut  # what was synced
    assert len(cut) > 1
