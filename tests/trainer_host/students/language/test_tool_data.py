from __future__ import annotations

import json

import jsonschema
import pytest

from edge_runtime.language.template import CHATML, encode_chat, parse_tool_calls
from tests.trainer_host.students.language.test_preferences_data import Scripted
from tests.trainer_host.training.letters import letter_tokenizer
from trainer_host.errors import DataError
from trainer_host.students.language.tool_data import CANNOT, Call, Json, Tools, asked_rows, tool_rows
from trainer_host.tasks import Rejected
from trainer_host.teacher.protocol import Request


def tool(name: str, about: str, required: tuple[str, ...] = (), **properties: Json) -> Json:
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


TOOLS = [
    tool("set_light", "Set a lamp.", ("room", "level"), room={"type": "string", "enum": ["kitchen", "hall"]}, level={"type": "integer", "minimum": 0, "maximum": 100}),
    tool("add_note", "Write a note", ("text",), text={"type": "string"}, pinned={"type": "boolean"}),
    tool("set_alarm", "Set an alarm", ("time",), time={"type": "object", "properties": {"hour": {"type": "integer", "minimum": 0, "maximum": 23}}, "required": ["hour"]}, days={"type": "array", "items": {"enum": ["Monday", "Friday"]}, "maxItems": 2}),
    tool("heat", "Heat a room", ("degrees",), degrees={"type": "number", "minimum": 5, "maximum": 25}),
    tool("stop", "Stop everything"),
]  # fmt: skip


def called(row: object) -> Json | None:
    calls = row.messages[-1].get("tool_calls")  # type: ignore[attr-defined]
    return calls[0] if calls else None


def test_every_call_is_valid_by_another_validator_and_its_tool_is_offered() -> None:
    rows = tool_rows(TOOLS, 300, seed=1)
    schemas = {str(one["function"]["name"]): one["function"]["parameters"] for one in TOOLS}  # type: ignore[index]
    acts = [(row, call) for row in rows if (call := called(row)) is not None]
    assert {call["name"] for _, call in acts} == set(schemas)
    for row, call in acts:
        jsonschema.validate(call["arguments"], schemas[str(call["name"])])
        assert call["name"] in {one["name"] for one in row.tools}
        said = str(row.messages[0]["content"])
        for value in call["arguments"].values():  # type: ignore[attr-defined]
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                assert str(value) in said
    assert 0.15 < 1 - len(acts) / len(rows) < 0.35


def test_what_no_tool_does_and_questions_do_not_act() -> None:
    rows = [row for row in tool_rows(TOOLS, 300, seed=1) if called(row) is None]
    cannot = [row for row in rows if row.messages[-1]["content"] == CANNOT]
    asked = [row for row in rows if row not in cannot]
    assert cannot and asked
    assert all(len(row.tools) < len(TOOLS) for row in cannot)
    assert all(str(row.messages[0]["content"]).endswith("?") for row in asked)


def test_the_same_seed_gives_the_same_rows() -> None:
    assert tool_rows(TOOLS, 20, seed=1) == tool_rows(TOOLS, 20, seed=1) != tool_rows(TOOLS, 20, seed=2)


def test_the_device_reads_the_call_that_was_taught() -> None:
    tokenizer = letter_tokenizer()
    row = next(row for row in tool_rows(TOOLS, 20, seed=1) if called(row))
    ids, mask = encode_chat(tokenizer, CHATML, row.messages, tools=row.tools, answering=False)
    special = set(tokenizer.special.values())
    learnt = tokenizer.decode([i for i, learn in zip(ids, mask, strict=True) if learn and i not in special])
    assert list(parse_tool_calls(learnt).tool_calls) == [called(row)]


def test_wrong_calls_are_rejected() -> None:
    tools = Tools(TOOLS)
    tools.check(Call("set_light", {"room": "hall", "level": 3}))
    for call, reason in (
        (Call("fly", {}), "unknown tool"),
        (Call("set_light", {"room": "hall"}), "wrong arguments"),
        (Call("set_light", {"room": "moon", "level": 3}), "wrong arguments"),
        (Call("stop", {"now": True}), "wrong arguments"),
    ):
        with pytest.raises(Rejected) as caught:
            tools.check(call)
        assert caught.value.reason == reason


async def test_a_teachers_words_are_kept_where_they_say_every_value() -> None:
    def answer(request: Request) -> str:
        arguments = request.messages[0].text.rpartition("arguments: ")[2]
        if request.sample % 4 == 1:
            return json.dumps({"request": "Do it."})
        if request.sample % 4 == 2:
            return "no JSON"
        return json.dumps({"request": f"Would you take care of {arguments}?"})

    rows, dropped = await asked_rows(TOOLS[:1], 40, Scripted(answer), seed=1)
    assert len(rows) == 20 and dropped == {"value not said": 10, "not JSON": 10}
    assert all(called(row) for row in rows)
    named, dropped = await asked_rows(TOOLS[:1], 2, Scripted(lambda request: '{"request": "set_light now"}'), seed=1)
    assert not named and dropped == {"names the tool": 2}


def test_tools_that_can_not_be_used_are_one_sentence() -> None:
    for schemas, told in (
        ([], "a name each"),
        ([TOOLS[0], TOOLS[0]], "all of them different"),
        ([{"name": "x", "parameters": {"type": "nothing"}}], "aren't a JSON Schema"),
    ):
        with pytest.raises(DataError, match=told):
            Tools(schemas)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"x\.y has a schema"):
        tool_rows([tool("x", "X", ("y",), y={})], 1, seed=1)
    with pytest.raises(DataError, match="No valid arguments"):
        tool_rows([tool("x", "X", ("y",), y={"type": "string", "pattern": "^[0-9]{9}$"})], 1, seed=1)
