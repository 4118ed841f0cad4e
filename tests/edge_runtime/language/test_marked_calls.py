"""A model that writes calls in marks answers as any other: whole calls, valid by their schemas, or none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.language.generate import Piece
from edge_runtime.language.marked_calls import ACT, question
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML_MARKED, TOOL_CALLED, encode_chat
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.language.wishes import BUCKETS, Wishes
from edge_runtime.tasks import chat
from edge_runtime.tasks.dialogue import written
from edge_runtime.tasks.written_confidence import Doubt
from tests.edge_runtime.language.engines import write_tokenizer, writing_engine
from tests.edge_runtime.language.test_tool_marks import OWN

ASKED = [{"role": "user", "content": "set the lamp in the hall to 33"}]
REQUEST: dict[str, object] = {"messages": ASKED, "tools": OWN}
CALL = {"name": "setLight", "arguments": {"room": "hall", "level": 33}}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return write_tokenizer(tmp_path / "tokenizer.json")


def model(
    tokenizer: Tokenizer, text: str, begun: str = "", chance: float | None = None, act: float = 0.0
) -> LanguageSpecialist:
    """One that writes `text`, behind what its answer is forced to begin with.

    chance: that what was said wants something done, None where nobody judges that. act: see `ACT`.
    """
    wanted = None if chance is None else chance >= 0.5
    prompt, _ = encode_chat(tokenizer, CHATML_MARKED, ASKED, tools=OWN, answering=True, wanted=wanted)
    script = tokenizer.encode(text)
    engine = writing_engine(tokenizer, len(prompt) + len(tokenizer.encode(begun)), script, context=600)
    made = LanguageSpecialist(engine, tokenizer, CHATML_MARKED, 600, ["chat"], {ACT: act})  # type: ignore[arg-type]
    if chance is not None:
        made.wishes = Wishes(np.append(np.zeros(BUCKETS, np.float32), np.float32(math.log(chance / (1 - chance)))))
    return made


def said(language: LanguageSpecialist, **options: object) -> list[Piece]:
    return list(language.stream(ASKED, tools=OWN, **options))  # type: ignore[arg-type]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_a_call_in_marks_comes_out_as_json_with_its_last_token(tokenizer: Tokenizer) -> None:
    pieces = said(model(tokenizer, "@A 1=2 2 а"), logprobs=True)
    assert chat.answer(REQUEST, text_of(pieces)) == {"reply": "", "tool_calls": [CALL], "unsure": False}
    assert [bool(piece.text) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].finish == "stop" and sum(piece.logprob is not None for piece in pieces) > 5


def test_words_stay_words_and_come_one_by_one(tokenizer: Tokenizer) -> None:
    pieces = said(model(tokenizer, "I did nothing @ all."))
    assert text_of(pieces) == "I did nothing @ all." and sum(bool(piece.text) for piece in pieces) > 5


def test_what_can_not_be_called_is_answered_once_more_in_words(tokenizer: Tokenizer) -> None:
    for text in ("@Z", "@A 1=2 2 а 9", "@B 1'milk'"):  # nobody spoke of a note
        pieces = said(model(tokenizer, text))  # which writes the same again, as far as it may
        made = chat.answer(REQUEST, text_of(pieces))
        assert made["tool_calls"] == [] and str(made["reply"]) and not str(made["reply"]).startswith("@")
        assert [bool(piece.finish) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    cut = said(model(tokenizer, "@A 1=2 2 а"), max_tokens=3)
    assert chat.answer(REQUEST, text_of(cut)) == {"reply": "", "tool_calls": [], "unsure": True}


def test_several_calls_and_one_alone(tokenizer: Tokenizer) -> None:
    for stop, count in (((), 2), ((TOOL_CALLED,), 1)):
        pieces = said(model(tokenizer, "@A 1=2 2 а\n@A 1=1 2 а"), stop=stop)
        assert len(chat.answer(REQUEST, text_of(pieces))["tool_calls"]) == count  # type: ignore[arg-type]


def test_a_call_that_must_be_is_written_without_marks_around_it(tokenizer: Tokenizer) -> None:
    wanted = '{"name": "setLight", "arguments": {"room": "hall", "level": 33}}'
    assert text_of(said(model(tokenizer, "A 1=2 2 а", "@"), tool_choice="required")) == wanted
    assert text_of(said(model(tokenizer, " 1=2 2 а", "@A"), tool_choice="setLight")) == wanted
    with pytest.raises(BadRequest, match="no tool 'fly'"):
        said(model(tokenizer, ""), tool_choice="fly")


def answer(language: LanguageSpecialist) -> dict[str, object]:
    return written(language, chat, REQUEST, Doubt())  # type: ignore[arg-type]


def test_a_call_that_may_not_be_wanted_is_asked_about_and_not_made(tokenizer: Tokenizer) -> None:
    asked = answer(model(tokenizer, "@A 1=2 2 а", chance=0.6, act=0.7))
    assert asked["reply"] == "Do you want this: set light (room hall, level 33)?"
    assert asked["tool_calls"] == [] and asked["unsure"] is True and asked["chance"] == 0.6
    made = answer(model(tokenizer, "@A 1=2 2 а", chance=0.8, act=0.7))
    assert made == {**asked, "reply": "", "tool_calls": [CALL], "unsure": False, "chance": 0.8}
    forced = said(model(tokenizer, "A 1=2 2 а", "@", chance=0.6, act=1.0), tool_choice="required")
    assert text_of(forced).startswith("{") and not forced[-1].unsure  # who asks for a call gets one


def test_what_wants_nothing_is_answered_in_words_whatever_the_model_would_write(tokenizer: Tokenizer) -> None:
    for text in ("@A 1=2 2 а", "I did nothing."):
        made = answer(model(tokenizer, text, chance=0.4))
        assert made["tool_calls"] == [] and str(made["reply"]) and not str(made["reply"]).startswith("@")
        assert "chance" not in made
    assert answer(model(tokenizer, "@A 1=2 2 а"))["tool_calls"] == [CALL]  # a bundle that doesn't judge it


def test_a_question_says_names_values_lists_and_switches_as_people_do() -> None:
    calls: list[dict[str, object]] = [
        {"name": "play-song", "arguments": {"title": "Rio", "shuffle": True, "on_days": ["Monday", "Friday"]}},
        {"name": "stop", "arguments": {}},
        {"name": "wake", "arguments": {"time": {"hour": 7}, "loud": False}},
    ]
    assert question(calls) == (
        "Do you want this: play song (title Rio, shuffle yes, on days Monday and Friday); stop; wake (time hour 7, loud no)?"
    )
