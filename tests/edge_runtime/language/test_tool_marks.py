"""Tools in marks: what a model reads, what it writes, and what is made of that."""

from __future__ import annotations

import random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.language.template import CHATML, CHATML_MARKED, encode_chat
from edge_runtime.language.tool_marks import LETTERS, NUMBERS, TOOLS, Reading, Unreadable
from tests.trainer_host.tasks.test_chat_tools import TOOLS as SOME
from tests.trainer_host.tasks.test_chat_tools import rows, tool
from tests.trainer_host.training.letters import letter_tokenizer

LIGHT = tool("setLight", "Set the lamp.", ("room", "level"), room={"type": "string", "enum": ["living room", "hall"]}, level={"type": "integer", "minimum": 0, "maximum": 100}, slow={"type": "boolean"})  # fmt: skip
NOTE = tool("add_note", "Write a note", ("text",), text={"type": "string"}, tags={"type": "array", "items": {"enum": ["work", "home"]}})  # fmt: skip
ALARM = tool("set_alarm", "Set an alarm", ("time",), time={"type": "object", "properties": {"hour": {"type": "integer"}, "minute": {"type": "number"}}, "required": ["hour"]})  # fmt: skip
OWN = [LIGHT, NOTE, ALARM]


def reading(text: str) -> Reading:
    return Reading([{"role": "user", "content": text}], OWN)


def read(text: str) -> str:
    return str(reading(text).messages()[-1]["content"])


def test_words_get_the_marks_of_the_tools_parameters_and_choices_that_have_them() -> None:
    assert reading("Hi").messages()[0] == {
        "role": "system",
        "content": 'A light set lamp 1 room =! 2 level #! 3 slow +\nB add write note 1 text "! 2 tags *=\n'
        "C set alarm 1 time hour #! 2 time minute #",
    }
    assert read("Please set the lamps in the Living Room to 33 %") == (" Please A/C the A in the A1=1 A1 to а % > A C")
    assert read('note "buy milk" at home') == ' B α " at B2=2 > B'
    assert read('lamp in the "hall"') == " A in the α A1=2"  # which the level is missing for


def test_what_is_ready_to_be_called_stands_behind_the_message_that_is_answered() -> None:
    more: list[dict[str, object]]
    for more in ([], [{"role": "assistant", "content": "Done."}]):
        asked: list[dict[str, object]] = [
            {"role": "user", "content": "lamp hall 3"},
            {"role": "user", "content": "note buy milk"},
        ]
        shown = [str(message["content"]) for message in Reading([*asked, *more], OWN).messages()[1:]]
        assert shown[:2] == [" A A1=2 а", " B α buy β milk > B"]


def test_what_is_written_for_a_call_is_read_as_that_call() -> None:
    for text, name, arguments, written in (
        ("set the lamp in the hall to 33", "setLight", {"room": "hall", "level": 33}, "@A"),
        ("lamp 33 living room slow", "setLight", {"room": "living room", "level": 33, "slow": False}, "@A 3-"),
        ("lamp 33 living room not slow", "setLight", {"room": "living room", "level": 33, "slow": False}, "@A"),
        ('note "buy the milk"', "add_note", {"text": "buy the milk"}, "@B"),
        ("note buy milk now", "add_note", {"text": "buy milk"}, "@B"),
        ("note buy milk now", "add_note", {"text": "milk"}, "@B 1 β"),
        ("note buy milk now", "add_note", {"text": "buy"}, "@B 1 α α"),
        ("note buy the milk, home and work", "add_note", {"text": "buy the milk", "tags": ["home", "work"]}, "@B"),
        ("alarm at 7 and five", "set_alarm", {"time": {"hour": 7, "minute": 5}}, "@C 2 α"),
        ("alarm at 7.5 -2", "set_alarm", {"time": {"hour": -2, "minute": 7.5}}, "@C 2 а"),
        ("note", "add_note", {"text": "it's \\ \"so\" — not said"}, None),
    ):  # fmt: skip
        one = reading(text)
        made = one.written(name, arguments)
        assert written is None or made == written
        assert one.called(made) == [{"name": name, "arguments": arguments}]


def test_every_call_of_the_built_in_teacher_can_be_pointed_at() -> None:
    for row in rows(120):
        one = Reading(
            cast("list[dict[str, object]]", row.input["messages"]), cast("list[dict[str, object]]", row.input["tools"])
        )
        for call in cast("list[dict[str, object]]", row.output.get("tool_calls", [])):
            written = one.written(str(call["name"]), cast("dict[str, object]", call["arguments"]))
            assert one.called(written) == [call] and "'" not in written


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "@Z", "@D", "@A", "@A 1=2", "@A 1=2 2 α", "@A 1=2 2 ω", "@A 1=2 2'101'", "@A 1=2 2'true'", "@A 1=2 2'{", "@A1=2",
        "hello", "@B 1 γ 2=1,=3", "@C 1'\"x\"'", "@A 1=2 2 а\nhm", "@A 1=2 2=", "@A 1=2 2а", "@A 1=2 2 б", "@B",
    ],
)  # fmt: skip
def test_what_no_tool_allows_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        reading("set the lamp in the hall").called(text)


@pytest.mark.parametrize(
    "written", ["@A", "@A 1=2 2 а", "@A 2=1 1 а", "@A 1 а", "@A 9=2 9 а", "@A 3- 1=2 2 а", "@A 2 а 2 а"]
)
def test_what_the_words_settle_needs_no_right_place(written: str) -> None:
    made = reading("set the lamp in the hall to 33, not slow").called(written)
    assert made == [{"name": "setLight", "arguments": {"room": "hall", "level": 33, "slow": False}}]


