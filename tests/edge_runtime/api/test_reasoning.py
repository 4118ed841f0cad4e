"""A chain of thought: hidden unless it is asked for, and an answer that follows from a wrong line is unsure."""

from __future__ import annotations

import json
from typing import cast

import pytest

from edge_runtime.api.openai import _Chat
from edge_runtime.api.openai_wire import read_chat
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.tasks import chat
from edge_runtime.tasks.dialogue import TextTask, Writer
from edge_runtime.tasks.written_confidence import Doubt
from tests.edge_runtime.language.engines import tokenizer_table, writing_engine

TOKENIZER = Tokenizer(tokenizer_table())
ASKED: list[dict[str, object]] = [{"role": "user", "content": "What is 3 + 4 + 5?"}]
RIGHT, WRONG = "3 + 4 = 7\n7 + 5 = 12", "3 + 4 = 8\n8 + 5 = 13"


def model(script: str) -> LanguageSpecialist:
    """One that answers `ASKED` with a script."""

    def over(prompt: int) -> LanguageSpecialist:
        engine = writing_engine(TOKENIZER, prompt, TOKENIZER.encode(script))
        return LanguageSpecialist(engine, TOKENIZER, CHATML, 256, ("chat",), {})

    usage = list(over(0).stream(ASKED, max_tokens=1))[-1].usage
    assert usage is not None
    return over(usage.prompt)


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_thought_is_in_the_reply_only_where_it_is_asked_for(asked_for: bool) -> None:
    language = model(f"<think>{RIGHT}</think>It is 12.")
    request = {"model": "m", "messages": ASKED, **({"include_reasoning": True} if asked_for else {})}
    shape = _Chat(read_chat(request), TOKENIZER, "")
    chunks = [chunk for piece in language.stream(ASKED) for chunk in shape.push(piece)]
    [choice] = cast("list[dict[str, dict[str, object]]]", shape.whole()["choices"])
    assert choice["message"]["content"] == "It is 12."
    assert choice["message"].get("reasoning_content") == (RIGHT if asked_for else None)
    assert ("3 + 4" in json.dumps(shape.whole())) == asked_for
    streamed = "".join(json.dumps(chunk["choices"]) for chunk in chunks)
    assert ("reasoning_content" in streamed) == asked_for


@pytest.mark.parametrize(("thought", "unsure"), [(RIGHT, False), (WRONG, True), ("I add them.", False)])
def test_an_answer_that_follows_from_a_wrong_line_is_unsure_and_the_thought_is_not_shown(
    thought: str, unsure: bool
) -> None:
    writer = Writer(model(f"<think>{thought}</think>It is 12."), cast(TextTask, chat), Doubt())
    answer = writer.run({"messages": ASKED})
    assert (answer["reply"], answer["unsure"]) == ("It is 12.", unsure)
    assert thought not in json.dumps(answer)
