"""Chat rows with tools of one's own."""

from __future__ import annotations

import functools
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from benchmarks.tool_exam import read_cases
from benchmarks.tool_sets import SETS
from edge_runtime.language.template import CHATML, encode_chat
from edge_runtime.tasks import chat
from tests.trainer_host.training.letters import letter_tokenizer
from trainer_host.data.dataset import Row
from trainer_host.errors import DataError
from trainer_host.students.language.rows import conversations
from trainer_host.tasks import Example, Json, Rejected, task_spec
from trainer_host.tasks.chat_tools import CANNOT, HELLO, MISSING, NONE_SHARE, NOT_ASKED, ToolChat
from trainer_host.tasks.phrases import templates
from trainer_host.tasks.tool_schemas import Call, Tools
from trainer_host.tasks.tool_wording import ACTING, PACKAGE, TALKING, Said, entered, inflected, said


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


EXAMS = Path(__file__).parents[2] / "exams"
SPEC = task_spec("chat", {"tools": TOOLS})
PLAIN = task_spec("chat")


@functools.cache
def row(number: int) -> Example:
    return SPEC.built_in(random.Random(number))


def rows(count: int) -> list[Example]:
    return [row(number) for number in range(count)]


def called(example: Example) -> Json | None:
    calls = cast("list[Json]", example.output.get("tool_calls", []))
    return calls[0] if calls else None


def offered(example: Example) -> set[str]:
    return {str(one["function"]["name"]) for one in cast("list[dict[str, Json]]", example.input["tools"])}


def schemas_of(example: Example) -> list[dict[str, Any]]:
    return [one["function"] for one in cast("list[dict[str, dict[str, Any]]]", example.input["tools"])]


def text_of(example: Example) -> str:
    return " ".join(str(one["content"]) for one in cast("list[Json]", example.input["messages"]))


def test_every_call_is_valid_by_another_validator_and_its_tool_is_offered() -> None:
    made = rows(150)
    names = {str(one["function"]["name"]) for one in TOOLS}  # type: ignore[index]
    acts = [(row, call) for row in made if (call := called(row)) is not None]
    assert names < {str(call["name"]) for _, call in acts}  # and invented ones
    for row, call in acts:
        [schema] = [schema for schema in schemas_of(row) if schema["name"] == call["name"]]
        jsonschema.validate(call["arguments"], schema["parameters"])
        for value in cast(Json, call["arguments"]).values():
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                assert str(value) in text_of(row)
    assert abs(1 - len(acts) / len(made) - NONE_SHARE) < 0.1
    invented = [row for row in made if not offered(row) <= names]
    assert 0.4 < len(invented) / len(made) < 0.6
    assert all(not offered(row) & names for row in invented)
    own = ToolChat(TOOLS, invented_share=0.0)
    assert all(offered(own.built_in(random.Random(number))) <= names for number in range(50))


def test_rows_pass_the_check_of_any_chat_and_what_is_not_asked_or_can_not_be_done_does_not_act() -> None:
    made = rows(150)
    for row in made:
        SPEC.check(row)
        PLAIN.check(row)
    replies: dict[str, list[Example]] = {}
    for row in made:
        if called(row) is None:
            replies.setdefault(str(row.output["reply"]), []).append(row)
    assert set(replies) == {CANNOT, NOT_ASKED, MISSING, HELLO}
    for row in replies[MISSING]:
        assert any(schema["parameters"].get("required") for schema in schemas_of(row))
    asked = replies[NOT_ASKED]
    assert sum("?" in text_of(row) for row in asked) > len(asked) / 5
    assert len({row.group for row in asked}) > len(asked) / 3  # type: ignore[attr-defined]


def test_no_row_has_a_sentence_of_the_benchmark() -> None:
    def bare(text: str) -> str:
        return re.sub(r"[^a-z_{} ]", "", text.lower()).strip()

    forms = {name: f"{{{name}}}" for name in Said("write", "", "a note", "").forms()}
    rng = random.Random(1)
    lines = [(file, line) for file in (ACTING, TALKING) for line in templates(PACKAGE, file)]
    shown = {bare(entered(rng, file, line, forms)) for file, line in lines for _ in range(4)}
    assert len(shown) > 600
    for tools in SETS.values():
        assert not {bare(frame) for frame in (*tools.acts, *tools.about)} & shown
    for exam in ("tools_en", "tools_en_2", "tools_en_dev"):
        assert not {bare(case.text) for case in read_cases(EXAMS / exam / "cases.jsonl")} & shown


def test_a_call_has_all_forms_that_a_sentence_may_need() -> None:
    what = Said("write", "down", "a note", 'saying "hello"')
    assert what.forms() == {
        "what": 'write down a note saying "hello"',
        "doing": 'writing down a note saying "hello"',
        "did": 'wrote down a note saying "hello"',
        "done": 'written down a note saying "hello"',
        "does": 'writes down a note saying "hello"',
        "thing": 'a note saying "hello"',
        "thing_done": 'a note written down saying "hello"',
        "thing_was_done": 'a note was written down saying "hello"',
        "was_thing_done": 'was a note written down saying "hello"',
        "thing_should_done": 'a note should be written down saying "hello"',
    }
    assert Said("set", "", "the lamp", "to 33", "hall").forms()["what"] == "set the hall lamp to 33"
    assert Said("feed", "", "the goats", "").forms()["thing_was_done"] == "the goats were fed"
    assert set(Said("dance", "", "", "").forms()) == {"what", "doing", "did", "done", "does"}
    for verb, forms in (
        ("stop", "stops stopping stopped stopped"),
        ("copy", "copies copying copied copied"),
        ("play", "plays playing played played"),
        ("heat", "heats heating heated heated"),
        ("wash", "washes washing washed washed"),
        ("move", "moves moving moved moved"),
        ("free", "frees freeing freed freed"),
    ):
        assert " ".join(inflected(verb)) == forms


