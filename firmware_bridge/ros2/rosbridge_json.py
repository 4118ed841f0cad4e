"""Messages as rosbridge writes them in JSON, from and to CDR.

Bytes (uint8[], char[]) are base64; a float that is none (NaN, infinite) is null, so which of them it was is lost
(rosbridge_library's message_conversion.py, and 4.6 of ROSBRIDGE_PROTOCOL.md).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from firmware_bridge.errors import BadValue
from firmware_bridge.ros2.definitions import ARRAY, BASE, EMPTY, MAX_BYTES, NAME
from firmware_bridge.ros2.types import Types

_BYTES = ("uint8", "int8")  # some servers write int8[] as base64 too
_FLOATS = ("float32", "float64")


def to_json(types: Types, data: bytes, type_: str) -> dict[str, Any]:
    """A message in CDR as values of JSON. Raises BadValue where it is none, or holds a number that JSON hasn't."""
    return _told(types, types.decode(data, type_), type_, type_)


def from_json(types: Types, values: object, type_: str) -> bytes:
    """Values of JSON as a message in CDR; null is NaN where a float belongs. Raises BadValue."""
    if not isinstance(values, Mapping):
        raise BadValue(f"A {type_} must be an object.")
    return types.encode(types.make(type_, _read(types, values, type_, type_)), type_)


def _told(types: Types, message: Any, type_: str, where: str) -> dict[str, Any]:
    fields: Any = types.described[type_][1]
    return {
        name: _tell(types, getattr(message, name), desc, f"{where}.{name}") for name, desc in fields if name != EMPTY
    }


def _tell(types: Types, value: Any, desc: Any, where: str) -> Any:
    node, inner = desc
    if node == NAME:
        return _told(types, value, inner, where)
    if node == BASE:
        return _number(value, where) if inner[0] in _FLOATS else value
    (kind, of), _ = inner
    if kind == NAME:
        return [_told(types, each, of, f"{where}[{at}]") for at, each in enumerate(value)]
    if of[0] == "uint8":
        return base64.b64encode(np.asarray(value, np.uint8).tobytes()).decode()
    if not isinstance(value, np.ndarray):
        return list(value)
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise BadValue(f"{where} holds a number that JSON hasn't (NaN or infinite): rosbridge can't carry it.")
    return value.tolist()


def _number(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise BadValue(f"{where} is {value}, which JSON hasn't: rosbridge can't carry it.")
    return value


def _read(types: Types, values: Mapping[str, Any], type_: str, where: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict(types.described[type_][1])
    return {
        name: _take(types, value, fields[name], f"{where}.{name}") if name in fields else value
        for name, value in values.items()
    }


def _take(types: Types, value: Any, desc: Any, where: str) -> Any:
    node, inner = desc
    if node == NAME:
        return _read(types, value, inner, where) if isinstance(value, Mapping) else value
    if node == BASE:
        return math.nan if value is None and inner[0] in _FLOATS else value
    (kind, of), bound = inner
    if kind == BASE and of[0] in _BYTES and isinstance(value, str):
        return _bytes(value, of[0], where)
    if not isinstance(value, list):
        return value
    if len(value) > MAX_BYTES or (node == ARRAY and len(value) != bound):
        raise BadValue(f"{where} has {len(value)} values, which aren't as many as its type has.")
    if kind == NAME:
        return [
            _read(types, each, of, f"{where}[{at}]") if isinstance(each, Mapping) else each
            for at, each in enumerate(value)
        ]
    return [math.nan if each is None else each for each in value] if of[0] in _FLOATS else value


def _bytes(text: str, kind: str, where: str) -> Any:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadValue(f"{where} is no base64: {error}.") from error
    return np.frombuffer(data, np.dtype(kind))
