from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.tasks import Json
from trainer_host.teacher.local import constrain
from trainer_host.teacher.local.constrain import constrained, guidance

PREFIX = "%llguidance {}\nstart: %json "


def read(grammar: str | None) -> Json:
    assert grammar is not None and grammar.startswith(PREFIX)
    found: Json = json.loads(grammar.removeprefix(PREFIX))
    return found


def form(**properties: object) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def asked(schema: object, **more: object) -> Json:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    return {"messages": [], "response_format": wanted, **more}


def test_a_schema_of_known_keywords_becomes_a_grammar_in_its_place() -> None:
    schema = form(a={"type": "string", "maxLength": 9, "title": "A"}, b={"$ref": "#/$defs/b"})
    schema["$defs"] = {"b": {"type": "array", "items": {"enum": [1, "x"]}, "maxItems": 2}}
    body = constrained(asked(schema, max_tokens=5))
    assert body.keys() == {"messages", "max_tokens", "grammar"}
    found = read(str(body["grammar"]))
    assert found.pop("x-guidance") == {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    schema["properties"] = {"a": {"type": "string", "maxLength": 9}, "b": {"$ref": "#/$defs/b"}}
    assert found == schema


@pytest.mark.parametrize(
    "part",
    [
        {"not": {"type": "null"}},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"type": "array", "uniqueItems": True},
        {"type": "array", "contains": {"type": "integer"}},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^(?!no)[a-z]+$"},
        {"type": "string", "pattern": "^(a)\\1$"},
        {"type": "strnig"},
        {"type": []},
        {"enum": []},
        {"anyOf": []},
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"$ref": "http://schemas.example/a"},
        {"type": "string", "minLength": "3"},
        {"type": "number", "minimum": True},
        {"propertyNames": {"pattern": "^a"}},
        {"type": "array", "prefixItems": [{"type": "null"}]},
        {"properties": [1]},
        "a text",
        None,
    ],
)
def test_what_llguidance_may_not_know_goes_to_llama_cpp_as_it_came(part: object) -> None:
    for schema in (part, form(a=part), form(a={"type": "array", "items": {"anyOf": [part]}})):
        body = asked(schema)
        assert constrained(body) == body


def test_requests_without_a_schema_and_with_their_own_grammar_are_left_alone() -> None:
    for body in (
        {"messages": []},
        {"response_format": {"type": "text"}},
        {"response_format": 5},
        {"response_format": {"type": "json_schema"}},
        asked(form(), grammar="root ::= [a-z]"),
        asked(form(), tools=[]),
    ):
        assert constrained(body) == body
    assert read(str(constrained({"response_format": {"type": "json_object"}})["grammar"]))["type"] == "object"


def test_numbers_get_ends_and_keep_their_own() -> None:
    parts = read(
        guidance(
            form(
                open={"type": "number"},
                own={"type": "number", "minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.5},
                count={"type": "integer", "minimum": 10**16},
                below={"type": "integer", "maximum": -(10**16)},
                chosen={"type": "number", "enum": [0.123456789]},
            )
        )
    )["properties"]
    assert parts == {
        "open": {"type": "number", "minimum": -(10**15), "maximum": 10**15, "multipleOf": 0.000001},
        "own": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.5},
        "count": {"type": "integer", "minimum": 10**16, "maximum": 10**16 + 10**15},
        "below": {"type": "integer", "maximum": -(10**16), "minimum": -(10**16) - 10**15},
        "chosen": {"type": "number", "enum": [0.123456789]},
    }


def test_a_schema_without_end_is_left_to_llama_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: Json = {"type": "string"}
    for _ in range(constrain.MAX_DEPTH + 1):
        deep = {"type": "array", "items": deep}
    assert guidance(deep) is None
    wide = form(**{f"p{number}": {"type": "null"} for number in range(20)})
    assert guidance(wide) is not None
    monkeypatch.setattr(constrain, "MAX_NODES", 20)
    assert guidance(wide) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "items", "properties", "enum", "$ref", "anyOf", "minimum", "maximum", "pattern", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_schema_whatever_raises(schema: object) -> None:
    body = asked(schema)
    assert constrained(body).keys() in (body.keys(), {"messages", "grammar"})
