"""A board: said hello to, held against what this program means, kept connected, and driven.

    async with Board(lambda: paths_of(None)) as board:
        async with board.stream(State, every=0.1) as states:
            await board.drive(0.3, 0.3)

When the port vanishes the motors stand, by the deadman in the firmware. The board is looked for again under any name its port
may get, with a random delay that grows; nothing that was asked for before moves it when it is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Self

from firmware_bridge.clock import Clock
from firmware_bridge.errors import (
    BadValue,
    BridgeError,
    Disconnected,
    Incompatible,
    NoAnswer,
    Overloaded,
    PortError,
    Refused,
)
from firmware_bridge.frames import DATA_MAX, Frame, crc16
from firmware_bridge.link import Link
from firmware_bridge.messages import (
    PIECE,
    PROTOCOL,
    TEXT_MAX,
    Ack,
    Describe,
    Dictionary,
    Drive,
    Hello,
    Leds,
    M,
    Message,
    Name,
    Ping,
    Pong,
    Release,
    Status,
    Stop,
    Stream,
    Welcome,
    agree,
    pack,
    parse,
    unpack,
)
from firmware_bridge.ports import BAUD, open_port

log = logging.getLogger(__name__)

ANSWER = 0.5  # a round trip takes milliseconds
HELLO_EVERY = 0.25
BOOT = 4.0  # opening the port restarts many boards, whose bootloader then waits for up to two seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0  # between looks for a board that is gone
FIRST_PINGS, PING_EVERY = 8, 1.0
LATEST = 60.0  # seconds that a drive may take to the board
NO_NUMBER = 0xFFFFFFFF  # of a board that was never given one: empty EEPROM
_WHY = {
    Status.UNKNOWN: "it doesn't know the message {name}",
    Status.LENGTH: "the message {name} has another length there: flash it again",
    Status.RANGE: "a value of {name} is outside its limits",
    Status.LATE: "the message {name} came too late",
    Status.HELLO: "it restarted, and waits for a hello",
    Status.STOPPED: "its emergency stop is on: unlock the button, then release it",
}


class Condition(Enum):
    """Where a board is in its life."""

    LOOKING = "looking"
    CONNECTED = "connected"
    CLOSED = "closed"


@dataclass
class Counts:
    """What went wrong since the beginning."""

    connections: int = 0
    lost: int = 0  # frames of streams that the board sent, or had no room to send, and that never came
    bad: int = 0  # what came and was no frame


class Subscription(Generic[M]):
    """What a stream tells, oldest first; of what isn't fetched in time the oldest goes, and is counted in `dropped`."""

    def __init__(self, kind: type[M], period: float, size: int) -> None:
        self.kind, self.period, self.dropped = kind, period, 0
        self._kept: deque[M] = deque(maxlen=size)
        self._news = asyncio.Event()

    def add(self, message: M) -> None:
        """Called with each message that comes."""
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append(message)
        self._news.set()

    def forget(self) -> None:
        """Lets go of what waits: it was told before something that matters more."""
        self._kept.clear()

    async def next(self, timeout: float) -> M:
        """The next message. Raises NoAnswer after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not self._kept:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise NoAnswer(f"The board told no {self.kind.__name__.lower()} within {timeout:g} s.") from None
        return self._kept.popleft()


class Board:
    """A board at one of the ports that `candidates` names, whenever it is asked; `number` says which, None: any.

    answer: seconds for a request and its repetition; more where this machine is busy. A drive has a time of its own.
    """

    def __init__(
        self,
        candidates: Callable[[], Sequence[str]],
        number: int | None = None,
        baud: int = BAUD,
        answer: float = ANSWER,
    ) -> None:
        self.condition = Condition.LOOKING
        self.counts = Counts()
        self.clock = Clock()
        self.number = number
        self.why: BridgeError | None = None  # it isn't connected
        self._candidates, self._baud, self._answer = candidates, baud, answer
        self._link: Link | None = None
        self._dictionary: Dictionary | None = None
        self._welcome: Welcome | None = None
        self._subscriptions: dict[int, list[Subscription]] = {}
        self._expected: int | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Connects. Raises what keeps it from that: PortError, NoAnswer or Incompatible."""
        link = await self._connect()
        self._supervisor = asyncio.create_task(self._keep(link))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stops the motors where it can, and gives the port back."""
        if self._link is not None and self._link.error is None:
            with contextlib.suppress(BridgeError):
                await self.stop()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        self._drop(Condition.CLOSED)

    @property
    def dictionary(self) -> Dictionary:
        """What the board announced. Raises Disconnected before the first connection."""
        if self._dictionary is None:
            raise Disconnected("The board wasn't connected yet.")
        return self._dictionary

    @property
    def welcome(self) -> Welcome:
        """How the board greeted. Raises Disconnected before the first connection."""
        if self._welcome is None:
            raise Disconnected("The board wasn't connected yet.")
        return self._welcome

    @property
    def path(self) -> str:
        """The port that it is at."""
        return self._live().path

    @property
    def bad(self) -> int:
        """What came and was no frame, since the beginning."""
        return self.counts.bad + (self._link.bad if self._link is not None else 0)

    async def drive(self, left: float, right: float, within: float = 0.25) -> None:
        """Parts of full power, -1 to 1, of both motors; repeat it more often than `welcome.deadman` says.

        A board that gets it later than `within` seconds from now refuses it. Raises BadValue (the motors then stand),
        Refused, NoAnswer or Disconnected.
        """
        try:
            if not 0 < within <= LATEST:
                raise BadValue(f"within must be more than 0 and at most {LATEST:g} s, not {within}")
            until = self.clock.board(asyncio.get_running_loop().time() + within) or 1
            data = pack(Drive(left, right, until / 1e6), self.dictionary)
        except BadValue:
            with contextlib.suppress(BridgeError):  # where no stop comes through, the deadman does it
                await self.stop()
            raise
        await self._ask(Drive, data, timeout=within)

    async def stop(self, latch: bool = False) -> None:
        """The motors stand at once; with `latch` until `release`. It waits for no other message."""
        await self._ask(Stop, pack(Stop(int(latch))), urgent=True, attempts=4)

    async def release(self) -> None:
        """Ends an emergency stop. Raises Refused while its button is pressed."""
        await self.send(Release(1))

    async def leds(self, on: int) -> None:
        """Two lights, one bit each."""
        await self.send(Leds(on))

    async def name(self, number: int) -> None:
        """Gives the board a number, which it keeps and is found again by."""
        await self.send(Name(number))
        self.number = number

    async def send(self, message: Message) -> None:
        """Any message that is answered by an ack. Raises BadValue, Refused, NoAnswer or Disconnected."""
        await self._ask(type(message), pack(message, self.dictionary))

    async def ping(self, mark: int = 0) -> Pong:
        """One round trip; its times go into `clock`."""
        loop = asyncio.get_running_loop()
        sent = loop.time()
        frame = await self._live().request(Ping.ID, pack(Ping(mark)), self._answer, attempts=1)
        received = loop.time()
        pong = unpack(Pong, frame.data)
        if frame.id != Pong.ID or pong.mark != mark:
            raise NoAnswer("The board answered something else than it was asked.")
        self.clock.add(sent, received, round(pong.time * 1e6))
        return pong

    @contextlib.asynccontextmanager
    async def stream(self, kind: type[M], every: float, size: int = 64) -> AsyncIterator[Subscription[M]]:
        """What the board tells of `kind` (State, Encoders, Analogue, Imu) `every` so many seconds, also after a reconnect.

        Of more than `size` messages that wait the oldest is dropped. Raises BadValue, NoAnswer or Disconnected.
        """
        if not every >= 0.001:  # nan too; what rounds to 0 would end the stream
            raise BadValue(f"The period of a stream must be 0.001 s or more, not {every}.")
        made = Subscription(kind, every, size)
        await self._stream(kind.ID, [*self._subscriptions.get(kind.ID, []), made])
        self._subscriptions.setdefault(kind.ID, []).append(made)
        try:
            yield made
        finally:
            self._subscriptions[kind.ID].remove(made)
            with contextlib.suppress(BridgeError):
                await self._stream(kind.ID, self._subscriptions[kind.ID])

    async def connected(self, timeout: float) -> None:
        """Waits until the board is there. Raises Disconnected with what keeps it away."""
        try:
            async with asyncio.timeout(timeout):
                while self.condition is not Condition.CLOSED and not self._alive:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        self._live()

    async def _stream(self, id: int, wanted: list[Subscription]) -> None:
        await self.send(Stream(id, min((each.period for each in wanted), default=0.0)))

    @property
    def _alive(self) -> bool:
        return self.condition is Condition.CONNECTED and self._link is not None and self._link.error is None

    def _live(self) -> Link:
        if self._link is None or not self._alive:
            raise Disconnected(str(self.why or "The board isn't connected."))
        return self._link

    async def _ask(
        self, kind: type[Message], data: bytes, timeout: float = 0.0, urgent: bool = False, attempts: int = 2
    ) -> None:
        link = self._live()
        frame = await link.request(kind.ID, data, timeout or self._answer, attempts, urgent)
        status = unpack(Ack, frame.data).status if frame.id == Ack.ID else Status.UNKNOWN
        if status == Status.OK:
            return
        why = _WHY.get(Status(status)) if status in Status.__members__.values() else f"status {status}"
        text = f"The board refused: {(why or '').format(name=kind.__name__.lower())}."
        if status == Status.HELLO:
            link.close(Disconnected("The board restarted."))
        raise Refused(text, status)

    async def _keep(self, link: Link) -> None:
        """One connection after the other, until `close` or until a board comes back that this program can't speak with."""
        while True:
            pings = asyncio.create_task(self._pings(link))
            try:
                self.why = await link.over()
            finally:
                pings.cancel()
                await asyncio.gather(pings, return_exceptions=True)
                self._drop(Condition.LOOKING)
            log.warning("%s Looking for the board again.", self.why)
            for pause in pauses(random.Random()):
                await asyncio.sleep(pause)
                try:
                    link = await self._connect()
                    break
                except Incompatible as error:
                    self.why = error
                    self._drop(Condition.CLOSED)
                    return
                except BridgeError as error:
                    self.why = error

    async def _pings(self, link: Link) -> None:
        """Keeps the clock, and ends a link whose board doesn't answer though its port is open."""
        missed = 0
        while True:
            await asyncio.sleep(PING_EVERY)
            try:
                await self.ping()
                missed = 0
            except NoAnswer as error:
                missed += 1
                if missed == 3:
                    link.close(Disconnected(str(error)))
            except Overloaded:
                continue  # a program sends too much; the board is there
            except BridgeError as error:
                link.close(error)
                return

    def _drop(self, condition: Condition) -> None:
        if self._link is not None:
            self.counts.bad += self._link.bad
            self._link.close()
        self._link, self.condition = None, condition
        self._changed.set()

    async def _connect(self) -> Link:
        paths = self._candidates()
        if not paths:
            raise PortError("No board is plugged in: see enigma-bridge ports, or name a port with --port.")
        errors: list[BridgeError] = []
        for path in paths:
            link: Link | None = None
            try:
                link = Link(open_port(path, self._baud), self._on_stream)
                await self._greet(link)
                return link
            except BridgeError as error:
                errors.append(error)
            finally:
                if link is not None and self._link is not link:
                    link.close()
        raise errors[0]

    async def _greet(self, link: Link) -> None:
        welcome = await self._hello(link)
        if welcome.version != PROTOCOL:
            raise Incompatible(
                f"The board at {link.path} speaks version {welcome.version} of the protocol and this program version "
                f"{PROTOCOL}: run enigma-bridge flash, or update this program."
            )
        if self.number is not None and welcome.board != self.number:
            raise PortError(f"The board at {link.path} has the number {welcome.board}, not {self.number}.")
        link.window = welcome.window
        dictionary = await self._describe(link, welcome)
        agree(dictionary)
        self._link, self._welcome, self._dictionary = link, welcome, dictionary
        self._expected, self.clock = None, Clock()
        if welcome.board != NO_NUMBER:
            self.number = welcome.board  # it is this one that is looked for when it is gone
        self.condition = Condition.CONNECTED
        try:
            for _ in range(FIRST_PINGS):
                await self.ping()
            for id, wanted in self._subscriptions.items():
                if wanted:
                    await self._stream(id, wanted)
        except BridgeError:
            self._drop(Condition.LOOKING)
            raise
        self.counts.connections += 1
        self.why = None
        self._changed.set()

    async def _hello(self, link: Link) -> Welcome:
        attempts = round(BOOT / HELLO_EVERY)
        try:
            frame = await link.request(Hello.ID, pack(Hello(PROTOCOL)), BOOT, attempts)
        except NoAnswer:
            raise NoAnswer(
                f"Nothing at {link.path} speaks our protocol: is it a board with our firmware? See enigma-bridge flash."
            ) from None
        if frame.id != Welcome.ID:
            raise Incompatible(f"The board at {link.path} doesn't know our hello: run enigma-bridge flash.")
        return unpack(Welcome, frame.data)

    async def _describe(self, link: Link, welcome: Welcome) -> Dictionary:
        text = b""
        while len(text) < min(welcome.size, TEXT_MAX):
            frame = await link.request(Describe.ID, pack(Describe(len(text))), self._answer)
            if (
                frame.id != PIECE
                or not 2 < len(frame.data) <= DATA_MAX
                or frame.data[:2] != len(text).to_bytes(2, "little")
            ):
                raise Incompatible(f"The board at {link.path} doesn't tell its dictionary: run enigma-bridge flash.")
            text += frame.data[2:]
        if crc16(text) != welcome.crc:
            raise Incompatible(f"The dictionary of the board at {link.path} is damaged: run enigma-bridge flash.")
        return parse(text)

    def _on_stream(self, frame: Frame) -> None:
        if self._expected is not None:
            self.counts.lost += (frame.sequence - self._expected) % 256
        self._expected = (frame.sequence + 1) % 256
        for each in self._subscriptions.get(frame.id, ()):
            try:
                each.add(unpack(each.kind, frame.data))
            except Incompatible as error:
                self.counts.bad += 1
                log.warning("%s", error)
                return


def pauses(rng: random.Random) -> Iterator[float]:
    """Seconds between looks: up to twice as long each time, by chance, so that many bridges on a machine don't look at once."""
    longest = FIRST_PAUSE
    while True:
        yield rng.uniform(0, longest)
        longest = min(2 * longest, LONGEST_PAUSE)
