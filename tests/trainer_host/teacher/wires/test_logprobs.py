"""Log-probabilities on the wire: asked for only where wanted, read only where they are whole and of the text itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer_host.teacher.fake_api import logprobs_of
from trainer_host.teacher.protocol import Json, Message, Request
from trainer_host.teacher.providers import PROVIDERS, Dialect
from trainer_host.teacher.wires import WireError, wire_of
from trainer_host.teacher.wires.logprobs import read_pieces
from trainer_host.teacher.wires.refusals import Verdict, learn, read_refusal

REQUEST = Request((Message("user", "Hi"),), alternatives=5)
TEXT = "Tea for two, 🙂!"


def entry(token: str, logprob: object = -0.5, **more: object) -> Json:
    return {"token": token, "logprob": logprob, "bytes": None, "top_logprobs": [], **more}


def test_they_are_asked_for_only_where_they_are_wanted_and_the_server_takes_that() -> None:
    openai = PROVIDERS["openai"]
    plain = wire_of(openai).body(replace(REQUEST, alternatives=0), openai, openai.dialect)
    assert "logprobs" not in json.loads(plain)
    asked = json.loads(wire_of(openai).body(REQUEST, openai, openai.dialect))
    assert asked["logprobs"] is True and asked["top_logprobs"] == 5
    assert wire_of(openai).body(REQUEST, openai, replace(openai.dialect, logprobs=False)) == plain


def test_the_wire_without_them_says_so() -> None:
    anthropic = PROVIDERS["anthropic"]
    with pytest.raises(WireError, match="no log-probabilities"):
        wire_of(anthropic).body(REQUEST, anthropic, anthropic.dialect)


@given(st.text(max_size=40).filter(lambda text: text.strip()))
def test_the_pieces_of_a_text_are_its_bytes(text: str) -> None:
    content = logprobs_of(text)["content"]
    pieces = read_pieces(content, text)
    assert pieces is not None and b"".join(piece.data for piece in pieces) == text.encode()
    assert all(piece.logprob == math.log(0.75) and piece.others[1][1] == math.log(0.25) for piece in pieces)


def test_a_token_may_end_inside_a_character() -> None:
    smile = "🙂".encode()
    content = [entry("x", bytes=list(smile[:2])), entry("x", bytes=list(smile[2:]), top_logprobs=[entry("!", -1)])]
    pieces = read_pieces(content, "🙂")
    assert pieces is not None and pieces[0].data == smile[:2] and pieces[1].others == ((b"!", -1.0),)


@pytest.mark.parametrize(
    "content",
    [
        None, {}, "text", [], [None], [{}], [entry("Tea")], [entry(TEXT, "-0.5")], [entry(TEXT, None)],
        [entry(TEXT, True)], [entry(TEXT, math.nan)], [entry(TEXT, 0.5)], [entry(TEXT, bytes=[300])],
        [entry(TEXT, bytes=["T"])], [entry(TEXT, bytes=[True])], [entry("\ud800")], [entry(TEXT), entry("more")],
    ],
)  # fmt: skip
def test_what_is_not_whole_or_of_another_text_is_left_out(content: object) -> None:
    assert read_pieces(content, TEXT) is None
    payload: Json = {"choices": [{"message": {"content": TEXT}, "logprobs": {"content": content}}]}
    answer = wire_of(PROVIDERS["openai"]).read(payload)
    assert answer.text == TEXT and answer.pieces is None  # the answer counts all the same


def test_bad_alternatives_alone_are_left_out() -> None:
    tops: list[object] = [7, {}, entry("a", math.inf), entry("b", -2), {"token": "c"}, entry("d", -math.inf)]
    pieces = read_pieces([entry(TEXT, top_logprobs=tops)], TEXT)
    assert pieces is not None and pieces[0].others == ((b"b", -2.0), (b"d", -math.inf))
    assert read_pieces([entry(TEXT, top_logprobs="many")], TEXT) is not None


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "You are not allowed to request logprobs from this model"),
        (400, "Logprobs is not enabled for models/gemini-2.5-pro"),
        (400, "Unrecognized request argument supplied: logprobs"),
        (422, "Extra inputs are not permitted: logprobs"),
    ],
)
def test_a_server_that_refuses_them_is_asked_without_and_its_key_stays_good(status: int, message: str) -> None:
    refusal = read_refusal(status, {}, json.dumps({"error": {"message": message}}).encode())
    assert refusal.verdict is Verdict.REFUSED
    sent = cast(Json, json.loads(wire_of(PROVIDERS["openai"]).body(REQUEST, PROVIDERS["openai"], Dialect())))
    assert learn(Dialect(), refusal, sent) == Dialect(logprobs=False)
    assert learn(Dialect(logprobs=False), refusal, {"model": "x"}) is None
