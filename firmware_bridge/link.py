"""One life of a serial port: frames out, answers and streams in, with deadlines and no more unanswered than a board takes.

A link ends with its port; `board.py` makes the next one. It reads and writes the port's descriptor in the event loop, which
Linux and macOS can.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from firmware_bridge.errors import BridgeError, Disconnected, NoAnswer, Overloaded
from firmware_bridge.frames import Decoder, Frame, encode

if TYPE_CHECKING:
    import serial

CHUNK = 4096
QUEUE = 32  # requests that wait for their turn; more is a program that doesn't keep up with its board
FIRST_WINDOW = 64  # bytes unanswered, before the board said how many it keeps
_ANSWERS = 0x80


class Link:
    """Owns an open port until `close`, or until the port fails."""

    def __init__(self, port: serial.Serial, on_stream: Callable[[Frame], None]) -> None:
        self.window = FIRST_WINDOW
        self.path = str(port.port)
        self._port = port
        self._fd: int = port.fileno()
        self._on_stream = on_stream
        self._decoder = Decoder()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        self._unanswered = 0
        self._sequence = 0
        self._unsent = b""
        self._over: asyncio.Future[BridgeError] = self._loop.create_future()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._readable)

    @property
    def bad(self) -> int:
        """What came between two zeros and was no frame."""
        return self._decoder.bad

    @property
    def error(self) -> BridgeError | None:
        """Why the link is over; None while it isn't."""
        return self._over.result() if self._over.done() else None

    async def over(self) -> BridgeError:
        """Waits until the link ends, and says why."""
        return await asyncio.shield(self._over)

    async def request(self, id: int, data: bytes, timeout: float, attempts: int = 2, urgent: bool = False) -> Frame:
        """Sends a message and returns its answer; every message may be repeated, so a lost answer is asked for again.

        `timeout` is for all attempts together, seconds; an `urgent` message waits for no other. Raises NoAnswer,
        Overloaded or Disconnected.
        """
        deadline = self._loop.time() + timeout
        for left in range(attempts, 0, -1):
            until = self._loop.time() + (deadline - self._loop.time()) / left
            try:
                async with asyncio.timeout_at(until):
                    return await self._once(id, data, urgent)
            except TimeoutError:
                continue
        raise NoAnswer(f"The board at {self.path} didn't answer within {timeout:g} s.")

    async def _once(self, id: int, data: bytes, urgent: bool) -> Frame:
        self._check()
        size = len(data) + 7
        while not urgent and self._unanswered and self._unanswered + size > self.window:
            await self._turn()
            self._check()
        while self._sequence in self._waiting:
            self._sequence = (self._sequence + 1) % 256
        sequence = self._sequence
        self._sequence = (self._sequence + 1) % 256
        answer = self._waiting[sequence] = self._loop.create_future()
        self._unanswered += size
        try:
            self._write(encode(Frame(sequence, id, data)))
            return await answer
        finally:
            del self._waiting[sequence]
            self._unanswered -= size
            for turn in self._queue:
                if not turn.done():
                    turn.set_result(None)

    async def _turn(self) -> None:
        if len(self._queue) >= QUEUE:
            raise Overloaded(f"{QUEUE} messages wait for the board at {self.path} already: send fewer, or await each.")
        turn = self._loop.create_future()
        self._queue.append(turn)
        try:
            await turn
        finally:
            self._queue.remove(turn)

    def _check(self) -> None:
        if self._over.done():
            raise Disconnected(str(self._over.result()))

    def _write(self, data: bytes) -> None:
        """What the port doesn't take at once waits; the window bounds how much that is."""
        empty = not self._unsent
        self._unsent += data
        if empty:
            self._writable()
            if self._unsent and not self._over.done():
                self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(Disconnected(f"The port {self.path} vanished ({error.strerror})."))
            return
        if not self._unsent:
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(Disconnected(f"The port {self.path} vanished ({error.strerror})."))
            return
        if not chunk:
            self._end(Disconnected(f"The port {self.path} vanished."))
            return
        for frame in self._decoder.feed(chunk):
            if frame.id < _ANSWERS:
                self._on_stream(frame)
            elif (answer := self._waiting.get(frame.sequence)) is not None and not answer.done():
                answer.set_result(frame)

    def _end(self, error: BridgeError) -> None:
        if self._over.done():
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._over.set_result(error)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Disconnected(str(error)))
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
        self._port.close()

    def close(self, error: BridgeError | None = None) -> None:
        """Gives the port back; requests that still wait fail with Disconnected."""
        self._end(error or Disconnected(f"The port {self.path} was closed."))
