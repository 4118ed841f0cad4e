"""What happens on the device, told to whoever listens: a short memory and one bounded queue per listener."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from edge_runtime.errors import Overloaded

Event = dict[str, object]
MEMORY = 64  # the latest events are kept for listeners who come late
QUEUE = 256  # a listener that falls further behind loses the oldest and is told how many
MAX_LISTENERS = 32
MAX_OF_ONE = 8  # of these for one token, so that it can't shut the others out

_log = logging.getLogger(__name__)


class Listener:
    """One listener's queue; `next` waits for an event, None means that the device stops.

    allows: whether an event is for it. who: whose it is, empty for a program of the device itself.
    """

    def __init__(self, past: list[Event], allows: Callable[[Event], bool] = lambda event: True, who: str = "") -> None:
        self.who = who
        self._allows = allows
        self._waiting: deque[Event] = deque(event for event in past if allows(event))
        self._lost = 0
        self._closed = False
        self._news = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event that is for it, at the price of the oldest one where the queue is full."""
        if not self._allows(event):
            return
        if len(self._waiting) >= QUEUE:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(event)
        self._news.set()

    def close(self) -> None:
        """Let `next` return None once the queue is empty."""
        self._closed = True
        self._news.set()

    async def next(self) -> Event | None:
        """The next event; `{"type": "lost", "count"}` where events were dropped."""
        while not self._waiting and not self._lost:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        if self._lost:
            count, self._lost = self._lost, 0
            return {"type": "lost", "count": count}
        return self._waiting.popleft()


class EventHub:
    """Hands events to listeners; every method must be called in the event loop's thread."""

    def __init__(self) -> None:
        self._past: deque[Event] = deque(maxlen=MEMORY)
        self._listeners: set[Listener] = set()
        self._last_id = 0

    def emit(self, kind: str, **fields: object) -> None:
        """Tell everyone; an event has `id`, `time` (seconds since 1970), `type`, and the fields given."""
        self._last_id += 1
        event: Event = {"id": self._last_id, "time": round(time.time(), 3), "type": kind}
        event |= {key: value for key, value in fields.items() if value is not None}
        bad = kind in ("error", "rolled_back") or event.get("state") == "rolled_back"
        level = logging.WARNING if bad else logging.INFO
        said = " ".join(f"{k}={v}" for k, v in event.items() if k not in ("id", "time"))
        _log.log(level, "%s", said, extra={"event": event})
        self._past.append(event)
        for listener in self._listeners:
            listener.put(event)

    def listen(self, since: int = 0, allows: Callable[[Event], bool] = lambda event: True, who: str = "") -> Listener:
        """A listener that first gets the remembered events after `since`; raises `Overloaded`. allows, who: see `Listener`."""
        if who and sum(listener.who == who for listener in self._listeners) >= MAX_OF_ONE:
            raise Overloaded(f"This token has {MAX_OF_ONE} listeners already; close one and try again.")
        if len(self._listeners) >= MAX_LISTENERS:
            raise Overloaded(f"The device has {MAX_LISTENERS} listeners already; close one and try again.")
        listener = Listener([event for event in self._past if _id(event) > since], allows, who)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Let every listener end."""
        for listener in self._listeners:
            listener.close()


def _id(event: Event) -> int:
    number = event["id"]
    assert isinstance(number, int)
    return number
