"""The official SDKs and our wires send the same JSON and headers, and read the same out of the same replies."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import AsyncIterator
from typing import Literal, cast

import anthropic
import openai
import pydantic
import pytest

from tests.trainer_host.teacher.fake_api import FakeApi, reply_body
from tests.trainer_host.teacher.faults import raw
from trainer_host.teacher.connection import Answered, Connection
from trainer_host.teacher.protocol import Finish, Image, Json, Message, Request, Secret, Usage
from trainer_host.teacher.providers import Dialect, Endpoint, Wire
from trainer_host.teacher.wires import wire_of

KEY = "sk-oracle-0123456789abcdef"
PICTURE = Image("image/png", b"\x89PNG\r\n\x1a\nnot really")
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "What is said"},
        "mood": {"type": "string", "enum": ["calm", "glad"]},
        "steps": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["text", "mood", "steps"],
    "additionalProperties": False,
}
USER = (Message("user", "Wie spät ist es? ⏰"),)
REQUESTS = {
    "plain": Request(USER, max_tokens=50),
    "no temperature": Request(USER, "Be short.", max_tokens=50, temperature=None),
    "schema": Request(USER, "Be short.", SCHEMA, 200, 0.5),
    "repair": Request((*USER, Message("assistant", "{}"), Message("user", "Again.")), "Be short.", SCHEMA, 200),
    "pictures": Request((Message("user", "What is it?", (PICTURE, PICTURE)),), "You see.", SCHEMA, 300, 0.0),
    "long system": Request(USER, "All of the rules. " * 400, SCHEMA, 200),
}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as running:
        yield running


async def sent(endpoint: Endpoint, request: Request, dialect: Dialect | None = None) -> Answered:
    wire = wire_of(endpoint)
    connection = Connection()
    try:
        body = wire.body(request, endpoint, dialect or endpoint.dialect)
        answered = await connection.post(wire.url(endpoint), wire.headers(Secret(KEY)), body)
    finally:
        await connection.close()
    assert isinstance(answered, Answered)
    return answered


def by_openai(request: Request) -> Json:
    """The arguments that a user of OpenAI's SDK gives for this request."""
    messages: list[Json] = [{"role": "system", "content": request.system}] if request.system else []
    for message in request.messages:
        urls = [f"data:image/png;base64,{base64.b64encode(image.data).decode()}" for image in message.images]
        parts: list[Json] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content = [*parts, {"type": "text", "text": message.text}] if parts else message.text
        messages.append({"role": message.role, "content": content})
    made: Json = {"model": "fake-small", "messages": messages, "max_completion_tokens": request.max_tokens}
    if request.temperature is not None:
        made["temperature"] = request.temperature
    if request.schema is not None:
        form = {"name": "answer", "schema": request.schema, "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": form}
    return made


