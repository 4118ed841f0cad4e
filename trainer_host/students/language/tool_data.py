"""Conversations that teach tool calls, made from given tool schemas: every call is valid by its tool's JSON Schema.

The call is drawn first, from the schema; then a request for it is put into words, plainly here or by a teacher. A quarter
of the rows want no call: what no offered tool does, and questions about a tool, which must not act.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_host.errors import AskFailed, DataError
from trainer_host.students.language.data import Conversation
from trainer_host.tasks import Json, Rejected
from trainer_host.teacher.parse import AnswerRefused, read_answer
from trainer_host.teacher.protocol import Message, Request, Teacher

WINDOW = 16  # requests in work at a time
CANNOT = "I can't do that with the tools I have."
_TRIES = 20  # draws of one call before its schema counts as one that can't be drawn from
_WORDS = (
    "amber", "birch", "copper", "delta", "ember", "falcon", "garnet", "harbour", "indigo", "juniper", "kestrel", "lantern",
    "maple", "nickel", "orchid", "pebble", "quartz", "river", "saffron", "timber", "umber", "violet", "willow", "zephyr",
)  # fmt: skip
_OPENINGS = ("Please {what}", "Can you {what}", "I want you to {what}", "{What}", "Could you {what}", "Now {what}")
_ABOUT = (
    "What does '{what}' mean?",
    "Can you explain what happens if I ask you to {what}?",
    "Did I ask you to {what}?",
)
_ASKED: Json = {
    "type": "object",
    "properties": {"request": {"type": "string", "maxLength": 400}},
    "required": ["request"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Call:
    """One call; arguments are valid by the tool's schema."""

    name: str
    arguments: Json


class Tools:
    """Tools with their checks. Takes OpenAI's form ({"type": "function", "function": {...}}) or its inner part alone.

    Raises `DataError` for a tool without a name, two of one name, or a schema that can't be used.
    """

    def __init__(self, schemas: Sequence[Json]) -> None:
        inner = [one["function"] if isinstance(one.get("function"), dict) else one for one in schemas]
        self.schemas: dict[str, dict[str, Any]] = {str(one.get("name")): one for one in inner}  # type: ignore[attr-defined, misc]
        if not schemas or len(self.schemas) < len(schemas) or not all(one.get("name") for one in self.schemas.values()):
            raise DataError("Tools need a name each, all of them different.")
        self._checks = {name: _compiled(name, json.dumps(_parameters(one))) for name, one in self.schemas.items()}

    def check(self, call: Call) -> None:
        """Raises `Rejected` for an unknown tool or arguments that its schema doesn't allow."""
        if call.name not in self._checks:
            raise Rejected("unknown tool", f"There is no tool '{call.name[:40]}'.")
        from fastjsonschema import JsonSchemaException

        try:
            self._checks[call.name](call.arguments)
        except JsonSchemaException as cause:
            raise Rejected("wrong arguments", f"The arguments of {call.name} are wrong: {cause}.") from None

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


def tool_rows(
    schemas: Sequence[Json], count: int, *, seed: int, none_share: float = 0.25, offered: int = 5
) -> list[Conversation]:
    """`count` rows in plain words, without any teacher; the same seed gives the same rows.

    offered: how many tools a row shows at most. none_share: of the rows, those that want no call.
    """
    tools = Tools(schemas)
    return [_row(tools, random.Random(f"{seed} {number}"), none_share, offered) for number in range(count)]


async def asked_rows(
    schemas: Sequence[Json], count: int, teacher: Teacher, *, seed: int, offered: int = 5
) -> tuple[list[Conversation], Counter[str]]:
    """Rows whose requests a teacher put into words, for calls that were drawn here; and why others were left out.

    A request must name every value of its call (a model can't know what nobody said), and not the tool itself.
    `TeacherStopped` isn't caught.
    """
    tools = Tools(schemas)
    rows: list[Conversation] = []
    dropped: Counter[str] = Counter()

    async def one(number: int) -> Conversation:
        rng = random.Random(f"{seed} {number}")
        call = tools.draw(rng, rng.choice(sorted(tools.schemas)))
        shown = json.dumps(tools.schemas[call.name], ensure_ascii=False)
        wish = f"A tool: {shown}\nWrite what a person says to an assistant so that it calls this tool with exactly these arguments: "
        wish += json.dumps(call.arguments, ensure_ascii=False)
        system = "You write requests as people speak them, as JSON. Say every value as it stands; never name the tool."
        reply = await teacher.ask(Request((Message("user", wish),), system, _ASKED, 200, sample=number))
        text = str(read_answer(reply.text, _ASKED)["request"]).strip()
        check_request(text, call)
        return _conversation(tools, rng, text, call, offered)

    for start in range(0, count, WINDOW):
        numbers = range(start, min(count, start + WINDOW))
        for found in await asyncio.gather(*map(one, numbers), return_exceptions=True):
            if isinstance(found, Conversation):
                rows.append(found)
            elif isinstance(found, Rejected | AskFailed | AnswerRefused):
                dropped[found.reason] += 1
            else:
                raise found
    return rows, dropped


