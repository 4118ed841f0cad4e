"""One exchange over HTTP: with a deadline for everything, an answer of bounded length, and no key in any error.

Nothing is raised for what the network does: `Trouble` says it. aiohttp's own exceptions hold frames in whose locals
the headers are, so they end here.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import aiohttp

MAX_BODY_BYTES = 8 * 2**20  # the longest answer of a text model has a few hundred kilobytes
_CLOSE_SECONDS = 2.0
# uvicorn, and so vLLM, closes a connection that lay idle for 5 s; a request on it would be lost, perhaps billed.
_KEEP_ALIVE_SECONDS = 4.0


class Kind(enum.Enum):
    """What went wrong on the way. After all but the first two, the request may have been read, and billed."""

    NOT_REACHED = "can't be reached"
    UNTRUSTED = "shows a certificate that can't be trusted"
    TIMED_OUT = "didn't answer in time"
    BROKEN = "broke the connection"
    TOO_LONG = "answers without end"


@dataclass(frozen=True)
class Deadlines:
    """Seconds. connect: until the connection stands. answer: from then to the last byte."""

    connect: float = 10.0
    answer: float = 180.0


@dataclass(frozen=True)
class Answered:
    """What came back, whatever it says. headers: with names that ignore case. seconds: from sending to the end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float


@dataclass(frozen=True)
class Trouble:
    """Why nothing came back. detail: a few words of the system's."""

    kind: Kind
    detail: str
    seconds: float


class Connection:
    """Connections to one provider, kept open between calls. Belongs to one event loop."""

    def __init__(self, deadlines: Deadlines | None = None, max_body: int = MAX_BODY_BYTES) -> None:
        self._deadlines = deadlines or Deadlines()
        self._max_body = max_body
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered | Trouble:
        """Send a body, once."""
        return await self._exchange("POST", url, headers, body)

    async def get(self, url: str, headers: Mapping[str, str]) -> Answered | Trouble:
        """Ask for what is there, once."""
        return await self._exchange("GET", url, headers, None)

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await session.close()

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answered | Trouble:
        import aiohttp

        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadlines.connect + self._deadlines.answer):
                async with self._open().request(
                    method, url, headers=headers, data=body, proxy=_proxy_for(url), allow_redirects=False
                ) as response:
                    return await self._read(response, began)
        except TimeoutError as cause:  # aiohttp's own is both, and says which part took too long
            reached = not isinstance(cause, aiohttp.ConnectionTimeoutError)
            kind, detail = (Kind.TIMED_OUT if reached else Kind.NOT_REACHED), "no answer"
        except aiohttp.ClientConnectorCertificateError as cause:
            kind, detail = Kind.UNTRUSTED, str(cause.certificate_error)
        except aiohttp.ClientConnectorError as cause:
            kind, detail = Kind.NOT_REACHED, cause.os_error.strerror or str(cause.os_error)
        except aiohttp.ClientHttpProxyError as cause:
            kind, detail = Kind.NOT_REACHED, f"the proxy answered {cause.status}"
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            kind, detail = Kind.BROKEN, type(cause).__name__
        return Trouble(kind, detail[:200], time.monotonic() - began)

    async def _read(self, response: aiohttp.ClientResponse, began: float) -> Answered | Trouble:
        content = bytearray()
        while chunk := await response.content.readany():  # after decompression
            content += chunk
            if len(content) > self._max_body:
                response.close()
                return Trouble(Kind.TOO_LONG, f"more than {self._max_body} bytes", time.monotonic() - began)
        return Answered(response.status, response.headers, bytes(content), time.monotonic() - began)

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._deadlines.connect),
                # How many requests are open at a time is the limiter's to decide.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "enigma"},
                trust_env=False,  # it would also take passwords from ~/.netrc; proxies are read below
            )
        return self._session


def _proxy_for(url: str) -> str | None:
    """The proxy of the environment (HTTPS_PROXY, NO_PROXY ...), never for this machine itself."""
    import urllib.request

    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return None
    proxies = urllib.request.getproxies()
    if parts.scheme not in proxies or urllib.request.proxy_bypass(host):
        return None
    return proxies[parts.scheme]
