"""The calls around a batch: small ones that are tried again, uploads from a file, results line by line."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from trainer_host.errors import TeacherStopped
from trainer_host.teacher.connection import Answered, Connection, Deadlines, Kind, Trouble
from trainer_host.teacher.protocol import Json, Key
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.scrub import scrubbed
from trainer_host.teacher.wires import wire_of
from trainer_host.teacher.wires.refusals import Refusal, Verdict, read_refusal

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

MAX_LINE = 8 * 2**20  # as much as a direct answer may have
_MAX_SMALL = 4 * 2**20  # a page of a list of 100 batches has some 100 kB
_SMALL = Deadlines(10.0, 60.0)
_LARGE = Deadlines(10.0, 3600.0)  # 200 MB at 60 kB/s
_IDLE_SECONDS = 60.0  # without a byte of a file
_CHUNK = 2**16

OnLine = Callable[[bytes], None]


@dataclass(frozen=True)
class Patience:
    """How often a call is tried, and seconds between tries: the first, and the most."""

    tries: int = 6
    first: float = 1.0
    most: float = 60.0


class KeyRefused(TeacherStopped):
    """The provider doesn't take this key (for batches). said: its words, scrubbed."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class Uncertain(TeacherStopped):
    """A call that must not be made twice ended without an answer; it may have been heard."""


class CallRefused(TeacherStopped):
    """The provider refuses this call, whoever makes it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Channel:
    """Calls to one provider. Belongs to one event loop.

    All raise `TeacherStopped`: `KeyRefused` and `CallRefused` by what the provider says, else once patience is at
    an end.
    """

    def __init__(self, endpoint: Endpoint, patience: Patience | None = None) -> None:
        self.endpoint = endpoint
        self._patience = patience or Patience()
        self._wire = wire_of(endpoint)
        self._small = Connection(_SMALL, _MAX_SMALL)
        self._uploads = Connection(_LARGE, _MAX_SMALL)
        self._files = _Files(_LARGE, _MAX_SMALL)

    async def get(self, url: str, key: Key | None) -> Json:
        """A JSON object."""
        return await self._tried(key, lambda: self._small.get(url, self._headers(key)))

    async def post(self, url: str, key: Key | None, body: bytes) -> Json:
        """Send what must not be heard twice: tried again only where it can't have been heard; see `Uncertain`."""
        return await self._tried(key, lambda: self._small.post(url, self._headers(key), body), once=True)

    async def upload(self, url: str, key: Key | None, content: BinaryIO, media_type: str, *, once: bool) -> Json:
        """Send a file, in pieces. once: it must not be heard twice."""

        async def send() -> Answered | Trouble:
            headers = {**self._headers(key), "Content-Type": media_type}
            # aiohttp closes what it sends, so each try gets a handle of its own.
            with os.fdopen(os.dup(content.fileno()), "rb") as source:
                source.seek(0)
                # aiohttp takes a file as well as bytes, and sends it in pieces with its length.
                return await self._uploads.post(url, headers, source)  # type: ignore[arg-type]

        return await self._tried(key, send, once=once)

    async def lines(self, url: str, key: Key | None, on_line: OnLine, most_bytes: int) -> None:
        """Call `on_line` for every line of a file; from the start again where the connection breaks."""

        async def read() -> Answered | Trouble:
            return await self._files.lines(url, self._headers(key), on_line, most_bytes)

        await self._tried(key, read, empty=True)

    async def close(self) -> None:
        """Close the connections."""
        for connection in (self._small, self._uploads, self._files):
            await connection.close()

    def _headers(self, key: Key | None) -> dict[str, str]:
        made = self._wire.headers(key.secret if key is not None else None)
        return {**made, **dict(self.endpoint.headers)}

    async def _tried(
        self,
        key: Key | None,
        call: Callable[[], Awaitable[Answered | Trouble]],
        *,
        once: bool = False,
        empty: bool = False,
    ) -> Json:
        said = "nothing"
        for attempt in range(self._patience.tries):
            got = await call()
            wait: float | None = None
            if isinstance(got, Trouble):
                said = f"{got.kind.value} ({got.detail})"
                if got.kind in (Kind.UNTRUSTED, Kind.TOO_LONG):
                    break
                if once and got.kind is not Kind.NOT_REACHED:
                    raise Uncertain(self._sentence(said))
            elif 200 <= got.status < 300:
                if empty:
                    return {}
                if (found := _object(got.body)) is not None:
                    return found
                said = "answers something else than JSON"
                if once:
                    raise Uncertain(self._sentence(said))
            else:
                refusal = read_refusal(got.status, got.headers, got.body)
                said = self._words(refusal, key)
                self._judge(refusal, said, once)
                wait = refusal.retry_after
            if attempt + 1 < self._patience.tries:
                await asyncio.sleep(self._wait(attempt, wait))
        raise TeacherStopped(self._sentence(said))

    def _judge(self, refusal: Refusal, said: str, once: bool) -> None:
        """Raise unless trying again may help, and does no harm."""
        if refusal.verdict is Verdict.KEY_REFUSED:
            raise KeyRefused(self._sentence(said), said)
        if refusal.verdict in (Verdict.REFUSED, Verdict.NOT_HERE):
            raise CallRefused(self._sentence(said), refusal.status)
        if once and refusal.verdict is Verdict.TRY_AGAIN:  # a gateway's 502 may come after the provider's 200
            raise Uncertain(self._sentence(said))

    def _words(self, refusal: Refusal, key: Key | None) -> str:
        secrets = [key.secret] if key is not None else []
        words = scrubbed(refusal.message, secrets)
        return f"answers {refusal.status}" + (f": {words.rstrip('.')}" if words else "")

    def _sentence(self, said: str) -> str:
        return f"The batch API of {self.endpoint.provider} {said}; what was answered is kept, go on with --resume."

    def _wait(self, attempt: int, told: float | None) -> float:
        if told is not None:
            return min(told, self._patience.most)
        return min(self._patience.first * 2.0**attempt, self._patience.most) * random.uniform(0.75, 1.0)


class _Files(Connection):
    """Reads long answers line by line, and keeps none."""

    def __init__(self, deadlines: Deadlines, max_body: int) -> None:
        super().__init__(deadlines, max_body)
        self._on_line: OnLine | None = None
        self._most_bytes = 0
        self._reading = asyncio.Lock()

    async def lines(self, url: str, headers: dict[str, str], on_line: OnLine, most_bytes: int) -> Answered | Trouble:
        async with self._reading:
            self._on_line, self._most_bytes = on_line, most_bytes
            try:
                return await self.get(url, headers)
            finally:
                self._on_line = None

    async def _read(self, response: aiohttp.ClientResponse, began: float) -> Answered | Trouble:
        if self._on_line is None or response.status != 200:
            return await super()._read(response, began)
        rest, size = b"", 0
        chunks = response.content.iter_chunked(_CHUNK)
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                chunk = await anext(chunks, b"")
            size += len(chunk)
            if size > self._most_bytes or len(rest) + len(chunk) > MAX_LINE:
                response.close()
                return Trouble(Kind.TOO_LONG, f"{size} bytes", 0.0)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self._on_line(line)
            if not chunk:
                break
        if rest:
            self._on_line(rest)
        return Answered(response.status, response.headers, b"", 0.0)


def _object(body: bytes) -> Json | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
