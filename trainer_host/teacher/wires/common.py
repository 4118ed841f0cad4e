"""What both wires need: the answer they read, bytes that are always the same, members of a stranger's JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from trainer_host.teacher.protocol import Finish, Image, Json, Piece, Request, Usage

# What the prompt says where a schema can't be sent beside it.
_ASK_FOR_JSON = "Answer with one JSON object and nothing else. It must be valid by this JSON Schema:"
MAX_TOKENS_READ = 10**9  # of a stranger's usage figures; no request has more


class WireError(Exception):
    """A request that can't be written, or a body that is no reply; the text is the end of a sentence."""


@dataclass(frozen=True)
class Answer:
    """A reply as the wire carries it. usage: None where the provider doesn't say. model: "" likewise. pieces: see `Reply`."""

    text: str
    finish: Finish
    usage: Usage | None
    model: str
    pieces: tuple[Piece, ...] | None = None


class Hidden(str):
    """A header's value that doesn't show itself where frames and mappings are printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


def json_bytes(body: Json) -> bytes:
    """JSON in the order of its members, in UTF-8; raises `WireError` for half a character."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise WireError("the prompt holds half a character (a lone surrogate)") from None


def system_of(request: Request, schema_in_prompt: bool) -> str:
    """The system prompt, with the schema behind it where that goes no other way."""
    if not schema_in_prompt or request.schema is None:
        return request.system
    asked = f"{_ASK_FOR_JSON}\n{json.dumps(request.schema, ensure_ascii=False)}"
    return f"{request.system}\n\n{asked}" if request.system else asked


def base64_of(image: Image) -> str:
    """The picture in base64."""
    return base64.b64encode(image.data).decode("ascii")


def member(value: object, *path: str | int) -> object:
    """What lies at a path of members and indices, None where there is nothing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def text_at(value: object, *path: str | int) -> str:
    """The text there, "" where there is none."""
    found = member(value, *path)
    return found if isinstance(found, str) else ""


def tokens_at(value: object, *path: str | int) -> int:
    """The number of tokens there, 0 where there is none."""
    found = member(value, *path)
    if isinstance(found, bool) or not isinstance(found, int):
        return 0
    return min(max(found, 0), MAX_TOKENS_READ)


def without_trailing(base_url: str, *endings: str) -> str:
    """An address without the part that some paste along with it."""
    base = base_url.rstrip("/")
    for ending in endings:
        base = base.removesuffix(ending).rstrip("/")
    return base
