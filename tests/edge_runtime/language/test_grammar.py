"""Whatever the model prefers, an answer under a constraint is JSON that its schema takes."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.language.grammar import (
    Constraint,
    choice,
    constraint_for,
    matching,
    native_available,
    tool_calls,
)
from edge_runtime.language.sampling import Sampler, Sampling
from edge_runtime.language.template import parse_tool_calls
from edge_runtime.language.tokenizer import Tokenizer
from tests.edge_runtime.language.trained import ours, table

fastjsonschema = pytest.importorskip("fastjsonschema", reason="the validator that answers are checked with")
END = ours().special["<|im_end|>"]
NATIVE = pytest.param(True, marks=pytest.mark.skipif(not native_available(), reason="llguidance isn't installed"))
TREE = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
    "required": ["v"],
    "additionalProperties": False,
}
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "string", "minLength": 2, "maxLength": 5},
    {"type": "integer", "minimum": -17, "exclusiveMaximum": 1234},
    {"type": "number", "minimum": -0.5, "maximum": 12.25},
    {"type": ["boolean", "null"]},
    {"enum": ["on", "off", 3, {"a": [1, "é"]}]},
    {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}, {"type": "null"}]},
    {"$defs": {"tree": TREE}, "$ref": "#/$defs/tree"},
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "level": {"type": "integer", "minimum": 0, "maximum": 100},
            "mode": {"const": "fast"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["name", "tags"],
    },
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": {"type": "integer"}},
]


def write(constraint: Constraint, seed: int, most: int = 600) -> str | None:
    """What a model of random logits writes; None where it doesn't come to an end."""
    generator = np.random.default_rng(seed)
    sampler = Sampler(Sampling(temperature=1, seed=seed))
    closing = [i for i in range(ours().size) if set(ours().token_bytes(i)) & set(b'"}]')]
    ids: list[int] = []
    while not constraint.done and len(ids) < most:
        logits = generator.normal(size=ours().size).astype(np.float32)
        logits[[*closing, END]] += 3  # so that texts end
        ids.append(sampler.choose(logits, (), constraint.mask()))
        constraint.accept(ids[-1])
    return ours().decode(ids) if constraint.done else None


@pytest.mark.parametrize("native", [False, NATIVE])
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_random_logits_give_an_answer_that_the_schema_takes(schema: dict[str, Any], native: bool) -> None:
    check = fastjsonschema.compile(schema)
    ended = 0
    for seed in range(12):
        text = write(constraint_for(schema, ours(), [END], native), seed)
        if text is not None:
            check(json.loads(text))
            ended += 1
    assert ended >= 6


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_the_mask_is_what_can_be_accepted(schema: dict[str, Any]) -> None:
    """The mask comes by short cuts; each token tried by itself must give the same."""
    constraint = constraint_for(schema, ours(), [END], native=False)
    generator = np.random.default_rng(3)
    for _ in range(12):
        mask = constraint.mask()
        assert mask is not None
        if not (mask & (np.arange(len(mask)) != END)).any():
            assert constraint.complete
            break
        state = constraint._state  # type: ignore[attr-defined]
        for token in range(ours().size):
            if token == END:
                continue
            try:
                constraint.accept(token)
                accepted = True
            except BadRequest:
                accepted = False
            constraint._state = state  # type: ignore[attr-defined]
            assert accepted == mask[token], ours().token_bytes(token)
        constraint.accept(int(generator.choice(np.flatnonzero(mask & (np.arange(len(mask)) != END)))))


@settings(max_examples=60, deadline=None)
@given(
    value=st.fixed_dictionaries(
        {"name": st.text(st.characters(exclude_categories=("Cs",)), max_size=12), "tags": st.just(["x"])},
        optional={"level": st.integers(0, 100)},
    )
)
def test_every_answer_that_the_schema_takes_can_be_written(value: dict[str, Any]) -> None:
    ordered = {key: value[key] for key in ("name", "level", "tags") if key in value}
    for separators in ((", ", ": "), (",", ":")):
        constraint = constraint_for(SCHEMAS[8], ours(), native=False)
        for token in ours().encode(json.dumps(ordered, ensure_ascii=False, separators=separators)):
            constraint.accept(token)
        assert constraint.complete and constraint.done


def test_without_a_schema_the_answer_is_an_object() -> None:
    constraint = constraint_for(None, ours(), native=False)
    mask = constraint.mask()
    assert mask is not None
    assert {ours().token_bytes(int(i))[:1] for i in np.flatnonzero(mask)} == {b"{"}


TOOLS = [
    {"name": "light", "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}},
    {"type": "function", "function": {"name": "time"}},
]


def test_calls_of_tools_are_valid_whatever_the_model_prefers() -> None:
    for seed in range(12):
        text = write(tool_calls(TOOLS, ours(), required=True), seed)
        assert text is not None
        reply = parse_tool_calls(text)
        assert not reply.broken and len(reply.tool_calls) == 1
        call = reply.tool_calls[0]
        if call["name"] == "light":
            assert isinstance(call["arguments"], dict) and isinstance(call["arguments"]["on"], bool)
        else:
            assert call == {"name": "time", "arguments": {}}


def test_text_around_a_call_is_free_and_a_wrong_call_is_not() -> None:
    constraint = tool_calls(TOOLS, ours(), [END])
    for token in ours().encode(
        'It is <b> done. <tool_call>\n{"name": "light", "arguments": {"on": true}}\n</tool_call> ok'
    ):
        mask = constraint.mask()
        assert mask is not None and mask[token]
        constraint.accept(token)
    assert constraint.complete and not constraint.done
    with pytest.raises(BadRequest, match="breaks the schema"):
        for token in ours().encode('<tool_call>{"name": "door"'):
            constraint.accept(token)


def test_a_choice_is_one_of_its_texts() -> None:
    found = {write(choice(["yes", "no", "maybe"], ours(), [END]), seed) for seed in range(30)}
    assert found == {"yes", "no", "maybe"}


@pytest.mark.skipif(not native_available(), reason="llguidance isn't installed")
def test_an_answer_matches_its_pattern() -> None:
    text = write(matching(r"[a-f]{3}-[0-9]{2}", ours(), [END]), 1)
    assert text is not None and len(text) == 6 and text[3] == "-"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "a+"},
        {"type": "array", "uniqueItems": True},
        {"type": "thing"},
        {"$ref": "#/no"},
        {"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False},
    ],
)
def test_a_schema_that_cant_be_held_to_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        constraint_for(schema, ours(), native=False)


@pytest.mark.parametrize("native", [False, NATIVE])
def test_what_is_kept_of_a_tokenizer_goes_with_it(native: bool) -> None:
    tokenizer = Tokenizer(json.loads(table()))
    constraint_for(SCHEMAS[8], tokenizer, native=native).mask()
    gone = weakref.ref(tokenizer)
    del tokenizer
    gc.collect()
    assert gone() is None
