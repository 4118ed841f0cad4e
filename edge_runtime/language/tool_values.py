"""The values that a tool takes: how they are said, where they stand in its arguments, and which its schema allows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_runtime.language.tool_parts import Json, Parameter, Tool, Unreadable

NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)*")
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spelled(word: str) -> int | None:
    """The number below a hundred that a word is: six, twenty, twenty-five."""
    tens, _, ones = word.lower().partition("-")
    if tens in _TENS and (not ones or ones in _ONES[1:10]):
        return 20 + 10 * _TENS.index(tens) + (_ONES.index(ones) if ones else 0)
    return _ONES.index(tens) if tens in _ONES and not ones else None


def number_of(text: str, kind: str) -> int | float:
    """The number that a text is, in digits or spelled. kind: "integer" or "number". Raises `Unreadable`."""
    plain = text.strip().lower().replace("−", "-")
    if (said := spelled(plain)) is not None:
        return said
    if not NUMBER.fullmatch(plain):
        raise Unreadable(f"{text[:40]!r} is no number.")
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    if re.fullmatch(r"-?\d{1,18}", plain):
        return int(plain)
    if kind == "integer" or plain.count(".") != 1 or len(plain) > 32:
        raise Unreadable(f"{text[:40]!r} is no {kind}.")
    return float(plain)


def allows(tool: Tool, arguments: Json) -> bool:
    """Whether a tool's schema allows arguments of which it knows every name."""
    try:
        for parameter in tool.parameters:
            value, there = value_of(arguments, parameter.path)
            if there:
                checked(value, parameter)
    except Unreadable:
        return False
    return not leaves_out(tool, arguments)


def leaves_out(tool: Tool, arguments: Json) -> bool:
    """Whether anything required is missing, also within an object that is there."""
    if tool.required - arguments.keys():
        return True
    for one in tool.parameters:
        if not value_of(arguments, one.path)[1] and (
            one.required or (one.inner and value_of(arguments, one.path[:-1])[1])
        ):
            return True
    return False


def checked(value: object, parameter: Parameter) -> object:
    """The value itself; raises `Unreadable` where the schema doesn't allow it."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool,
    }  # fmt: skip
    for one in value if parameter.items and isinstance(value, list) else [value]:
        fits = isinstance(one, kinds.get(parameter.kind, object)) and (
            parameter.kind != "enum" or one in parameter.choices
        )
        if parameter.kind in ("integer", "number") and isinstance(one, bool):
            fits = False
        if not fits:
            raise Unreadable(f"{str(one)[:40]!r} is no value of {'.'.join(parameter.path)}.")
        if isinstance(one, int | float) and not isinstance(one, bool):
            low, high = parameter.low, parameter.high
            if (low is not None and one < low) or (high is not None and one > high):
                raise Unreadable(f"{one} isn't within the limits of {'.'.join(parameter.path)}.")
    return value


def value_of(value: Json, path: tuple[str, ...]) -> tuple[object, bool]:
    """(the value at a path, whether there is one)."""
    found: object = value
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None, False
        found = found[key]
    return found, True


def put(arguments: dict[str, object], path: tuple[str, ...], value: object) -> None:
    """Set the value at a path."""
    for key in path[:-1]:
        inner = arguments.setdefault(key, {})
        assert isinstance(inner, dict)  # paths of one schema don't cross
        arguments = inner
    arguments[path[-1]] = value