def test_what_a_tool_does_is_read_from_its_description_or_its_name() -> None:
    for name, about, words in (
        ("get_weather", "Returns the weather of a town. Not the forecast.", "return the weather of a town"),
        ("tidy", "Washes the dishes", "wash the dishes"),
        ("setLight", "The lamps of the house", "set light"),
        ("add_note", "Write down a note", "write down a note"),
        ("stop", "", "stop"),
        ("lamps", "A lamp", "use a lamp"),
    ):
        schema: Json = {"name": name, "description": about}
        made = {said(random.Random(number), schema, Call(name, {})).forms()["what"] for number in range(60)}
        assert words in made


def test_yes_makes_the_call_that_was_asked_about_and_no_does_not() -> None:
    asked = [row for row in rows(150) if len(cast("list[Json]", row.input["messages"])) == 3]
    assert 1 < len(asked) < 20
    for row in asked:
        first, question_, answer = cast("list[dict[str, str]]", row.input["messages"])
        assert question_["content"].startswith("Do you want this: ") and first["content"] not in (answer["content"], "")
        assert (called(row) is not None) == (row.group == "yes")  # type: ignore[attr-defined]


def test_the_device_reads_the_call_that_was_taught() -> None:
    tokenizer = letter_tokenizer()
    row = next(row for row in rows(20) if called(row))
    [talk] = conversations([Row(row.input, row.output)], "chat")
    ids, mask = encode_chat(tokenizer, CHATML, talk.messages, tools=talk.tools, answering=False)
    special = set(tokenizer.special.values())
    learnt = tokenizer.decode([i for i, learn in zip(ids, mask, strict=True) if learn and i not in special])
    assert chat.answer(row.input, learnt) == {"reply": "", "tool_calls": [called(row)], "unsure": False}
    shown = tokenizer.decode([i for i, learn in zip(ids, mask, strict=True) if not learn and i not in special])
    assert all(json.dumps(name) in shown for name in offered(row))
    assert chat.answer(row.input, "<tool_call>{nonsense</tool_call>")["unsure"] is True


def test_only_the_same_calls_count_as_right() -> None:
    row = next(row for row in rows(20) if called(row))
    still = next(row for row in rows(40) if not called(row))
    assert called(row) is not None
    assert SPEC.score(row.output, {"reply": "", "tool_calls": [called(row)]}) == 1
    for got in (
        {"reply": ""},
        {"reply": "", "tool_calls": []},
        {"reply": "", "tool_calls": [{"name": "stop", "arguments": {"now": 1}}]},
    ):
        assert SPEC.score(row.output, got) == 0
    assert SPEC.score(still.output, {"reply": still.output["reply"], "tool_calls": [called(row)]}) == 0
    assert SPEC.score(still.output, {"reply": still.output["reply"], "tool_calls": []}) == 1


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
        row = next(row for row in rows(20) if called(row))
        with pytest.raises(Rejected):
            PLAIN.check(
                Example(
                    {**row.input, "tools": TOOLS},
                    {"reply": "", "tool_calls": [{"name": call.name, "arguments": call.arguments}]},
                )
            )
    with pytest.raises(Rejected, match="without tools"):
        PLAIN.check(
            Example(
                {"messages": [{"role": "user", "content": "Hello there."}]},
                {"reply": "", "tool_calls": [{"name": "stop", "arguments": {}}]},
            )
        )


def test_a_teachers_words_are_kept_where_they_say_every_value_and_not_the_tool() -> None:
    reasons: Counter[str] = Counter()
    for number in range(40):
        drawn = SPEC.draw(random.Random(number))
        assert json.dumps(drawn["arguments"]) in SPEC.prompt(drawn).user
        for text in (
            f"Would you take care of {json.dumps(drawn['arguments'])}, my friend?",
            "Do it.",
            f"{drawn['name']} it",
        ):
            try:
                example = SPEC.verify(drawn, [{"request": text}])
            except Rejected as cause:
                reasons[cause.reason] += 1
            else:
                assert called(example) == {"name": drawn["name"], "arguments": drawn["arguments"]}
                reasons["kept"] += 1
    assert reasons["kept"] >= 40 and reasons["value not said"] > 20 and reasons["names the tool"] > 20


@pytest.mark.parametrize(
    ("schemas", "told"),
    [
        ([], "a name each"),
        ([TOOLS[0], TOOLS[0]], "all of them different"),
        ([{"name": "x", "parameters": {"type": "nothing"}}], "aren't a JSON Schema"),
        ("tools", "is a list of 1 to"),
        ([1], "is a list of 1 to"),
    ],
)
def test_tools_that_can_not_be_used_are_one_sentence(schemas: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        task_spec("chat", {"tools": schemas})


def test_a_schema_that_nothing_can_be_drawn_from_is_named() -> None:
    for schema, told in (
        ({}, r"x\.y has a schema"),
        ({"type": "string", "pattern": "^[0-9]{9}$"}, "No valid arguments"),
    ):
        with pytest.raises(DataError, match=told):
            ToolChat([tool("x", "X", ("y",), y=schema)], invented_share=0.0).built_in(random.Random(1))
