"""A yes or a no to what the device itself asked is settled by its code, and the model isn't asked."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from edge_runtime.language.marked_calls import question
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML_MARKED, TOOL_CALLED
from edge_runtime.language.tool_answers import DONE_NOTHING, confirmed, yes_or_no
from edge_runtime.language.tool_marks import Reading
from edge_runtime.tasks import chat
from edge_runtime.tasks.dialogue import written
from edge_runtime.tasks.written_confidence import Doubt
from tests.edge_runtime.language.engines import write_tokenizer, writing_engine
from tests.edge_runtime.language.test_tool_marks import OWN
from tests.trainer_host.tasks.test_chat_tools import tool
from trainer_host.tasks.chat_tools import _NO, _YES
from trainer_host.tasks.tool_schemas import Tools
from trainer_host.tasks.tools_invented import invented

Json = dict[str, object]
CALL: Json = {"name": "setLight", "arguments": {"room": "living room", "level": 33, "slow": False}}


def talk(calls: list[Json], said: str) -> list[Json]:
    return [
        {"role": "user", "content": "Was the lamp at 33?"},
        {"role": "assistant", "content": question(calls)},
        {"role": "user", "content": said},
    ]


def settled(calls: list[Json], said: str, tools: Sequence[Json] = OWN) -> list[Json] | None:
    messages = talk(calls, said)
    return confirmed(messages, Reading(messages, tools))


def test_a_bare_yes_or_no_is_one_in_any_usual_wording() -> None:
    for said in (
        *_YES,
        "YES!!",
        "ok, do it now",
        "Yes, thank you.",
        "That’s right",
        "please",
        "yes yes yes",
        "👍 sure",
    ):
        assert yes_or_no(said) is True, said
    for said in (*_NO, "No!!", "no no, stop", "Oh no, please don't", "I’d rather not, thanks", "Don't do that"):
        assert yes_or_no(said) is False, said
    for said in (
        "",
        "yes but 20",
        "no, the hall",
        "yes no",
        "is it?",
        "maybe",
        "now",
        "no problem",
        "not",
        "yes 3",
        "ja",
    ):
        assert yes_or_no(said) is None, said


def test_calls_of_any_schema_are_read_back_from_the_question() -> None:
    rng = random.Random(5)
    for _ in range(60):
        tools = invented(rng, 3)
        drawn = [Tools(tools, own=True).draw(rng, str(one["name"])) for one in tools[: rng.choice((1, 1, 2))]]
        calls: list[Json] = [{"name": one.name, "arguments": one.arguments} for one in drawn]
        assert settled(calls, "Yes, please.", tools) == calls and settled(calls, "no", tools) == []
    hard = tool("write_down", "", ("text",), text={"type": "string"}, text_size={"type": "integer"}, of={"type": "array", "items": {"enum": ["a", "b and c"]}})  # fmt: skip
    for arguments in (
        {"text": "a), text size 3; set light (room hall"}, {"text": "one, two", "text_size": -3}, {"text": "yes?", "of": ["b and c", "a"]},
    ):  # fmt: skip
        calls = [{"name": "write_down", "arguments": arguments}, CALL]
        assert settled(calls, "yes", [*OWN, hard]) == calls


def test_what_the_device_did_not_ask_is_left_to_the_model() -> None:
    assert settled([CALL], "yes, but in the hall") is None
    assert settled([{"name": "fly", "arguments": {}}], "yes") is None
    for wrong in (
        {"room": "moon", "level": 3},
        {"room": "hall", "level": 101},
        {"room": "hall"},
        {"level": 3.5, "room": "hall"},
    ):
        assert settled([{"name": "setLight", "arguments": wrong}], "yes") is None
    messages = talk([CALL], "yes")
    other: list[Json]
    for other in (messages[1:2], messages[:1] + messages[2:], [*messages, {"role": "tool", "content": "yes"}]):
        assert confirmed(other, Reading(other, OWN)) is None
    messages[1]["content"] = "Do you want tea?"
    assert confirmed(messages, Reading(messages, OWN)) is None


def test_a_forged_question_takes_no_time() -> None:
    listed: dict[str, Json] = {f"w{n}": {"type": "array", "items": {"type": "string"}} for n in range(9)}
    own = tool("say", "", (), **listed)
    messages = talk([], "yes")
    messages[1]["content"] = f"Do you want this: say ({', '.join(f'w{n % 9} and ' * 9 for n in range(60))})?"
    began = time.process_time()
    assert confirmed(messages, Reading(messages, [own])) is None
    assert time.process_time() - began < 60
    alike = [tool(name, "", ()) for name in ("get_time", "getTime")]  # both are said as "get time"
    for asked, tools in (
        ("; ".join(["get time"] * 40) + "?", alike),
        ("; ".join(["get time"] * 2000), alike[:1]),
        (f"say (w0 {' and '.join('x' * 2000)})", [own]),
    ):
        messages[1]["content"] = f"Do you want this: {asked}?"
        assert confirmed(messages, Reading(messages, tools)) is None


@pytest.mark.parametrize(("said", "calls", "reply"), [("Yes, please", [CALL], ""), ("never mind", [], DONE_NOTHING)])
def test_the_answer_is_given_without_the_model(tmp_path: Path, said: str, calls: list[Json], reply: str) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    engine = writing_engine(tokenizer, 1, [], context=600)
    language = LanguageSpecialist(engine, tokenizer, CHATML_MARKED, 600, ["chat"], {})  # type: ignore[arg-type]
    answer = written(language, chat, {"messages": talk([CALL], said), "tools": OWN}, Doubt(0.9))  # type: ignore[arg-type]
    assert (answer["tool_calls"], answer["reply"], answer["unsure"], answer["finish"]) == (calls, reply, False, "stop")
    assert engine.length == 0
    two: list[Json] = [CALL, {"name": "add_note", "arguments": {"text": "bread"}}]
    pieces = list(language.stream(talk(two, "yes"), tools=OWN, stop=(TOOL_CALLED,)))
    assert chat.answer({"messages": [], "tools": OWN}, pieces[0].text)["tool_calls"] == cast("list[object]", two[:1])
