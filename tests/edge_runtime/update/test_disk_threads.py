"""Work on a disk that stands still: the one who waits goes on in time, and nothing else begins there before it is back."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from edge_runtime.update import disk_threads
from edge_runtime.update.disk_threads import DiskHangs, hangs, on_disk, within

SHORT = 0.05


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What the hung disk waits for."""
    monkeypatch.setattr(disk_threads, "SECONDS", SHORT)
    return threading.Event()


async def until_back(folder: Path) -> None:
    async with asyncio.timeout(60):
        while hangs(folder):  # noqa: ASYNC110 - a thread ends it
            await asyncio.sleep(0.01)


async def test_what_ends_in_time_is_its_result_or_its_error(tmp_path: Path) -> None:
    assert await on_disk(tmp_path, max, 3, 5) == 5
    with pytest.raises(FileNotFoundError):
        await on_disk(tmp_path, (tmp_path / "none").read_bytes)


async def test_nothing_begins_in_a_folder_before_what_hangs_there_is_back(
    tmp_path: Path, back: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    with pytest.raises(DiskHangs, match="doesn't answer"):
        await on_disk(tmp_path, lambda: back.wait(100) and done.append("late"))
    with pytest.raises(DiskHangs):
        await on_disk(tmp_path, done.append, "not begun")
    monkeypatch.setattr(disk_threads, "SECONDS", 60.0)
    assert await on_disk(tmp_path / "another", max, 1, 2) == 2
    assert hangs(tmp_path)
    back.set()
    await until_back(tmp_path)
    await on_disk(tmp_path, done.append, "next")
    assert done == ["late", "next"]


async def test_more_bytes_have_more_time(tmp_path: Path, back: threading.Event) -> None:
    waiting = asyncio.create_task(on_disk(tmp_path, back.wait, 30, most_bytes=20 * disk_threads.LEAST_BYTES_PER_SECOND))
    await asyncio.sleep(4 * SHORT)
    assert not waiting.done()
    back.set()
    assert await waiting is True


async def test_a_cancellation_waits_for_the_thread_but_not_for_ever(tmp_path: Path, back: threading.Event) -> None:
    waiting = asyncio.create_task(on_disk(tmp_path, back.wait, 30))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert hangs(tmp_path)
    back.set()
    await until_back(tmp_path)


async def test_what_awaits_threads_by_itself_is_left_in_time_too(tmp_path: Path, back: threading.Event) -> None:
    held = asyncio.Lock()

    async def change() -> str:
        async with held:
            return str(await disk_threads.in_thread(back.wait, 30))

    with pytest.raises(DiskHangs):
        await within(SHORT, tmp_path, change())
    assert held.locked() and hangs(tmp_path)  # nobody else changes anything meanwhile
    back.set()
    await until_back(tmp_path)
    assert not held.locked()
