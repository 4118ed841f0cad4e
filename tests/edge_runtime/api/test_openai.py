"""OpenAI's own Python client against a real device on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

pytest.importorskip("openai")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model file is made by the trainer's export")

import openai

from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.client import DeviceClient
from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.engines.language_onnx import OnnxLanguageEngine
from edge_runtime.errors import BadRequest
from tests.edge_runtime.api import chatty
from tests.edge_runtime.conftest import RunningDevice, trust

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chatty.make_bundle(tmp_path_factory.mktemp("chatty"))


@pytest.fixture(scope="module")
def device(bundle: Path, bundles: dict[str, Path]) -> Iterator[RunningDevice]:
    folder = bundle.parent
    trust(folder / "device")
    running = RunningDevice(folder / "device")
    for each in (bundle, bundles["v1"]):
        pushed = running.push(each)
        assert pushed.status == 200, pushed.body
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(device: RunningDevice) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{device.url}/v1", api_key=device.token, max_retries=0, timeout=60) as made:
        yield made


def tokens(device: RunningDevice) -> float:
    for line in device.get("/metrics").body.decode().splitlines():
        if line.startswith('enigma_tokens_total{specialist="chatty"}'):
            return float(line.split()[-1])
    return 0.0


def settled(device: RunningDevice) -> float:
    """The tokens, once no more come."""
    seen = -1.0
    while (now := tokens(device)) != seen:
        seen = now
        time.sleep(0.2)
    return seen


def test_the_language_models_are_listed_and_the_devices_own_list_stays(client: Any, device: RunningDevice) -> None:
    assert [model.id for model in client.models.list()] == ["chatty"]
    assert client.models.retrieve("chatty").owned_by == "enigma"
    assert [model["name"] for model in device.get("/v1/models").json["models"]] == ["chatty", "tiny"]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("tiny")


def test_the_stream_joined_is_the_whole_answer_and_its_usage_comes_last(client: Any) -> None:
    whole = client.chat.completions.create(model="chatty", messages=HELLO, max_tokens=40)
    chunks = list(
        client.chat.completions.create(
            model="chatty",
            messages=HELLO,
            max_completion_tokens=40,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    joined = "".join(choice.delta.content or "" for choice in choices)
    assert joined == whole.choices[0].message.content != ""
    assert choices[0].delta.role == "assistant"
    assert choices[-1].finish_reason == whole.choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 40
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == whole.usage.prompt_tokens - 1
    assert len({chunk.id for chunk in chunks}) == 1


async def test_four_chats_at_once_are_written_by_turns_and_as_one_after_the_other(
    bundle: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, with the order in which the model itself was asked: none ends before all have begun."""
    device = Device(state, parse_config({"update": {"trial": False}}))
    await device.start()

    async def chunks() -> AsyncIterator[bytes]:
        yield bundle.read_bytes()

    await device.install(chunks(), bundle.stat().st_size)
    gate, caches, usual = threading.Event(), list[int](), OnnxLanguageEngine.feed

    def feed(engine: OnnxLanguageEngine, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        assert gate.wait(60)
        caches.append(id(engine))
        return usual(engine, tokens, wanted)

    monkeypatch.setattr(OnnxLanguageEngine, "feed", feed)
    async with TestClient(TestServer(make_app(device, Access(device.tokens, open_on_loopback=True)))) as http:

        async def ask(number: int) -> str:
            asked = {"messages": [{"role": "user", "content": f"hello {number}"}], "max_tokens": 40, "seed": number}
            body = {"model": "chatty", "temperature": 1.0, "stream": True, **asked}
            said = ""
            async with http.post("/v1/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: {"):
                        said += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
            return said

        gate.set()
        alone = [await ask(number) for number in range(4)]
        gate.clear()
        caches.clear()
        asking = [asyncio.create_task(ask(number)) for number in range(4)]
        async with asyncio.timeout(60):
            while device.serving.waiting("chatty") < 4:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        gate.set()
        assert await asyncio.gather(*asking) == alone
    first = {each: caches.index(each) for each in caches}
    last = {each: number for number, each in enumerate(caches)}
    assert len(first) == 4 and max(first.values()) < min(last.values())
    await device.close()


def test_logprobs_cover_the_text(client: Any) -> None:
    made = client.chat.completions.create(
        model="chatty", messages=HELLO, max_tokens=10, logprobs=True, top_logprobs=2, seed=1
    )
    entries = made.choices[0].logprobs.content
    text = b"".join(bytes(entry.bytes) for entry in entries).decode("utf-8", "replace")
    assert text == made.choices[0].message.content
    assert all(entry.logprob == entry.top_logprobs[0].logprob <= 0 for entry in entries)
    old = client.completions.create(model="chatty", prompt="the", max_tokens=5, logprobs=2)
    assert len(old.choices[0].logprobs.tokens) == 5 and len(old.choices[0].logprobs.top_logprobs[0]) == 2


def test_a_text_goes_on_streamed_as_whole(client: Any) -> None:
    whole = client.completions.create(model="chatty", prompt="the cat", max_tokens=12)
    parts = list(client.completions.create(model="chatty", prompt="the cat", max_tokens=12, stream=True))
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text != ""


def test_a_stop_string_and_a_seed_are_honoured(client: Any) -> None:
    def ask(**options: Any) -> str:
        made = client.chat.completions.create(model="chatty", messages=HELLO, max_tokens=60, temperature=1.5, **options)
        return str(made.choices[0].message.content)

    text = ask(seed=7)
    assert text == ask(seed=7) != ask(seed=8)
    stop = text[20:22]
    assert ask(seed=7, stop=stop) == text[: text.index(stop)]
    assert ask(seed=7, frequency_penalty=2, presence_penalty=2) != text


def test_what_would_change_the_answer_and_isnt_known_is_refused_in_openais_shape(client: Any) -> None:
    for wrong in ({"n": 2}, {"logit_bias": {"5": 9}}, {"extra_body": {"mirostat": 2}}, {"temperature": 3}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="chatty", messages=HELLO, **wrong)
        body = caught.value.body
        assert body["type"] == "invalid_request_error" and body["code"] == "bad_request" and body["message"]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=HELLO)
    with pytest.raises(openai.BadRequestError, match="isn't a language model"):
        client.chat.completions.create(model="tiny", messages=HELLO)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="enigma_wrong").chat.completions.create(model="chatty", messages=HELLO)


