"""Turns the JSON Schema of a request into a constraint of llguidance, the better of llama.cpp's two ways.

llama.cpp's own way (the one behind `response_format`) lets a small model spend half of its tokens on spaces and
line ends, doesn't know the bounds of numbers, and takes 10 ms per value of an `enum` and answer: minutes for
thousands, in which nobody else is served. llguidance has none of this. But where it can't read a schema, the answer
comes unconstrained, so only schemas of keywords that it surely knows are given to it, and the others go the old way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from trainer_host.teacher.protocol import Json

MAX_NODES = 5000  # schemas in a schema; our largest has about a hundred
MAX_DEPTH = 64
# JSON has numbers without end, and a small model writes them: at most six decimals, and 15 digits before the point
# (which a double holds exactly).
SMALLEST, LARGEST = 0.000001, 10**15
# As `json.dumps` writes, and as samples in prompts look.
_STYLE: Json = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_SCHEMA_OF = frozenset({"items", "additionalProperties"})
_SCHEMAS_BY_NAME = frozenset({"properties", "$defs", "definitions"})
_SCHEMAS = frozenset({"anyOf", "allOf"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_NOTES = frozenset({"title", "description", "default", "examples", "$schema", "$comment"})
# Not regular: lookaround, back references and word boundaries, which would lift the constraint without a word.
_IRREGULAR = ("(?=", "(?!", "(?<", "(?P", "\\b", "\\B", *(f"\\{digit}" for digit in range(1, 10)))


class _Unknown(Exception):
    """The schema has something that llguidance may not know."""


def constrained(body: Json) -> Json:
    """The same chat completion for llama.cpp, with llguidance's constraint where it has a schema that this knows."""
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or "grammar" in body or "tools" in body:
        return body
    if wanted.get("type") == "json_object":
        schema: object = {"type": "object"}
    elif wanted.get("type") == "json_schema" and isinstance(wanted.get("json_schema"), dict):
        schema = wanted["json_schema"].get("schema")
    else:
        return body
    grammar = guidance(schema)
    if grammar is None:
        return body
    return {**{key: value for key, value in body.items() if key != "response_format"}, "grammar": grammar}


def guidance(schema: object) -> str | None:
    """llguidance's grammar for a schema, None where it has a keyword that llguidance may not know."""
    try:
        read = _Reader(schema).read(schema, 0)
    except _Unknown:
        return None
    if not isinstance(read, dict):
        return None
    return "%llguidance {}\nstart: %json " + json.dumps({**read, "x-guidance": _STYLE})


class _Reader:
    """Walks through a schema; counts, so that a hostile one ends."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._nodes = 0

    def read(self, schema: object, depth: int) -> Json | bool:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _Unknown
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise _Unknown
        made: Json = {}
        for key, value in schema.items():
            if key in _SCHEMA_OF:
                made[key] = self.read(value, depth + 1)
            elif key in _SCHEMAS_BY_NAME and isinstance(value, dict):
                made[key] = {name: self.read(one, depth + 1) for name, one in value.items()}
            elif key in _SCHEMAS and isinstance(value, list) and value:
                made[key] = [self.read(one, depth + 1) for one in value]
            elif key not in _NOTES:
                if not self._plain(key, value):
                    raise _Unknown
                made[key] = value
        return _with_ends(made)

    def _plain(self, key: str, value: object) -> bool:
        """Whether a keyword without schemas in it is one that llguidance knows, with a value that makes sense."""
        if key == "type":
            types = value if isinstance(value, list) else [value]
            return bool(types) and all(isinstance(one, str) and one in _TYPES for one in types)
        if key == "enum":
            return isinstance(value, list) and 0 < len(value) <= 100_000
        if key == "required":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        if key == "pattern":
            return isinstance(value, str) and not any(mark in value for mark in _IRREGULAR)
        if key == "$ref":
            return isinstance(value, str) and self._resolves(value)
        if key in _NUMBERS:
            return isinstance(value, int | float) and not isinstance(value, bool)
        if key in _COUNTS:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return key == "const"

    def _resolves(self, reference: str) -> bool:
        hash_sign, *names = reference.split("/")
        if hash_sign != "#" or len(names) != 2 or names[0] not in ("$defs", "definitions"):
            return False
        defined = self._root.get(names[0]) if isinstance(self._root, dict) else None
        return isinstance(defined, dict) and names[1] in defined


def _with_ends(schema: Json) -> Json:
    """Numbers get ends where the schema leaves them open; what is valid with them is valid without."""
    kind = schema.get("type")
    if kind not in ("number", "integer") or schema.keys() & {"enum", "const", "$ref"}:
        return schema
    ends: Json = {}
    if not _has(schema, "minimum", "exclusiveMinimum"):
        ends["minimum"] = min(-LARGEST, _bound(schema, "maximum", "exclusiveMaximum", 0) - LARGEST)
    if not _has(schema, "maximum", "exclusiveMaximum"):
        ends["maximum"] = max(LARGEST, _bound(schema, "minimum", "exclusiveMinimum", 0) + LARGEST)
    if kind == "number" and "multipleOf" not in schema:
        ends["multipleOf"] = SMALLEST
    return {**schema, **ends}


def _has(schema: Mapping[str, object], *keys: str) -> bool:
    return any(key in schema for key in keys)


def _bound(schema: Mapping[str, object], key: str, other: str, default: int) -> float:
    value = schema.get(key, schema.get(other, default))
    return value if isinstance(value, int | float) else default
