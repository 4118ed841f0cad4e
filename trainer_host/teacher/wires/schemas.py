"""What of JSON Schema the two big providers take where they promise to follow it; the rest goes into descriptions.

Nothing is lost by that: every answer is checked against the whole schema (`parse`).
"""

from __future__ import annotations

import functools
import json

from trainer_host.teacher.protocol import Json

_BOTH = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "definitions",
        "description",
        "title",
    }
)
# OpenAI's guide "Structured outputs", section "Supported schemas".
_OPENAI = _BOTH | {
    "pattern",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
}
# As `anthropic.transform_schema` of its SDK, but that enum and const stay: the API enforces them.
_ANTHROPIC = _BOTH | {"allOf"}
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "examples"})  # they say nothing about an answer


def for_openai(schema: Json) -> Json:
    """The schema with OpenAI's keywords alone."""
    return _kept(schema, _OPENAI, _FORMATS, frozenset())


def for_anthropic(schema: Json) -> Json:
    """The schema with Anthropic's keywords alone; not to be changed."""
    return _for_anthropic(json.dumps(schema))


def openai_form(schema: Json, subset: bool) -> tuple[Json, bool]:
    """The schema as OpenAI's wire sends it, and whether it is closed (`is_closed`). subset: with OpenAI's keywords alone;
    not to be changed."""
    return _openai_form(json.dumps(schema), subset)


def is_closed(schema: Json) -> bool:
    """Whether all objects name all their members as required and allow no others, as `strict` demands."""
    return all(_closed(part) for part in _parts(schema))


# A job has a schema per task, and writes it for each request: by its text, it is gone through once.


@functools.lru_cache(maxsize=64)
def _for_anthropic(schema: str) -> Json:
    return _kept(json.loads(schema), _ANTHROPIC, _FORMATS | {"uri"}, frozenset({0, 1}))


@functools.lru_cache(maxsize=64)
def _openai_form(schema: str, subset: bool) -> tuple[Json, bool]:
    made = _kept(json.loads(schema), _OPENAI, _FORMATS, frozenset()) if subset else json.loads(schema)
    return made, is_closed(made)


def _kept(schema: Json, keywords: frozenset[str], formats: frozenset[str], min_items: frozenset[int]) -> Json:
    if "$ref" in schema:  # both want it alone
        return {"$ref": schema["$ref"]}
    made: Json = {}
    left: Json = {}
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            made[name] = {key: _inner(part, keywords, formats, min_items) for key, part in value.items()}
        elif name in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            # Of alternatives that exclude each other, any one is what is wanted.
            kept = "anyOf" if name == "oneOf" else name
            made[kept] = [_inner(part, keywords, formats, min_items) for part in value]
        elif name == "items":
            made[name] = _inner(value, keywords, formats, min_items)
        elif (
            name in keywords
            or (name == "format" and value in formats)
            or (name == "minItems" and isinstance(value, int) and value in min_items)
        ):
            made[name] = value
        elif name not in _ANNOTATIONS:
            left[name] = value
    if left:
        said = ", ".join(f"{name}: {_shown(value)}" for name, value in left.items())
        about = made.get("description")
        made["description"] = f"{about}\n\n{{{said}}}" if about else f"{{{said}}}"
    return made


def _inner(schema: object, keywords: frozenset[str], formats: frozenset[str], min_items: frozenset[int]) -> object:
    return _kept(schema, keywords, formats, min_items) if isinstance(schema, dict) else schema


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parts(schema: object) -> list[Json]:
    """A schema and all schemas inside it."""
    if not isinstance(schema, dict):
        return []
    found: list[Json] = [schema]
    for name in ("properties", "$defs", "definitions"):
        inner = schema.get(name)
        found += [part for value in (inner.values() if isinstance(inner, dict) else ()) for part in _parts(value)]
    for name in ("anyOf", "oneOf", "allOf"):
        several = schema.get(name)
        found += [part for value in (several if isinstance(several, list) else ()) for part in _parts(value)]
    return [*found, *_parts(schema.get("items"))]


def _closed(part: Json) -> bool:
    properties, required = part.get("properties"), part.get("required")
    if properties is None and part.get("type") != "object":
        return True
    if part.get("additionalProperties") is not False or not isinstance(properties, dict):
        return False
    return isinstance(required, list) and set(required) == set(properties)
