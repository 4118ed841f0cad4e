"""Asks models in a process beside the server, which begins at the first question and ends when nobody asks any more."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

from edge_runtime.errors import Overloaded
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

IDLE_SECONDS = 180.0  # two models in memory are dear; loading them again takes seconds
ANSWER_BYTES = 4 * 2**20
MAX_WAITING = 4


class Workbench:
    """One question at a time. Every method belongs to the event loop's thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, orders: list[Json], seconds: float) -> list[Json]:
        """The answers to orders of `trainer_host.evaluation.bench`.

        Raises `Unprocessable` with its sentence where one can't be answered, `Overloaded` where it takes too long.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded("The host is asking models for others; try again.", 5.0)
        self._waiting += 1
        try:
            async with self._turn:
                if self._idle is not None:
                    self._idle.cancel()
                try:
                    async with asyncio.timeout(seconds):
                        return [await self._one(order) for order in orders]
                except TimeoutError:
                    await self.close()
                    raise Overloaded("The model took too long to answer.", 10.0) from None
                except (ConnectionError, ValueError):
                    await self.close()
                    raise Overloaded("The process that asks models ended; the host's log says why.", 5.0) from None
                except asyncio.CancelledError:
                    await self.close()  # an answer that nobody waits for would be taken for the next one's
                    raise
                finally:
                    loop = asyncio.get_running_loop()
                    self._idle = loop.call_later(IDLE_SECONDS, self._let_go)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _let_go(self) -> None:
        if self._process is not None and self._process.returncode is None and self._process.stdin is not None:
            self._process.stdin.close()  # it ends by itself
        self._process = None

    async def _one(self, order: Json) -> Json:
        if self._process is None or self._process.returncode is not None:
            command = [sys.executable, "-m", "trainer_host.evaluation.bench", str(self._workspace.home)]
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=ANSWER_BYTES
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise ConnectionError
        answer: Json = json.loads(line)
        if "error" in answer:
            raise Unprocessable(str(answer["error"]))
        found = answer["answer"]
        assert isinstance(found, dict)
        return found
