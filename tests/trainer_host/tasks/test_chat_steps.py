"""Chats with a chain of thought: rows whose lines are right, and a student that learns them before the reply."""

from __future__ import annotations

import random
import re
from typing import cast

import pytest

from edge_runtime.language.template import CHATML
from trainer_host.data.dataset import Row
from trainer_host.errors import DataError
from trainer_host.students.language.data import encode_rows
from trainer_host.students.language.rows import conversations, read_texts
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.tasks import Example, Json, Rejected, TaskSpec, task_spec

MESSAGE = "A pear costs 3 dollars and a melon costs 4 dollars. What do they cost together?"
THOUGHT = "Both prices are added.\n3 + 4 = 7"


@pytest.fixture(scope="module")
def spec() -> TaskSpec:
    return task_spec("chat", {"steps": True})


def answer(reasoning: object) -> Json:
    return {"earlier": [], "message": MESSAGE, "reasoning": reasoning, "reply": "Together they cost 7 dollars."}


def test_built_in_sums_are_right_step_by_step_and_pass(spec: TaskSpec) -> None:
    rng = random.Random(1)
    examples = [spec.built_in(rng) for _ in range(300)]
    for example in examples:
        spec.check(example)
        [message] = cast("list[Json]", example.input["messages"])
        asked = re.findall(r"[-+]? ?\d", str(message["content"]))
        total = sum(int(number.replace(" ", "")) for number in asked)
        assert str(example.output["reply"]).rstrip(".").split()[-1] == str(total)
        assert len(str(example.output["reasoning"]).splitlines()) == len(asked) - 1
        assert 0 < spec.difficulty(example) <= 1
    assert len({spec.key(example) for example in examples}) > 250
    assert len({spec.stratum(example) for example in examples}) == 7


def test_a_teachers_reasoning_is_kept_where_its_lines_are_right(spec: TaskSpec) -> None:
    drawn = spec.draw(random.Random(1))
    made = spec.verify(drawn, [answer(THOUGHT)])
    assert made.output == {"reasoning": THOUGHT, "reply": "Together they cost 7 dollars."}
    prompt = spec.prompt(drawn)
    assert "reasoning:" in prompt.system and "reasoning" in cast("list[str]", spec.answer_schema["required"])


@pytest.mark.parametrize(
    ("thought", "reason"),
    [
        ("3 + 4 = 8", "wrong sum"), (f"{THOUGHT}\n7 * 2 = 15", "wrong sum"), ("I add both prices.", "no steps"),
        ("<think>3 + 4 = 7</think>", "template leak"), ("", "empty"), (7, "wrong format"), ("3 + 4 = 7\n" * 2000, "too long"),
    ],
)  # fmt: skip
def test_bad_reasoning_is_rejected_with_its_reason(spec: TaskSpec, thought: object, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.verify(spec.draw(random.Random(1)), [answer(thought)])
    assert caught.value.reason == reason


def test_rows_of_ones_own_with_a_wrong_line_are_refused_in_any_chat() -> None:
    row: Json = {"messages": [{"role": "user", "content": MESSAGE}]}
    plain = task_spec("chat")
    plain.check(Example(row, {"reply": "It is 7.", "reasoning": THOUGHT}))
    with pytest.raises(Rejected, match=r"'3 \+ 4 = 8' of the reasoning is wrong"):
        plain.check(Example(row, {"reply": "It is 8.", "reasoning": "3 + 4 = 8"}))


def test_a_reply_that_was_worked_out_is_right_where_its_number_is() -> None:
    wanted = {"reasoning": THOUGHT, "reply": "It is 7."}
    score = task_spec("chat").score
    assert score(wanted, {"reply": "7 dollars"}) == 1 and score(wanted, {"reply": "It is 17."}) == 0
    assert score(wanted, {"reply": "It is."}) == 0 and score(wanted, {}) == 0
    assert 0 < score({"reply": "It is 7."}, {"reply": "It is 17."}) < 1  # without steps: chrF, as before


def test_the_option_is_true_or_false_and_stands_alone() -> None:
    for options in ({"steps": "yes"}, {"steps": True, "language": "de"}):
        with pytest.raises(DataError, match="steps"):
            task_spec("chat", options)
    assert task_spec("chat", {"steps": False}).metric == "chrF"


def test_the_student_learns_the_thought_in_its_marks_before_the_reply(spec: TaskSpec) -> None:
    rng = random.Random(2)
    rows = [Row(made.input, made.output, {}) for made in (spec.built_in(rng) for _ in range(20))]
    talks = conversations(rows, "chat")
    assert all(str(row.output["reasoning"]) in read_texts(talks) for row in rows)
    tokenizer = FastTokenizer(train_tokenizer(read_texts(talks), 400))
    for row, made in zip(rows, encode_rows(talks, tokenizer, CHATML, 256, combo=False), strict=True):
        learnt = tokenizer.decode([int(token) for token, learn in zip(made.ids, made.mask, strict=True) if learn])
        assert learnt == f"<think>{row.output['reasoning']}</think>{row.output['reply']}<|im_end|>"