def by_anthropic(request: Request) -> Json:
    """The arguments that a user of Anthropic's SDK gives for this request."""
    messages: list[Json] = []
    for message in request.messages:
        data = [base64.b64encode(image.data).decode() for image in message.images]
        parts: list[Json] = [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": one}} for one in data
        ]
        content = [*parts, {"type": "text", "text": message.text}] if parts else message.text
        messages.append({"role": message.role, "content": content})
    made: Json = {"model": "fake-small", "messages": messages, "max_tokens": request.max_tokens}
    if len(request.system) > 4096:
        made["system"] = [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}]
    elif request.system:
        made["system"] = request.system
    if request.temperature is not None:
        made["temperature"] = request.temperature
    if request.schema is not None:
        made["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
    return made


@pytest.mark.parametrize("name", REQUESTS)
async def test_openai_sdk_and_we_send_the_same_json_and_key(api: FakeApi, name: str) -> None:
    request = REQUESTS[name]
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
        await client.chat.completions.create(**by_openai(request))  # type: ignore[call-overload]
    await sent(api.endpoint("openai"), request, Dialect("subset", "max_completion_tokens"))
    theirs, ours = api.asked
    assert theirs.body == ours.body
    assert theirs.path == ours.path == "/v1/chat/completions"
    same = ("authorization", "content-type", "accept")
    assert [theirs.headers[header] for header in same] == [ours.headers[header] for header in same]


@pytest.mark.parametrize("name", REQUESTS)
async def test_anthropic_sdk_and_we_send_the_same_json_and_key(api: FakeApi, name: str) -> None:
    request = REQUESTS[name]
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as client:
        await client.messages.create(**by_anthropic(request))  # type: ignore[call-overload]
    await sent(api.endpoint("anthropic"), request)
    theirs, ours = api.asked
    assert theirs.body == ours.body
    assert theirs.path == ours.path == "/v1/messages"
    same = ("x-api-key", "anthropic-version", "content-type", "accept")
    assert [theirs.headers[header] for header in same] == [ours.headers[header] for header in same]


class Step(pydantic.BaseModel):
    """One step of `Plan`."""

    model_config = pydantic.ConfigDict(extra="forbid")
    angle: int = pydantic.Field(ge=-90, le=90)
    note: str | None


class Plan(pydantic.BaseModel):
    """A model as SDK users write them, with references and limits."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(description="Of the plan")
    steps: list[Step] = pydantic.Field(min_length=1)
    size: Literal["small", "large"]


async def test_openai_sdk_makes_the_same_format_of_a_typed_answer(api: FakeApi) -> None:
    answer: Json = {"name": "a", "steps": [{"angle": 1, "note": None}], "size": "small"}
    api.answer = lambda asked: answer
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
        await client.chat.completions.parse(
            model="fake-small", messages=[{"role": "user", "content": "Plan."}], response_format=Plan
        )
    await sent(api.endpoint("openai"), Request((Message("user", "Plan."),), schema=Plan.model_json_schema()))
    theirs, ours = (cast(Json, asked.body["response_format"])["json_schema"] for asked in api.asked)
    assert isinstance(theirs, dict) and isinstance(ours, dict)
    # The name is ours to choose, and "$ref" beside a description is all that theirs writes in another way.
    assert {**theirs, "name": "answer"} == ours


async def test_anthropic_sdk_makes_the_same_format_of_a_typed_answer(api: FakeApi) -> None:
    api.answer = lambda asked: {"name": "a", "steps": [{"angle": 1, "note": None}], "size": "small"}
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as client:
        await client.messages.parse(
            model="fake-small", max_tokens=99, messages=[{"role": "user", "content": "Plan."}], output_format=Plan
        )
    await sent(api.endpoint("anthropic"), Request((Message("user", "Plan."),), schema=Plan.model_json_schema()))
    theirs, ours = (copy.deepcopy(cast(Json, asked.body["output_config"])) for asked in api.asked)
    # The SDK moves `enum` into the description; the API enforces it where it stands, so ours stays there.
    size = cast(Json, cast(Json, cast(Json, cast(Json, theirs["format"])["schema"])["properties"])["size"])
    assert "enum" in str(size.pop("description"))
    size["enum"] = ["small", "large"]
    assert theirs == ours


def variants(wire: Wire) -> list[tuple[Json, Finish]]:
    """Replies of all kinds, as the providers' documents show them."""
    made: list[tuple[Json, Finish]] = []
    finishes: dict[str, Finish]
    if wire == "openai":
        finishes = {"stop": "stop", "length": "length", "content_filter": "refusal", "tool_calls": "other"}
    else:
        finishes = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "refusal": "refusal"}
    for reason, finish in finishes.items():
        body = reply_body(wire, "fake-small-2026-11", '{"text": "grüß"}', (120, 45))
        if wire == "openai":
            cast(list[Json], body["choices"])[0]["finish_reason"] = reason
            cast(Json, body["usage"])["prompt_tokens_details"] = {"cached_tokens": 100}
        else:
            body["stop_reason"] = reason
            cast(Json, body["usage"]).update(cache_read_input_tokens=1000, cache_creation_input_tokens=30)
        made.append((body, finish))
    return made


@pytest.mark.parametrize(("body", "finish"), variants("openai"))
async def test_openai_sdk_and_we_read_the_same_out_of_a_reply(api: FakeApi, body: Json, finish: Finish) -> None:
    api.script = lambda asked: raw(json.dumps(body).encode())
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
        theirs = await client.chat.completions.create(model="x", messages=[{"role": "user", "content": "x"}])
    endpoint = api.endpoint("openai")
    ours = wire_of(endpoint).read(json.loads((await sent(endpoint, REQUESTS["plain"])).body))
    assert theirs.usage is not None and theirs.usage.prompt_tokens_details is not None
    cached = theirs.usage.prompt_tokens_details.cached_tokens
    assert ours.usage == Usage(theirs.usage.prompt_tokens, theirs.usage.completion_tokens, cached or 0)
    assert (ours.text, ours.model) == (theirs.choices[0].message.content, theirs.model)
    assert ours.finish == finish and theirs.choices[0].finish_reason in (
        "stop",
        "length",
        "content_filter",
        "tool_calls",
    )


@pytest.mark.parametrize(("body", "finish"), variants("anthropic"))
async def test_anthropic_sdk_and_we_read_the_same_out_of_a_reply(api: FakeApi, body: Json, finish: Finish) -> None:
    api.script = lambda asked: raw(json.dumps(body).encode())
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as client:
        theirs = await client.messages.create(model="x", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    endpoint = api.endpoint("anthropic")
    ours = wire_of(endpoint).read(json.loads((await sent(endpoint, REQUESTS["plain"])).body))
    assert ours.usage is not None
    read, written = theirs.usage.cache_read_input_tokens or 0, theirs.usage.cache_creation_input_tokens or 0
    assert ours.usage == Usage(theirs.usage.input_tokens + read + written, theirs.usage.output_tokens, read, written)
    assert (ours.text, ours.model) == (
        "".join(block.text for block in theirs.content if block.type == "text"),
        theirs.model,
    )
    assert ours.finish == finish and theirs.stop_reason == body["stop_reason"]


async def test_the_sdks_and_we_see_the_same_refusal(api: FakeApi) -> None:
    """OpenAI's models say a refusal in a member of its own."""
    body = reply_body("openai", "m", "", (1, 1))
    cast(list[Json], body["choices"])[0]["message"] = {"role": "assistant", "content": None, "refusal": "I won't."}
    api.script = lambda asked: raw(json.dumps(body).encode())
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
        theirs = await client.chat.completions.create(model="x", messages=[{"role": "user", "content": "x"}])
    ours = wire_of(api.endpoint()).read(body)
    assert (ours.text, ours.finish) == (theirs.choices[0].message.refusal, "refusal")
