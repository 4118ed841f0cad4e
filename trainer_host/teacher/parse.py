"""Reads a teacher's answer: finds the JSON object in its text and checks it against the schema that was asked for.

Big models that follow a schema send nothing else; smaller ones wrap it in prose and code fences, and leave commas
behind. What is forgiven is only what can't change a value.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from typing import NoReturn

from trainer_host.errors import DataError
from trainer_host.teacher.protocol import Json

MAX_CHARS = 1_000_000  # far more than any task's max_tokens allows
MAX_DEPTH = 64  # no task's schema is a tenth as deep; Python's own parser gives up at about 1,000
MAX_BRACED = 256  # pairs of braces; a text with more isn't an answer with some prose around it
MAX_DIGITS = 300  # a double has no more; Python refuses integers of more than 4,300 with another error
SHOWN_CHARS = 60  # of a wrong value in a sentence

_SIGNS = re.compile(r'["{}\[\]]|\\.', re.DOTALL)
Check = Callable[[object], object]


class AnswerRefused(Exception):
    """An answer isn't what was asked for.

    The text says what is wrong and where, as the end of a sentence that goes back to the teacher ("that can't be
    used: ..."). reason: two words for the count, "not JSON" or "wrong form".
    """

    def __init__(self, detail: str, reason: str = "not JSON") -> None:
        super().__init__(detail)
        self.reason = reason

    def __reduce__(self) -> tuple[type[AnswerRefused], tuple[str, str]]:  # it may come from another process
        return type(self), (str(self), self.reason)


def read_answer(text: str, schema: Json | None = None) -> Json:
    """The JSON object in an answer's text, valid by `schema`; raises `AnswerRefused`.

    Where the text holds several objects, as when a model thinks aloud, exactly one must be valid; equal ones
    count once. Raises `DataError` where the schema itself can't be used.
    """
    check = None if schema is None else _compiled(json.dumps(schema, sort_keys=True))
    found, trouble = _objects(text)
    if not found:
        raise trouble or AnswerRefused("it holds no JSON object; write one, and nothing else")
    good: list[Json] = []
    first: AnswerRefused | None = None
    for candidate in found:
        try:
            _checked(candidate, check)
        except AnswerRefused as cause:
            first = first or cause
        else:
            good.append(candidate)
    if len(good) > 1:
        raise AnswerRefused(f"it holds {len(good)} different JSON objects; write one, and nothing else")
    if not good:
        assert first is not None
        raise first
    return good[0]


def check_schema(schema: Json) -> None:
    """Raises `DataError` where a JSON Schema can't be used."""
    _compiled(json.dumps(schema, sort_keys=True))


def _objects(text: str) -> tuple[list[Json], AnswerRefused | None]:
    """All different objects of a text, in order, and what was wrong with the first braces that hold none.

    What stands inside other braces is never taken alone: in an answer that was cut off or garbled it would be a
    part that passes for the whole.
    """
    if len(text) > MAX_CHARS:
        raise AnswerRefused(f"it is longer than {MAX_CHARS:,} characters")
    found: list[Json] = []
    trouble: AnswerRefused | None = None
    at = text.find("{")
    for _ in range(MAX_BRACED):
        if at < 0:
            return found, trouble
        end = _end(text, at)
        try:
            value = _loads(text[at:end])
        except AnswerRefused as cause:
            trouble = trouble or cause
        else:
            if isinstance(value, dict) and value not in found:
                found.append(value)
        at = text.find("{", end)
    raise AnswerRefused(f"it holds more than {MAX_BRACED} pairs of braces; write one JSON object, and nothing else")


def _end(text: str, start: int) -> int:
    """Where the object that begins at `start` ends."""
    depth = 0
    quoted = False
    for match in _SIGNS.finditer(text, start):
        sign = match.group()
        if sign == '"':
            quoted = not quoted
        elif quoted or sign[0] == "\\":
            continue
        elif sign in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise AnswerRefused(f"it is nested deeper than {MAX_DEPTH} levels")
        else:
            depth -= 1
            if depth == 0:
                return match.end()
    raise AnswerRefused("its JSON isn't complete: it ends before the last bracket is closed")


def _loads(text: str) -> object:
    """JSON of bounded depth, with commas before closing brackets and raw line breaks in strings forgiven."""
    try:
        value = _decode(text)
    except json.JSONDecodeError as cause:
        mended = _without_trailing_commas(text)
        if mended == text:
            raise _not_json(cause) from None
        try:
            value = _decode(mended)
        except json.JSONDecodeError as again:
            raise _not_json(again) from None
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise AnswerRefused("a text in it holds half a character (a lone surrogate)") from None
    return value


def _decode(text: str) -> object:
    return json.loads(
        text,
        strict=False,
        object_pairs_hook=_pairs,
        parse_constant=_constant,
        parse_float=_float,
        parse_int=_int,
    )


def _not_json(cause: json.JSONDecodeError) -> AnswerRefused:
    said = cause.msg[:1].lower() + cause.msg[1:]
    return AnswerRefused(f"it isn't JSON: {said} at line {cause.lineno}, column {cause.colno}")


def _pairs(pairs: list[tuple[str, object]]) -> Json:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise AnswerRefused(f"it names {_shown(twice)} twice in one object")
    return made


def _constant(name: str) -> NoReturn:
    raise AnswerRefused(f"it isn't JSON: {name} is no number there")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise AnswerRefused(f"the number {text[:SHOWN_CHARS]} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise AnswerRefused(f"a number in it has more than {MAX_DIGITS} digits")
    return int(text)


def _without_trailing_commas(text: str) -> str:
    made: list[str] = []
    last = 0
    # Strings are matched whole, so that a comma inside one stays.
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', text, re.DOTALL):
        if match.group() == ",":
            made.append(text[last : match.start()])
            last = match.end()
    return "".join(made) + text[last:]


def _checked(value: Json, check: Check | None) -> None:
    if check is None:
        return
    from fastjsonschema import JsonSchemaValueException

    try:
        check(value)
    except JsonSchemaValueException as cause:
        raise AnswerRefused(
            _sentence(cause.path, cause.rule or "", cause.rule_definition, cause.value), "wrong form"
        ) from None


@functools.lru_cache(maxsize=64)
def _compiled(schema: str) -> Check:
    import fastjsonschema

    try:
        check: Check = fastjsonschema.compile(
            json.loads(schema),
            # A schema may come from a pack that others made: it names nothing outside itself.
            handlers=dict.fromkeys(("http", "https", "ftp", "file", "data", ""), _no_remote),
            use_default=False,  # an answer isn't filled in
        )
    except (fastjsonschema.JsonSchemaDefinitionException, re.error, SyntaxError, RecursionError) as cause:
        said = str(cause)[:200] or type(cause).__name__
        raise DataError(f"The schema of this task can't be used: {said}.") from None
    return check


def _no_remote(address: str) -> NoReturn:
    import fastjsonschema

    raise fastjsonschema.JsonSchemaDefinitionException(f"it refers to {address[:80]}, which is outside of it")


def _sentence(path: list[str], rule: str, wanted: object, value: object) -> str:
    where, has = _place(path), f"is {_shown(value)}"
    if rule == "required" and isinstance(wanted, list) and isinstance(value, dict):
        missing = next((name for name in wanted if name not in value), "something")
        return f"{where} lacks {_shown(missing)}"
    if rule == "additionalProperties" and isinstance(value, dict):
        return f"{where} holds something that isn't asked for; it has {_listed(value)}"
    if rule == "type":
        kinds = " or ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
        return f"{where} {has}, but must be of type {kinds}"
    if rule == "enum" and isinstance(wanted, list):
        return f"{where} {has}, but must be one of {_listed(wanted)}"
    said = {
        "const": f"must be {_shown(wanted)}",
        "minimum": f"must be at least {wanted}",
        "maximum": f"must be at most {wanted}",
        "exclusiveMinimum": f"must be more than {wanted}",
        "exclusiveMaximum": f"must be less than {wanted}",
        "multipleOf": f"must be a multiple of {wanted}",
        "minLength": f"must have at least {wanted} characters",
        "maxLength": f"must have at most {wanted} characters",
        "pattern": f"must match the pattern {_shown(wanted)}",
        "format": f"must be a {wanted}",
        "minItems": f"must have at least {wanted} items",
        "maxItems": f"must have at most {wanted} items",
        "uniqueItems": "must not hold the same item twice",
        "minProperties": f"must have at least {wanted} entries",
        "maxProperties": f"must have at most {wanted} entries",
        "anyOf": "has none of the forms that are allowed there",
        "oneOf": "must have exactly one of the forms that are allowed there",
    }
    return f"{where} {has}, but {said.get(rule, f'breaks the rule {rule}')}"


def _place(path: list[str]) -> str:
    """`steps[2].angle` for ["data", "steps", "2", "angle"]."""
    made = ""
    for part in path[1:]:
        if part.isdigit():
            made += f"[{part}]"
        else:
            made += f".{part}" if made else part
    return f"`{made[:200]}`" if made else "the object"


def _listed(values: dict[str, object] | list[object]) -> str:
    shown = [_shown(value) for value in list(values)[:20]]
    return ", ".join(shown) + (" ..." if len(values) > len(shown) else "")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
