"""What a way to ROS 2's graph must do: it moves CDR bytes by names; everything typed is above it, in `graph`.

All methods are called in the event loop that opened it, and everything it delivers is delivered there.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from firmware_bridge.ros2.names import Service, Topic, is_name

T = TypeVar("T")
_LOOK_SECONDS = 0.02
MAX_SEEN = 2000  # endpoints of others that are looked at


@dataclass(frozen=True)
class Seen:
    """A topic or service that others offer or use: how many publish (or serve) it, and how many read (or call) it.

    None: that isn't told.
    """

    name: str
    type: str
    kind: str  # "topic" or "service"
    publishers: int | None
    subscribers: int | None


def seen_of(found: dict[tuple[str, str, str], list[int]]) -> list[Seen]:
    """What was found by name, type and kind, with both counts; names that are none of ROS are left out."""
    return [Seen(*key, counts[0], counts[1]) for key, counts in sorted(found.items()) if is_name(key[0])]


class Closable(Protocol):
    """An endpoint that can be taken away again."""

    def close(self) -> None: ...


class Inlet(Closable, Protocol):
    """Where a topic's messages come in."""

    def dropped(self) -> int:
        """How many went because the event loop was behind."""


class Outlet(Closable, Protocol):
    """Where a topic's messages go out."""

    def send(self, data: bytes) -> None:
        """Publish a message; raises Overloaded where slow readers hold it up too long."""

    def matched(self) -> int | None:
        """How many read it; None where that isn't known."""

    async def arrived(self, seconds: float) -> bool:
        """Whether all that was sent is with those who read it reliably, or, where nobody confirms, on its way; see `graph`."""


class Caller(Closable, Protocol):
    """Where a service's requests go out."""

    def ready(self) -> bool:
        """Whether somebody serves it."""

    async def call(self, data: bytes) -> bytes:
        """The reply's bytes; the caller of this sets the deadline."""


Reply = Callable[[bytes | None], None]  # None: there will be no reply


def hand(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> bool:
    """Call a function in the loop, from any thread; False where the loop has ended."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        return False
    return True


async def until(true: Callable[[], bool]) -> None:
    """Looks until something is so; whoever asks sets the deadline. None of the back ends tells it by itself."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)


class Transport(Protocol):
    """A back end: CycloneDDS, zenoh, rclpy or rosbridge."""

    kind: ClassVar[str]
    acts: ClassVar[bool]  # whether actions go over it
    nan: ClassVar[bool]  # whether numbers that are none do

    async def open(self) -> None:
        """Join the graph. Raises RosError."""

    async def close(self) -> None:
        """Leave it; nothing is delivered any more."""

    def advertise(self, topic: Topic) -> Outlet:
        """Begin to publish."""

    def subscribe(self, topic: Topic, deliver: Callable[[bytes], None]) -> Inlet:
        """Begin to read; of what isn't taken in time, the oldest is dropped."""

    def serve(self, service: Service, handle: Callable[[bytes, Reply], None]) -> Closable:
        """Begin to answer requests; the second argument of `handle` sends the reply, once."""

    def client(self, service: Service) -> Caller:
        """Begin to ask."""

    def nodes(self) -> Collection[str]:
        """Full names of the nodes that are known by now."""

    def seen(self) -> Collection[Seen]:
        """Topics and services that are known by now."""


class Inbox(Generic[T]):
    """From any thread into the event loop, bounded: where the loop is behind, the oldest goes and is counted."""

    def __init__(self, bound: int, deliver: Callable[[T], None]) -> None:
        self._loop, self._bound, self._deliver = asyncio.get_running_loop(), bound, deliver
        self._waiting: deque[T] = deque()
        self._lock = threading.Lock()
        self._told = self._closed = False
        self.dropped = 0

    def put(self, thing: T) -> None:
        """Hand a thing over, from any thread."""
        with self._lock:
            if self._closed:
                return
            if len(self._waiting) >= self._bound:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(thing)
            told, self._told = self._told, True
        if not told and not hand(self._loop, self._drain):
            self._closed = True

    def close(self) -> None:
        """Deliver nothing any more."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _drain(self) -> None:
        with self._lock:
            things = list(self._waiting)
            self._waiting.clear()
            self._told = False
        for thing in things:
            if self._closed:
                return
            self._deliver(thing)
