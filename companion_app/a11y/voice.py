"""Text to the speech command of the system; what comes next cuts off what is being said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable

log = logging.getLogger(__name__)
# Seconds that the focus rests before it is named: Tab, Tab, Tab names only the last one.
REST = 0.12
# Texts that wait; whoever is told more than this hears only the last of it.
MOST = 8
# Nothing that is worth saying takes longer; a command that hangs is ended then.
LONGEST = 60.0


def speech_command(language: str) -> tuple[str, ...] | None:
    """The command that says what it reads from its standard input; None where the system has none."""
    if sys.platform == "darwin":
        return ("say", "-f", "-") if shutil.which("say") else None
    if shutil.which("espeak-ng"):
        return ("espeak-ng", "--stdin", "-v", language or "en")
    if shutil.which("spd-say"):
        # Echoes as well what it reads; `--wait` keeps it there to be cut off.
        return ("spd-say", "--pipe-mode", "--wait", "--language", language or "en")
    return None


class Voice:
    """Says one text after the other. command: gives the speech command, or None; asked each time, as the language may change."""

    def __init__(self, command: Callable[[], tuple[str, ...] | None]) -> None:
        self._command = command
        self._saying: list[asyncio.Task[None]] = []

    def say(self, text: str, *, cut: bool = True) -> None:
        """Say this instead of what is being said, or after it (cut: False)."""
        if cut:
            self.hush()
        self._saying = [task for task in self._saying if not task.done()][-MOST:]
        self._saying.append(asyncio.get_running_loop().create_task(self._say(text, tuple(self._saying))))

    def hush(self) -> None:
        """Say nothing any more."""
        for task in self._saying:
            task.cancel()

    async def close(self) -> None:
        """As `hush`, and wait until the command has ended."""
        self.hush()
        await asyncio.gather(*self._saying, return_exceptions=True)

    async def _say(self, text: str, before: tuple[asyncio.Task[None], ...]) -> None:
        await asyncio.sleep(REST)
        await asyncio.gather(*before, return_exceptions=True)
        command = self._command()
        if command is None:
            return
        try:
            process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
        except OSError as error:
            log.warning("Nothing can be said: %s", error)
            return
        try:
            async with asyncio.timeout(LONGEST):
                await process.communicate(text.encode())
        except TimeoutError:
            log.warning("%s hangs and was ended.", command[0])
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