def test_a_conversation_beyond_the_context_is_refused_also_where_it_should_stream(client: Any) -> None:
    long: list[Any] = [{"role": "user", "content": "word " * chatty.CONTEXT}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="send less of it"):
            client.chat.completions.create(model="chatty", messages=long, stream=stream)


def test_once_the_client_is_gone_nothing_more_is_computed(client: Any, device: RunningDevice) -> None:
    for _ in range(9):  # on a busy machine the model may be at its end before the client is gone
        before = tokens(device)
        stream = client.chat.completions.create(model="chatty", messages=HELLO, stream=True, temperature=1, seed=3)
        next(iter(stream))
        stream.close()
        if (seen := settled(device)) - before < chatty.CONTEXT - 60:
            break
    assert client.chat.completions.create(model="chatty", messages=HELLO, max_tokens=3).usage.completion_tokens == 3
    assert seen - before < chatty.CONTEXT - 60


SCHEMA = {
    "type": "object",
    "properties": {"room": {"type": "string", "enum": ["kitchen", "hall"]}, "on": {"type": "boolean"}},
    "required": ["room", "on"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "light", "description": "", "parameters": SCHEMA}}]


def test_an_answer_keeps_to_a_json_schema_whatever_the_model_would_write(client: Any) -> None:
    made = client.chat.completions.create(
        model="chatty",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "light", "schema": SCHEMA}},
    )
    answer = json.loads(made.choices[0].message.content)
    assert answer["room"] in ("kitchen", "hall") and isinstance(answer["on"], bool) and len(answer) == 2
    assert made.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "light"}}])
def test_a_call_that_is_asked_for_comes_with_arguments_of_the_schema(client: Any, choice: Any) -> None:
    asked = {"model": "chatty", "messages": HELLO, "tools": TOOLS, "tool_choice": choice}
    made = client.chat.completions.create(**asked).choices[0]
    (call,) = made.message.tool_calls
    assert made.finish_reason == "tool_calls" and made.message.content is None and call.function.name == "light"
    assert json.loads(call.function.arguments)["room"] in ("kitchen", "hall")
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True)]
    (streamed,) = [call for chunk in chunks for call in chunk.delta.tool_calls or ()]
    assert streamed.function.arguments == call.function.arguments and chunks[-1].finish_reason == "tool_calls"


def test_the_own_route_answers_beside_it(device: RunningDevice) -> None:
    answer = device.request("POST", "/v1/run/chatty", {"messages": HELLO, "max_tokens": 5})
    assert answer.status == 200 and answer.json["tokens"] == 5


async def test_a_hundred_idle_streams_take_little_memory(device: RunningDevice) -> None:
    """Each connection streamed an answer and stays open, as clients with a pool of connections leave them."""
    headers = {"Authorization": f"Bearer {device.token}"}
    before = device.get("/v1/status", **headers).json["rss_bytes"]
    body = {"model": "chatty", "messages": HELLO, "max_tokens": 1, "stream": True}
    async with contextlib.AsyncExitStack() as open_ones:
        for _ in range(100):
            session = await open_ones.enter_async_context(ClientSession(headers=headers))
            async with session.post(f"{device.url}/v1/chat/completions", json=body) as answer:
                assert (await answer.read()).rstrip().endswith(b"data: [DONE]")
        assert device.get("/v1/status", **headers).json["rss_bytes"] - before < 50 * 2**20


async def test_our_own_client_streams_too_and_ends_the_writing_where_it_leaves(device: RunningDevice) -> None:
    asked: dict[str, object] = {"model": "chatty", "messages": HELLO, "max_tokens": 40}
    async with DeviceClient(device.url, device.token) as ours:
        chunks = [chunk async for chunk in ours.chat(asked)]
        whole = await ours._call("POST", "/v1/chat/completions", json=asked)
        assert _written(chunks) == whole["choices"][0]["message"]["content"]  # type: ignore[index]
        with pytest.raises(BadRequest, match="temperature"):
            await anext(ours.chat({**asked, "temperature": 9}))
        asked |= {"max_tokens": 400, "temperature": 1, "seed": 3}
        for _ in range(9):  # on a busy machine the model may be at its end before the client is gone
            before = tokens(device)
            async with contextlib.aclosing(ours.chat(asked)) as stream:
                await anext(stream)
            if (seen := await asyncio.to_thread(settled, device)) < before + 400:
                break
    assert seen < before + 400


def _written(chunks: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
