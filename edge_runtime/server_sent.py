"""Server-sent events (WHATWG HTML, 9.2), as far as answers are streamed by them: their data, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

MAX_DATA_BYTES = 256 * 1024  # of one event; a token with its probabilities has a few kilobytes


class Lines(Protocol):
    """What lines are read from, as aiohttp's `StreamReader`."""

    async def readline(self) -> bytes:
        """The next line with its end; b"" at the end of all."""


async def event_data(lines: Lines, seconds: float) -> AsyncGenerator[str, None]:
    """The data of each event. Raises TimeoutError where nothing comes for so long, ValueError for a line without end."""
    held: list[bytes] = []
    while True:
        async with asyncio.timeout(seconds):
            line = await lines.readline()
        if not line:
            return  # an event without its blank line isn't one
        line = line.rstrip(b"\r\n")
        if line.startswith(b"data:"):
            held.append(line[5:].removeprefix(b" "))
            if sum(map(len, held)) > MAX_DATA_BYTES:
                raise ValueError("an event without end")
        elif not line and held:
            yield b"\n".join(held).decode("utf-8", "replace")
            held.clear()
