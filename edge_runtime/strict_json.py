"""Reads JSON strictly: UTF-8, bounded depth, no repeated keys, no NaN, no lone surrogates."""

from __future__ import annotations

import json
import sys
from typing import TypeGuard

from edge_runtime.errors import BadRequest, EdgeError

MAX_DEPTH = 32  # the deepest JSON of ours (a manifest's JSON Schema) has about 10 levels
_CONTAINERS = (dict, list)


def loads(data: bytes, what: str = "The body", error: type[EdgeError] = BadRequest) -> object:
    """Parse `data`; raises `error` with a sentence that starts with `what`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise error(f"{what} isn't valid UTF-8 (byte {cause.start}); encode it as UTF-8.") from None
    try:
        value: object = DECODER.decode(text)
    except json.JSONDecodeError as cause:
        raise error(f"{what} isn't valid JSON: {cause.msg} at line {cause.lineno}, column {cause.colno}.") from None
    except RecursionError:
        raise error(f"{what} is nested too deeply; at most {MAX_DEPTH} levels are read.") from None
    except ValueError as cause:
        raise error(f"{what} isn't valid JSON: {cause}.") from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and depth_exceeds(value, MAX_DEPTH):
        raise error(f"{what} is nested too deeply; at most {MAX_DEPTH} levels are read.")
    if b"\\u" in data and not encodable(value):
        raise error(f"{what} holds half of a surrogate pair (\\ud800 to \\udfff); send whole characters.")
    return value


def loads_object(data: bytes, what: str = "The body", error: type[EdgeError] = BadRequest) -> dict[str, object]:
    """As `loads`, and the top level must be an object."""
    value = loads(data, what, error)
    if not isinstance(value, dict):
        raise error(f"{what} must be a JSON object, as in {{...}}.")
    return value


def dumps(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, one newline at the end."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:40]!r} appears twice in one object")
            seen.add(key)
    return made


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} isn't a JSON number")


# Reads as strictly as can be seen while reading; raises ValueError, and RecursionError for what is very deep.
DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number of JSON that a float can hold; 1e400 is read as infinity, and 1 with 400 zeros as a whole number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def depth_exceeds(value: object, limit: int) -> bool:
    """Whether anything stands within more than `limit` objects and arrays."""
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(limit):
        level = [
            below
            for item in level
            for below in (item.values() if isinstance(item, dict) else item)
            if isinstance(below, _CONTAINERS)
        ]
        if not level:
            return False
    return any(level)


def encodable(value: object) -> bool:
    """Whether all text is of whole characters; half of a surrogate pair can't be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
