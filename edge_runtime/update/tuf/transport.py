"""Where a TUF client gets its files: web servers, or a folder, as on a stick. None is trusted, so all of it is bounded."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_runtime.update.places import FolderPlace, HttpPlace, NotModified, Unreachable
from edge_runtime.update.tuf.metadata import NotTrusted

if TYPE_CHECKING:
    import aiohttp

METADATA, TARGETS = "metadata", "targets"  # the two folders of a repository
# Who sends slower than this holds a device's connection for nothing; GPRS brings three times as much.
LEAST_BYTES_PER_SECOND = 2048
ANSWER_SECONDS = 20.0  # on top of that, to connect and to answer


class Transport(Protocol):
    """Something that has the files of a repository."""

    async def fetch(self, path: str, most: int) -> bytes:
        """A file of a repository, by its path from 'metadata/' or 'targets/' on.

        Raises `Refused` where it isn't there and `Unreachable` where it may be later (both of `edge_runtime.update.places`),
        and `NotTrusted` where it has more than `most` bytes.
        """


class FolderTransport:
    """A folder with a repository in it."""

    def __init__(self, folder: Path) -> None:
        self._source = FolderPlace(folder)

    async def fetch(self, path: str, most: int) -> bytes:
        """See `Transport`."""
        try:
            async with asyncio.timeout(_seconds(most)), self._source.open(path, 0, "") as opened:
                return await _whole(opened.pieces, opened.total, most, path)
        except TimeoutError:
            raise Unreachable(f"{self._source.name} is too slow") from None


class HttpTransport:
    """Web servers with the same repository; the first that can be reached is asked.

    The last timestamp is kept, so that a server can say that it is still it.
    """

    def __init__(self, session: aiohttp.ClientSession, *urls: str) -> None:
        self._sources = [
            _source(session, f"{url.rstrip('/')}/{METADATA}", f"{url.rstrip('/')}/{TARGETS}") for url in urls
        ]
        self._seen: dict[str, tuple[str, bytes]] = {}  # by address: what the server calls it, and its bytes

    @classmethod
    def apart(cls, session: aiohttp.ClientSession, metadata: str, targets: str) -> HttpTransport:
        """One server whose two folders have other addresses."""
        made = cls(session)
        made._sources.append(_source(session, metadata, targets))
        return made

    async def fetch(self, path: str, most: int) -> bytes:
        """See `Transport`."""
        folder, _, name = path.partition("/")
        # The names of metadata are quoted as TUF has it, slashes too; those of targets aren't.
        address = name if folder == METADATA else urllib.parse.quote(name)
        why = Unreachable("there is no address of it")
        for each in self._sources:
            try:
                async with asyncio.timeout(_seconds(most)):
                    return await self._fetch(each[folder], address, most)
            except Unreachable as cause:
                why = cause
            except TimeoutError:
                why = Unreachable(f"{each[folder].name} sends fewer than {LEAST_BYTES_PER_SECOND:,} bytes a second")
        raise why

    async def _fetch(self, source: HttpPlace, name: str, most: int) -> bytes:
        tag, kept = self._seen.get(f"{source.name}/{name}", ("", b""))
        try:
            async with source.open(name, 0, "", tag) as opened:
                raw = await _whole(opened.pieces, opened.total, most, name)
        except NotModified:
            if not tag:  # then nobody asked
                raise
            return kept
        if name == "timestamp.json":
            self._seen = {f"{source.name}/{name}": (opened.validator, raw)} if opened.validator else {}
        return raw


def _source(session: aiohttp.ClientSession, metadata: str, targets: str) -> dict[str, HttpPlace]:
    return {METADATA: HttpPlace(session, metadata, quoted=True), TARGETS: HttpPlace(session, targets, quoted=True)}


def _seconds(most: int) -> float:
    return ANSWER_SECONDS + most / LEAST_BYTES_PER_SECOND


async def _whole(pieces: AsyncGenerator[bytes, None], total: int | None, most: int, path: str) -> bytes:
    """All bytes of an answer; no more than `most` are read, whatever it says of its length."""
    read = bytearray()
    if total is None or total <= most:
        async for piece in pieces:
            read += piece
            if len(read) > most:
                break
        else:
            return bytes(read)
    raise NotTrusted(
        f"The update repository's file {path[:100]} has more than the {most:,} bytes that it may; it wasn't taken."
    )
