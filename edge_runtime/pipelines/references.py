"""A request as a file writes it: plain values, and "$item.text" or "$answer.label" in the place of what comes along."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest

Json = dict[str, object]
_REFERENCE = re.compile(r"\$(item|answer)((?:\.[A-Za-z0-9_-]{1,64}){0,8})")
_DEEPEST = 8
_MOST_VALUES = 4096  # of one template, a home's inventory for example


def check_template(value: object, where: str, *, answer: bool) -> None:
    """Raise `BadRequest` where a template can't be filled. answer: whether there is a model's answer before it."""
    _check(value, where, answer, 0, [0])


def _check(value: object, where: str, answer: bool, depth: int, counted: list[int]) -> None:
    counted[0] += 1
    if depth > _DEEPEST or counted[0] > _MOST_VALUES:
        raise BadRequest(f"{where} has over {_DEEPEST} levels or {_MOST_VALUES:,} values; write less.")
    if isinstance(value, dict):
        for key, each in value.items():
            _check(each, f"{where}.{key[:40]}", answer, depth + 1, counted)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            _check(each, f"{where}[{at}]", answer, depth + 1, counted)
    elif isinstance(value, str):
        if not value.startswith("$") or value.startswith("$$"):
            return
        found = _REFERENCE.fullmatch(value)
        if found is None:
            raise BadRequest(
                f'{where} must refer as "$item.text" or "$answer.label" does; "$$" begins a text with a $.'
            )
        if found[1] == "answer" and not answer:
            raise BadRequest(f'{where} refers to an answer, and no model comes before; name one with "after".')
    elif not isinstance(value, bool) and not strict_json.is_number(value):
        raise BadRequest(
            f"{where} must be a text, a finite number, true, false, a list or a table; dates are written as texts."
        )


def fill(template: object, item: object, answer: Mapping[str, object] | None, where: str) -> object:
    """The template with its references filled; raises `BadRequest` where something isn't there."""
    if isinstance(template, dict):
        return {key: fill(each, item, answer, f"{where}.{key}") for key, each in template.items()}
    if isinstance(template, list):
        return [fill(each, item, answer, f"{where}[{at}]") for at, each in enumerate(template)]
    if not isinstance(template, str) or not template.startswith("$"):
        return template
    if template.startswith("$$"):
        return template[1:]
    found = _REFERENCE.fullmatch(template)
    assert found is not None  # checked when it was read
    value: object = item if found[1] == "item" else answer
    for name in found[2].split(".")[1:]:
        value = _within(value, name, template, where)
    return value


def within(value: object, path: str) -> object:
    """What stands at "a.b" in an object; None where nothing does."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _within(value: object, name: str, template: str, where: str) -> object:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, list) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    raise BadRequest(f"{where} asks for {template}, and there is no '{name}'.")
