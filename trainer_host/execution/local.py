"""Calls in worker processes of this machine: killed at their deadline, replaced when they die, gone with their parent.

Why not a library's pool, judged in November 2026; pebble was run: `concurrent.futures` has no deadline that ends a call, and one dead
process breaks the whole pool. loky 3.7 (BSD, 2026-09) is the same in both. pebble 5.2 (LGPL, 2026-10) has the
deadline, but its workers share one pipe under a lock: `kill -9` of an *idle* one, as the kernel does when memory is
short, broke the pool for good. And all start processes by `multiprocessing`, which runs the person's main script again
in each; a script that calls `trainer.train_from_api_data(...)` without an `if __name__ == "__main__"` would send its
requests twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from trainer_host.execution.worker import LENGTH, MAX_FRAME_BYTES, READY, framed, packed_call, unpacked
from trainer_host.executor import DEADLINE_SECONDS, RERUNS, WorkerLost

P = ParamSpec("P")
T = TypeVar("T")

START_SECONDS = 60.0  # an interpreter and a few imports: under a second, on a machine that isn't overloaded
END_SECONDS = 10.0  # a killed process is gone at once, unless the kernel is writing a core file

# Without the main script: the worker imports what a call names, and nothing else.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from trainer_host.execution.worker import serve; serve()"
)


class LocalExecutor:
    """See `Executor`. Belongs to one event loop; a process starts when a call needs one."""

    def __init__(self, workers: int | None = None, deadline: float = DEADLINE_SECONDS) -> None:
        self.capacity = workers if workers is not None else _processors()
        self._deadline = deadline
        self._slots = asyncio.Semaphore(self.capacity)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Executor`. A call whose process dies runs again, at most `RERUNS` times; then `WorkerLost`.

        A cancelled call's process is killed. The deadline counts from when a process takes the call.
        """
        call = packed_call(function, args, kwargs)
        name = getattr(function, "__qualname__", "the call")
        return cast(T, unpacked(await self.run(call, name)))

    async def run(self, call: bytes, name: str) -> bytes:
        """What `submit` does, between what `packed_call` made and what `unpacked` takes."""
        async with self._slots:
            status: int | None = None
            for _ in range(1 + RERUNS):
                worker = await self._take()
                whole = False
                try:
                    async with asyncio.timeout(self._deadline):
                        outcome = await worker.ask(call)
                    whole = True
                    return outcome
                except TimeoutError:
                    raise TimeoutError(f"{name} took longer than {self._deadline:.3g} seconds and was ended") from None
                except (EOFError, OSError):
                    status = await worker.end()
                finally:
                    if whole and not self._closed:
                        self._idle.append(worker)
                    else:
                        await self._end(worker)
            raise WorkerLost(
                f"{name} ended its worker process {1 + RERUNS} times ({_told(status)}); "
                "it may need more memory than there is."
            )

    async def close(self) -> None:
        """See `Executor`. Calls that run are given up."""
        self._closed = True
        self._idle.clear()
        await asyncio.gather(*(self._end(worker) for worker in list(self._all)))

    async def _take(self) -> _Worker:
        if self._idle:
            return self._idle.pop()
        if self._closed:
            raise RuntimeError("the executor is closed")
        worker = await _Worker.start()
        self._all.add(worker)
        if self._closed:
            await self._end(worker)
            raise RuntimeError("the executor is closed")
        return worker

    async def _end(self, worker: _Worker) -> None:
        await worker.end()
        self._all.discard(worker)


class _Worker:
    """One process, with its pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._calls = process.stdin
        self._outcomes = process.stdout

    @classmethod
    async def start(cls) -> _Worker:
        """A process that is ready to take calls; raises `WorkerLost` where none can be started."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _START,
            json.dumps(sys.path),
            stdin=PIPE,
            stdout=PIPE,
            limit=2**20,
            env=_environment(),
            # A session of its own: Ctrl-C on the terminal isn't for it, and what it starts is ended with it.
            start_new_session=True,
        )
        worker = cls(process)
        ready = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await worker._read()
        except (EOFError, OSError, TimeoutError):
            pass
        finally:
            if ready != READY:
                status = await worker.end()
        if ready != READY:
            raise WorkerLost(f"A worker process can't be started ({_told(status)}); is there memory left?")
        return worker

    async def ask(self, call: bytes) -> bytes:
        """What comes of one call; raises `EOFError` or `OSError` where the process dies."""
        self._calls.write(framed(call))
        await self._calls.drain()
        return await self._read()

    async def end(self) -> int | None:
        """Kill it with all that it started; its exit status, negative for a signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._calls.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                return await self._process.wait()
        return None

    async def _read(self) -> bytes:
        [length] = LENGTH.unpack(await self._outcomes.readexactly(LENGTH.size))
        if length > MAX_FRAME_BYTES:
            raise EOFError
        return await self._outcomes.readexactly(length)


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Ours without what is secret: a worker sends no requests, and may run what a teacher wrote."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "PASSPHRASE"))}
    return {"OMP_NUM_THREADS": "1"} | kept  # there is a process per processor already


def _told(status: int | None) -> str:
    if status is None:
        return "it doesn't end"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
