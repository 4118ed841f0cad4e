"""Work on a disk with a deadline: a thread that stands still in the kernel can't be ended, so the others go on without it.

Each piece of work has a thread of its own, which no pool lacks then and no end of the process waits for. One that takes
longer than it may goes on by itself, and until it is back nothing else is begun in the same folder: two would not know of
each other. What it comes to late lies on the disk, where the next try finds it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update import disk

T = TypeVar("T")
SECONDS = 120.0  # for anything small: a cheap card stands still for half a minute when it makes room
LEAST_BYTES_PER_SECOND = 2**19  # that a disk moves at least; cards of class 2 write four times as much
_hung: dict[Path, concurrent.futures.Future[object] | asyncio.Future[object]] = {}


class DiskHangs(StateError):
    """Something on the disk didn't come back in time, or is awaited still."""

    code = "disk_hangs"


def hangs(folder: Path) -> bool:
    """Whether something is awaited there still that didn't come back in time."""
    found = _hung.get(folder)
    if found is not None and found.done():
        del _hung[folder]
        return False
    return found is not None


def refuse(folder: Path) -> None:
    """Raise `DiskHangs` while something is awaited there that didn't come back in time."""
    if hangs(folder):
        raise no_answer(folder)


async def answers(folder: Path) -> bool:
    """Whether its disk takes a byte in time, whatever else stands still there."""
    try:
        await on_disk(folder / ".probe", disk.probe, folder)
    except DiskHangs:
        return False
    except EdgeError:  # a full disk answers too
        return True
    return True


def in_thread(work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    """What work in a thread of its own comes to, for which no end of the process waits."""
    return asyncio.wrap_future(_begun(work, arguments))


async def on_disk(
    folder: Path, work: Callable[..., T], *arguments: object, most_bytes: int = 0, seconds: float | None = None
) -> T:
    """What work in a folder comes to, in a thread; raises `DiskHangs` where it doesn't end in time.

    most_bytes: that it reads or writes at most; seconds: instead of `SECONDS`, beside what these need. A cancellation waits
    for its end, or what comes next would meet it.
    """
    refuse(folder)
    begun = _begun(work, arguments)
    most = (SECONDS if seconds is None else seconds) + most_bytes / LEAST_BYTES_PER_SECOND
    return await _awaited(folder, asyncio.wrap_future(begun), begun, most)


async def within(seconds: float, folder: Path, work: Awaitable[T]) -> T:
    """The same for what awaits such threads by itself: it goes on past the deadline, and is awaited in vain no longer."""
    task = asyncio.ensure_future(work)
    return await _awaited(folder, task, task, seconds)


async def _awaited(
    folder: Path,
    task: asyncio.Future[T],
    really: concurrent.futures.Future[T] | asyncio.Future[T],
    seconds: float,
) -> T:
    ends = time.monotonic() + seconds
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=ends - time.monotonic())
        finally:
            _leave(folder, task, really)
        raise
    if not task.done():
        _leave(folder, task, really)
        raise no_answer(folder)
    return task.result()


def _leave(folder: Path, task: asyncio.Future[T], really: concurrent.futures.Future[T] | asyncio.Future[T]) -> None:
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody waits for it any more
    if not really.done():
        _hung[folder] = really  # type: ignore[assignment]


def no_answer(folder: Path) -> DiskHangs:
    """What is raised where it doesn't."""
    return DiskHangs(
        f"The disk of {folder} doesn't answer, so nothing more is begun there before it does; look at the disk, or start the "
        "device again."
    )


def _begun(work: Callable[..., T], arguments: tuple[object, ...]) -> concurrent.futures.Future[T]:
    promise: concurrent.futures.Future[T] = concurrent.futures.Future()
    promise.set_running_or_notify_cancel()  # from here on nothing cancels it

    def run() -> None:
        try:
            promise.set_result(work(*arguments))
        except BaseException as error:  # the one who awaits it is told of anything
            promise.set_exception(error)

    threading.Thread(target=run, name="disk", daemon=True).start()
    return promise
