"""OpenAI's own Python client has words said and notes played; the model is a stand-in, the sounds are real."""

from __future__ import annotations

import dataclasses
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

pytest.importorskip("openai")

import openai

from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.api.openai_audio import PCM_RATE, read_speech
from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest
from edge_runtime.identity.grants import Grant
from edge_runtime.media import Media, speech
from edge_runtime.tasks import audio_gen, voice
from edge_runtime.update.admit import Loaded
from tests.edge_runtime import tiny

SCALE = "Play a falling G minor scale of 6 notes that starts on Eb5, as square waves. Tempo 150."
NOTES = "play γ in α\nsquare: β d*5"
WORDS = "say β slow low soft: α"


class Writer:
    """Writes what a trained model would for each kind of request."""

    def run(self, request: dict[str, object]) -> dict[str, object]:
        words = str(request["prompt"])
        return audio_gen.answer(request, NOTES if words == SCALE else WORDS if words.startswith("Say") else "nonsense")


class Voice:
    """Says each sentence as a tenth of a second of its length in letters, at the speed that was asked."""

    def run(self, request: dict[str, object]) -> dict[str, object]:
        samples = np.full(round(1600 / float(str(request["speed"]))), len(str(request["prompt"])) / 100)
        return {"sound": Media("audio/wav", voice.wav_of(samples)), "unsure": False}

    def parts(self, request: dict[str, object]) -> tuple[list[dict[str, object]], bool]:
        return [{**request, "prompt": one} for one in str(request["prompt"]).split(". ")], False


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Any]:
    device = Device(tmp_path / "state", Config())
    device.serving.starting = False
    engine = SimpleNamespace(runtime="onnxruntime", version="1", close=lambda: None)
    own = {"voice": Voice()}
    for name, task in (("sounds", "audio_gen"), ("tiny", "router"), ("voice", "audio_gen")):
        described = dataclasses.replace(tiny.manifest(name=name), task=task)
        loaded = Loaded(described, "0" * 64, described.models[0], cast(Any, engine), own.get(name, Writer()), 0.0)
        device.serving.swap(loaded)
    token = device.tokens.add("screen", Grant("operator"))
    async with (
        TestServer(make_app(device, Access(device.tokens, open_on_loopback=True))) as server,
        openai.AsyncOpenAI(base_url=str(server.make_url("/v1")), api_key=token, max_retries=0) as made,
    ):
        yield made
    await device.close()


async def test_notes_are_played_as_wav_and_as_samples_of_the_rate_that_clients_expect(client: Any) -> None:
    whole = await client.audio.speech.create(model="sounds", voice="as-asked", input=SCALE, response_format="wav")
    assert whole.response.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(whole.content)) as made:
        seconds = made.getnframes() / made.getframerate()
        heard = np.frombuffer(made.readframes(made.getnframes()), "<i2").astype(float)
    assert seconds == pytest.approx(2.42, abs=0.01)
    plain = await client.audio.speech.create(model="sounds", voice="as-asked", input=SCALE, response_format="pcm")
    samples = np.frombuffer(plain.content, "<i2").astype(float)
    assert len(samples) / PCM_RATE == pytest.approx(seconds, abs=0.01)
    assert samples.std() == pytest.approx(heard.std(), rel=0.05)


@pytest.mark.skipif(not speech.available(), reason="espeak-ng isn't installed")
async def test_words_are_said_by_the_voice_that_was_chosen(client: Any) -> None:
    made = await client.audio.speech.create(
        model="sounds", voice="man", input="Mind the gap", instructions="sadly", response_format="wav"
    )
    assert len(made.content) > 20_000 and made.response.headers["enigma-unsure"] == "false"


async def test_a_voice_of_its_own_says_what_it_is_given_sentence_by_sentence(client: Any) -> None:
    asked: dict[str, Any] = {"model": "voice", "voice": "alloy", "input": "One two. Three", "speed": 2.0}
    made = await client.audio.speech.create(**asked, response_format="wav")
    samples = np.frombuffer(made.content[len(voice.endless_header()) :], "<i2")
    assert (
        np.array_equal(np.unique(samples), np.round(np.array([5, 7]) / 100 * 32767).astype(int))
        and len(samples) == 1600
    )
    plain = await client.audio.speech.create(**asked, response_format="pcm")
    assert len(plain.content) / 2 / PCM_RATE == pytest.approx(0.1, abs=0.005)
    one = await client.audio.speech.create(model="voice", voice="alloy", input="One", response_format="wav")
    with wave.open(io.BytesIO(one.content)) as file:
        assert file.getnframes() == 1600
    for wrong, words in (({"instructions": "sadly"}, "aren't followed"), ({"speed": 3.0}, "0.5 to 2")):
        with pytest.raises(openai.BadRequestError, match=words):
            await client.audio.speech.create(**asked | wrong)


async def test_what_can_not_be_made_is_refused_with_one_sentence(client: Any) -> None:
    asked: dict[str, Any] = {"model": "sounds", "voice": "as-asked", "input": SCALE}
    for wrong, words in (
        ({"response_format": "mp3"}, "wav or pcm"),
        ({"voice": "alloy"}, "man, woman or as-asked"),
        ({"speed": 1.5}, "slowly or fast"),
        ({"input": " "}, "isn't empty"),
        ({"input": "bake a cake"}, "'bake' isn't known here"),
        ({"input": "x" * 601}, "600"),
        ({"model": "tiny"}, "makes no sounds"),
        ({"instructions": "sadly"}, "write all in `input`"),
    ):
        with pytest.raises(openai.BadRequestError, match=words):
            await client.audio.speech.create(**asked | wrong)
    with pytest.raises(openai.NotFoundError, match="writes down what is said"):
        await client.audio.transcriptions.create(model="sounds", file=("a.wav", b"RIFF"))


def test_a_text_becomes_a_request_that_the_task_reads() -> None:
    made = read_speech({"model": "m", "input": 'He said "no"\nand left', "voice": "woman", "instructions": "sadly"})
    assert made.prompt == "Say \"He said 'no' and left\" sadly in a woman's voice."
    assert read_speech({"model": "m", "input": "Mind the gap"}).prompt == 'Say "Mind the gap" in a man\'s voice.'
    with pytest.raises(BadRequest, match="doesn't know `more`"):
        read_speech({"model": "m", "input": "a", "more": 1})
