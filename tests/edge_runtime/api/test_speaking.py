"""A long text is answered sentence by sentence, over real HTTP; the specialist is a stand-in that waits to be let on."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from types import SimpleNamespace

import numpy as np
import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer

from edge_runtime.api.app import _errors
from edge_runtime.api.run import RunRoutes
from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.media import Media
from edge_runtime.serving.recent import Recent
from edge_runtime.serving.worker import Answer
from edge_runtime.tasks.voice import WAV, endless_header, wav_of

Json = dict[str, object]


class Speaker:
    """Says each sentence as 100 samples of its number, once it is let on."""

    config = SimpleNamespace(server=SimpleNamespace(max_body_kb=64, max_file_kb=64), log=SimpleNamespace(inputs=False))
    recent = Recent(8)
    traces = None
    metrics = SimpleNamespace(count=lambda name, **labels: None)

    def __init__(self) -> None:
        self.serving = SimpleNamespace(current=lambda name: SimpleNamespace(loaded=SimpleNamespace(specialist=self)))
        self.on = asyncio.Semaphore(0)

    def known(self, name: str) -> None:
        """It knows every name."""

    def parts(self, request: Json) -> tuple[list[Json], bool]:
        """Sentences between stops."""
        if not request.get("prompt"):
            raise BadRequest("There is nothing to say.")
        said = str(request["prompt"]).split(".")
        return [{"prompt": one} for one in said if one], "?" in said

    async def run(self, name: str, request: Json, urgency: object = None) -> Answer:
        """Its number; whole requests come here too."""
        await self.on.acquire()
        if request["prompt"] == "broken":
            raise EngineError("The model broke.")
        return Answer(
            {"sound": Media(WAV, wav_of(np.full(100, int(str(request["prompt"])) / 32767))), "unsure": False}, 0
        )


@pytest.fixture
async def speaker() -> AsyncIterator[tuple[Speaker, str]]:
    made = Speaker()
    app = web.Application(middlewares=[_errors(made)])  # type: ignore[arg-type]
    app.router.add_post("/v1/run/{specialist}", RunRoutes(made).run)  # type: ignore[arg-type]
    async with TestServer(app) as server:
        yield made, str(server.make_url("/v1/run/voice"))


async def test_the_first_sentence_comes_before_the_second_is_made(speaker: tuple[Speaker, str]) -> None:
    made, url = speaker
    made.on.release()
    async with (
        ClientSession() as session,
        session.post(url, json={"prompt": "1.2.3"}, headers={"Accept": WAV}) as response,
    ):
        assert response.status == 200 and response.headers["Content-Type"] == WAV
        assert response.headers["Enigma-Unsure"] == "false" and "Content-Length" not in response.headers
        head = await response.content.readexactly(len(endless_header()) + 200)
        assert np.array_equal(np.frombuffer(head[-200:], "<i2"), np.full(100, 1))
        made.on.release()
        made.on.release()
        rest = await response.content.read()
        assert np.array_equal(np.frombuffer(rest, "<i2"), np.repeat([2, 3], 100))
        assert head[:4] == b"RIFF" and head[8:12] == b"WAVE"


async def test_samples_alone_have_no_header_and_one_sentence_is_a_whole_file(speaker: tuple[Speaker, str]) -> None:
    made, url = speaker
    for _ in range(3):
        made.on.release()
    async with ClientSession() as session:
        async with session.post(url, json={"prompt": "4.5"}, headers={"Accept": "audio/pcm"}) as response:
            assert response.headers["Content-Type"] == "audio/pcm; rate=16000"
            assert np.array_equal(np.frombuffer(await response.read(), "<i2"), np.repeat([4, 5], 100))
        async with session.post(url, json={"prompt": "6"}, headers={"Accept": WAV}) as response:
            with wave.open(io.BytesIO(await response.read())) as file:
                assert (file.getnframes(), file.getframerate()) == (100, 16_000)


async def test_what_fails_at_first_is_an_error_and_later_ends_the_sound(speaker: tuple[Speaker, str]) -> None:
    made, url = speaker
    for _ in range(3):
        made.on.release()
    async with ClientSession() as session:
        for prompt, status in (("", 400), ("broken.1", 500)):
            async with session.post(url, json={"prompt": prompt}, headers={"Accept": WAV}) as response:
                assert response.status == status
        async with session.post(url, json={"prompt": "1.broken"}, headers={"Accept": WAV}) as response:
            with pytest.raises(ClientPayloadError):
                await response.read()
