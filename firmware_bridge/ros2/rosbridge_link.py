"""One WebSocket to a rosbridge server that is kept: made again when it breaks, with bounds on what waits and on what comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from firmware_bridge.errors import Overloaded, RosError
from firmware_bridge.ros2.definitions import MAX_BYTES

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)
HERE = "ws://127.0.0.1:9090"  # rosbridge's own port
MOST_COMES = 4 * MAX_BYTES  # characters of one message: numbers in JSON are longer than in CDR
MOST_WAITS = 4 * MAX_BYTES  # characters that wait to be sent
MOST_MESSAGES = 256  # likewise
CONNECT, WRITE, CLOSE, BEAT = 5.0, 10.0, 1.0, 10.0  # seconds
_SOONEST, _LATEST = 0.2, 10.0  # seconds until a connection that broke is tried again
Json = dict[str, Any]


class Link:
    """Sends and takes objects of JSON. All calls are made in its event loop.

    take: what comes. begin: what a new connection is told first. lost: the connection broke.
    """

    def __init__(
        self,
        url: str | None,
        take: Callable[[Json], None],
        begin: Callable[[], list[Json]],
        lost: Callable[[], None],
    ) -> None:
        self.url = address(url)
        self.connected = False
        self.unreadable = 0
        self._take, self._begin, self._lost = take, begin, lost
        self._waiting: deque[str] = deque()
        self._waits = 0
        self._news = asyncio.Event()
        self._idle = asyncio.Event()  # nothing waits, and nothing is being written
        self._idle.set()
        self._connections = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects. Raises RosError where nobody is there."""
        http = _aiohttp()
        self._http = http.ClientSession(trust_env=False)
        try:
            socket = await self._connect()
        except BaseException:
            await self._http.close()
            raise
        self._task = asyncio.create_task(self._run(socket))

    async def close(self) -> None:
        """Says no more, and takes no more."""
        self.connected = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._http.close()

    def send(self, message: Json) -> None:
        """Puts a message on its way. Raises Overloaded where too much waits, RosError while nobody is there."""
        if not self.connected:
            raise RosError(f"The connection to rosbridge at {self.url} is broken; it is being made again.")
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
        if len(self._waiting) >= MOST_MESSAGES or self._waits + len(text) > MOST_WAITS:
            raise Overloaded(f"rosbridge at {self.url} takes what is sent too slowly: publish less.")
        self._put(text)

    async def written(self, seconds: float) -> bool:
        """Waits until all that was sent is written out; False after `seconds`, and where the connection broke."""
        before = self._connections
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self.connected and self._idle.is_set() and self._connections == before

    def _put(self, text: str) -> None:
        self._idle.clear()
        self._waiting.append(text)
        self._waits += len(text)
        self._news.set()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        http = _aiohttp()
        try:
            async with asyncio.timeout(CONNECT):
                socket: aiohttp.ClientWebSocketResponse = await self._http.ws_connect(
                    self.url,
                    max_msg_size=MOST_COMES,
                    heartbeat=BEAT,
                    timeout=http.ClientWSTimeout(ws_close=CLOSE),
                )
        except (http.ClientError, OSError, TimeoutError) as error:
            why = str(error) or f"no answer within {CONNECT:g} s"
            raise RosError(
                f"No rosbridge answers at {self.url} ({why}): ros2 launch rosbridge_server rosbridge_websocket_launch.xml"
            ) from error
        # What waited is from before: nobody wants an old command.
        self._waiting.clear()
        self._waits = 0
        self._connections += 1
        self._idle.set()
        self.connected = True
        for message in self._begin():
            self._put(json.dumps(message))
        return socket

    async def _run(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._serve(socket)
            self.connected = False
            self._lost()
            _log.warning("The connection to rosbridge at %s broke; it is being made again.", self.url)
            wait = _SOONEST
            while not self.connected:
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # many clients don't come back at one moment
                wait = min(2 * wait, _LATEST)
                try:
                    socket = await self._connect()
                except RosError as error:
                    _log.debug("%s", error)
            _log.info("rosbridge at %s is there again.", self.url)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Reads and writes until the connection ends."""
        http = _aiohttp()
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in socket:
                if message.type is http.WSMsgType.TEXT:
                    self._read(message.data)
                elif message.type is http.WSMsgType.ERROR:
                    _log.warning("rosbridge at %s: %s", self.url, message.data)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await socket.close()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        http = _aiohttp()
        try:
            while True:
                while not self._waiting:
                    self._idle.set()
                    self._news.clear()
                    await self._news.wait()
                text = self._waiting.popleft()
                self._waits -= len(text)
                async with asyncio.timeout(WRITE):
                    await socket.send_str(text)
        except (http.ClientError, OSError, TimeoutError, RuntimeError) as error:  # RuntimeError: it is closing
            _log.debug("rosbridge at %s takes nothing any more: %s", self.url, error)
            await socket.close()  # then the reader ends, too

    def _read(self, text: str) -> None:
        try:
            message = json.loads(text)
            if not isinstance(message, dict) or not isinstance(message.get("op"), str):
                raise ValueError("it has no op")
        except (ValueError, RecursionError) as error:
            self.unreadable += 1
            if self.unreadable == 1:
                _log.warning("rosbridge sent what is no message of it (%s); more of them are only counted.", error)
            return
        self._take(message)


def address(url: str | None) -> str:
    """A server's address. Raises RosError."""
    if url is None or url == "lo":
        return HERE
    wrong = RosError(f"'{url[:200]}' is no address of a rosbridge: write it as ws://192.168.1.5:9090 or wss://...")
    try:
        parts = urllib.parse.urlsplit(url)
        fine = parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0 and url.isprintable()
    except ValueError:
        raise wrong from None
    if not fine or parts.username or parts.password or " " in url or len(url) > 500:
        raise wrong
    return url


def _aiohttp() -> Any:
    try:
        import aiohttp
    except ImportError as error:
        raise RosError("rosbridge needs aiohttp: pip install 'enigma[ros2]'.") from error
    return aiohttp
