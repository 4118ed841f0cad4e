"""A teacher's probabilities, cut out of its JSON for the one text that a student learns of it."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer_host.teacher.fake_api import logprobs_of
from trainer_host.tasks import Example
from trainer_host.teacher.protocol import Piece, Reply, Usage
from trainer_host.teacher.soft import soft_answer, soft_pieces
from trainer_host.teacher.wires.logprobs import read_pieces


def pieces_of(text: str, cuts: list[int]) -> tuple[Piece, ...]:
    """The text's bytes, cut at these places."""
    data = text.encode()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return tuple(Piece(data[start:stop], -0.1) for start, stop in pairwise(edges))


@given(
    st.text(min_size=1, max_size=30),
    st.lists(st.integers(0, 500), max_size=60),
    st.booleans(),
)
def test_each_piece_stands_in_the_text_where_it_says(said: str, cuts: list[int], ascii_only: bool) -> None:
    text = json.dumps({"message": "m", "reply": said, "n": 1}, ensure_ascii=ascii_only)
    found = soft_pieces(text, pieces_of(text, cuts), said)
    if found is None:  # the text is one of the names
        assert said in ("message", "reply", "n", "m")
        return
    whole = said.encode()
    for offset, chances in cast(list[tuple[int, list[tuple[str, float]]]], found):
        assert whole[offset:].startswith(chances[0][0].encode())


def test_alternatives_lose_their_escapes_and_end_with_the_string() -> None:
    text = '{"reply": "a \\"b\\" c"}'
    pieces = [
        Piece(b'{"reply": "', -0.01),
        Piece(b"a", math.log(0.5), ((b"a", math.log(0.5)), (b'"', math.log(0.2)), (b'x", ', math.log(0.1)))),
        Piece(b' \\"', math.log(0.6), ((b"\\", math.log(0.2)), (b" \\n", math.log(0.1)), (b"\xff", -3))),
        Piece(b'b\\" c', math.log(0.9)),
        Piece(b'"}', math.log(0.7), ((b"!", math.log(0.3)),)),
    ]
    assert soft_pieces(text, tuple(pieces), 'a "b" c') == [
        [0, [["a", 0.5], ["", 0.2], ["x", 0.1]]],
        [1, [[' "', 0.6], [" \n", 0.1]]],  # half an escape and half a character are left out
        [3, [['b" c', 0.9]]],
        [7, [["", 0.7], ["!", 0.3]]],
    ]


@pytest.mark.parametrize("text", ['{"reply": "yes", "message": "yes"}', '{"reply": "no"}', "yes", '{"reply": "yes'])
def test_a_text_that_stands_there_twice_or_never_has_none(text: str) -> None:
    assert soft_pieces(text, pieces_of(text, [1, 5]), "yes") is None


def test_an_example_of_the_task_chat_keeps_them_and_one_whose_answer_is_made_of_the_reply_does_not() -> None:
    def reply(answer: object, whole: bool = True) -> Reply:
        text = json.dumps(answer)
        pieces = read_pieces(logprobs_of(text)["content"], text) if whole else None
        return Reply(text, "stop", Usage(), "m", pieces=pieces)

    chat = Example({"messages": [{"role": "user", "content": "Hi"}]}, {"reply": "Good day to you."})
    found = soft_answer("chat", chat, reply({"message": "Hi", "reply": "Good day to you."}))
    assert found is not None and cast(list[list[object]], found["at"])[1] == [4, [[" day", 0.75], [" daq", 0.25]]]
    assert soft_answer("chat", chat, reply({"message": "Hi", "reply": "Good day to you."}, whole=False)) is None
    math_row = Example({"question": "What is 2 + 3?"}, {"steps": ["2 + 3 = 5"], "answer": "5", "expression": "2 + 3"})
    assert soft_answer("math", math_row, reply({"question": "What is 2 + 3?", "expression": "2 + 3"})) is None
    router = Example({"text": "my lamp is broken"}, {"label": "wifi"})
    assert soft_answer("router", router, reply({"text": "my lamp is broken"})) is None  # its student writes nothing
