"""A relay between simulated devices and a real server that lets some requests fail, as bad networks do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Traffic:
    """What went through the relay. down: bytes to devices; faults: by kind."""

    requests: int = 0
    down: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Relay:
    """Passes HTTP/1.1 requests on to the real server, and lets some of them fail, as bad networks do."""

    def __init__(self, port: int, faulty: float, draw: random.Random) -> None:
        self.traffic = Traffic()
        self._port, self._faulty, self._draw = port, faulty, draw
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        """Where devices find it."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._port)
            while await self._one(reader, writer, *upstream):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def _one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> bool:
        """One request; whether the connection goes on."""
        request = await reader.readuntil(b"\r\n\r\n")
        self.traffic.requests += 1
        fault = ""
        if self._draw.random() < self._faulty:
            fault = self._draw.choice(("dropped", "cut short", "503", "slow"))
            self.traffic.faults[fault] += 1
        if fault == "dropped":
            return False
        if fault == "503":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n")
            await writer.drain()
            return True
        if fault == "slow":
            await asyncio.sleep(self._draw.uniform(0.02, 0.1))
        to_server.write(request)
        head = await from_server.readuntil(b"\r\n\r\n")
        left = _length(head)
        if fault == "cut short":
            left = self._draw.randrange(left) if left else 0
        writer.write(head)
        self.traffic.down += len(head) + left
        while left:
            piece = await from_server.read(min(left, 65536))
            if not piece:
                return False
            left -= len(piece)
            writer.write(piece)
        await writer.drain()
        return fault != "cut short"


def _length(head: bytes) -> int:
    """The body's length by an answer's head; a 304 has none, whatever it says (RFC 9110 8.6)."""
    if head.startswith(b"HTTP/1.1 304"):
        return 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
