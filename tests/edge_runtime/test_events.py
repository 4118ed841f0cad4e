"""Events: in order, bounded, remembered for late listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge_runtime import events
from edge_runtime.api.access import Caller
from edge_runtime.errors import Overloaded
from edge_runtime.events import MAX_OF_ONE, Event, EventHub, Listener
from edge_runtime.identity.grants import Grant


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


async def test_a_listener_gets_what_is_for_it_and_one_token_can_not_shut_the_others_out() -> None:
    hub = EventHub()
    front = Caller(Grant("operator", ("front-desk",)), "a1")
    hub.emit("activated", specialist="home")
    bound, free = hub.listen(0, front.may_know, front.id), hub.listen(0, Caller(Grant("operator")).may_know)
    for name in ("front-desk", "home"):
        hub.emit("wake", specialist=name)
    hub.emit("governor", state="sparing")
    hub.close()

    async def all_of(listener: Listener) -> list[object]:
        return [event.get("specialist", event["type"]) async for event in _until_end(listener)]

    assert await all_of(bound) == ["front-desk", "governor"]
    assert await all_of(free) == ["home", "front-desk", "home", "governor"]
    for _ in range(MAX_OF_ONE - 1):
        hub.listen(0, front.may_know, front.id)
    with pytest.raises(Overloaded, match="This token has"):
        hub.listen(0, front.may_know, front.id)
    hub.leave(bound)
    hub.listen(0, front.may_know, front.id)
    hub.listen(0, Caller(Grant("viewer"), "b2").may_know, "b2")


async def _until_end(listener: Listener) -> AsyncIterator[Event]:
    while (event := await asyncio.wait_for(listener.next(), 1)) is not None:
        yield event


async def test_listeners_are_bounded() -> None:
    hub = EventHub()
    listeners = [hub.listen() for _ in range(events.MAX_LISTENERS)]
    with pytest.raises(Overloaded):
        hub.listen()
    hub.leave(listeners[0])
    hub.listen()
