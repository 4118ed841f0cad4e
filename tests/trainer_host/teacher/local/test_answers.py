"""What the real model answers: by the schema, to several at a time, in a stream, and after nonsense."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp

from tests.trainer_host.teacher.local.conftest import Asking
from tests.trainer_host.teacher.local.files import needs_smollm2, needs_xllamacpp
from trainer_host.teacher.local.constrain import guidance
from trainer_host.teacher.local.server import served_model
from trainer_host.teacher.parse import read_answer

pytestmark = [needs_xllamacpp, needs_smollm2]


def form(**properties: object) -> dict[str, object]:
    """A schema as our tasks write them."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def constrained(schema: dict[str, object]) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


NESTED = form(
    label={"type": "string", "enum": ["lamp on", "lamp off"]},
    words={"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 4}, "minItems": 1, "maxItems": 2},
    at=form(room={"type": "string", "pattern": "^[a-z]{3,6}$"}, floor={"type": "integer", "minimum": 0, "maximum": 3}),
)  # fmt: skip
# Each keyword that `constrain` passes on; one that llguidance didn't know would leave the answer without any form.
KEYWORDS: dict[str, object] = {
    **form(
        a={"type": ["boolean", "null"]},
        b={"const": "k"},
        c={"type": "number", "minimum": 0, "maximum": 1},
        d={"type": "number", "exclusiveMinimum": 5, "exclusiveMaximum": 6},
        e={"type": "integer", "multipleOf": 7, "minimum": 50},
        f={"type": "string", "pattern": "^[A-Z][a-z]+!$", "maxLength": 9},
        g={"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 3},
        h={"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "null"}, "minItems": 3, "maxItems": 3}]},
        i={"allOf": [{"type": "string"}, {"minLength": 2, "maxLength": 3}]},
        j={"$ref": "#/$defs/j"},
        k={"type": "object", "additionalProperties": False},
    ),
    "$defs": {"j": {"enum": [[], {"x": 1}]}},
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Keywords",
    "description": "All of them",
}


async def test_twenty_of_twenty_answers_follow_a_nested_schema(asking: Asking) -> None:
    slots = asyncio.Semaphore(4)

    async def one(seed: int) -> str:
        async with slots:
            return await asking.text(
                "Turn on the lamp.", response_format=constrained(NESTED), seed=seed, max_tokens=100, temperature=1.0
            )

    texts = await asyncio.gather(*(one(seed) for seed in range(20)))
    for text in texts:
        assert json.dumps(json.loads(text), ensure_ascii=False) == text or "\\" in text  # not a token for spaces
        read_answer(text, NESTED)
    assert len(set(texts)) > 1


async def test_every_keyword_that_is_passed_on_holds(asking: Asking) -> None:
    assert guidance(KEYWORDS) is not None
    text = await asking.text("Write.", response_format=constrained(KEYWORDS), seed=1, max_tokens=250, temperature=1.5)
    read_answer(text, KEYWORDS)


async def test_a_schema_of_other_keywords_still_holds(asking: Asking) -> None:
    schema = form(day={"type": "string", "format": "date"}, which={"oneOf": [{"const": "a"}, {"const": "b"}]})
    assert guidance(schema) is None
    read_answer(await asking.text("Which day?", response_format=constrained(schema), max_tokens=120), schema)


async def test_an_enum_of_thousands_holds_nobody_up(asking: Asking) -> None:
    names = [f"value number {number}" for number in range(5000)]
    schema = form(a={"type": "string", "enum": names})
    text = await asyncio.wait_for(asking.text("Choose.", response_format=constrained(schema), max_tokens=40), 60)
    assert json.loads(text)["a"] in names


async def test_two_clients_at_a_time_get_their_own_answers(asking: Asking) -> None:
    formats = [constrained(form(colour={"type": "string", "enum": [colour]})) for colour in ("red", "blue")]
    answers = await asyncio.gather(
        *(asking.text("Which colour?", response_format=formats[i % 2], max_tokens=30) for i in range(6))
    )
    assert [json.loads(answer)["colour"] for answer in answers] == ["red", "blue"] * 3


async def test_the_same_seed_is_the_same_answer(asking: Asking) -> None:
    first, second = [await asking.text("Tell me a story.", seed=7) for _ in range(2)]
    assert first == second


async def test_a_stream_comes_in_pieces_and_ends(asking: Asking) -> None:
    body = asking.body("Tell me a story.", temperature=0.0, stream=True, stream_options={"include_usage": True})
    pieces: list[str] = []
    last: dict[str, object] = {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session,
        session.post(f"{asking.endpoint.base_url}/chat/completions", json=body) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        lines = [line.decode().strip() async for line in answer.content]
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events[-1] == "[DONE]"
    for event in events[:-1]:
        last = json.loads(event)
        choices = last["choices"]
        assert isinstance(choices, list)
        pieces += [choice["delta"].get("content") or "" for choice in choices]
    assert len([piece for piece in pieces if piece]) >= 3
    usage = last["usage"]
    assert isinstance(usage, dict) and usage["completion_tokens"] == 8


async def test_nonsense_is_refused_and_the_next_request_is_answered(asking: Asking) -> None:
    deep = b'{"messages":' + b"[" * 100_000
    bodies: list[dict[str, object] | bytes] = [
        b"{", b"", b"[1]", b"\xff\xfe", deep,
        asking.body("x", messages="none"), asking.body("x", max_tokens=-5), asking.body("x", temperature="warm"),
        asking.body("word " * 5000), asking.body("x", response_format=constrained({"type": "strnig"})),
        asking.body("x", response_format=constrained({"$ref": "#/nowhere"})), asking.body("x", grammar="root ::= root"),
    ]  # fmt: skip
    for body in bodies:
        status, answer = await asking.post(body)
        assert 400 <= status < 500, (str(body)[:80], status)
        error = answer["error"]
        assert isinstance(error, dict) and error["message"]
    assert await asking.text("Hello!")


async def test_a_client_that_goes_away_does_not_hold_the_others_up(asking: Asking) -> None:
    async def impatient() -> None:
        await asyncio.wait_for(asking.post(asking.body("Tell me a long story.", max_tokens=900, ignore_eos=True)), 0.3)

    gone = await asyncio.gather(*(impatient() for _ in range(8)), return_exceptions=True)
    assert all(isinstance(one, TimeoutError) for one in gone)
    assert await asyncio.wait_for(asking.text("Hello!"), 60)


async def test_the_model_is_named_and_found_by_its_address(asking: Asking) -> None:
    parts = urlsplit(asking.endpoint.base_url)
    assert parts.hostname is not None and parts.port is not None
    found = await asyncio.to_thread(served_model, parts.hostname, parts.port)
    assert found == asking.endpoint.model == "smollm2-135m-instruct"
