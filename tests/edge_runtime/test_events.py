"""Events: in order, bounded, remembered for late listeners."""

from __future__ import annotations

import asyncio

import pytest

from edge_runtime import events
from edge_runtime.errors import Overloaded
from edge_runtime.events import EventHub


async def test_late_listeners_get_what_is_remembered() -> None:
    hub = EventHub()
    for number in range(events.MEMORY + 10):
        hub.emit("n", number=number)
    listener = hub.listen(since=events.MEMORY + 8)
    hub.close()
    assert [(await listener.next() or {}).get("number") for _ in range(3)] == [72, 73, None]


async def test_a_slow_listener_learns_what_it_lost() -> None:
    hub = EventHub()
    listener = hub.listen()
    for number in range(events.QUEUE + 5):
        hub.emit("n", number=number)
    assert await listener.next() == {"type": "lost", "count": 5}
    first = await listener.next()
    assert first is not None and first["number"] == 5


async def test_a_waiting_listener_wakes_up() -> None:
    hub = EventHub()
    listener = hub.listen()
    waiting = asyncio.create_task(listener.next())
    await asyncio.sleep(0)
    hub.emit("x", empty=None)
    event = await asyncio.wait_for(waiting, 1)
    assert event is not None and set(event) == {"id", "time", "type"}


async def test_listeners_are_bounded() -> None:
    hub = EventHub()
    listeners = [hub.listen() for _ in range(events.MAX_LISTENERS)]
    with pytest.raises(Overloaded):
        hub.listen()
    hub.leave(listeners[0])
    hub.listen()
