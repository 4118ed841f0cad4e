"""Anthropic's messages API, version 2023-06-01 (`/v1/messages`)."""

from __future__ import annotations

from trainer_host.teacher.protocol import Finish, Json, Message, Request, Secret, Usage
from trainer_host.teacher.providers import Dialect, Endpoint
from trainer_host.teacher.wires.common import (
    Answer,
    Hidden,
    WireError,
    base64_of,
    json_bytes,
    member,
    system_of,
    text_at,
    tokens_at,
    without_trailing,
)
from trainer_host.teacher.wires.schemas import for_anthropic

VERSION = "2023-06-01"
# About 1,024 tokens. A shorter prompt isn't cached, and would only be marked in vain; a read costs a tenth, the
# first write a quarter more.
CACHED_FROM_CHARS = 4096
_PATH = "/v1/messages"
_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def body(request: Request, endpoint: Endpoint, dialect: Dialect) -> bytes:
    """See `Wire`; it has no probabilities."""
    if request.alternatives:
        raise WireError("this wire has no log-probabilities; take a provider of OpenAI's wire, or ask without them")
    made: Json = {"model": endpoint.model, "max_tokens": request.max_tokens}
    if system := system_of(request, dialect.schema == "prompt"):
        block: Json = {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}
        made["system"] = [block] if len(system) >= CACHED_FROM_CHARS else system
    made["messages"] = [{"role": message.role, "content": _content(message)} for message in request.messages]
    if request.temperature is not None and dialect.temperature:
        made["temperature"] = request.temperature
    if request.schema is not None and dialect.schema != "prompt":
        schema = for_anthropic(request.schema) if dialect.schema == "subset" else request.schema
        made["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if dialect.options:
        made |= dict(endpoint.options)
    return json_bytes(made)


def headers(secret: Secret | None, request_hash: str = "") -> dict[str, str]:
    """See `Wire`; this one knows no header for repeated requests."""
    made = {"Accept": "application/json", "Content-Type": "application/json", "anthropic-version": VERSION}
    if secret is not None:
        made["x-api-key"] = Hidden(secret.reveal())
    return made


def url(endpoint: Endpoint) -> str:
    """See `Wire`."""
    return _base(endpoint) + _PATH


def models_url(endpoint: Endpoint) -> str:
    """See `Wire`."""
    return _base(endpoint) + "/v1/models?limit=1000"


def read(payload: Json) -> Answer:
    """See `Wire`."""
    content = payload.get("content")
    if not isinstance(content, list):
        raise WireError("it holds no content")
    text = "".join(text_at(block, "text") for block in content if text_at(block, "type") == "text")
    finish = _FINISH.get(text_at(payload, "stop_reason"), "other")
    return Answer(text, finish, _usage(payload), text_at(payload, "model"))


def _base(endpoint: Endpoint) -> str:
    return without_trailing(endpoint.base_url, _PATH, "/v1")


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.text
    parts: list[Json] = [
        {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": base64_of(image)}}
        for image in message.images
    ]
    return [*parts, {"type": "text", "text": message.text}]


def _usage(payload: Json) -> Usage | None:
    if not isinstance(member(payload, "usage", "input_tokens"), int):
        return None
    read, written = (
        tokens_at(payload, "usage", "cache_read_input_tokens"),
        tokens_at(payload, "usage", "cache_creation_input_tokens"),
    )
    fresh = tokens_at(payload, "usage", "input_tokens")  # cached ones are beside it
    return Usage(fresh + read + written, tokens_at(payload, "usage", "output_tokens"), read, written)
