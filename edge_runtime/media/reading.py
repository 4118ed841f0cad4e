"""Reads JSON that a model, a teacher or a person wrote: exact names, finite numbers, bounded lists; else `Rejected`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from edge_runtime.media import Json, Rejected

T = TypeVar("T")

WRONG_FORM = "wrong form"
OUT_OF_RANGE = "out of range"
TOO_MUCH = "too much"


def fields(value: object, where: str, names: Collection[str], optional: Collection[str] = ()) -> Json:
    """An object with exactly these names."""
    if not isinstance(value, dict):
        raise Rejected(WRONG_FORM, f"{where} must be an object, not {_kind(value)}")
    missing = next((name for name in names if name not in value), None)
    if missing is not None:
        raise Rejected(WRONG_FORM, f"{where} lacks '{missing}'")
    extra = next((name for name in value if name not in names and name not in optional), None)
    if extra is not None:
        raise Rejected(WRONG_FORM, f"{where} has '{_shown(str(extra))}', which isn't known; it has {', '.join(names)}")
    return value


def items(value: object, where: str, read: Callable[[object, str], T], most: int, least: int = 0) -> tuple[T, ...]:
    """A list of `least` to `most` items, each read by `read(item, where)`; the length is checked first."""
    if not isinstance(value, list):
        raise Rejected(WRONG_FORM, f"{where} must be a list, not {_kind(value)}")
    if len(value) > most:
        raise Rejected(TOO_MUCH, f"{where} has {len(value)} items; at most {most} are allowed")
    if len(value) < least:
        raise Rejected(WRONG_FORM, f"{where} has {len(value)} items; at least {least} are needed")
    return tuple(read(item, f"{where}[{number}]") for number, item in enumerate(value))


def number(value: object, where: str, low: float, high: float) -> float:
    """A number from `low` to `high`; neither NaN nor infinity is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected(WRONG_FORM, f"{where} must be a number, not {_kind(value)}")
    if not low <= value <= high:  # also so for NaN; an int may be too large for a float
        raise Rejected(OUT_OF_RANGE, f"{where} must be from {low:g} to {high:g}, not {_short(value)}")
    return float(value)


def integer(value: object, where: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`; 3.0 is one."""
    checked = number(value, where, low, high)
    if checked != int(checked):
        raise Rejected(WRONG_FORM, f"{where} must be a whole number, not {checked:g}")
    return int(checked)


def truth(value: object, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Rejected(WRONG_FORM, f"{where} must be true or false, not {_kind(value)}")
    return value


def choice(value: object, where: str, choices: Collection[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        shown = f"'{_shown(value)}'" if isinstance(value, str) else _kind(value)
        raise Rejected(WRONG_FORM, f"{where} must be one of {', '.join(choices)}, not {shown}")
    return value


def text(value: object, where: str, most: int) -> str:
    """A text of 1 to `most` characters that can be shown: no control characters, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise Rejected(WRONG_FORM, f"{where} must be a text, not {_kind(value)}")
    if len(value) > most:
        raise Rejected(TOO_MUCH, f"{where} has {len(value)} characters; at most {most} are allowed")
    if not value.strip() or not value.isprintable():
        raise Rejected(WRONG_FORM, f"{where} must be one line of text that can be read")
    return value


def refuse(problems: Sequence[Rejected]) -> None:
    """Raise the first problem, if any, with the sentences of the first few: all can be mended at once."""
    if problems:
        raise Rejected(problems[0].reason, "; ".join(dict.fromkeys(problem.detail for problem in problems[:4])))


def strict_object(**properties: object) -> Json:
    """A JSON Schema object as strict providers take it: every property required, no other allowed."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def strict_list(item: object) -> Json:
    """A JSON Schema list. Bounds stay out of schemas (not all providers take them); the readers check them."""
    return {"type": "array", "items": item}


def one_of(*choices: str) -> Json:
    """A JSON Schema string with a few values."""
    return {"type": "string", "enum": list(choices)}


NUMBER: Json = {"type": "number"}
INTEGER: Json = {"type": "integer"}
STRING: Json = {"type": "string"}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: str) -> str:
    """The start of a text that may hold what no file or message can, as half of a surrogate pair."""
    return value[:30].encode("ascii", "backslashreplace").decode()


def _short(value: float) -> str:
    """Python refuses to print whole numbers of more than 4300 digits."""
    return "that many" if isinstance(value, int) and abs(value) >= 10**15 else f"{value:g}"