def test_names_beside_values_say_whose_they_are() -> None:
    two = tool("move", "Move it", width={"type": "integer"}, height={"type": "integer"}, title={"type": "string"}, owner={"type": "string"})  # fmt: skip
    for text in (
        "move height 4 width 3 owner ann title bob",
        "move 4 as the height, 3 as width, bob for the title, ann as owner",
    ):
        one = Reading([{"role": "user", "content": text}], [two])
        letters = [word for word in str(one.messages()[1]["content"]).split() if word in LETTERS]
        for written in (f"@A 1 а 1 б 3 {letters[0]} 3 {letters[1]}", "@A"):
            [made] = one.called(written)
            assert made["arguments"] == {"width": 3, "height": 4, "title": "bob", "owner": "ann"}


def test_a_no_of_one_switch_says_nothing_about_the_next_one() -> None:
    for said, loud in (("play slow no, loud yes", True), ("play slow no loud on", True), ("play, no loud", False)):
        own = tool("play", "Play music", slow={"type": "boolean"}, loud={"type": "boolean"})
        [made] = Reading([{"role": "user", "content": said}], [own]).called("@A 2+")
        assert cast("dict[str, object]", made["arguments"])["loud"] is loud


def test_a_text_may_hold_words_of_other_tools() -> None:
    one = reading("note hall lamp")
    assert one.called("@B") == [{"name": "add_note", "arguments": {"text": "hall lamp"}}]
    assert reading("lamp hall as the text for a note").called("@B")[0]["arguments"] == {"text": "lamp hall"}


def test_words_that_may_be_no_value_are_none_unless_they_are_pointed_at() -> None:
    own = tool("play", "Play music", title={"type": "string"}, loud={"type": "boolean"})
    one = Reading([{"role": "user", "content": "play something nice"}], [own])
    assert one.called("@A") == [{"name": "play", "arguments": {}}]
    assert one.called("@A 1 β") == [{"name": "play", "arguments": {"title": "nice"}}]


@given(st.text(alphabet="@ABC12 =+-'αβаб,\n\"{}x", max_size=12), st.text(max_size=40))
def test_any_text_is_a_call_that_the_schema_allows_or_unreadable(text: str, said: str) -> None:
    one = reading(said)
    try:
        calls = one.called("@" + text)
    except Unreadable:
        return
    for call in calls:
        assert one.called(one.written(str(call["name"]), cast("dict[str, object]", call["arguments"]))) == [call]


def test_a_long_conversation_keeps_letters_for_its_last_words_and_calls_are_shown_in_marks() -> None:
    many = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(100))
    call = {"name": "setLight", "arguments": {"room": "hall", "level": 3}}
    messages = [
        {"role": "user", "content": many},
        {"role": "user", "content": "lamp hall 3"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "done"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "gone", "arguments": {}}]},
        {"role": "user", "content": "and 4"},
    ]
    shown = Reading(messages, OWN).messages()
    met = [word for message in shown[1:] for word in str(message["content"]).split() if word in LETTERS]
    assert met == list(LETTERS) and str(shown[1]["content"]).startswith(" wordaa ")
    assert shown[3]["content"] == "@A 2 а" and "tool_calls" in shown[5]
    assert shown[6]["content"] == " and б"


def test_sixty_four_tools_have_marks_of_their_own_and_wrong_ones_are_one_sentence() -> None:
    assert len(set(TOOLS)) == 64 and len(set(LETTERS + NUMBERS)) == len(LETTERS + NUMBERS)
    one = Reading([{"role": "user", "content": "tool"}], [tool(f"tool{n}", "") for n in range(64)])
    assert one.called(one.written("tool63", {})) == [{"name": "tool63", "arguments": {}}]
    for raw in ({"type": "function"}, {"name": 3}):
        with pytest.raises(BadRequest, match="A tool must be"):
            Reading([], [raw])


def test_the_prompt_of_a_device_is_that_of_the_training_and_a_chat_without_tools_stays_as_it_was() -> None:
    tokenizer = letter_tokenizer()
    row = next(row for row in rows(30) if row.output.get("tool_calls"))
    asked = cast("list[dict[str, object]]", row.input["messages"])
    tools = cast("list[dict[str, object]]", row.input["tools"])
    said = [*asked, {"role": "assistant", "content": "", "tool_calls": row.output["tool_calls"]}]
    prompt, _ = encode_chat(tokenizer, CHATML_MARKED, asked, tools=tools, answering=True)
    whole, learn = encode_chat(tokenizer, CHATML_MARKED, said, tools=tools, answering=False)
    assert whole[: len(prompt)] == prompt and learn.index(True) == len(prompt)
    plain = [encode_chat(tokenizer, template, asked, answering=True) for template in (CHATML, CHATML_MARKED)]
    assert plain[0] == plain[1]


def test_tools_are_told_apart_in_any_order() -> None:
    for number in range(20):
        shuffled = random.Random(number).sample(SOME, len(SOME))
        one = Reading([{"role": "user", "content": "set the lamp, kitchen, 7"}], shuffled)
        call = {"name": "set_light", "arguments": {"room": "kitchen", "level": 7}}
        assert one.called(one.written("set_light", cast("dict[str, object]", call["arguments"]))) == [call]
