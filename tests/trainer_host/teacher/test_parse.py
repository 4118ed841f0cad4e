"""Answers as models write them become objects, or a sentence that says what is wrong and where."""

from __future__ import annotations

import contextlib
import json
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.errors import DataError
from trainer_host.teacher.parse import MAX_CHARS, MAX_DEPTH, AnswerRefused, check_schema, read_answer
from trainer_host.teacher.protocol import Json

STEPS: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "mood": {"enum": ["calm", "glad"]},
        "steps": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"angle": {"type": "number", "minimum": -90, "maximum": 90}},
                "required": ["angle"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["name", "mood", "steps"],
    "additionalProperties": False,
}
GOOD: Json = {"name": "arm", "mood": "calm", "steps": [{"angle": 3}]}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\ufeff{TEXT}",
        f"```json\n{TEXT}\n```",
        f"Sure! Here it is:\n\n```\n{TEXT}\n```\nAnything else?",
        f"Here you are: {TEXT} Have a nice day.",
        f"<think>The {{name}} must be short.</think>{TEXT}",
        f"First {TEXT}, and once more: {TEXT}",
        '{"name": "arm", "mood": "calm", "steps": [{"angle": 3,},],}',
        '{"name": "arm",\n "mood": "calm", "steps": [\n{"angle": 3},\n]\n}',
        f"[{TEXT}]",
        f'An example is {{"name": "x"}}; the answer is {TEXT}',
    ],
    ids=range(11),
)
def test_one_object_is_found_in_what_models_write_around_it(text: str) -> None:
    assert read_answer(text, STEPS) == GOOD


@pytest.mark.parametrize(
    ("text", "detail", "reason"),
    [
        ("", "it holds no JSON object; write one, and nothing else", "not JSON"),
        ("I can't do that.", "it holds no JSON object; write one, and nothing else", "not JSON"),
        ("[1, 2]", "it holds no JSON object; write one, and nothing else", "not JSON"),
        (TEXT[:-3], "its JSON isn't complete: it ends before the last bracket is closed", "not JSON"),
        ('{"name": arm}', "it isn't JSON: expecting value at line 1, column 10", "not JSON"),
        ('{"name": NaN}', "it isn't JSON: NaN is no number there", "not JSON"),
        ('{"name": 1e999}', "the number 1e999 is too large", "not JSON"),
        ('{"name": "a", "name": "b"}', 'it names "name" twice in one object', "not JSON"),
        ('{"name": "\\ud800"}', "a text in it holds half a character (a lone surrogate)", "not JSON"),
        ('{"name": ' + "9" * 5000 + "}", "a number in it has more than 300 digits", "not JSON"),
        ('{"a": 1} or {"a": 2}', "`name` lacks", "wrong form"),
        ("{}", 'the object lacks "name"', "wrong form"),
        (TEXT.replace("3", "120"), "`steps[0].angle` is 120, but must be at most 90", "wrong form"),
        (TEXT.replace("3", '"3"'), '`steps[0].angle` is "3", but must be of type number', "wrong form"),
        (TEXT.replace("calm", "sad"), '`mood` is "sad", but must be one of "calm", "glad"', "wrong form"),
        (TEXT.replace('"angle"', '"angel"'), '`steps[0]` lacks "angle"', "wrong form"),
        (TEXT.replace("arm", "a" * 21), f'`name` is "{"a" * 21}", but must have at most 20 characters', "wrong form"),
        (
            TEXT.replace("}]", ', "x": 1}]'),
            '`steps[0]` holds something that isn\'t asked for; it has "angle", "x"',
            "wrong form",
        ),
    ],
)
def test_a_refusal_names_the_place_in_one_sentence(text: str, detail: str, reason: str) -> None:
    if detail.startswith("`name` lacks"):
        detail = 'the object lacks "name"'
    with pytest.raises(AnswerRefused) as refused:
        read_answer(text, STEPS)
    assert (str(refused.value), refused.value.reason) == (detail, reason)


def test_of_two_different_objects_none_is_guessed() -> None:
    other = TEXT.replace("arm", "leg")
    with pytest.raises(AnswerRefused, match="2 different JSON objects"):
        read_answer(f"{TEXT} or {other}", STEPS)
    with pytest.raises(AnswerRefused, match="2 different JSON objects"):
        read_answer('{"a": 1} {"a": 2}')
    with pytest.raises(AnswerRefused, match="2 different JSON objects"):
        read_answer(f"```json\n{TEXT}\n```\nor\n```json\n{other}\n```", STEPS)


def test_a_part_of_a_broken_answer_is_never_taken_for_the_whole() -> None:
    part: Json = {"type": "object", "properties": {"ok": {"type": "integer"}}, "required": ["ok"]}
    for text in ('{"outer": {"ok": 1}, "rest', '{"outer": {"ok": 1} "rest": 2}', '{"a": {"ok": 1}, "a": 2}'):
        with pytest.raises(AnswerRefused):
            read_answer(text, part)


def test_length_and_depth_are_bounded() -> None:
    assert read_answer('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH)
    with pytest.raises(AnswerRefused, match="deeper"):
        read_answer('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(AnswerRefused, match="longer"):
        read_answer(" " * (MAX_CHARS + 1))


@pytest.mark.parametrize("unit", ["{", '{"', "{}", "[", '"', "\\", "```\n", '{"a":1,', "{x} "])
def test_hostile_text_is_refused_in_time_that_grows_with_its_length(unit: str) -> None:
    began = time.process_time()
    with pytest.raises(AnswerRefused):
        read_answer((unit * MAX_CHARS)[:MAX_CHARS], STEPS)
    assert time.process_time() - began < 5  # quadratic would be hours


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_object_survives_prose_and_fences(value: Json, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read_answer(text) == value
    assert read_answer(f"Here:\n```json\n{text}\n```\nBye.") == value
    assert read_answer(f"Here: {text} Bye.") == value


@given(st.text(max_size=200))
def test_any_text_gives_an_object_or_a_refusal(text: str) -> None:
    with contextlib.suppress(AnswerRefused):
        assert isinstance(read_answer(text, STEPS), dict)


@given(st.text(alphabet='{}[]",:\\ab1 \n`', max_size=60))
def test_any_mess_of_brackets_gives_an_object_or_a_refusal(text: str) -> None:
    with contextlib.suppress(AnswerRefused):
        assert isinstance(read_answer(text), dict)


def test_an_answer_is_not_filled_in_from_the_schema() -> None:
    schema: Json = {"type": "object", "properties": {"a": {"type": "integer", "default": 5}}}
    assert read_answer("{}", schema) == {}


def test_a_schema_that_cannot_be_used_is_an_error_of_its_own() -> None:
    for schema in ({"type": "nonsense"}, {"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "file:///etc/passwd"}):
        with pytest.raises(DataError, match="schema of this task"):
            check_schema(schema)


def test_a_refusal_passes_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(AnswerRefused("`a` is 1, but must be at least 2", "wrong form")))
    assert (str(copy), copy.reason) == ("`a` is 1, but must be at least 2", "wrong form")
