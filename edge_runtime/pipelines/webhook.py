"""Posts what a pipeline found to an address, signed, in bounded time and tries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime import local_only
from edge_runtime.media import to_json
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.items import Item, SinkError

if TYPE_CHECKING:
    import aiohttp

SIGNATURE, DELIVERY = "Enigma-Signature", "Enigma-Delivery"
MAX_BYTES = 1024 * 1024
SHORTEST_SECRET, _LONGEST_SECRET = 16, 4096  # bytes
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before another try
_READ_BYTES = 64 * 1024  # of an answer, which only its status matters of


class Webhook:
    """One address. The secret is read at the start, from a file that only its owner may read."""

    def __init__(self, declared: declare.Webhook, pipeline: str) -> None:
        self._declared, self._pipeline = declared, pipeline
        self._host = urlsplit(declared.url).hostname or ""
        self._secret = None if declared.secret_file is None else read_secret(declared.secret_file)
        self._begun = secrets.token_hex(4)  # so that numbers of before a restart aren't taken for those of now
        self._number = 0
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, item: Item) -> bool:
        """Post it until the address takes it, or the tries are over; raises `SinkError`.

        Again is tried what wasn't answered, and 408, 429 and 5xx. Redirects aren't followed: what is signed for one
        address is sent to no other.
        """
        if refused := local_only.refuse_far(self._host, f"the webhook at {self._host}"):
            raise SinkError(refused)
        told = to_json(item.plain(self._pipeline))
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        if len(body) > MAX_BYTES:
            raise SinkError(f"What is to be posted has {len(body):,} bytes; a webhook takes up to {MAX_BYTES:,}.")
        self._number += 1
        pause, why = _FIRST_PAUSE, ""
        for number in range(self._declared.tries):
            if number:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            why, again = await self._post(body, f"{self._pipeline}-{self._begun}-{self._number}", item.trace)
            if not why:
                return True
            if not again:
                break
        raise SinkError(f"The webhook at {self._host} {why}.")

    async def _post(self, body: bytes, delivery: str, trace: Mapping[str, str]) -> tuple[str, bool]:
        """(what went wrong, "" where nothing did; whether another try may help). trace: headers of the item's."""
        import aiohttp

        headers = {**trace, "Content-Type": "application/json", DELIVERY: delivery}
        if self._secret is not None:
            headers[SIGNATURE] = sign(self._secret, body, int(time.time()))
        try:
            async with asyncio.timeout(self._declared.timeout):
                async with self._open().post(
                    self._declared.url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    await answer.content.read(_READ_BYTES)
                    status = answer.status
        except TimeoutError:
            return f"didn't answer within {self._declared.timeout:g} s", True
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            return f"can't be reached ({' '.join(str(cause).split())[:160] or type(cause).__name__})", True
        if 200 <= status < 300:
            return "", False
        return f"answered with status {status}", status in (408, 429) or status >= 500

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import ssl

        import aiohttp

        if self._session is None:
            # The daemon imports aiohttp without the system's certificates, so they are named here.
            context: ssl.SSLContext | bool = True
            if self._declared.url.startswith("https:"):
                context = ssl.create_default_context()
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                connector=aiohttp.TCPConnector(ssl=context, limit=1),
            )
        return self._session


def sign(secret: bytes, body: bytes, at: int) -> str:
    """The header's value: HMAC-SHA-256 (RFC 2104) over "at.body". at: seconds since 1970, so that a copy grows old."""
    mac = hmac.new(secret, f"{at}.".encode("ascii") + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def read_secret(path: Path) -> bytes:
    """A file's content without the white space around it; raises `SinkError`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.read_bytes()[: _LONGEST_SECRET + 1].strip() if path.is_file() else b""
    except OSError as cause:
        raise SinkError(f"The secret in {path} can't be read: {cause.strerror}.") from None
    if mode & 0o077:
        raise SinkError(f"Others may read the secret in {path}; let only its owner (chmod 600 {path}).")
    if not SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        raise SinkError(f"The secret in {path} must have {SHORTEST_SECRET} to {_LONGEST_SECRET:,} bytes.")
    return secret
