"""OpenAI's chat completions, which most other servers speak too (openai-openapi, `/chat/completions`)."""

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
from trainer_host.teacher.wires.logprobs import read_pieces
from trainer_host.teacher.wires.schemas import openai_form

SCHEMA_NAME = "answer"  # the wire wants one; it is part of what some models see
_PATH = "/chat/completions"
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "refusal"}


def body(request: Request, endpoint: Endpoint, dialect: Dialect) -> bytes:
    """See `Wire`."""
    messages: list[Json] = []
    if system := system_of(request, dialect.schema == "prompt"):
        messages.append({"role": "system", "content": system})
    messages.extend({"role": message.role, "content": _content(message)} for message in request.messages)
    made: Json = {"model": endpoint.model, "messages": messages, dialect.token_limit: request.max_tokens}
    if request.temperature is not None and dialect.temperature:
        made["temperature"] = request.temperature
    if request.alternatives and dialect.logprobs:
        made |= {"logprobs": True, "top_logprobs": request.alternatives}
    if request.schema is not None and dialect.schema != "prompt":
        schema, closed = openai_form(request.schema, dialect.schema == "subset")
        form: Json = {"name": SCHEMA_NAME, "schema": schema, "strict": closed}
        made["response_format"] = {"type": "json_schema", "json_schema": form}
    if dialect.options:
        made |= dict(endpoint.options)
    return json_bytes(made)


def headers(secret: Secret | None, request_hash: str = "") -> dict[str, str]:
    """See `Wire`."""
    made = {"Accept": "application/json", "Content-Type": "application/json"}
    if request_hash:
        # draft-ietf-httpapi-idempotency-key-header: some gateways of this wire answer a repeated request from
        # memory by it; OpenAI itself promises nothing, and ignores it.
        made["Idempotency-Key"] = request_hash
    if secret is not None:
        made["Authorization"] = Hidden(f"Bearer {secret.reveal()}")
    return made


def url(endpoint: Endpoint) -> str:
    """See `Wire`."""
    return _base(endpoint) + _PATH


def models_url(endpoint: Endpoint) -> str:
    """See `Wire`."""
    return _base(endpoint) + "/models"


def read(payload: Json) -> Answer:
    """See `Wire`."""
    choice = member(payload, "choices", 0)
    message = member(choice, "message")
    if not isinstance(message, dict):
        raise WireError("it holds no choices")
    refusal = text_at(message, "refusal")
    reason = text_at(choice, "finish_reason")
    finish: Finish = "refusal" if refusal else _FINISH.get(reason, "other")
    text = _text(message) or refusal
    pieces = read_pieces(member(choice, "logprobs", "content"), text)
    return Answer(text, finish, _usage(payload), text_at(payload, "model"), pieces)


def _base(endpoint: Endpoint) -> str:
    return without_trailing(endpoint.base_url, _PATH)


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.text
    parts: list[Json] = [
        {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{base64_of(image)}"}}
        for image in message.images
    ]
    return [*parts, {"type": "text", "text": message.text}]


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, list):  # Mistral's reasoning models answer in parts
        return "".join(text_at(part, "text") for part in content if text_at(part, "type") == "text")
    return content if isinstance(content, str) else ""


def _usage(payload: Json) -> Usage | None:
    usage = payload.get("usage")
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    return Usage(
        input=tokens_at(usage, "prompt_tokens"),
        output=tokens_at(usage, "completion_tokens"),
        cache_read=tokens_at(usage, "prompt_tokens_details", "cached_tokens"),
    )
