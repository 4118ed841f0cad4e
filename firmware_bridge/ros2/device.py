"""The device that runs on this machine, by its HTTP API: its specialists, its topics, and what its pipelines found."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_bridge.errors import BadValue, NoAnswer, Refused, RosError

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER = 4 * 2**20
AT_ONCE = 8  # requests on the way
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LocalDevice:
    """Asks a device over loopback or its UNIX socket, where it needs no token but for events; use `async with`."""

    def __init__(self, address: str = "http://127.0.0.1:8765", token_file: Path | None = None) -> None:
        """address: http://127.0.0.1:PORT or unix:///PATH. Raises RosError for another machine's."""
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        self._socket = parts.path if parts.scheme == "unix" else None
        if self._socket is None and (parts.scheme != "http" or parts.hostname not in _LOOPBACK):
            raise RosError(
                f"The bridge asks the device on its own machine: http://127.0.0.1:8765 or unix:///PATH, not {address}."
            )
        self._base = "http://localhost" if self._socket is not None else f"http://{parts.netloc}"
        self._token = _token(token_file) if token_file is not None else None
        self.address = address

    async def __aenter__(self) -> LocalDevice:
        http = _aiohttp()
        connector = (
            http.UnixConnector(self._socket, limit=AT_ONCE)
            if self._socket is not None
            else http.TCPConnector(limit=AT_ONCE)
        )
        self._session: aiohttp.ClientSession = http.ClientSession(connector=connector, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def specialists(self) -> dict[str, str]:
        """The specialists that serve, and each one's task. Raises NoAnswer, Refused."""
        told = await self._ask("GET", "/v1/models", b"", "application/json", 5.0)
        return {str(each["name"]): str(each.get("task", "")) for each in json.loads(told)["models"]}

    async def run(self, specialist: str, body: bytes, kind: str = "application/json", seconds: float = 30.0) -> str:
        """A specialist's answer, as JSON; body: its request as JSON, or a picture. Raises NoAnswer, Refused."""
        return await self._ask("POST", f"/v1/run/{urllib.parse.quote(specialist, safe='')}", body, kind, seconds)

    async def publish(self, topic: str, value: dict[str, Any], captured: float) -> int:
        """Publishes on a topic of the device's pipelines; returns how many of them read it. Raises NoAnswer, Refused."""
        body = json.dumps({"topic": topic, "value": value, "captured": captured}, allow_nan=False).encode()
        return int(json.loads(await self._ask("POST", "/v1/topics", body, "application/json", 5.0))["readers"])

    async def events(self) -> AsyncIterator[str]:
        """Events from now on, each a JSON text, until the connection ends. Needs a token. Raises NoAnswer, Refused."""
        http = _aiohttp()
        try:
            async with self._session.ws_connect(
                f"{self._base}/v1/events", headers=self._headers(), heartbeat=30, max_msg_size=MAX_ANSWER
            ) as stream:
                async for message in stream:
                    if message.type is http.WSMsgType.TEXT:
                        yield message.data
        except http.WSServerHandshakeError as error:
            raise Refused(
                "The device tells its events to a viewer's token only: give --token-file.", error.status
            ) from error
        except (http.ClientError, OSError) as error:
            raise NoAnswer(f"The device at {self.address} isn't there: start it with enigma-edge run.") from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token is not None else {}

    async def _ask(self, method: str, path: str, body: bytes, kind: str, seconds: float) -> str:
        http = _aiohttp()
        headers = {**self._headers(), "Content-Type": kind}
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(method, self._base + path, data=body or None, headers=headers) as answer,
            ):
                told = bytearray()
                async for piece in answer.content.iter_chunked(65536):
                    told += piece
                    if len(told) > MAX_ANSWER:
                        raise BadValue(f"The device's answer has more than {MAX_ANSWER} bytes.")
        except TimeoutError as error:
            raise NoAnswer(f"The device at {self.address} doesn't answer within {seconds:g} s.") from error
        except (http.ClientError, OSError) as error:
            raise NoAnswer(f"The device at {self.address} isn't there: start it with enigma-edge run.") from error
        if answer.status != 200:
            raise Refused(_reason(bytes(told), answer.status), answer.status)
        return told.decode()


def _reason(told: bytes, status: int) -> str:
    try:
        return str(json.loads(told)["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"The device answered {status}."


def _token(file: Path) -> str:
    try:
        private = not file.stat().st_mode & 0o077 or os.name == "nt"
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RosError(f"{file} can't be read as a token.") from error
    if not private:
        raise RosError(f"{file} can be read by others: chmod 600 {file}")
    return text


def _aiohttp() -> Any:
    try:
        import aiohttp
    except ImportError as error:
        raise RosError("To ask the device needs aiohttp: pip install 'enigma[ros2]'.") from error
    return aiohttp