def check_request(text: str, call: Call) -> None:
    """Raises `Rejected` where a request leaves out a value of its call, or names the tool."""
    said = text.lower()
    if call.name.lower() in said:
        raise Rejected("names the tool", "Say what is wanted without the tool's name.")
    for value in _values(call.arguments):
        if not isinstance(value, bool) and str(value).lower() not in said:
            raise Rejected("value not said", f"Say the value {value!r} as it stands.")


def _row(tools: Tools, rng: random.Random, none_share: float, offered: int) -> Conversation:
    name = rng.choice(sorted(tools.schemas))
    call = tools.draw(rng, name)
    what = _words(tools.schemas[name], call)
    if rng.random() >= none_share:
        opening = rng.choice(_OPENINGS)
        return _conversation(
            tools,
            rng,
            opening.format(what=what, What=what[:1].upper() + what[1:]) + rng.choice((".", "", "!")),
            call,
            offered,
        )
    if rng.random() < 0.5 and len(tools.schemas) > 1:  # the tool isn't offered
        others = rng.sample(sorted(set(tools.schemas) - {name}), min(offered, len(tools.schemas) - 1))
        said: list[Json] = [{"role": "user", "content": rng.choice(_OPENINGS[:3]).format(what=what) + "."}]
        return _answered(tools, others, said, CANNOT)
    about = str(tools.schemas[name].get("description") or name.replace("_", " "))
    said = [{"role": "user", "content": rng.choice(_ABOUT).format(what=what)}]
    return _answered(
        tools, _shown(tools, rng, name, offered), said, f"That is about this: {about.rstrip('.')}. I did nothing."
    )


def _conversation(tools: Tools, rng: random.Random, text: str, call: Call, offered: int) -> Conversation:
    tools.check(call)
    calls = [{"name": call.name, "arguments": call.arguments}]
    said: list[Json] = [{"role": "user", "content": text}, {"role": "assistant", "content": "", "tool_calls": calls}]
    shown = [tools.schemas[name] for name in _shown(tools, rng, call.name, offered)]
    return Conversation(said, "chat", shown)


def _answered(tools: Tools, names: Sequence[str], said: list[Json], answer: str) -> Conversation:
    return Conversation(
        [*said, {"role": "assistant", "content": answer}], "chat", [tools.schemas[name] for name in names]
    )


def _shown(tools: Tools, rng: random.Random, name: str, offered: int) -> list[str]:
    others = sorted(set(tools.schemas) - {name})
    names = [name, *rng.sample(others, min(max(0, offered - 1), len(others)))]
    return rng.sample(names, len(names))


def _words(schema: Json, call: Call) -> str:
    """What a call does, from its tool's description and its arguments."""
    about = str(schema.get("description") or call.name.replace("_", " ")).strip().rstrip(".")
    parts = [f"{key.replace('_', ' ')} {_said(value)}" for key, value in call.arguments.items()]
    return f"{about[:1].lower()}{about[1:]}" + (f" with {', '.join(parts)}" if parts else "")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " and ".join(map(_said, value))
    if isinstance(value, dict):
        return " ".join(f"{key.replace('_', ' ')} {_said(inner)}" for key, inner in value.items())
    return str(value)


def _values(value: object) -> list[object]:
    if isinstance(value, dict):
        return [inner for one in value.values() for inner in _values(one)]
    if isinstance(value, list):
        return [inner for one in value for inner in _values(one)]
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
        return " ".join(rng.sample(_WORDS, rng.choice((1, 1, 2))))
    raise DataError(f"{where} has a schema of a kind that no value can be drawn of; give it a type or an enum.")


@functools.cache
def _compiled(name: str, schema: str) -> Callable[[object], object]:
    import fastjsonschema

    try:
        made: Callable[[object], object] = fastjsonschema.compile(json.loads(schema))
    except (fastjsonschema.JsonSchemaDefinitionException, AttributeError, TypeError, ValueError):
        raise DataError(f"The parameters of the tool '{name[:40]}' aren't a JSON Schema that can be used.") from None
    return made
