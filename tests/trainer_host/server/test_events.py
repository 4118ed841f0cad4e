"""The stream of lessons: bounded, whatever its listeners do."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge_runtime.errors import NotFound, Overloaded
from tests.trainer_host.server.conftest import Client, add_fake
from tests.trainer_host.server.test_lessons import begin, order
from tests.trainer_host.teacher.fake_api import FakeApi
from trainer_host.server.access import Guard
from trainer_host.server.events import MAX_LISTENERS, EventRoutes, Hub, Listener

pytestmark = pytest.mark.usefixtures("no_processes")


async def test_for_a_slow_listener_only_the_newest_of_each_lesson_waits() -> None:
    listener = Listener()
    for _ in range(10_000):
        for id_ in ("one", "two"):
            listener.put(id_)
    assert await listener.changed() == ["one", "two"]
    waiting = asyncio.create_task(listener.changed())
    await asyncio.sleep(0)
    assert not waiting.done()
    listener.put("two")
    listener.close()
    assert await waiting == ["two"] and await listener.changed() is None


def test_listeners_are_bounded_and_leave() -> None:
    async def body() -> None:
        hub = Hub()
        listeners = [hub.listen() for _ in range(MAX_LISTENERS)]
        with pytest.raises(Overloaded):
            hub.listen()
        hub.leave(listeners[0])
        hub.listen()

    asyncio.run(body())


async def test_what_was_forgotten_meanwhile_ends_no_stream() -> None:
    """The oldest jobs are forgotten once there are a hundred, also between a change and its telling."""

    def plain(id_: str) -> dict[str, object]:
        if id_ == "old":
            raise NotFound("There is no such job; it may have been long ago.")
        return {"id": id_}

    guard = cast(Guard, SimpleNamespace(paired=lambda request: None))
    app = web.Application()
    app.router.add_get("/", EventRoutes(Hub(), guard, lambda: ["new", "old", "newer"], plain).events)
    async with TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        heard = [json.loads(await socket.receive_str(timeout=10))["id"] for _ in range(2)]
    assert heard == ["new", "newer"]


async def test_a_listener_that_comes_late_hears_how_all_lessons_stand(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    ids = [await begin(client, order(["avatar"])) for _ in range(2)]
    for id_ in ids:
        await client.ended(id_)
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket:
        heard = [json.loads(await socket.receive_str(timeout=60)) for _ in ids]
        assert [event["id"] for event in heard] == list(reversed(ids))
        assert {event["state"] for event in heard} == {"done"}
        await socket.send_str("x" * 3000)  # what a client says is not listened to
        await socket.send_str("x" * 5000)  # and not taken without end
        closed = await socket.receive(timeout=60)
        assert closed.type is aiohttp.WSMsgType.CLOSE and closed.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert (await client.lesson(ids[0]))["state"] == "done"
