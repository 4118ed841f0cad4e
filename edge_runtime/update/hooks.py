"""Hooks: programs of the device's owner that run before and after an update, or say how the device stands.

A hook is an executable in a folder that only the daemon's user (or root) can write to: else anybody who can write there
would run as the daemon. `pre-update` stops an update by exiting with anything but 0; `post-update` is told how it went;
`is-docked` and `is-charging` exit with 0 for yes and 1 for no.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from edge_runtime.errors import EdgeError

PRE, POST, DOCKED, CHARGING = "pre-update", "post-update", "is-docked", "is-charging"
KEPT_BYTES = 4096  # of what a hook writes, the end: a cause stands there
CAUSE_CHARACTERS = 200
_GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL, and for output that a child in another session holds open
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HookError(EdgeError):
    """A hook can't be run safely, or stopped the update; the sentence says why."""

    code = "hook"


@dataclass(frozen=True)
class HookRun:
    """What a hook did. status: its exit status, negative for the signal that ended it, None past the deadline.

    last: the last line that it wrote.
    """

    name: str
    status: int | None
    last: str
    seconds: float

    @property
    def cause(self) -> str:
        """A sentence where it didn't exit with 0, else empty."""
        if self.status == 0:
            return ""
        if self.status is None:
            told = f"The hook '{self.name}' wasn't done after {self.seconds:.0f} seconds and was stopped"
        elif self.status < 0:
            told = f"The hook '{self.name}' was ended by signal {-self.status}"
        else:
            told = f"The hook '{self.name}' said no (exit status {self.status})"
        return f"{told}: {self.last}" if self.last else f"{told}."


def find_hook(folder: Path, name: str) -> Path | None:
    """A hook's path, None where there is none; raises `HookError` where others than the owner could change it.

    Refused are folders and files of another user than this process's or root, those that group or others may write to,
    up to the root of the file system (but for folders with the sticky bit, as /tmp), links, and what isn't executable.
    """
    real = folder.resolve()
    path = real / name
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise HookError(f"The hook {path} can't be read: {cause.strerror}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise HookError(f"The hook {path} isn't a file (links aren't followed); put the program itself there.")
    if not found.st_mode & stat.S_IXUSR:
        raise HookError(f"The hook {path} isn't executable; run 'chmod 700 {path}'.")
    _check_owner(path, found)
    _check_owner(real, real.lstat())
    for parent in {*real.parents, *folder.absolute().parents}:
        _check_owner(parent, parent.stat(), sticky=True)
    return path


async def run_hook(path: Path, told: Mapping[str, str], deadline: float) -> HookRun:
    """Run a hook and wait for it, at most `deadline` seconds; then it and what it started are stopped.

    told: its environment beside PATH and LANG, and nothing of the daemon's. Its input is empty; of its output the last
    `KEPT_BYTES` are kept. Raises `HookError` where it can't be started.
    """
    started = time.monotonic()
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", **told}
    # A pipe of our own: asyncio's wait for a process waits for its pipes too, which its children may hold open.
    reader, writer = os.pipe()
    output = os.fdopen(reader, "rb", buffering=0)
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            cwd=path.parent,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as cause:  # ValueError: a NUL in the environment
        output.close()
        raise HookError(f"The hook {path} can't be started: {getattr(cause, 'strerror', None) or cause}.") from None
    finally:
        os.close(writer)
    end = bytearray()
    reading = asyncio.create_task(_drain(output, end))
    status: int | None = None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                status = await process.wait()
        if status is None:
            await _stop(process)
        _signal(process.pid, signal.SIGKILL)  # children that it left behind, which may hold its output open
        await asyncio.wait([reading], timeout=_GRACE_SECONDS)
    finally:
        _signal(process.pid, signal.SIGKILL)
        reading.cancel()
        await asyncio.wait([reading])
    return HookRun(path.name, status, _last_line(bytes(end)), time.monotonic() - started)


def _check_owner(path: Path, found: os.stat_result, sticky: bool = False) -> None:
    if found.st_uid not in (0, os.getuid()):
        raise HookError(f"{path} belongs to another user, who could change the hooks; own it, or move the hooks.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (sticky and found.st_mode & stat.S_ISVTX):
        raise HookError(f"Others may write to {path}, and could change the hooks; run 'chmod go-w {path}'.")


async def _drain(output: FileIO, end: bytearray) -> None:
    """Read all that it writes, or it would stand still, and keep the end."""
    stream = asyncio.StreamReader(KEPT_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), output
    )
    try:
        while piece := await stream.read(KEPT_BYTES):
            end += piece
            del end[:-KEPT_BYTES]
    finally:
        transport.close()


async def _stop(process: asyncio.subprocess.Process) -> None:
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
        return
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    """To the hook's whole process group: it began a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return "".join(c if c.isprintable() else "?" for c in last)[:CAUSE_CHARACTERS]
