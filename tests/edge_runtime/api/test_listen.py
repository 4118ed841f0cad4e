"""Listening live over real HTTP; the network below is a stand-in that hears what is loud."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from edge_runtime.api.app import _errors
from edge_runtime.api.listen import MAX_STREAMS, ListenRoutes
from edge_runtime.client import DeviceClient
from edge_runtime.errors import BadRequest, NotEquipped, Overloaded
from edge_runtime.events import EventHub
from edge_runtime.listening import listen_there
from edge_runtime.serving.recent import Recent
from edge_runtime.serving.worker import Worker
from edge_runtime.tasks.wake_word import WakeWord
from tests.edge_runtime.audio.loud import Loud, bursts, model

Json = dict[str, object]


class Hearing:
    """What the routes use of a device: one wake word in a real worker, and one specialist of another kind."""

    def __init__(self) -> None:
        self.engine = Loud()
        self.events = EventHub()
        self.recent = Recent(8)
        self.traces = None
        self.tokens_ended = False
        self.routes = ListenRoutes(self, lambda request: not self.tokens_ended)  # type: ignore[arg-type]
        self.counted: list[str] = []
        self.metrics = SimpleNamespace(count=lambda name, **labels: self.counted.append(name))
        self.serving = self
        self._robot = WakeWord("hey robot", model(self.engine))
        self._worker = Worker("robot", self._robot, 8, lambda: None)

    def current(self, name: str) -> object:
        return SimpleNamespace(loaded=SimpleNamespace(specialist=self._robot if name == "robot" else object()))

    async def run(self, name: str, request: Json) -> object:
        return await self._worker.run(request, 5.0)


@pytest.fixture
async def device() -> Hearing:
    return Hearing()


@pytest.fixture
async def client(device: Hearing) -> AsyncIterator[DeviceClient]:
    app = web.Application(middlewares=[_errors(device)])  # type: ignore[arg-type]
    app.router.add_post("/v1/listen/{specialist}", device.routes.listen)
    async with TestServer(app) as server, DeviceClient(str(server.make_url("/"))) as made:
        yield made


def pieces(sound: np.ndarray, size: int = 1_601) -> Iterator[bytes]:
    """Of odd lengths: a network cuts where it likes."""
    data = np.rint(sound * 32767).astype("<i2").tobytes()
    return (data[place : place + size] for place in range(0, len(data), size))


async def test_a_detection_comes_while_the_sound_goes_on_and_is_an_event(client: DeviceClient, device: Hearing) -> None:
    heard = asyncio.Event()
    listener = device.events.listen()

    async def sound() -> AsyncIterator[bytes]:
        for piece in pieces(bursts(1.0, seconds=2.0)):
            yield piece
        await asyncio.wait_for(heard.wait(), 60)  # what is told only at the end never sets it
        for piece in pieces(bursts(seconds=1.0)):
            yield piece

    found = []
    async for event in client.listen("robot", sound()):
        heard.set()
        found.append(event)
    assert [event["type"] for event in found] == ["wake", "end"]
    assert found[0]["phrase"] == "hey robot" and found[0]["seconds"] == pytest.approx(1.2, abs=0.2)
    assert found[1]["seconds"] == pytest.approx(3.0, abs=0.1)
    told = await asyncio.wait_for(listener.next(), 60)
    assert told is not None and (told["type"], told["specialist"]) == ("wake", "robot")
    assert "enigma_wakes_total" in device.counted


async def test_a_stream_ends_soon_after_its_token(client: DeviceClient, device: Hearing) -> None:
    async def sound() -> AsyncIterator[bytes]:
        for piece in itertools.cycle(pieces(bursts(seconds=1.0))):
            yield piece
            device.tokens_ended = True
            await asyncio.sleep(0.01)

    async with asyncio.timeout(60):
        *_, last = [event async for event in client.listen("robot", sound())]
    assert (last["type"], last["code"]) == ("error", "unauthorized")


async def test_a_microphone_in_a_thread_is_listened_to_until_it_ends(client: DeviceClient) -> None:
    found: list[Json] = []
    last = await listen_there(client, "robot", pieces(bursts(1.0, 4.0), 1_600), found.append)
    assert [event["type"] for event in found] == ["wake", "wake", "end"] and last == found[-1]


async def test_what_stops_the_microphone_is_said(client: DeviceClient) -> None:
    def broken() -> Iterator[bytes]:
        yield b"\0" * 3_200
        raise NotEquipped("arecord stopped (no such device).")

    with pytest.raises(NotEquipped, match="arecord stopped"):
        await listen_there(client, "robot", broken(), lambda event: None)


async def test_half_a_sample_at_the_end_and_a_broken_model_are_said_in_the_stream(
    client: DeviceClient, device: Hearing
) -> None:
    with pytest.raises(BadRequest, match="within a sample"):
        await listen_there(client, "robot", iter([b"\0" * 9_601]), lambda event: None)
    device.engine.broken = True
    with pytest.raises(Exception, match="build the bundle again"):
        await listen_there(client, "robot", pieces(bursts(1.0)), lambda event: None)


async def test_other_specialists_other_types_and_too_many_streams_are_refused(
    client: DeviceClient, device: Hearing
) -> None:
    async def silence() -> AsyncIterator[bytes]:
        yield b"\0" * 3_200

    with pytest.raises(BadRequest, match="waits for no phrase"):
        async for _ in client.listen("eye", silence()):
            pass
    async with ClientSession() as session:
        answer = await session.post(f"{client.base_url}/v1/listen/robot", data=b"RIFF", headers={"Content-Type": "a/b"})
        assert answer.status == 400 and "audio/pcm" in await answer.text()

    ended = asyncio.Event()

    async def long() -> AsyncIterator[bytes]:
        yield b"\0" * 3_200
        await ended.wait()

    async def one() -> None:
        async for _ in client.listen("robot", long()):
            pass

    tasks = [asyncio.create_task(one()) for _ in range(MAX_STREAMS)]
    async with asyncio.timeout(60):
        while device.routes._open < MAX_STREAMS:  # noqa: ASYNC110 - nobody is told when one begins
            await asyncio.sleep(0.01)
    with pytest.raises(Overloaded, match="microphones"):
        async for _ in client.listen("robot", silence()):
            pass
    ended.set()
    await asyncio.gather(*tasks)
