"""Bodies: the same bytes for the same request, dialects, schemas within what providers take, strange replies."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import cast

import pytest

from trainer_host.teacher.protocol import Image, Json, Message, Request, Secret, Usage
from trainer_host.teacher.providers import PROVIDERS, Dialect, Endpoint
from trainer_host.teacher.wires import WireError, wire_of
from trainer_host.teacher.wires.schemas import for_anthropic, for_openai, is_closed

SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20, "description": "Of the part"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "mood": {"enum": ["calm", "glad"]},
        "parts": {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "string", "minLength": 1}},
    },
    "required": ["name", "count", "mood", "parts"],
    "additionalProperties": False,
}
REQUEST = Request((Message("user", "Hi"),), "Be short.", SCHEMA, 77, 0.5)
LOCAL = PROVIDERS["ollama"]


def body_of(request: Request, endpoint: Endpoint, dialect: Dialect | None = None) -> Json:
    return cast(Json, json.loads(wire_of(endpoint).body(request, endpoint, dialect or endpoint.dialect)))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_body_has_the_same_bytes_in_every_process(provider: str) -> None:
    program = (
        "import sys\n"
        "from tests.trainer_host.teacher.wires.test_bodies import *\n"
        f"endpoint = PROVIDERS[{provider!r}]\n"
        "sys.stdout.buffer.write(wire_of(endpoint).body(REQUEST, endpoint, endpoint.dialect))\n"
    )
    here = wire_of(PROVIDERS[provider]).body(REQUEST, PROVIDERS[provider], PROVIDERS[provider].dialect)
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60).stdout
    assert here == there and json.loads(here)["model"] == PROVIDERS[provider].model


def test_each_provider_gets_the_name_of_the_token_limit_that_it_takes() -> None:
    assert body_of(REQUEST, PROVIDERS["openai"])["max_completion_tokens"] == 77
    assert "max_tokens" not in body_of(REQUEST, PROVIDERS["openai"])
    for provider in ("mistral", "ollama", "vllm", "anthropic"):
        assert body_of(REQUEST, PROVIDERS[provider])["max_tokens"] == 77


def test_a_server_on_ones_own_machine_gets_the_whole_schema_and_a_big_provider_its_subset() -> None:
    def schema_sent(endpoint: Endpoint) -> Json:
        form = cast(Json, body_of(REQUEST, endpoint)["response_format"])
        return cast(Json, cast(Json, form["json_schema"])["schema"])

    assert schema_sent(LOCAL) == SCHEMA
    assert schema_sent(PROVIDERS["openai"]) == for_openai(SCHEMA)


def test_what_a_subset_leaves_out_stays_in_the_description() -> None:
    ours = cast(dict[str, Json], for_openai(SCHEMA)["properties"])
    assert ours["name"] == {"type": "string", "description": "Of the part\n\n{maxLength: 20}"}
    assert ours["count"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert ours["parts"]["minItems"] == 2 and ours["parts"]["description"] == "{uniqueItems: true}"
    theirs = cast(dict[str, Json], for_anthropic(SCHEMA)["properties"])
    assert theirs["count"] == {"type": "integer", "description": "{minimum: 1, maximum: 9}"}
    assert theirs["mood"] == {"enum": ["calm", "glad"]}
    assert "minItems" not in theirs["parts"] and "{minItems: 2, uniqueItems: true}" in str(theirs["parts"])
    assert "$schema" not in for_openai(SCHEMA) and "$schema" not in for_anthropic(SCHEMA)


def test_a_reference_stands_alone_and_one_of_becomes_any_of() -> None:
    schema: Json = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a", "description": "x"}},
        "$defs": {"a": {"oneOf": [{"type": "string", "minLength": 2}, {"type": "null"}]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    for made in (for_openai(schema), for_anthropic(schema)):
        assert made["properties"] == {"a": {"$ref": "#/$defs/a"}}
        forms: list[Json] = [{"type": "string", "description": "{minLength: 2}"}, {"type": "null"}]
        assert made["$defs"] == {"a": {"anyOf": forms}}


def test_strict_is_claimed_only_for_schemas_that_fulfil_its_conditions() -> None:
    assert is_closed(SCHEMA)
    assert not is_closed({**SCHEMA, "additionalProperties": True})
    assert not is_closed({**SCHEMA, "required": ["name"]})
    inner: Json = {"type": "object", "properties": {"b": {"type": "null"}}}
    for outer in ({"type": "array", "items": inner}, {"anyOf": [inner]}, {"$defs": {"x": inner}}):
        assert not is_closed(cast(Json, outer))
    form = cast(Json, body_of(replace(REQUEST, schema=inner), PROVIDERS["openai"])["response_format"])
    assert cast(Json, form["json_schema"])["strict"] is False


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_server_without_schemas_is_asked_in_the_prompt_behind_what_can_be_cached(provider: str) -> None:
    endpoint = PROVIDERS[provider]
    body = body_of(REQUEST, endpoint, replace(endpoint.dialect, schema="prompt"))
    assert "response_format" not in body and "output_config" not in body
    messages = cast(list[Json], body["messages"])
    system = str(messages[0]["content"] if provider == "openai" else body["system"])
    assert system.startswith("Be short.\n\n") and json.dumps(SCHEMA) in system
    bare = body_of(replace(REQUEST, system=""), endpoint, replace(endpoint.dialect, schema="prompt"))
    assert json.dumps(SCHEMA) in json.dumps(bare).replace('\\"', '"')


def test_a_dialect_leaves_out_what_a_server_does_not_take() -> None:
    endpoint = PROVIDERS["openai"]
    assert body_of(REQUEST, endpoint)["reasoning_effort"] == "minimal"
    body = body_of(REQUEST, endpoint, Dialect("subset", "max_tokens", temperature=False, options=False))
    assert not {"temperature", "reasoning_effort", "max_completion_tokens"} & set(body)


def test_the_header_for_repeated_requests_is_sent_on_the_wire_that_knows_one() -> None:
    assert wire_of(PROVIDERS["openai"]).headers(None, "abc")["Idempotency-Key"] == "abc"
    assert "abc" not in str(wire_of(PROVIDERS["anthropic"]).headers(None, "abc"))


@pytest.mark.parametrize(
    ("provider", "base", "url"),
    [
        ("openai", "http://10.0.0.1/v1/", "http://10.0.0.1/v1/chat/completions"),
        ("openai", "http://10.0.0.1/v1/chat/completions", "http://10.0.0.1/v1/chat/completions"),
        ("anthropic", "http://10.0.0.1", "http://10.0.0.1/v1/messages"),
        ("anthropic", "http://10.0.0.1/v1", "http://10.0.0.1/v1/messages"),
        ("anthropic", "http://10.0.0.1/gateway/v1/messages", "http://10.0.0.1/gateway/v1/messages"),
    ],
)
def test_an_address_may_be_pasted_with_more_of_the_path_than_needed(provider: str, base: str, url: str) -> None:
    endpoint = replace(PROVIDERS[provider], base_url=base)
    assert wire_of(endpoint).url(endpoint) == url


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_half_a_character_cannot_be_sent(provider: str) -> None:
    endpoint = PROVIDERS[provider]
    with pytest.raises(WireError, match="lone surrogate"):
        wire_of(endpoint).body(Request((Message("user", "\ud83d"),)), endpoint, endpoint.dialect)


def test_a_key_does_not_show_in_the_headers_that_carry_it() -> None:
    secret = Secret("sk-visible-0123456789")
    for provider in ("openai", "anthropic"):
        headers = wire_of(PROVIDERS[provider]).headers(secret)
        assert "sk-visible" not in repr(headers)
        assert any("sk-visible-0123456789" in str(value) for value in headers.values())  # but it is in them


@pytest.mark.parametrize(
    ("provider", "payload", "usage"),
    [
        ("openai", {"choices": [{"message": {"content": "a"}}]}, None),
        ("openai", {"choices": [{"message": {"content": "a"}}], "usage": None}, None),
        ("openai", {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": 3}}, Usage(3, 0)),
        (
            "openai",
            {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": -3, "completion_tokens": 10**30}},
            Usage(0, 10**9),
        ),
        ("anthropic", {"content": [{"type": "text", "text": "a"}]}, None),
        ("anthropic", {"content": [{"type": "text", "text": "a"}], "usage": {"input_tokens": True}}, Usage(0, 0)),
    ],
)
def test_replies_of_servers_that_leave_things_out_are_read(provider: str, payload: Json, usage: Usage | None) -> None:
    answer = wire_of(PROVIDERS[provider]).read(payload)
    assert (answer.text, answer.usage, answer.model, answer.finish) == ("a", usage, "", "other")


@pytest.mark.parametrize("payload", [{}, {"choices": []}, {"choices": [{}]}, {"choices": "x"}, {"content": "x"}])
def test_what_is_no_reply_is_said(payload: Json) -> None:
    for provider in ("openai", "anthropic"):
        with pytest.raises(WireError):
            wire_of(PROVIDERS[provider]).read(payload)


def test_thinking_and_parts_are_not_the_answer() -> None:
    thought: Json = {"type": "thinking", "thinking": "hm"}
    text: Json = {"type": "text", "text": "yes"}
    assert wire_of(PROVIDERS["anthropic"]).read({"content": [thought, text, text]}).text == "yesyes"
    message: Json = {"content": [thought, text]}
    assert wire_of(PROVIDERS["openai"]).read({"choices": [{"message": message}]}).text == "yes"


def test_a_picture_makes_another_body() -> None:
    one, two = (Request((Message("user", "x", (Image("image/png", data),)),)) for data in (b"1", b"2"))
    for provider in ("openai", "anthropic"):
        endpoint = PROVIDERS[provider]
        bodies = [wire_of(endpoint).body(request, endpoint, endpoint.dialect) for request in (one, two)]
        assert bodies[0] != bodies[1]
