"""Checks of the values that a message is made of: each has the range of its field's type, or is named."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from firmware_bridge.errors import BadValue
from firmware_bridge.ros2.definitions import ARRAY, SEQUENCE

_RANGES = {f"{sign}int{bits}": (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)} | {
    "byte": ("u", 8),
    "char": ("u", 8),
}
_FITS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}  # kinds of numpy's types
_ALLOWED: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int, np.integer),
    "u": (int, np.integer),
    "f": (int, float, np.number),
}


def single(kind: str, bound: int, value: object, where: str) -> Any:
    """A text, a truth or a number of a kind; zero for None. Raises BadValue."""
    if kind in ("string", "wstring"):
        text = "" if value is None else value
        if not isinstance(text, str) or (bound and len(text.encode()) > bound):
            raise BadValue(f"{where} must be a text" + (f" of up to {bound} bytes." if bound else "."))
        return text
    if kind == "bool":
        if not isinstance(value, bool | None):
            raise BadValue(f"{where} must be true or false.")
        return bool(value)
    if kind in _RANGES:
        low, high = _limits(kind)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high
        ):
            raise BadValue(f"{where} must be a whole number from {low} to {high}.")
        return int(value or 0)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | np.number)):
        raise BadValue(f"{where} must be a number.")
    try:
        return float(value or 0.0)
    except OverflowError:
        raise BadValue(f"{where} is a number beyond {kind}.") from None


def _limits(kind: str) -> tuple[int, int]:
    sign, bits = _RANGES[kind]
    return (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def numbers(kind: str, items: Iterable[Any], node: int, bound: int, none: bool, where: str) -> np.ndarray:
    """Numbers of a kind as an array; `none`: no value was given. Raises BadValue."""
    dtype = np.dtype({"byte": "uint8", "char": "uint8"}.get(kind, kind))
    if none and node == ARRAY:
        return np.zeros(bound, dtype)
    given = items if isinstance(items, np.ndarray) else list(items)
    if isinstance(given, np.ndarray):
        right = given.ndim == 1 and given.dtype.kind in _FITS[dtype.kind]
    else:
        right = all(
            isinstance(each, _ALLOWED[dtype.kind]) and isinstance(each, bool) == (kind == "bool") for each in given
        )
    if not right:
        raise BadValue(f"{where} must be a list of {'truths' if kind == 'bool' else 'numbers'} that fit {kind}.")
    if dtype.kind in "iu" and len(given):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        ends = (given.min(), given.max()) if isinstance(given, np.ndarray) else (min(given), max(given))
        if not (low <= ends[0] and ends[1] <= high):
            raise BadValue(f"{where} holds a number that doesn't fit {kind}.")
    check_length(len(given), node, bound, where)
    try:
        return np.asarray(given, dtype)
    except OverflowError:
        raise BadValue(f"{where} holds a number beyond {kind}.") from None


def check_length(length: int, node: int, bound: int, where: str) -> None:
    """Raises BadValue where a list is longer or shorter than its field allows."""
    if node == ARRAY and length != bound:
        raise BadValue(f"{where} must have {bound} values, not {length}.")
    if node == SEQUENCE and bound and length > bound:
        raise BadValue(f"{where} may have up to {bound} values, not {length}.")


def finite(message: Any, where: str) -> None:
    """Raises BadValue where a number of a message is none (NaN) or infinite."""
    for each in dataclasses.fields(message):
        if each.name == "__msgtype__":
            continue
        value = getattr(message, each.name)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise BadValue(f"{where}.{each.name} is {value}, which is no number that can be obeyed.")
        elif dataclasses.is_dataclass(value):
            finite(value, f"{where}.{each.name}")
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            if not np.isfinite(value).all():
                raise BadValue(f"{where}.{each.name} holds what is no number that can be obeyed.")
        elif isinstance(value, list):
            for at, part in enumerate(value):
                if dataclasses.is_dataclass(part):
                    finite(part, f"{where}.{each.name}[{at}]")
