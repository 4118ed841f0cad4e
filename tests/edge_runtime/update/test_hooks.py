"""Hooks: real programs, in folders that are safe and that aren't; slow ones, loud ones, and ones that leave children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.update.hooks import KEPT_BYTES, PRE, HookError, find_hook, run_hook


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hooks"
    made.mkdir(mode=0o700)
    return made


def write(folder: Path, script: str, name: str = PRE, mode: int = 0o700) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(mode)
    return path


async def still_runs(group: int) -> bool:
    """Whether a process of a group runs, after it had a moment to end. One that nobody waited for doesn't run."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended just now
                found.append(path.read_text().rpartition(")")[2].split())
        if not any(int(fields[2]) == group and fields[0] not in "ZX" for fields in found):
            return False
        await asyncio.sleep(0.01)
    return True


async def test_a_hook_that_says_yes_has_no_cause(folder: Path) -> None:
    write(folder, 'echo "$UPDATE of $(pwd)"; env | cut -d= -f1 | sort | tr "\\n" " "')
    path = find_hook(folder, PRE)
    assert path is not None
    run = await run_hook(path, {"UPDATE": "home-en 1.4.0"}, 60)
    assert (run.status, run.cause) == (0, "")
    assert run.last.split() == ["LANG", "PATH", "PWD", "UPDATE"]


async def test_what_a_hook_says_last_is_the_cause(folder: Path) -> None:
    run = await run_hook(write(folder, 'echo starting; echo "the arm \x1b[31mmoves" >&2; echo; exit 3'), {}, 60)
    assert run.cause == "The hook 'pre-update' said no (exit status 3): the arm ?[31mmoves"
    run = await run_hook(write(folder, "kill -SEGV $$"), {}, 60)
    assert run.cause == "The hook 'pre-update' was ended by signal 11."


async def test_a_hook_past_its_deadline_is_stopped_with_what_it_started(
    folder: Path, tmp_path: Path, leap: Callable[[float], None]
) -> None:
    told, child = tmp_path / "told", f"{sys.executable} -c 'import time; time.sleep(600)'"
    path = write(folder, f"echo $$; {child} & touch {told}; sleep 600; echo never")
    running = asyncio.create_task(run_hook(path, {}, 600))
    async with asyncio.timeout(60):
        while not told.exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)  # until what it said is read
    leap(601)
    run = await running
    assert run.status is None
    assert "wasn't done after" in run.cause
    assert not await still_runs(int(run.last))


async def test_a_loud_hook_takes_no_memory_and_ends(folder: Path) -> None:
    run = await run_hook(write(folder, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1"), {}, 60)
    assert run.last == "end"
    run = await run_hook(write(folder, f"head -c {KEPT_BYTES * 3} /dev/zero | tr '\\0' x; exit 1"), {}, 60)
    assert len(run.cause) < 400


async def test_a_child_left_behind_is_not_waited_for(folder: Path) -> None:
    run = await asyncio.wait_for(run_hook(write(folder, "sleep 600 & echo done"), {}, 500), 60)
    assert (run.status, run.last) == (0, "done")


async def test_a_cancelled_hook_is_stopped(folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = f"echo $$ > {told}.new; mv {told}.new {told}; sleep 600"
    running = asyncio.create_task(run_hook(write(folder, script), {}, 600))
    async with asyncio.timeout(60):
        while not told.exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await still_runs(int(told.read_text()))


def test_no_hook_is_no_hook(folder: Path) -> None:
    assert find_hook(folder, PRE) is None
    assert find_hook(folder / "nowhere", PRE) is None


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_hook_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    write(folder, "exit 0", mode=mode)
    with pytest.raises(HookError, match="Others may write to"):
        find_hook(folder, PRE)


@pytest.mark.parametrize("which", ["hooks", "."])
def test_a_folder_that_others_may_write_is_refused(folder: Path, which: str) -> None:
    write(folder, "exit 0")
    changed = (folder.parent / which).resolve()
    changed.chmod(0o777)
    with pytest.raises(HookError, match="Others may write to"):
        find_hook(folder, PRE)
    changed.chmod(0o700)
    assert find_hook(folder, PRE) is not None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_hook_of_another_user_is_refused(folder: Path) -> None:
    os.chown(write(folder, "exit 0"), 12345, -1)
    with pytest.raises(HookError, match="belongs to another user"):
        find_hook(folder, PRE)


def test_links_and_what_cant_be_executed_are_refused(folder: Path, tmp_path: Path) -> None:
    path = write(folder, "exit 0", mode=0o600)
    with pytest.raises(HookError, match="isn't executable; run 'chmod 700"):
        find_hook(folder, PRE)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HookError, match="links aren't followed"):
        find_hook(folder, PRE)


async def test_what_cant_be_started_is_told_in_a_sentence(folder: Path) -> None:
    path = folder / PRE
    path.write_bytes(b"#!/nowhere/at/all\n")
    path.chmod(0o700)
    with pytest.raises(HookError, match="can't be started"):
        await run_hook(path, {}, 5)
    write(folder, "exit 0")
    with pytest.raises(HookError, match="can't be started"):
        await run_hook(path, {"NAME": "nul\0"}, 5)
