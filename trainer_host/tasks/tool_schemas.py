"""Tools by their JSON Schemas: valid calls drawn from them, and calls checked by them."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_host.errors import DataError
from trainer_host.tasks import Json, Rejected
from trainer_host.tasks.phrases import fill, fillers

_TRIES = 20  # draws of one call before its schema counts as one that can't be drawn from
_PLAIN_TEXT = 0.3  # share of the texts that are words in a row, which nothing tells from others
_PHRASES = "trainer_host.tasks.tool_phrases"
_PEOPLE = frozenset(
    ("person", "name", "colleague", "recipient", "contact", "owner", "who", "friend", "customer", "author", "user")
)
_WORDS = (
    "amber", "birch", "copper", "delta", "ember", "falcon", "garnet", "harbour", "indigo", "juniper", "kestrel", "lantern",
    "maple", "nickel", "orchid", "pebble", "quartz", "river", "saffron", "timber", "umber", "violet", "willow", "zephyr",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call; arguments are valid by the tool's schema."""

    name: str
    arguments: Json


class Tools:
    """Tools with their checks. Takes OpenAI's form ({"type": "function", "function": {...}}) or its inner part alone.

    Raises `DataError` for a tool without a name, two of one name, or a schema that can't be used.
    """

    def __init__(self, schemas: Sequence[Json], *, own: bool = False) -> None:
        """own: the schemas are our making, and what is drawn from them is valid without a look."""
        self._own = own
        inner = [one["function"] if isinstance(one.get("function"), dict) else one for one in schemas]
        self.schemas: dict[str, dict[str, Any]] = {str(one.get("name")): one for one in inner}  # type: ignore[attr-defined, misc]
        if not schemas or len(self.schemas) < len(schemas) or not all(one.get("name") for one in self.schemas.values()):
            raise DataError("Tools need a name each, all of them different.")
        if not own:
            for name in self.schemas:
                self._check_of(name)

    def check(self, call: Call) -> None:
        """Raises `Rejected` for an unknown tool or arguments that its schema doesn't allow."""
        if call.name not in self.schemas:
            raise Rejected("unknown tool", f"There is no tool '{call.name[:40]}'.")
        if self._own:
            return
        from fastjsonschema import JsonSchemaException

        try:
            self._check_of(call.name)(call.arguments)
        except JsonSchemaException as cause:
            raise Rejected("wrong arguments", f"The arguments of {call.name} are wrong: {cause}.") from None

    def _check_of(self, name: str) -> Callable[[object], object]:
        return _compiled(name, json.dumps(_parameters(self.schemas[name])))

    def draw(self, rng: random.Random, name: str) -> Call:
        """A valid call of a tool with arguments drawn from its schema; raises `DataError` where none can be."""
        for _ in range(_TRIES):
            drawn = _draw(_parameters(self.schemas[name]), rng, name)
            call = Call(name, drawn if isinstance(drawn, dict) else {})
            try:
                self.check(call)
            except Rejected:
                continue
            return call
        raise DataError(f"No valid arguments of '{name}' could be drawn; give its texts an enum or examples.")


def value_words(value: object) -> str:
    """A value as people say it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " and ".join(map(value_words, value))
    if isinstance(value, dict):
        return " ".join(f"{key.replace('_', ' ')} {value_words(inner)}" for key, inner in value.items())
    return str(value)


def values_of(value: object) -> list[object]:
    """The values at the ends of an object or list."""
    if isinstance(value, dict):
        return [inner for one in value.values() for inner in values_of(one)]
    if isinstance(value, list):
        return [inner for one in value for inner in values_of(one)]
    return [value]


def _parameters(schema: Json) -> dict[str, Any]:
    found = schema.get("parameters")
    return found if isinstance(found, dict) else {"type": "object", "properties": {}, "additionalProperties": False}


def _draw(schema: dict[str, Any], rng: random.Random, where: str) -> object:
    """A value of a schema; what isn't required is there half of the time."""
    for listed in ("enum", "examples"):
        if schema.get(listed):
            return rng.choice(schema[listed])
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        wanted = set(schema.get("required", ()))
        properties = schema.get("properties", {})
        return {k: _draw(v, rng, f"{where}.{k}") for k, v in properties.items() if k in wanted or rng.random() < 0.5}
    if kind == "array":
        least = int(schema.get("minItems", 1))
        return [
            _draw(schema.get("items", {}), rng, where)
            for _ in range(rng.randint(least, int(schema.get("maxItems", least + 2))))
        ]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        return rng.randint(int(low), int(high)) if kind == "integer" else round(rng.uniform(low, high), 1)
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "string":
        return _text(rng, where)
    raise DataError(f"{where} has a schema of a kind that no value can be drawn of; give it a type or an enum.")


def _text(rng: random.Random, where: str) -> str:
    """A name, a title, an errand, a message, or words in a row; by a parameter's name where that says which."""
    if rng.random() < _PLAIN_TEXT:
        return " ".join(rng.sample(_WORDS, rng.choice((1, 1, 2, 3))))
    people = where.rpartition(".")[2].lower() in _PEOPLE
    made = fill(rng.choice(("{name}", "{name}", "{name} {family}")) if people else "{text}", fillers(_PHRASES), rng)
    return made[:1].upper() + made[1:] if rng.random() < 0.3 else made


@functools.cache
def _compiled(name: str, schema: str) -> Callable[[object], object]:
    import fastjsonschema

    try:
        made: Callable[[object], object] = fastjsonschema.compile(json.loads(schema))
    except (fastjsonschema.JsonSchemaDefinitionException, AttributeError, TypeError, ValueError):
        raise DataError(f"The parameters of the tool '{name[:40]}' aren't a JSON Schema that can be used.") from None
    return made
