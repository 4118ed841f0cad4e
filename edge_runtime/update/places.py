"""Where a target's bytes come from: a web server by HTTP ranges, or a folder, as on a stick. None of them is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import os
import re
import stat
import time
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeVar

from edge_runtime import local_only
from edge_runtime.update.disk_threads import DiskHangs, on_disk

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
_PIECE_BYTES = 64 * 1024
_HEAD_SECONDS = 20.0  # to connect and to get the answer's head
_LATER = (408, 425, 429)  # the 4xx that say to come again (RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4)
# RFC 9110 14.4; the length may be unknown ("*").
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")
# RFC 9110 8.8.3, strong ones alone: a weak one doesn't say that the bytes are the same (13.1.5).
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{0,128}"')


class Refused(Exception):
    """The place hasn't got the file, or gives another one; to ask it again is in vain."""


class NotModified(Refused):
    """The file is still the one that was asked about."""


class Unreachable(Exception):
    """The place failed, and may do later. retry_after: seconds that it asked for, None where it didn't."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Opened:
    """A place's answer. first: the offset of its first byte, from 0 to the one asked for; total: the file's length,
    None where it doesn't say; validator: what says that it is the same file later, "" without; pieces: its bytes."""

    first: int
    total: int | None
    validator: str
    pieces: AsyncGenerator[bytes, None]


class Place(Protocol):
    """Something that has targets."""

    @property
    def name(self) -> str:
        """As people know it: an address or a folder."""

    def open(self, path: str, first: int, validator: str) -> AbstractAsyncContextManager[Opened]:
        """A file from a byte on (or from an earlier one); raises `Refused` or `Unreachable`, while reading too.

        validator: what this place said of the file before, "" the first time.
        """


class HttpPlace:
    """A web server with static files. It needs no ranges, but without them a resumed file comes from the start.

    quoted: paths are of an address already, as those of TUF's metadata, in which a slash can be %2F.
    """

    def __init__(self, session: aiohttp.ClientSession, base: str, quoted: bool = False) -> None:
        self._session = session
        self._quoted = quoted
        self.name = base.rstrip("/")

    @contextlib.asynccontextmanager
    async def open(self, path: str, first: int, validator: str, seen: str = "") -> AsyncIterator[Opened]:
        """See `Place`. seen: a validator; `NotModified` is raised where it still holds.

        Redirects aren't followed: a server could send devices to others in their own network.
        """
        import aiohttp
        from yarl import URL

        headers = {"Accept-Encoding": "identity"}
        if seen:
            headers["If-None-Match"] = seen
        if first:
            headers["Range"] = f"bytes={first}-"
            if validator:
                headers["If-Range"] = validator
        async with contextlib.AsyncExitStack() as stack:
            with _failures():
                url = URL(f"{self.name}/{path if self._quoted else urllib.parse.quote(path)}", encoded=True)
                if why := local_only.refuse_far(url.host or "", self.name):
                    raise Refused(why)
                timeout = aiohttp.ClientTimeout(total=None, sock_connect=_HEAD_SECONDS)
                asking = self._session.get(url, headers=headers, timeout=timeout, allow_redirects=False)
                async with asyncio.timeout(_HEAD_SECONDS):
                    response = await stack.enter_async_context(asking)
            begin, total = _head(response, first)
            tag = response.headers.get("ETag", "")
            # What its reader raises, as an error of its disk, is no failure of the server and passes by unchanged.
            yield Opened(begin, total, tag if _STRONG_TAG.fullmatch(tag) else "", _body(response))


class FolderPlace:
    """A folder with a repository in it, as on a stick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    @contextlib.asynccontextmanager
    async def open(self, path: str, first: int, validator: str) -> AsyncIterator[Opened]:
        """See `Place`."""
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path:
            raise Refused("its path leads out of the folder")
        handle, begin, length = await self._read(_opened, self._folder, path, first)
        try:
            yield Opened(begin, length, "", self._pieces(handle))
        finally:
            os.close(handle)

    async def _pieces(self, handle: int) -> AsyncGenerator[bytes, None]:
        while piece := await self._read(os.read, handle, _PIECE_BYTES):
            yield piece

    async def _read(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await on_disk(self._folder, work, *arguments, seconds=_HEAD_SECONDS)
        except DiskHangs:  # the stick, or a server's folder
            raise Unreachable("it doesn't answer") from None
        except OSError as cause:  # the stick was pulled out
            raise Unreachable(_why(cause)) from None


def _opened(folder: Path, path: str, first: int) -> tuple[int, int, int]:
    """(a handle at a byte or at the end, where that is, the length) of a file."""
    try:
        # Not to wait for a writer, where somebody put a pipe there.
        handle = os.open(folder / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise Refused("it hasn't got the file" if folder.is_dir() else "it isn't there") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Refused("its file isn't a plain one")
        return handle, os.lseek(handle, min(first, found.st_size), os.SEEK_SET), found.st_size
    except BaseException:
        os.close(handle)
        raise


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """What a web server's failures are here."""
    import aiohttp

    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as cause:
        raise Unreachable(_why(cause)) from None


def _head(response: aiohttp.ClientResponse, first: int) -> tuple[int, int | None]:
    """(the offset of the body's first byte, the file's length or None) of an answer; raises where it is none."""
    status = response.status
    if status in _LATER or status >= 500:
        raise Unreachable(f"it answered {status}", _retry_after(response))
    if status == 416:
        raise Refused(f"its file ends before byte {first:,}")
    if status == 304:
        raise NotModified("it has the same file still")
    if status not in (200, 206):
        raise Refused(f"it answered {status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refused("it compressed the file, unasked")
    if status == 200:
        return 0, response.content_length
    read = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if read is None:
        raise Refused("it answered 206 and doesn't say which part that is")
    return int(read[1]), None if read[3] == "*" else int(read[3])


async def _body(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    while True:
        with _failures():
            piece = await response.content.read(_PIECE_BYTES)
        if not piece:
            return
        yield piece


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds of a Retry-After (RFC 9110 10.2.3). A date counts from the server's own: this clock may be wrong."""
    told = response.headers.get("Retry-After", "")
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        until = email.utils.parsedate_to_datetime(told).timestamp()
    except (ValueError, OverflowError):
        return None
    try:
        now = email.utils.parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        now = time.time()
    return max(0.0, until - now)


def _why(cause: Exception) -> str:
    if isinstance(cause, TimeoutError):
        return "it didn't answer in time"
    told = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(told.split())[:160] or type(cause).__name__
